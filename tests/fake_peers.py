"""Stand-ins at the wire for what the service asks: the hub and the Dask gateway.

They answer as the real ones do to a service's token (``tests/hub`` compares the hub's
answers with JupyterHub's own), and badly where a test wants it.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

SERVICE_TOKEN = "token-of-the-service"
SERVICE_SCOPES = (
    "list:users",
    "read:servers",
    "read:users:groups",
    "delete:servers",
)
# of everybody in these tests, unless a test takes some away
GROUPS = ("hackathon", "hackathon/gw")


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


class PeerServer(ThreadingHTTPServer):
    """As many may knock at once as at a hub: beyond the default of 5 some are lost."""

    daemon_threads = True
    request_queue_size = 128


class FakePeer:
    """A web server in a thread; ``fault`` is how it answers badly for now."""

    scheme = ""

    def __init__(self) -> None:
        self.asked: list[str] = []
        # a status to answer everything with, "half" an answer, or "hang up"
        self.fault: int | str | None = None
        peer = self

        class Page(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                scheme, _, token = self.headers.get("Authorization", "").partition(" ")
                peer.asked.append(f"{self.command} {self.path}")
                if peer.fault == "hang up":
                    self.close_connection = True
                    return
                status, value = 403, {}
                if scheme == peer.scheme:
                    size = int(self.headers.get("Content-Length", "0"))
                    body = self.rfile.read(size)
                    status, value = peer.take(self.command, self.path, token, body)
                if isinstance(peer.fault, int):
                    status, value = peer.fault, {}
                body = json.dumps(value).encode() if value is not None else b""
                self.send(
                    status, body[: len(body) // 2 if peer.fault == "half" else None]
                )

            def do_DELETE(self) -> None:
                self.do_GET()

            def do_POST(self) -> None:
                self.do_GET()

            def send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = PeerServer(("127.0.0.1", 0), Page)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(
        self, method: str, path: str, token: str, body: bytes
    ) -> tuple[int, object]:
        """Answer to a request with a body; most have none."""
        return self.answer(method, path, token)

    def answer(self, method: str, path: str, token: str) -> tuple[int, object]:
        """Return status and body; each peer that is stood in for has its own."""
        raise NotImplementedError

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


class FakeHub(FakePeer):
    """Stand in for JupyterHub's API: whose is a token, which servers run, stop one."""

    scheme = "token"

    def __init__(self) -> None:
        super().__init__()
        self.callers: dict[str, object] = {}
        self.scopes = list(SERVICE_SCOPES)
        self.servers: dict[tuple[str, str], dict[str, object]] = {}
        self.stopped: list[tuple[str, str]] = []
        # whom the hub knows, as far as that is asked
        self.users: set[str] = set()
        self.stop_status = 204
        self.page = 200
        # what the hub says of a person's membership, if not that it was confirmed now
        self.memberships: dict[str, dict[str, object]] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.rechecked: list[str] = []
        # those of whom the keeper said that a server ends
        self.rechecked_for_ending: list[str] = []
        self.recheck_fault: int | None = None
        self.clock = time.time
        # what happens when a membership is asked for
        self.when_rechecked = lambda user: None
        # what happens when a page of servers, or a server, is asked for
        self.when_asked = lambda path: None

    def add(self, name: str, *scopes: str, groups=(), kind: str = "user") -> str:
        """Let a token in; return it."""
        token = secrets.token_hex(16)
        self.callers[token] = {
            "kind": kind,
            "name": name,
            "groups": list(groups),
            "scopes": list(scopes),
            "admin": True,
            "server": None,
        }
        return token

    def run(self, user: str, name: str = "", *, active_at: float, **more) -> None:
        """Have a server run."""
        self.servers[user, name] = {
            "name": name,
            "ready": True,
            "pending": None,
            "stopped": False,
            "last_activity": iso(active_at),
            "started": iso(active_at),
            "url": f"/user/{user}/",
            "user_options": {},
        } | more

    def lose(self, user: str, status: str = "denied") -> None:
        """Have a person lose access, as the hub says it after a re-check."""
        self.memberships[user] = {"status": status, "checked_at": self.clock()}
        self.groups[user] = ()
        for token, caller in list(self.callers.items()):
            if isinstance(caller, dict) and caller["name"] == user:
                self.callers[token] = 403

    def give_back(self, user: str) -> None:
        """Have a person who lost access have it again."""
        self.memberships.pop(user, None)
        self.groups.pop(user, None)

    def take(
        self, method: str, path: str, token: str, body: bytes
    ) -> tuple[int, object]:
        if (method, path) != ("POST", "/hub/api/af/recheck"):
            return self.answer(method, path, token)
        if token != SERVICE_TOKEN:
            return 403, {}
        request = json.loads(body)
        user = request["user"]
        self.rechecked.append(user)
        if request["is_ending"]:
            self.rechecked_for_ending.append(user)
        self.when_rechecked(user)
        if self.recheck_fault is not None:
            return self.recheck_fault, {}
        confirmed = {"status": "allowed", "checked_at": self.clock()}
        return 200, self.memberships.get(user, confirmed)

    def answer(self, method: str, path: str, token: str) -> tuple[int, object]:
        parts = urlsplit(path)
        names = [unquote(part) for part in parts.path.split("/")[3:]]
        if names == ["user"] and token == SERVICE_TOKEN:
            return 200, {"kind": "service", "name": "af", "scopes": self.scopes}
        if names == ["user"]:
            found = self.callers.get(token, 403)
            return (found, {}) if isinstance(found, int) else (200, found)
        if token != SERVICE_TOKEN:
            return 403, {}
        self.when_asked(path)
        if names == ["users"]:
            return 200, self._page_of(parse_qs(parts.query))
        if method == "GET":
            model = self._model(names[1])
            return (200, model) if model else (404, {})
        if len(names) == 2:
            is_known = names[1] in self.users
            self.users.discard(names[1])
            return (204, None) if is_known else (404, {})
        place = (names[1], names[3] if len(names) == 4 else "")
        if self.stop_status < 400 and self.servers.pop(place, None) is not None:
            self.stopped.append(place)
        return self.stop_status, None

    def _page_of(self, query: dict[str, list[str]]) -> object:
        assert query["state"] == ["active"]
        offset = int(query["offset"][0])
        limit = min(self.page, int(query["limit"][0]))
        # each request has a thread: another one may stop a server meanwhile
        users = sorted({user for user, _ in list(self.servers)})
        shown = users[offset : offset + limit]
        following = {"offset": offset + limit, "limit": limit, "url": self.url}
        pagination = {
            "offset": offset,
            "limit": limit,
            "total": len(users),
            "next": following if offset + limit < len(users) else None,
        }
        items = [self._model(user) for user in shown]
        return {"items": items, "_pagination": pagination}

    def _model(self, user: str) -> object:
        model = {"kind": "user", "name": user}
        if "read:servers" in self.scopes:
            running = list(self.servers.items())
            mine = {name: s for (who, name), s in running if who == user}
            model["servers"] = mine
        if "read:users:groups" in self.scopes:
            model["groups"] = list(self.groups.get(user, GROUPS))
        return model


