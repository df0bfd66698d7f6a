"""A little world to test in: a service and a gateway on ports of their own."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CREDENTIAL = "a-token-of-the-hub"
GIB = 1024**3

ME = {
    "kind": "me",
    "me": {
        "user": "student1",
        "groups": ["hackathon", "hackathon/students"],
        "admin": False,
        "facility": {
            "name": "INFN analysis facility",
            "contact": "support@example.org",
        },
        "server": {
            "name": "",
            "profile": "dodas-v5",
            "profile_display_name": "DODAS V5",
            "size": "small",
            "gpu": None,
            "cores": 1.0,
            "memory_bytes": 2 * GIB,
            "start_id": "s-1",
            "home": "/af/private",
            "areas": [
                {
                    "name": "private",
                    "kind": "private",
                    "path": "/af/private",
                    "read_only": False,
                    "survives": True,
                    "group": None,
                }
            ],
            "left_out": [],
        },
    },
}
LIFETIME = {
    "started_at": 1000.0,
    "last_active_at": 2000.0,
    "idle_seconds": 3600,
    "longest_seconds": 43200,
    "active_while": ["kernels"],
    "idle_stop_at": 5600.0,
    "longest_stop_at": 44200.0,
    "stop_at": 5600.0,
    "warn_seconds": 300,
}
CLUSTERS: dict[str, Any] = {"kind": "clusters", "clusters": [], "dask": None}
STORAGE: dict[str, Any] = {
    "kind": "storage",
    "trees": [],
    "is_rescue": False,
    "volume_is_full": False,
}


def line(number: int) -> dict[str, Any]:
    """Return a line of the audit."""
    return {
        "id": number,
        "at": 1000.0 + number,
        "actor": "student1",
        "action": "server.start",
        "target": "student1/",
        "rule": "",
        "result": "done",
    }


def history(*numbers: int) -> dict[str, Any]:
    """Return an event of lines of the audit."""
    return {"kind": "history", "lines": [line(number) for number in numbers]}


LARGEST: dict[str, Any] = {
    "entries": [],
    "largest_files": [],
    "used_bytes": 0,
    "files": 0,
    "counted_at": None,
}
RECOUNT: dict[str, Any] = {"has_begun": True, "again_at": 1030.0, "counted_at": None}
ACCESS: dict[str, Any] = {"kind": "access", "end": None}
WHOLE_STATE = (
    ME,
    {"kind": "lifetime", "lifetime": LIFETIME},
    CLUSTERS,
    STORAGE,
    ACCESS,
    history(1, 2),
)


class FakeService:
    """Speaks as the facility's service does, and refuses everything it does not know."""

    def __init__(self) -> None:
        self.status = 200
        self.refusal: dict[str, str] = {}
        self.content_type = "text/event-stream"
        self.redirect = ""
        self.delay_seconds = 0.0
        self.keep_status = 200
        self.keep_answer: Any = LIFETIME
        self.end: dict[str, Any] | None = None
        self.events: list[bytes] = []
        self.asked = 0
        self.opened: list[str | None] = []
        self.busy: list[dict[str, int]] = []
        self.restored: list[dict[str, str]] = []
        # the name of each telling of a restore, also of those that failed
        self.tellings: list[str] = []
        self.purged: list[dict[str, str]] = []
        self.trees: list[tuple[str, str, dict[str, str]]] = []
        self.tree_answer: Any = None
        self.refused: list[str] = []
        self.url = ""
        self._epoch = "e"
        self._streams: set[queue.Queue[bytes | None]] = set()
        for event in WHOLE_STATE:
            self.publish(event)

    def publish(self, event: dict[str, Any]) -> None:
        """Add an event to the stream, and send it to who listens."""
        number = f"{self._epoch}-{len(self.events) + 1}"
        self.send(
            f"id: {number}\nevent: {event['kind']}\n"
            f"data: {json.dumps(event)}\n\n".encode()
        )

    def send(self, raw: bytes) -> None:
        """Add bytes to the stream, and send them to who listens."""
        self.events.append(raw)
        for stream in tuple(self._streams):
            stream.put(raw)

    def drop(self) -> None:
        """End every stream."""
        for stream in tuple(self._streams):
            stream.put(None)

    @property
    def listeners(self) -> int:
        """Return how many streams are open."""
        return len(self._streams)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Write the answer to one request."""
        self.asked += 1
        time.sleep(self.delay_seconds)
        if request.headers["Authorization"] != f"token {CREDENTIAL}":
            write(request, 403, {"message": "Who are you?"})
            return
        path, _, query = request.path.removeprefix("/services/af/").partition("?")
        known: dict[tuple[str, str], Callable[[BaseHTTPRequestHandler], None]] = {
            ("GET", "api/events"): self._stream,
            ("GET", "api/access"): self._access,
            ("POST", "api/keep"): self._keep,
            ("POST", "api/busy"): self._busy,
            ("POST", "api/restored"): self._restored,
            ("POST", "api/purge"): self._purge,
            ("GET", "api/largest"): lambda r: self._tree(r, path, query, LARGEST),
            ("POST", "api/recount"): lambda r: self._tree(r, path, query, RECOUNT),
        }
        found = known.get((request.command, path))
        if found is None:
            self.refused.append(request.path)
            write(request, 404, {})
        elif self.status != 200:
            if path == "api/restored":
                self._hear_restored(request)
            write(request, self.status, self.refusal, location=self.redirect)
        else:
            found(request)

    def _stream(self, request: BaseHTTPRequestHandler) -> None:
        last = request.headers["Last-Event-ID"]
        self.opened.append(last)
        request.send_response(200)
        request.send_header("Content-Type", self.content_type)
        request.end_headers()
        own: queue.Queue[bytes | None] = queue.Queue()
        self._streams.add(own)
        try:
            for raw in self._missed_since(last):
                request.wfile.write(raw)
            request.wfile.flush()
            while (piece := next_piece(own)) is not None:
                request.wfile.write(piece)
                request.wfile.flush()
        except ConnectionError:
            pass
        finally:
            request.close_connection = True
            self._streams.discard(own)

    def _missed_since(self, last: str | None) -> list[bytes]:
        wanted = f"id: {last}\n".encode()
        found = [i for i, raw in enumerate(self.events) if raw.startswith(wanted)]
        return self.events[found[0] + 1 :] if found else list(self.events)

    def _keep(self, request: BaseHTTPRequestHandler) -> None:
        read_json(request)
        write(request, self.keep_status, self.keep_answer)

    def _access(self, request: BaseHTTPRequestHandler) -> None:
        write(request, 200, {"kind": "access", "end": self.end})

    def _tree(
        self, request: BaseHTTPRequestHandler, path: str, query: str, answer: Any
    ) -> None:
        if request.command == "POST":
            read_json(request)
        self.trees.append((request.command, path, dict(parse_qsl(query))))
        write(request, 200, self.tree_answer or answer)

    def _busy(self, request: BaseHTTPRequestHandler) -> None:
        self.busy.append(read_json(request))
        write(request, 204, None)

    def _purge(self, request: BaseHTTPRequestHandler) -> None:
        self.purged.append(read_json(request))
        write(request, 200, {"generations": 2})

    def _restored(self, request: BaseHTTPRequestHandler) -> None:
        self.restored.append(self._hear_restored(request))
        write(request, 204, None)

    def _hear_restored(self, request: BaseHTTPRequestHandler) -> dict[str, str]:
        line = read_json(request)
        self.tellings.append(line.pop("telling"))
        return line


class FakePages:
    """A scheduler's dashboard: shows a page to who has the key, and keeps what was sent."""

    KEY = "key-of-the-dashboard"

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Write the answer to one request."""
        self.asked.append((request.path, dict(request.headers)))
        is_known = request.headers["X-AF-Dashboard-Key"] == self.KEY
        write(request, 200 if is_known else 403, b"<html>tasks</html>")


class FakeGateway:
    """Stops clusters and tells dashboards as told, and refuses everything else."""

    def __init__(self) -> None:
        self.status = 204
        self.said: Any = None
        self.stopped: list[str] = []
        self.dashboards: dict[str, Any] = {}
        self.looked = 0
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Write the answer to one request."""
        start = "/services/gateway/api/v1/clusters/"
        if request.headers["Authorization"] != f"jupyterhub {CREDENTIAL}":
            write(request, 401, {"error": "Who are you?"})
        elif request.command == "GET" and request.path.endswith("/dashboard"):
            self.looked += 1
            name = request.path.removeprefix(start).removesuffix("/dashboard")
            found = self.dashboards.get(name)
            words = {"error": "You have no running cluster of this name."}
            write(request, 404 if found is None else 200, found or words)
        elif request.command != "DELETE" or not request.path.startswith(start):
            write(request, 404, {"error": "There is no such address."})
        else:
            self.stopped.append(request.path.removeprefix(start))
            write(request, self.status, self.said)


