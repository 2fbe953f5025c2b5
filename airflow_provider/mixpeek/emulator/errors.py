"""The vendor's refusals: one exception, one envelope for nearly every status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .shapes import Problem

TYPE_OF_STATUS = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    409: "ConflictError",
    413: "PayloadTooLargeError",
    422: "ValidationError",
    429: "TooManyRequestsError",
    500: "InternalServerError",
    503: "InferenceServiceUnavailableError",
}


class Refusal(Exception):  # noqa: N818  it is an answer, not a mistake of ours
    """A request that is answered with an error.

    :param status: HTTP status of the answer.
    :param message: What happened, for people.
    :param kind: The vendor's word (``NotFoundError``); by default the one that belongs to the status.
    :param details: Context as a JSON object.
    :param problems: Everything wrong with the request and where, for a 422.
    :param headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = None,
        details: Mapping[str, Any] | None = None,
        problems: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind or TYPE_OF_STATUS.get(status, "Error")
        self.details = details
        self.problems = problems
        self.headers = headers

    def envelope(self) -> dict[str, Any]:
        """The body that the vendor sends with every error status; a `legacy` 422 has one of its own."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind}
        details = dict(self.details or {})
        if self.problems:
            details["validation_errors"] = [problem.as_json() for problem in self.problems]
        if details:
            error["details"] = details
        return {"success": False, "status": self.status, "error": error}


def invalid(problems: Sequence[Problem], **details: Any) -> Refusal:
    """The 422 that lists everything wrong with a request and where.

    :param problems: At least one.
    :param details: Further keys of ``error.details``.
    """
    first = problems[0]
    place = ".".join(map(str, first.location))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Refusal(
        422,
        f"{place}: {first.message}{more}",
        details=details,
        problems=problems,
    )
