"""What the provider tells Airflow about itself: the connection's form and the modules, each declared once.

Airflow 3.2 and later draw the form from :func:`provider_info`. Earlier ones ask the hook class, whose two
class methods call :func:`get_connection_form_widgets` and :func:`get_ui_field_behaviour`; all three read the
declarations below.
"""

from dataclasses import dataclass
from typing import Any, Literal

CONNECTION_TYPE = "mixpeek"
HOOK_NAME = "Mixpeek"
HOOK_CLASS = "airflow_provider.mixpeek.hooks.mixpeek.MixpeekHook"

_ASSETS = "airflow_provider.mixpeek.assets.mixpeek"
_MODULES = {
    "hooks": ["airflow_provider.mixpeek.hooks.mixpeek"],
    "operators": [
        "airflow_provider.mixpeek.operators.batches",
        "airflow_provider.mixpeek.operators.buckets",
        "airflow_provider.mixpeek.operators.collections",
        "airflow_provider.mixpeek.operators.objects",
        "airflow_provider.mixpeek.operators.uploads",
    ],
    "sensors": ["airflow_provider.mixpeek.sensors.batches", "airflow_provider.mixpeek.sensors.tasks"],
    "triggers": ["airflow_provider.mixpeek.triggers.batches", "airflow_provider.mixpeek.triggers.waits"],
}


@dataclass(frozen=True, slots=True)
class _StandardField:
    """A column of Airflow's connection table that the form shows under a name of ours."""

    name: str
    label: str
    placeholder: str


@dataclass(frozen=True, slots=True)
class _ExtraField:
    """A field of ours, stored in the connection's ``extra`` JSON. Each may be left empty."""

    name: str
    label: str
    help: str
    type: Literal["string", "number", "boolean"] = "string"
    default: str | bool | None = None
    choices: tuple[str, ...] = ()


# The port stays visible: a connection written as a URI fills it, and the form must show what is in force.
_STANDARD_FIELDS = (
    _StandardField("password", label="API key", placeholder="sk_..."),
    _StandardField("host", label="Base URL", placeholder="https://api.mixpeek.com"),
    _StandardField("port", label="Port", placeholder="Only if the base URL names none"),
)
_HIDDEN_FIELDS = ("schema", "login")
_EXTRA_FIELDS = (
    _ExtraField(
        "namespace",
        label="Namespace",
        help="Name or id of the namespace that holds the buckets.",
    ),
    _ExtraField(
        "generation",
        label="API generation",
        help="What the server speaks; Test says which. Legacy (Python SDK 0.22) has no idempotency keys.",
        default="current",
        choices=("current", "legacy"),
    ),
    _ExtraField(
        "timeout",
        label="Timeout (seconds)",
        help="How long one request may take before it counts as failed.",
        type="number",
    ),
    _ExtraField(
        "requests_per_second",
        label="Requests per second",
        help="A ceiling for each process that uses this connection. Empty: as fast as the server allows.",
        type="number",
    ),
    _ExtraField(
        "allow_insecure_http",
        label="Allow plain http",
        help="Send the API key unencrypted to a host other than this machine.",
        type="boolean",
        default=False,
    ),
    _ExtraField(
        "ca_bundle",
        label="CA bundle",
        help="Path, on the workers, of a PEM file with the certificate authorities to trust.",
    ),
    _ExtraField("proxy", label="Proxy", help="URL of the proxy that requests go through."),
)


def provider_info() -> dict[str, Any]:
    """Return the provider's description, valid against Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-mixpeek",
        "name": HOOK_NAME,
        "description": "Rows and files become processed multimodal objects in `Mixpeek <https://mixpeek.com>`__.",
        "integrations": [
            {
                "integration-name": HOOK_NAME,
                "external-doc-url": "https://docs.mixpeek.com",
                "tags": ["service"],
            }
        ],
        **{
            kind: [{"integration-name": HOOK_NAME, "python-modules": list(modules)}]
            for kind, modules in _MODULES.items()
        },
        "asset-uris": [
            {
                "schemes": ["mixpeek"],
                "handler": f"{_ASSETS}.sanitize_uri",
                "factory": f"{_ASSETS}.create_asset",
                "to_openlineage_converter": f"{_ASSETS}.convert_asset_to_openlineage",
            }
        ],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": HOOK_CLASS,
                "hook-name": HOOK_NAME,
                "ui-field-behaviour": {
                    "hidden-fields": list(_HIDDEN_FIELDS),
                    "relabeling": _labels(),
                    "placeholders": _placeholders(),
                },
                "conn-fields": {field.name: _conn_field(field) for field in _EXTRA_FIELDS},
            }
        ],
    }


def get_ui_field_behaviour() -> dict[str, Any]:
    """Return how the form of Airflow before 3.2 treats the standard fields."""
    return {
        "hidden_fields": list(_HIDDEN_FIELDS),
        "relabeling": _labels(),
        "placeholders": _placeholders(),
    }


def get_connection_form_widgets() -> dict[str, Any]:
    """Return the WTForms field of each extra, for the form of Airflow before 3.2.

    Numbers become text fields: that form knows whole numbers only.
    """
    from wtforms import BooleanField, StringField  # type: ignore[import-untyped]
    from wtforms.validators import Optional, any_of  # type: ignore[import-untyped]

    return {
        field.name: (BooleanField if field.type == "boolean" else StringField)(
            field.label,
            validators=[Optional(), *([any_of(list(field.choices))] if field.choices else [])],
            description=field.help,
            default=field.default,
        )
        for field in _EXTRA_FIELDS
    }


def _labels() -> dict[str, str]:
    return {field.name: field.label for field in _STANDARD_FIELDS}


def _placeholders() -> dict[str, str]:
    return {field.name: field.placeholder for field in _STANDARD_FIELDS}


def _conn_field(field: _ExtraField) -> dict[str, Any]:
    # Airflow reads a type without "null" as a required field.
    schema: dict[str, Any] = {"type": [field.type, "null"]}
    if field.default is not None:
        schema["default"] = field.default
    if field.choices:
        schema["enum"] = list(field.choices)
    return {"label": field.label, "description": field.help, "schema": schema}
