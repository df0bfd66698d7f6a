"""A real little world around the gateway: its process, a hub and a service at the wire.

The backend is ours with nothing started behind it: what a scheduler says is said by the
tests, over HTTP, with the cluster's own token.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from dask_gateway_server.backends.db_base import Cluster, DBBackendBase, Worker
from ports import free_port
from waiting import wait_until
from worlds import FACILITY_TEXT, plan_of

from jupyterhub_af.gateway.backend import FacilityBackend, size_of
from jupyterhub_af.policy.dask import ClusterUse
from jupyterhub_af.policy.messages import AuditEvent, Clusters, plan_to_json
from jupyterhub_af.policy.recheck import ServerEnding

SERVICE = "access:services!service=dask-gateway"
STUDENT = ["hackathon", "hackathon/students", "hackathon/gw"]


class StillBackend(FacilityBackend, DBBackendBase):
    """Clusters that are only written down; the tests speak for their schedulers."""

    default_host = "127.0.0.1"

    async def do_start_cluster(self, cluster: Cluster) -> AsyncIterator[dict[str, Any]]:
        (Path(os.environ["AF_TOKENS"]) / cluster.name).write_text(cluster.token)
        yield {}

    async def do_stop_cluster(self, cluster: Cluster) -> None:
        pass

    async def do_check_clusters(self, clusters: list[Cluster]) -> list[bool]:
        return [True for _ in clusters]

    async def do_start_worker(self, worker: Worker) -> AsyncIterator[dict[str, Any]]:
        yield {}

    async def do_stop_worker(self, worker: Worker) -> None:
        pass

    async def do_check_workers(self, workers: list[Worker]) -> list[bool]:
        return [True for _ in workers]

    def uses_of(self, username: str) -> tuple[ClusterUse, ...]:
        return tuple(
            ClusterUse(c.name, size_of(c), self.grown_to(c.name, c.count))
            for c in self.db.list_clusters(username=username)
        )

    def wanted_workers(self, cluster_name: str) -> int:
        return self.db.get_cluster(cluster_name).count

    def ready_workers(self, cluster_name: str) -> int:
        return 0


@dataclass
class FakeNeighbours:
    """The hub's ``/user`` and the service's internal API, as the gateway asks them."""

    tokens: dict[str, dict[str, object]] = field(default_factory=dict)
    plans: dict[tuple[str, str], bytes] = field(default_factory=dict)
    endings: dict[str, ServerEnding] = field(default_factory=dict)
    told: list[Clusters] = field(default_factory=list)
    audit: list[AuditEvent] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    hub_answer: tuple[int, bytes] | None = None
    service_status: int = 0
    url: str = ""

    def add(
        self, name: str, *scopes: str, groups: list[str], kind: str = "user"
    ) -> str:
        """Return a new token of somebody."""
        token = secrets.token_hex(8)
        self.tokens[token] = {
            "kind": kind,
            "name": name,
            "groups": groups,
            "scopes": list(scopes),
            "admin": True,
        }
        return token

    def add_server(self, name: str, server: str = "", **changes: object) -> str:
        """Return the token of a server with the plan of a student's DODAS V5."""
        plan = json.loads(plan_to_json(plan_of("student1", name=name)))
        plan |= {"user": name, "server_name": server, "start_id": f"{name}-{server}-1"}
        self.plans[name, server] = json.dumps({**plan, **changes}).encode()
        scope = f"access:servers!server={name}/{server}"
        return self.add(name, scope, SERVICE, groups=STUDENT)

    def end_access(self, name: str, token: str) -> None:
        """Refuse a token as the hub does when access ends; the server ends soon."""
        del self.tokens[token]
        digest = hashlib.sha256(token.encode()).hexdigest()
        self.endings[digest] = ServerEnding(
            user=name,
            server_name="",
            reason="Your groups no longer open the facility. Ask support@example.org.",
            ends_at=time.time() + 300,
        )

    def withhold(self, name: str, server: str = "") -> None:
        """End one server of somebody whose token goes on to be good."""
        self.endings[f"{name}/{server}"] = ServerEnding(
            user=name,
            server_name=server,
            reason="Your groups no longer open /af/collabspace/GW.",
            ends_at=time.time() + 300,
        )

    def answer_hub(self, token: str) -> tuple[int, bytes]:
        self.asked.append(token)
        if self.hub_answer:
            return self.hub_answer
        if token not in self.tokens:
            return 403, b'{"status": 403, "message": "Forbidden"}'
        return 200, json.dumps(self.tokens[token]).encode()

    def answer_service(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self.service_status:
            return self.service_status, b"broken"
        if method == "PUT":
            self.told.append(Clusters.model_validate_json(body))
            return 204, b""
        if method == "POST":
            self.audit.append(AuditEvent.model_validate_json(body))
            return 204, b""
        query = parse_qs(urlsplit(path).query, keep_blank_values=True)
        if path.startswith("/internal/endings?"):
            return self._answer_ending({key: value[0] for key, value in query.items()})
        at = (query["user"][0], query["server"][0])
        plan = self.plans.get(at)
        if plan is None:
            words = {"message": "No start of this server is recorded.", "rule": "plan"}
            return 404, json.dumps(words).encode()
        return 200, plan

    def _answer_ending(self, query: dict[str, str]) -> tuple[int, bytes]:
        at = (query.get("user"), query.get("server"))
        for digest, ending in self.endings.items():
            if digest == query.get("token") or at == (ending.user, ending.server_name):
                return 200, ending.model_dump_json().encode()
        words = {"message": "No such server ends.", "rule": "ending-unknown"}
        return 404, json.dumps(words).encode()

    def lines_of(self, name: str, count: int) -> list[tuple[str, str, str, str]]:
        """Return a person's lines in the audit once there are so many, and no more."""

        def found() -> list[AuditEvent]:
            return [e for e in self.audit if e.target.startswith(f"{name}/")]

        wait_until(lambda: len(found()) >= count, what=f"{count} lines of {name}")
        # a line too many would come soon
        time.sleep(0.3)
        assert len(found()) == count, found()
        return [(e.actor, e.action, e.rule, e.result) for e in found()]

    @contextmanager
    def serve(self, service_secret: str) -> Iterator[None]:
        neighbours = self

        class Answer(BaseHTTPRequestHandler):
            def respond(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                token = self.headers["Authorization"].partition(" ")[2]
                if self.path == "/hub/api/user":
                    status, answer = neighbours.answer_hub(token)
                elif self.path.startswith("/internal/"):
                    assert token == service_secret
                    status, answer = neighbours.answer_service(
                        self.command, self.path, body
                    )
                else:
                    raise AssertionError(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_POST = respond  # noqa: N815 - the base class's names

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@dataclass
class GatewayProcess:
    """The Dask Gateway server as a process of its own."""

    folder: Path
    neighbours: FakeNeighbours
    url: str

    def ask(
        self, method: str, path: str, token: str | None = None, **arguments: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"jupyterhub {token}"} if token else {}
        return httpx.request(
            method, f"{self.url}/api{path}", headers=headers, timeout=20, **arguments
        )

    def create(self, token: str, **options: object) -> httpx.Response:
        return self.ask(
            "POST", "/v1/clusters/", token, json={"cluster_options": options}
        )

    def make(
        self, token: str, said: Mapping[str, object] | None = None, **options: object
    ) -> str:
        """Return the name of a new cluster whose scheduler has said that it runs."""
        answer = self.create(token, **options)
        assert answer.status_code == 201, answer.text
        name = str(answer.json()["name"])
        assert self.beat(name, **(said or {})).status_code == 200

        def status() -> str:
            return str(self.ask("GET", f"/v1/clusters/{name}", token).json()["status"])

        wait_until(lambda: status() == "RUNNING", what="a cluster that runs")
        return name

    def beat(self, name: str, **changes: object) -> httpx.Response:
        """Send a heartbeat as the cluster's scheduler."""
        file = self.folder / "tokens" / name
        wait_until(lambda: file.exists() and file.read_text(), what="a started cluster")
        news = {
            "scheduler_address": "tls://127.0.0.1:7001",
            "dashboard_address": "http://127.0.0.1:7002",
            "api_address": "http://127.0.0.1:7003",
            "count": 0,
            "active_workers": [],
            "closing_workers": [],
            "closed_workers": [],
        }
        return httpx.post(
            f"{self.url}/api/v1/clusters/{name}/heartbeat",
            headers={"Authorization": f"token {file.read_text()}"},
            json={**news, **changes},
            timeout=20,
        )

    def told(self, name: str, **expected: object) -> None:
        """Wait until the service was told this of a cluster."""

        def last() -> dict[str, object]:
            states = self.neighbours.told[-1].clusters if self.neighbours.told else ()
            found = (state.model_dump() for state in states if state.name == name)
            return next(found, {})

        try:
            wait_until(lambda: expected.items() <= last().items())
        except AssertionError as error:
            raise AssertionError(f"told {last()}, expected {expected}") from error

    def log(self) -> str:
        return (self.folder / "log").read_text()


CONFIG = """
c.DaskGateway.address = "127.0.0.1:{port}"
c.DaskGateway.authenticator_class = "jupyterhub_af.gateway.authenticator.FacilityAuthenticator"
c.DaskGateway.backend_class = "gateway_world.StillBackend"
c.FacilityAuthenticator.cache_seconds = {cache_seconds}
c.StillBackend.facility_file = "{folder}/facility.yaml"
c.StillBackend.service_url = "{neighbours}"
c.StillBackend.service_secret_file = "{folder}/secret"
c.StillBackend.dashboard_host = "127.0.0.1"
c.StillBackend.cluster_heartbeat_timeout = 600.0
c.StillBackend.worker_start_timeout = 600.0
c.Proxy.externally_managed = True
c.Proxy.api_token = "proxys-token"
"""


@contextmanager
def running_gateway(
    folder: Path, *, cache_seconds: float = 30, facility: str = FACILITY_TEXT
) -> Iterator[GatewayProcess]:
    neighbours, port = FakeNeighbours(), free_port()
    (folder / "tokens").mkdir()
    (folder / "facility.yaml").write_text(facility)
    (folder / "secret").write_text("s" * 32)
    (folder / "secret").chmod(0o600)
    with neighbours.serve("s" * 32):
        (folder / "config.py").write_text(
            CONFIG.format(
                port=port,
                folder=folder,
                neighbours=neighbours.url,
                cache_seconds=cache_seconds,
            )
        )
        process = _start(folder, neighbours)
        gateway = GatewayProcess(folder, neighbours, f"http://127.0.0.1:{port}")
        try:
            _wait_until_ready(process, gateway)
            yield gateway
        finally:
            process.terminate()
            process.wait(60)


def _start(folder: Path, neighbours: FakeNeighbours) -> subprocess.Popen[bytes]:
    tests = Path(__file__).parents[1]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{tests}:{tests / 'gateway'}",
        "JUPYTERHUB_API_URL": f"{neighbours.url}/hub/api",
        "JUPYTERHUB_SERVICE_NAME": "dask-gateway",
        "AF_TOKENS": str(folder / "tokens"),
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask_gateway_server", "-f", folder / "config.py"],
            env=environment,
            stdout=log,
            stderr=log,
        )


def _wait_until_ready(
    process: subprocess.Popen[bytes], gateway: GatewayProcess
) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if gateway.ask("GET", "/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(gateway.log())