def next_piece(own: queue.Queue[bytes | None]) -> bytes | None:
    """Return what to send next: a comment if there is nothing for a while."""
    try:
        return own.get(timeout=0.2)
    except queue.Empty:
        return b": \n\n"


async def until(is_true: Callable[[], Any]) -> None:
    """Wait until something holds, as long as a busy machine needs."""
    end = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def read_json(request: BaseHTTPRequestHandler) -> Any:
    """Return the body of a request."""
    return json.loads(request.rfile.read(int(request.headers["Content-Length"])))


def write(
    request: BaseHTTPRequestHandler, status: int, answer: Any, location: str = ""
) -> None:
    """Write a whole response; a client that left is its own business."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    if status == 204:
        body = b""
    try:
        request.send_response(status)
        if location:
            request.send_header("Location", location)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
    except ConnectionError:
        request.close_connection = True


@contextmanager
def answering(fake: FakeService | FakeGateway | FakePages) -> Iterator[str]:
    """Give the address that `fake` answers at."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.answer(self)

        def do_POST(self) -> None:
            fake.answer(self)

        def do_DELETE(self) -> None:
            fake.answer(self)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # a stream that is open ends when its client leaves, not when we do
        block_on_close = False

        def handle_error(self, *args: Any) -> None:
            """A client that left is its own business."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running_service() -> Iterator[FakeService]:
    """Give a service that listens on a free port."""
    service = FakeService()
    with answering(service) as address:
        service.url = f"{address}/services/af/"
        yield service
        service.drop()


@contextmanager
def running_gateway() -> Iterator[FakeGateway]:
    """Give a gateway that listens on a free port."""
    gateway = FakeGateway()
    with answering(gateway) as address:
        gateway.url = f"{address}/services/gateway"
        yield gateway


@contextmanager
def running_pages() -> Iterator[FakePages]:
    """Give a dashboard that listens on a free port."""
    pages = FakePages()
    with answering(pages) as address:
        pages.url = address
        yield pages
