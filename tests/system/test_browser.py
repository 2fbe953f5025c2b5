"""A person at the browser: adds the connection, tests it, looks at a run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from .stack import KEY, Stack

pytestmark = [pytest.mark.system, pytest.mark.parametrize("stack", ["postgres"], indirect=True)]

LABELS = [
    "Namespace",
    "API generation",
    "Timeout (seconds)",
    "Requests per second",
    "Allow plain http",
    "CA bundle",
    "Proxy",
]


@pytest.fixture
def page() -> Iterator[Page]:
    command = shutil.which("chromium")
    assert command, "there is no Chromium: scripts/system_packages.sh installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=command, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(30_000)
        yield page
        browser.close()


@pytest.fixture
def shoot(request: pytest.FixtureRequest, page: Page) -> Callable[[str], None]:
    """Takes a picture for the docs, when they are asked for."""
    folder = request.config.getoption("--screenshots")

    def shot(name: str) -> None:
        if folder:
            page.wait_for_timeout(1_000)  # the UI's own animations
            page.screenshot(path=Path(folder) / f"{name}.png")

    return shot


def add_connection(
    page: Page, stack: Stack, name: str, *, key: str, generation: str = "current", namespace: str = "shop"
) -> Locator:
    """Fill the form in, and leave it open."""
    host, port = stack.emulator.url.rsplit(":", 1)
    page.goto(f"{stack.url}/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.locator("input[name=connection_id]").fill(name)
    kinds = form.get_by_role("combobox").first
    kinds.click()
    kinds.press_sequentially("Mixpeek")
    page.get_by_role("option", name="Mixpeek", exact=True).click()
    form.locator("input[name=host]").fill(host)
    # Airflow 3.3.2 tests no connection that is saved without a port: it then sends the port 0 by itself.
    form.locator("input[name=port]").fill(port)
    form.locator("input[name=password]").fill(key)
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    form.locator("input[name=element_namespace]").fill(namespace)
    if generation != "current":
        form.get_by_role("combobox").nth(1).click()
        page.get_by_role("option", name=generation, exact=True).click()
    return form


def save(page: Page, form: Locator) -> None:
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Connection has been successfully created")).to_be_visible()


def press_test(page: Page, stack: Stack, name: str) -> Locator:
    """Press the button of a connection, and return it with its verdict as its colour."""
    page.goto(f"{stack.url}/connections")
    button = page.get_by_role("row").filter(has_text=name).get_by_role("button", name="Test Connection")
    button.click()
    return button


@pytest.fixture(autouse=True)
def no_connections(stack: Stack) -> Iterator[None]:
    yield
    for one in stack.api.call("GET", "/connections")["connections"]:
        stack.api.call("DELETE", f"/connections/{one['connection_id']}")


def test_form_has_our_fields_and_hides_the_key(
    page: Page, stack: Stack, shoot: Callable[[str], None]
) -> None:
    page.set_viewport_size({"width": 1280, "height": 1380})
    form = add_connection(page, stack, "shop", key=KEY)
    shoot("connection-form")
    for label in LABELS:
        expect(form.get_by_text(label, exact=True)).to_be_visible()
    expect(form.get_by_text("Name or id of the namespace that holds the buckets.")).to_be_visible()
    form.get_by_role("button", name="Standard Fields").click()
    for label in ("API key", "Base URL", "Port"):
        expect(form.get_by_text(label, exact=True)).to_be_visible()
    for hidden in ("Login", "Schema"):
        expect(form.get_by_text(hidden, exact=True)).to_have_count(0)
    key = form.locator("input[name=password]")
    expect(key).to_have_attribute("type", "password")
    expect(key).to_have_attribute("placeholder", "sk_...")
    expect(form.locator("input[name=host]")).to_have_attribute("placeholder", "https://api.mixpeek.com")
    save(page, form)
    # What is saved comes back without the key.
    page.get_by_role("row").filter(has_text="shop").get_by_role("button", name="Edit Connection").click()
    expect(page.get_by_role("dialog").locator("input[name=connection_id]")).to_have_value("shop")
    assert KEY not in page.content()
    assert "password" in page.content()


def test_button_is_green_for_a_connection_that_works(
    page: Page, stack: Stack, shoot: Callable[[str], None]
) -> None:
    save(page, add_connection(page, stack, "shop", key=KEY))
    button = press_test(page, stack, "shop")
    expect(button.locator("svg")).to_have_attribute("color", "green")
    shoot("connection-test")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"key": "sk_wrong_key"}, r"The API key is not valid.*Check the API key"),
        (
            {"generation": "legacy"},
            r"speaks the current generation.*Set the connection's generation",
        ),
        ({"namespace": "shopp"}, r"does not know the namespace 'shopp'.*Correct the connection's namespace"),
    ],
    ids=["key", "generation", "namespace"],
)
def test_button_is_red_and_says_what_to_do(
    page: Page, stack: Stack, wrong: dict[str, str], said: str, shoot: Callable[[str], None]
) -> None:
    save(page, add_connection(page, stack, "wrong", **{"key": KEY, **wrong}))
    button = press_test(page, stack, "wrong")
    expect(page.get_by_text(re.compile(said))).to_be_visible()
    expect(button.locator("svg")).to_have_attribute("color", "red")
    if "generation" in wrong:
        shoot("connection-test-failed")


def test_run_is_seen_and_its_rendered_templates_show_no_rows(
    page: Page, stack: Stack, shoot: Callable[[str], None]
) -> None:
    run_id = stack.api.run("mixpeek_legacy")
    page.goto(f"{stack.url}/dags/mixpeek_legacy/runs/{run_id}")
    for task in ("create_bucket", "create_objects", "wait_until_done"):
        expect(page.get_by_text(task, exact=True).first).to_be_visible()
    shoot("run")
    page.goto(f"{stack.url}/dags/mixpeek_legacy/runs/{run_id}/tasks/create_objects/rendered_templates")
    expect(page.get_by_text("<3 rows>")).to_be_visible()
    shoot("rendered-templates")
    shown = page.locator("body").inner_text()
    assert "example.com" not in shown
    assert KEY not in shown
