"""
How one call goes, without doing any I/O.

A flow is a generator that yields :class:`Send` and :class:`Sleep` and is given answers: pacing, retrying and
parsing stand here once, and the two drivers of ``_transport`` do what a flow says, in threads or in asyncio.
Calls that take several requests are flows that ``yield from`` others, or have them done :class:`Together`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from airflow_provider.mixpeek.client._answers import refusal
from airflow_provider.mixpeek.client._errors import (
    MixpeekConnectionError,
    MixpeekError,
    MixpeekNamespaceError,
    MixpeekRateLimitError,
    MixpeekStatusError,
)
from airflow_provider.mixpeek.client._gate import Allowed, Turn, names_rate

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._api import Api
    from airflow_provider.mixpeek.client._gate import Category, Gate
    from airflow_provider.mixpeek.client._settings import Settings

T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

log = logging.getLogger("airflow_provider.mixpeek.client")


@dataclass(frozen=True, slots=True)
class Request:
    """
    What to send.

    :param method: HTTP method.
    :param path: Path below the base URL, its segments quoted.
    :param query: Query parameters in order.
    :param body: JSON as bytes; None for no body.
    :param reads: Nothing is changed by it, whatever its method: lists are asked for with POST.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    reads: bool = False

    @property
    def writes(self) -> bool:
        """Whether the server may have changed something for it."""
        return self.method != "GET" and not self.reads


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePut(Request):
    """
    A file to send to a presigned URL, which is a secret: ``path`` stands for it wherever it is told.

    :param url: The presigned URL.
    :param content_type: The declared media type; the storage takes no other.
    :param size: Bytes of the file.
    :param chunks: Begins to read the file, once for each try.
    """

    url: str = field(repr=False)
    content_type: str
    size: int
    chunks: Callable[[], Iterator[bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came back.

    :param headers: Names in lower case.
    :param content: The decoded body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


class Send(NamedTuple):
    """A flow's wish: send this, and give me the answer or throw its connection error in."""

    request: Request


class Sleep(NamedTuple):
    """A flow's wish: wait so many seconds."""

    seconds: float


class Work(NamedTuple):
    """A flow's wish: do this, which takes its time and needs no network, without holding up an event loop."""

    do: Callable[[], None]


class Together(NamedTuple):
    """A flow's wish: do these, several at once, and give me their results or throw in the error of one."""

    flows: Sequence[Flow[Any]]


Flow = Generator[Send | Sleep | Work | Together, Answer | list[Any] | None, R]


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """
    One call of one endpoint.

    :param request: What to send.
    :param category: The vendor's rate limit category.
    :param parse: Answer to result; raises MixpeekAnswerError.
    :param repeatable: Sending it twice does no more than sending it once.
    :param accepts: Refusing statuses whose body is a result all the same.
    :param ambiguous: A server of the other generation would carry it out too, and answer something else.
    """

    request: Request
    category: Category
    parse: Callable[[Answer], T_co]
    repeatable: bool
    accepts: Callable[[Answer], bool] = field(default=lambda answer: 200 <= answer.status < 300)
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class RetryRules:
    """
    How long to try.

    :param budget: Seconds from the first failure of a call until it is given up (the vendor's SDK 1.3.783 has
        180: long enough for a writer that starts).
    :param longest: Seconds of one wait at most.
    :param first: Seconds of the first backoff, before the jitter.
    """

    budget: float = 180.0
    longest: float = 30.0
    first: float = 0.5


#: For callers whose own loop is the retry, such as a wait: one failed look is told at once.
NO_RETRY = RetryRules(budget=0.0)


@dataclass(slots=True)
class Facts:
    """
    What a client has found out about its server; None while it has not asked.

    :param generation: Which generation it speaks.
    :param has_idempotency_keys: Whether creates may carry one.
    """

    generation: str | None = None
    has_idempotency_keys: bool | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """
    What all calls of one client share.

    :param facts: What is known of the server, found out once.
    :param clock: Monotonic seconds.
    :param wall: Unix seconds.
    :param jitter: Random number from 0 to 1.
    """

    settings: Settings
    api: Api
    gate: Gate
    facts: Facts = field(default_factory=Facts)
    retry: RetryRules = RetryRules()
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random

    def impatient(self) -> Session:
        """The same session for callers whose own loop is the retry."""
        return replace(self, retry=NO_RETRY)


def sleep(seconds: float) -> Flow[None]:
    """Wait."""
    yield Sleep(seconds)


def together(flows: Sequence[Flow[T]]) -> Flow[list[T]]:
    """Have several flows done at once; return their results in order, or raise the error of one."""
    results = yield Together(flows)
    assert isinstance(results, list), "a driver answers every Together"  # noqa: S101
    return results


def call(session: Session, this: Call[T]) -> Flow[T]:
    """
    Send one call, paced by the gate and tried again where that is safe.

    :raises MixpeekError: the last failure, when trying again is unsafe, useless or over the budget.
    """
    in_doubt = False
    failures = 0
    give_up_at = 0.0
    try:
        while True:
            try:
                turn, answer = yield from _send(session, this)
                return _result(session, this, answer, turn.number)
            except (MixpeekConnectionError, MixpeekStatusError) as error:
                failure = error
            now = session.clock()
            in_doubt |= failure.may_be_stored
            failures += 1
            if failures == 1:
                give_up_at = now + session.retry.budget
            wait = _wait_before_retry(session, this, failure, failures)
            if wait is None or now + wait >= give_up_at:
                raise failure
            log.warning("%s Trying again in %.1f s (try %d).", failure, wait, failures + 1)
            if isinstance(failure, MixpeekRateLimitError) and _closes(session, turn, answer, failure):
                # The limit is everybody's: the gate makes all senders of the category wait, this one too.
                session.gate.refused(
                    this.category, now=now, until=now + wait, allowed=Allowed.of(failure.details)
                )
            else:
                yield Sleep(wait)
    except MixpeekError as error:
        # What ends the call may be harmless, and an earlier try of it may have been carried out.
        error.may_be_stored |= in_doubt
        # A stop comes from the caller, who does not know what it stops.
        error.method, error.path = this.request.method, this.request.path
        raise


def _send(session: Session, this: Call[T]) -> Flow[tuple[Turn, Answer]]:
    """Pass the gate, send, and leave the gate whatever happens."""
    sender = object()
    try:
        while (turn := session.gate.reserve(this.category, session.clock(), sender)).wait > 0:
            yield Sleep(turn.wait)
        answer = yield Send(this.request)
    finally:
        session.gate.leave(sender, session.clock())
    assert isinstance(answer, Answer), "a driver answers every Send"  # noqa: S101
    return turn, answer


def _closes(session: Session, turn: Turn, answer: Answer, failure: MixpeekRateLimitError) -> bool:
    """Whether a 429 makes everybody wait; if not, there were too many at once, and one less is under way."""
    if names_rate(failure.details, answer.headers):
        return True
    session.gate.was_one_too_many(turn)
    return turn.alone or failure.retry_after is not None


def _result(session: Session, this: Call[T], answer: Answer, number: int) -> T:
    request = this.request
    session.gate.learn(this.category, answer.headers, number=number, now=session.clock(), wall=session.wall())
    accepted = this.accepts(answer)
    if "x-namespace-unresolved" in answer.headers and (accepted or answer.status == 404):
        raise MixpeekNamespaceError(
            f"the server does not know the namespace {session.settings.namespace!r}",
            hint="Correct the connection's namespace, or create it; an empty list from here means nothing.",
            request_id=answer.headers.get("x-request-id"),
            may_be_stored=accepted and request.writes,
        )
    if not accepted:
        raise refusal(
            session.settings,
            request,
            answer,
            stored_nothing=session.api.stored_nothing(answer.status),
            wall=session.wall(),
        )
    return this.parse(answer)


def _wait_before_retry(
    session: Session, this: Call[Any], failure: MixpeekError, failures: int
) -> float | None:
    """Seconds to wait, or None where trying again is unsafe or useless."""
    if not failure.retryable or (failure.may_be_stored and not this.repeatable):
        return None
    rules = session.retry
    # "Try again at once", said by a server that goes on failing, would be a busy loop.
    if failure.retry_after is not None and failure.retry_after >= rules.first:
        # Asking again within a longer wait than the budget would only be refused again.
        return min(failure.retry_after, rules.longest) if failure.retry_after <= rules.budget else None
    return backoff(session, failures)


def backoff(session: Session, failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    rules = session.retry
    return session.jitter() * min(rules.longest, rules.first * 2.0 ** min(failures - 1, 30))


def after(failure: MixpeekError, flow: Flow[R]) -> Flow[R]:
    """Go on after a failed call: what was in doubt then is in doubt still when this fails too."""
    try:
        return (yield from flow)
    except MixpeekError as error:
        error.may_be_stored |= failure.may_be_stored
        raise
