"""What the libraries of object stores raise, as sentences: what, where, what next."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from leakboard.store.file_faults import OutOfReach

if TYPE_CHECKING:
    from collections.abc import Iterator

RIGHTS = "reading, writing, deleting and listing (s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket)"
AGAIN = "nothing finished is lost; the same command continues"
_CLOCK = "set this machine's clock (the server compares it with its own), then run again"
_KEYS = "give valid credentials, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE in the environment"
_NETWORK = f"check the network and AWS_ENDPOINT_URL; {AGAIN}"

_SIGNS = (
    (("RequestTimeTooSkewed",), "the bucket's server refuses this machine's clock, which is wrong", _CLOCK),
    (
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
        "the bucket's server does not know these credentials",
        _KEYS,
    ),
    (("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"), "no credentials for the bucket", _KEYS),
    (("NoSuchBucket",), "there is no such bucket", "make the bucket, or correct the URL given as --artifacts"),
    (("PermissionError",), "no rights for this in the bucket", f"ask for the rights of {RIGHTS}"),
    (
        (
            "EndpointConnectionError",
            "ConnectTimeoutError",
            "ConnectionClosedError",
            "ReadTimeoutError",
            "HTTPClientError",
            "ClientConnectorError",
            "ClientPayloadError",
            "ConnectionError",
            "TimeoutError",
        ),
        "the bucket's server does not answer",
        _NETWORK,
    ),
)
"""Names of exceptions, or codes of answers, with what they say and what to do."""


@contextlib.contextmanager
def told(where: str) -> Iterator[None]:
    """Around a request to a bucket. That a file is not there, or there already, is passed on.

    Raises:
        FileNotFoundError, FileExistsError: that file, while the bucket is there.
        OutOfReach: all else.
    """
    try:
        yield
    except FileExistsError:
        raise
    except FileNotFoundError as error:
        if "NoSuchBucket" in _names(error):
            raise _explained(error, where) from error
        raise
    except Exception as error:
        raise _explained(error, where) from error


def _explained(error: Exception, where: str) -> OutOfReach:
    names = _names(error)
    said = " ".join(str(error).split()) or type(error).__name__
    for signs, what, advice in _SIGNS:
        if names & {*signs}:
            return OutOfReach(what, where=f"{where} ({said})", next=advice)
    return OutOfReach("the bucket's server fails", where=f"{where} ({said})", next=f"wait a little; {AGAIN}")


def _names(error: BaseException | None) -> set[str]:
    """The kinds of an exception and of what led to it, and the codes that a server answered with."""
    found: set[str] = set()
    while error is not None:
        found |= {kind.__name__ for kind in type(error).__mro__}
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            found.add(str(response.get("Error", {}).get("Code", "")))
        error = error.__cause__ or error.__context__
    return found
