"""A stand-in at the wire for the storage agent, as the service asks it about trees."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

MIB = 1024**2
SECRET = "s" * 32


class FakeAgent:
    """Speaks as the storage agent does: every tree holds what it is told."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, str], int] = {}
        self.quota = 10 * MIB
        self.free_bytes = 10**9
        self.counted_at = 1000.0
        self.asked: list[tuple[str, dict]] = []
        self.refusal: tuple[int, dict] | None = None
        self.url = ""

    def answer(self, path: str, body: dict) -> tuple[int, dict]:
        self.asked.append((path, body))
        if self.refusal:
            return self.refusal
        if path == "/usage":
            usages = [self._usage(tree) for tree in body["trees"]]
            return 200, {"usages": usages, "free_bytes": self.free_bytes}
        if path == "/recount":
            return 200, {"has_begun": True, "again_at": 1030.0, "counted_at": None}
        if path == "/backup/purge":
            return 200, {"generations": 3}
        return 200, {
            "entries": [],
            "largest_files": [],
            "used_bytes": 0,
            "files": 0,
            "counted_at": None,
        }

    def _usage(self, tree: dict) -> dict:
        return {
            "tree": tree,
            "used_bytes": self.used.get((tree["area"], tree["owner"]), 0),
            "files": 1,
            "counted_at": self.counted_at,
            "quota_bytes": self.quota,
            "enforced_by": "accounting",
        }

    def trees_asked(self, path: str) -> list[str]:
        return [
            f"{tree['area']}/{tree['owner']}"
            for asked, body in self.asked
            if asked == path
            for tree in body["trees"]
        ]

    @contextmanager
    def running(self):
        agent = self

        class Page(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                known = self.headers["Authorization"] == f"Bearer {SECRET}"
                status, answer = agent.answer(self.path, body) if known else (401, {})
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
