"""Requests over HTTP: sent at the pace and within the budget of an account, tried again where that may help.

Tried again are 408, 429 and 5xx, answers that break off or cannot be read whole, and silence. Other refusals are not.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from leakboard.api import LeakboardError
from leakboard_plugins.victims.api.secrets import header, scrubbed

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    import httpx
    import tenacity

    from leakboard.api import Bill, Ledger

T = TypeVar("T")
BACKOFF = 1.0
"""Seconds that are doubled with every try; a random share of them is waited."""
LONGEST = 60.0
"""Seconds that are waited at most, unless the API names others."""
PATIENCE = 600.0
"""Seconds that an API may ask to be left alone for."""
MOST = 1 << 28
"""Bytes of an answer."""
SAID = 300
"""Characters that are told of what an API says to a refusal."""


class Again(Exception):
    """Another try may help.

    Attributes:
        after: seconds that the API asked for.
    """

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


class Reply(NamedTuple):
    """What came back, whole: the address that was asked without its query, and the body."""

    where: str
    body: bytes

    def json(self) -> dict[str, Any]:
        """The object that the body is.

        Raises:
            Again: it is not whole.
            LeakboardError: it is no object.
        """
        try:
            found = json.loads(self.body)
        except ValueError:
            raise Again(f"{self.where} answered with half a JSON text, or none") from None
        if not isinstance(found, dict):
            raise unexpected(self.where, "an object")
        return found


@dataclass(frozen=True)
class Line:
    """A connection to an API, shared by all threads that ask it.

    Attributes:
        client: that the key is given to with every request, and which keeps none.
        url: of the API.
        schema: its name, for errors.
        key: name of the environment variable with the key; empty for none.
        bill: what a query costs.
        rate: queries a second at most, of all workers together; 0 is no limit.
        tries: of each question.
        timeout: seconds of each try.
    """

    client: httpx.Client
    url: str
    schema: str
    key: str
    bill: Bill
    rate: float
    tries: int
    timeout: float


def line(url: str, schema: str, key: str, bill: Bill, *, login: bool, rate: float, tries: int, timeout: float) -> Line:
    """Open a connection; nothing is sent yet.

    Raises:
        LeakboardError: httpx or tenacity is not installed, or there is no key.
    """
    try:
        import httpx
        import tenacity  # noqa: F401 - what is missing is told before anything is paid
    except ImportError as error:
        raise LeakboardError(
            f"victims behind an API need the package {error.name}", next="pip install 'leakboard[api]'"
        ) from None

    def signed(request: httpx.Request) -> httpx.Request:
        if key:
            request.headers["Authorization"] = header(key, login=login)
        return request

    if key:
        header(key, login=login)
    client = httpx.Client(auth=signed, timeout=timeout, headers={"Accept": "application/json, image/*"})
    return Line(client, url, schema, key, bill, rate, tries, timeout)


@dataclass(frozen=True)
class Call:
    """One question on its way, of a batch that is given up as a whole.

    Attributes:
        line: that it goes over.
        ledger: what the account has spent.
        over: set when the batch is given up: nothing more is sent.
        begun: time of `time.monotonic` at which it began.
    """

    line: Line
    ledger: Ledger
    over: threading.Event
    begun: float = field(default_factory=time.monotonic)

    def post(self, path: str, *, pays: bool = True, **content: Any) -> Reply:
        """Send something; where it ``pays``, at the pace and within the budget of the account.

        Raises:
            Again: another try may help.
            LeakboardError: it was refused, or would cost more than may be spent.
        """
        if not pays:
            return self._send("POST", path, **content)
        self._wait()
        self.ledger.charge(self.line.bill.price, self.line.bill.cap)
        try:
            return self._send("POST", path, **content)
        except _Unpaid as refused:
            self.ledger.refund(self.line.bill.price)
            raise refused.error from None

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Reply:
        """Fetch something that was paid for before, as often as it takes.

        Raises:
            LeakboardError: it was refused, or every try failed.
        """
        return self.patiently(lambda: self._send("GET", path, params=dict(params or {})))

    def patiently(self, ask: Callable[[], T]) -> T:
        """What ``ask`` gives, tried again with growing pauses, of which a random share is waited.

        Raises:
            LeakboardError: every try failed, or the batch was given up.
        """
        import tenacity

        backoff = tenacity.wait_random_exponential(multiplier=BACKOFF, max=LONGEST)

        def pause(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.after if isinstance(error, Again) else 0.0
            return asked + random.uniform(0, BACKOFF) if asked else backoff(state)  # noqa: S311 - no secret hangs on it

        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Again),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.line.tries), tenacity.stop_when_event_set(self.over)
            ),
            wait=pause,
            sleep=tenacity.sleep_using_event(self.over),
            reraise=True,
        )
        try:
            return tries(lambda: _plain(ask))
        except Again as error:
            raise LeakboardError(
                f"the API gave no answer in {self.line.tries} tries; at last {error}",
                where=self.line.url,
                next="run the same grid again later: what was answered is kept and not paid again",
            ) from None

    def _wait(self) -> None:
        """Until it is this question's turn.

        Raises:
            LeakboardError: the batch was given up meanwhile.
        """
        if self.over.wait(self.ledger.turn(self.line.rate)):
            raise LeakboardError("not asked any more, for another question failed", where=self.line.url)

    def _send(self, method: str, path: str, **content: Any) -> Reply:
        import httpx

        where, deadline = self.line.url + path, time.monotonic() + self.line.timeout
        try:
            with self.line.client.stream(method, where, **content) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if time.monotonic() > deadline:
                        raise Again(f"{where} took longer than {self.line.timeout:g} s")
                    if len(body) > MOST:
                        raise LeakboardError(f"the API answered with more than {MOST >> 20} MiB", where=where)
                self._check(where, response, bytes(body))
                return Reply(where, bytes(body))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise _Unpaid(Again(f"nobody answers at {where}")) from None
        except httpx.TimeoutException:
            raise Again(f"{where} took longer than {self.line.timeout:g} s") from None
        except httpx.HTTPError as error:
            raise Again(f"the answer of {where} broke off ({type(error).__name__})") from None

    def _check(self, where: str, response: httpx.Response, body: bytes) -> None:
        """Refuse what is no answer."""
        status, page = response.status_code, _is_page(response.headers.get("content-type", ""), body)
        named = f"{where} answered {status} {response.reason_phrase}".strip()
        if status in (408, 429) or status >= 500:
            after = _seconds(response.headers.get("retry-after", ""))
            if after > PATIENCE:
                raise _Unpaid(_refused(named, where, f"run again in {after:,.0f} s, as it asks"))
            if after:
                self.ledger.pause(after)
            said = "" if page else self._said(body)
            raise _Unpaid(Again(f"{named}{f': {said}' if said else ''}", after))
        if 300 <= status < 400:
            raise _Unpaid(_refused(named, where, "give the address that it leads to as url=..."))
        if status >= 400:
            said = "a web page" if page else self._said(body)
            keyed = f"check the key in the environment variable {self.line.key}"
            advice = {
                401: keyed if self.line.key else "give the name of an environment variable that holds a key as key=...",
                403: "find out whether the key may use this model",
                404: f"check url=..., and whether it is an API of the schema {self.line.schema}",
            }
            told = f"{named}{f': {said}' if said else ''}"
            raise _Unpaid(_refused(told, where, advice.get(status, "mend what it says; the same is not asked again")))
        if page:
            raise _refused(
                f"{where} answered with a web page",
                where,
                f"check url=...: is it that of an API of the schema {self.line.schema}, with no login page before it?",
            )

    def _said(self, body: bytes) -> str:
        """What an API says to a refusal, in one line and without the key."""
        text = body.decode("utf-8", errors="replace")
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, dict):
            found = found.get("error") or found.get("detail") or found
            found = found.get("message", found) if isinstance(found, dict) else found
            text = found if isinstance(found, str) else json.dumps(found)
        return scrubbed(" ".join(text.split()), self.line.key)[:SAID]


class _Unpaid(Exception):
    """What failed before the API had made anything, so that it costs nothing."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _plain(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except _Unpaid as refused:
        raise refused.error from None


def unexpected(where: str, expected: str) -> LeakboardError:
    """An answer in another format than that of the schema."""
    return LeakboardError(
        "the API answered in another format than its schema says",
        where=where,
        expected=expected,
        next="check schema=...: is it that of this API?",
    )


def _refused(told: str, where: str, advice: str) -> LeakboardError:
    return LeakboardError(told, where=where, next=advice)


def _is_page(kind: str, body: bytes) -> bool:
    start = body[:200].lstrip().lower()
    return "text/html" in kind or start.startswith((b"<!doctype html", b"<html"))


def _seconds(text: str) -> float:
    """What a Retry-After header says: seconds, or a date."""
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
