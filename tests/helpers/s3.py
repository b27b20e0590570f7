"""An S3 server of one's own, and what can go wrong with it."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "mine",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "2",
}
DENIED = (403, "AccessDenied")
BROKEN = (500, "InternalError")
SKEWED = (403, "RequestTimeTooSkewed")
UNKNOWN = (403, "InvalidAccessKeyId")
SHORT = "the answer ends before its end"


@dataclass
class S3:
    """The server: its address, the requests that it got, and what it does instead of answering some.

    Attributes:
        fault: given method and path, what goes wrong with a request (see the constants), or None.
    """

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    fault: Callable[[str, str], object] = lambda method, path: None

    def wrapped(self, app):
        """The WSGI application of the server with faults before it."""

        def answer(environ, start):
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            self.asked.append((method, path))
            fault = self.fault(method, path)
            if isinstance(fault, tuple):
                status, code = fault
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                body = f"<Error><Code>{code}</Code><Message>{code}, it says</Message></Error>".encode()
                start(f"{status} no", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
                return [] if method == "HEAD" else [body]
            parts = app(environ, start)
            if fault == SHORT:
                body = b"".join(parts)
                return [body[: len(body) // 2]]
            return parts

        return answer


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """moto's server on a free port of this machine."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *args) -> None:
            pass

    found = S3()
    app = found.wrapped(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
