"""A little world to test in: a service on a port of its own, and its replies."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CREDENTIAL = "a-token-of-the-hub"

ME = {
    "user": "student1",
    "groups": ["hackathon", "hackathon/students"],
    "admin": False,
    "facility": {"name": "INFN analysis facility", "contact": "support@example.org"},
    "server": {
        "name": "",
        "profile": "dodas-v5",
        "profile_display_name": "DODAS V5",
        "size": "small",
        "gpu": None,
        "cores": 1.0,
        "memory_bytes": 2147483648,
        "start_id": "s-1",
        "areas": [{"name": "private", "path": "/af/private", "read_only": False}],
    },
}


class FakeService:
    """Answers `GET /services/af/api/me` as told, and refuses everything else."""

    def __init__(self) -> None:
        self.status = 200
        self.body = json.dumps(ME).encode()
        self.headers: dict[str, str] = {}
        self.delay_seconds = 0.0
        self.refused: list[str] = []
        self.asked = 0
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Write the answer to one request."""
        self.asked += 1
        time.sleep(self.delay_seconds)
        if request.path != "/services/af/api/me":
            self.refused.append(request.path)
            self.write(request, 404, b"{}")
        elif request.headers["Authorization"] != f"token {CREDENTIAL}":
            self.write(request, 403, b"{}")
        else:
            self.write(request, self.status, self.body)

    def write(self, request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        """Write a whole response; a client that left is its own business."""
        try:
            request.send_response(status)
            for name, value in self.headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
        except ConnectionError:
            request.close_connection = True


@contextmanager
def running_service() -> Iterator[FakeService]:
    """Give a service that listens on a free port."""
    service = FakeService()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.answer(self)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}/services/af/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