class FakeGateway(FakePeer):
    """Stand in for the Dask gateway: the list for the service, and stop one."""

    scheme = "jupyterhub"

    def __init__(self) -> None:
        super().__init__()
        self.clusters: dict[str, dict[str, object]] = {}
        self.stopped: list[str] = []
        self.when_asked = lambda path: None

    def run(self, user: str, start_id: str, name: str = "", **more) -> str:
        """Have a cluster run; return its name."""
        name = name or secrets.token_hex(16)
        self.clusters[name] = cluster(user, start_id, name=name, **more)
        return name

    def answer(self, method: str, path: str, token: str) -> tuple[int, object]:
        if token != SERVICE_TOKEN:
            return 401, {"error": "No."}
        self.when_asked(path)
        if path == "/api/v1/af/clusters":
            return 200, {"clusters": list(self.clusters.values())}
        name = unquote(path.removeprefix("/api/v1/clusters/"))
        if self.clusters.pop(name, None) is None:
            return 404, {"error": "There is no such cluster."}
        self.stopped.append(name)
        return 204, None


def cluster(user: str, start_id: str, **more: object) -> dict[str, object]:
    """Return a cluster as the gateway says it."""
    return {
        "name": "0f",
        "user": user,
        "server_name": "",
        "start_id": start_id,
        "status": "running",
        "started_at": 1.0,
        "worker_cores": 2.0,
        "worker_memory_bytes": 1024**3,
        "wanted": 2,
        "ready": 1,
    } | more
