"""Runs inside schedulers and workers: shows their pages only to who has the key.

A preload of Dask, given as a file so that any image can load it; it may import nothing
but the standard library and tornado. The key is made of the cluster's own token, which
only the cluster's processes and the gateway have; the gateway tells it to the owner's
Jupyter server. Without it every address answers 403: the loopback is shared by all.

Source: tornado.httputil, https://docs.dask.org/en/stable/how-to/customize-initialization.html
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Awaitable
from typing import Any

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)

HEADER = "X-AF-Dashboard-Key"


def make_key(token: str) -> str:
    """Return the key of a cluster's dashboards."""
    return hmac.new(token.encode(), b"dashboard", hashlib.sha256).hexdigest()


class Guarded(HTTPMessageDelegate):
    """One request: handed to the pages once its headers had the key."""

    def __init__(
        self,
        pages: HTTPServerConnectionDelegate,
        server_connection: object,
        request_connection: HTTPConnection,
        key: str,
    ) -> None:
        self._pages = pages
        self._server_connection = server_connection
        self._request_connection = request_connection
        self._key = key
        self._inner: HTTPMessageDelegate | None = None

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Let the request in, or answer at once."""
        given = headers.get(HEADER, "").encode("utf8", "replace")
        if not hmac.compare_digest(given, self._key.encode()):
            self._refuse()
            return None
        self._inner = self._pages.start_request(
            self._server_connection, self._request_connection
        )
        return self._inner.headers_received(start_line, headers)

    def _refuse(self) -> None:
        words = b"This dashboard is shown in its owner's JupyterLab only.\n"
        headers = HTTPHeaders(
            {"Content-Length": str(len(words)), "Content-Type": "text/plain"}
        )
        line = ResponseStartLine("HTTP/1.1", 403, "Forbidden")
        self._request_connection.write_headers(line, headers, words)
        self._request_connection.finish()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Pass on what was let in."""
        return self._inner.data_received(chunk) if self._inner else None

    def finish(self) -> None:
        """Pass on the end."""
        if self._inner:
            self._inner.finish()

    def on_connection_close(self) -> None:
        """Pass on that the client went away."""
        if self._inner:
            self._inner.on_connection_close()


class Gate(HTTPServerConnectionDelegate):
    """Stands before a process's pages."""

    def __init__(self, pages: HTTPServerConnectionDelegate, key: str) -> None:
        self._pages = pages
        self._key = key

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Return who looks at a request first."""
        return Guarded(self._pages, server_conn, request_conn, self._key)

    def on_close(self, server_conn: object) -> None:
        """Pass on that a connection ended."""
        self._pages.on_close(server_conn)


def dask_setup(server: Any) -> None:
    """Close the pages of a scheduler or worker; Dask calls this at its start."""
    key = make_key(os.environ["DASK_GATEWAY_API_TOKEN"])
    server.http_server.request_callback = Gate(server.http_application, key)
