"""A whole facility, started by ``jupyterhub-af up``, and people who use it over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from ports import free_port
from waiting import wait_until

from jupyterhub_af.local.environments import cache_dir
from jupyterhub_af.local.running import find_children

START_SECONDS = 180.0
# another environment's Python runs the same facility on another JupyterHub
PYTHON = os.environ.get("AF_UP_PYTHON") or sys.executable
UP = [PYTHON, "-m", "jupyterhub_af.cli.main", "up"]


def descendants(pid: int) -> set[int]:
    """Return the pids of all processes below one."""
    found = set()
    # what ends while it is looked at has nobody below it
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found |= {
                    int(child) for child in (task / "children").read_text().split()
                }
    return found.union(*map(descendants, found))


def listening_ports(pids: set[int]) -> set[int]:
    """Return the TCP ports that these processes listen on."""
    sockets = set()
    for pid in pids:
        with suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    sockets.add(str(link.readlink()))
    ports = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


class Form(HTMLParser):
    """The first form of a page, with what its fields hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._is_open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if tag == "form" and self.action is None:
            self.action = values.get("action", "")
            self._is_open = True
        elif tag == "input" and self._is_open and values.get("name"):
            if values.get("type") in ("radio", "checkbox") and "checked" not in values:
                return
            self.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False


@dataclass
class Person:
    """Somebody at a browser without JavaScript."""

    facility: RunningFacility
    username: str
    http: httpx.Client
    _xsrf: str = ""

    def at(self, path: str) -> str:
        return urljoin(self.facility.url, path)

    def log_in(self) -> httpx.Response:
        """Log in through the IAM, consent included; return the page that comes then."""
        self._xsrf = ""
        page = self.http.get(self.at("hub/oauth_login"))
        for _ in range(6):
            if not str(page.url).startswith(self.facility.iam_url):
                return page
            form = Form(page.text)
            fields = dict(form.fields)
            if "login" in fields:
                fields |= {
                    "login": self.username,
                    "password": self.facility.password(self.username),
                }
            page = self.http.post(
                urljoin(str(page.url), form.action or ""), data=fields
            )
        raise AssertionError(f"the IAM asks for ever: {page.url} {page.text[:500]}")

    def xsrf(self) -> str:
        """Return the token of this login against forged requests."""
        if not self._xsrf:
            self.http.get(self.at("hub/home"))
            found = [
                c.value
                for c in self.http.cookies.jar
                if c.name == "_xsrf" and c.path == "/hub/"
            ]
            assert found, "no _xsrf cookie"
            self._xsrf = str(found[-1])
        return self._xsrf

    def form_page(self, query: str = "") -> httpx.Response:
        return self.http.get(self.at(f"hub/spawn{query}"))

    def post_form(self, server: str = "", **fields: Any) -> httpx.Response:
        """Press Start with these fields, without following to the server."""
        return self.http.post(
            self.at(f"hub/spawn/{self.username}/{server}" if server else "hub/spawn"),
            params={"_xsrf": self.xsrf()},
            data=fields,
            follow_redirects=False,
        )

    def api(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Call the hub's API with the browser's cookies."""
        headers = {"X-XSRFToken": self.xsrf(), "Referer": self.at("hub/home")}
        return self.http.request(
            method, self.at(f"hub/api/{path}"), headers=headers, **arguments
        )

    def make_token(self) -> str:
        answer = self.api(
            "POST", f"users/{self.username}/tokens", json={"note": "test"}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def server(self, name: str = "") -> dict[str, Any]:
        """Return the hub's model of a server; empty while there is none."""
        answer = self.api("GET", f"users/{self.username}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["servers"].get(name, {}))

    def server_path(self, name: str = "") -> str:
        """Return where the API has a server."""
        return f"users/{self.username}/" + (f"servers/{name}" if name else "server")

    def start(self, server: str = "", **options: str) -> None:
        """Start a server at the form and wait until it is ready."""
        answer = self.post_form(server, **options)
        assert answer.status_code == 302, answer.text
        self.wait_until_ready(server)

    def wait_until_ready(self, server: str = "") -> None:
        """Wait until a server that was started answers."""
        wait_until(
            lambda: self.server(server).get("ready"), seconds=120, what="server ready"
        )

    def stop(self, server: str = "") -> None:
        """Stop a server, once it can be, and wait until it has ended."""
        answer = self.api("DELETE", self.server_path(server))
        assert answer.status_code in (202, 204), answer.text
        wait_until(lambda: not self.server(server), what="server stopped")


@dataclass
class RunningFacility:
    """A facility that runs, as ``up.json`` describes it."""

    data: Path
    process: subprocess.Popen[str]
    log: Path
    up: dict[str, Any]
    people: list[Person] = field(default_factory=list)

    @property
    def url(self) -> str:
        return str(self.up["url"])

    @property
    def iam_url(self) -> str:
        return str(self.up["iam_url"])

    def password(self, username: str) -> str:
        return next(
            a["password"] for a in self.up["accounts"] if a["username"] == username
        )

    def person(self, username: str) -> Person:
        client = httpx.Client(follow_redirects=True, timeout=30, verify=False)  # noqa: S501 - no TLS here
        found = Person(self, username, client)
        self.people.append(found)
        return found

    def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Ask the demo IAM's control for something."""
        token = Path(self.up["iam_control_token_file"]).read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        url = urljoin(self.up["iam_control_url"], path)
        return httpx.request(method, url, json=body, headers=headers, timeout=30)

    def plans(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the plan of the last start of each server, by person and server name."""
        path = self.data / "service" / "af.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute("select user, server_name, plan from plans")
            return {(user, name): json.loads(plan) for user, name, plan in rows}

    def audit(self) -> list[dict[str, Any]]:
        """Return what was recorded, oldest first."""
        path = self.data / "service" / "af.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return [
                dict(row)
                for row in database.execute("select * from events order by id")
            ]

    def sandboxes(self) -> set[int]:
        """Return the pids of the sandboxes that the hub has started."""
        pids = json.loads((self.data / "up.json").read_text())["pids"]
        hub = int(pids["hub"])
        found: set[int] = set()
        for child in Path(f"/proc/{hub}/task/{hub}/children").read_text().split():
            with suppress(OSError):
                program = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]
                if program.endswith(b"bwrap"):
                    found.add(int(child))
        # the service and the proxy are confined by the same program
        return found - set(pids.values())

    def end_servers(self) -> None:
        """Stop whatever servers run: a test that failed half-way leaves its own."""
        if not self.sandboxes():
            return
        admin = self.person("admin1")
        admin.log_in()

        def have_ended() -> bool:
            users = admin.api("GET", "users").json()
            running = [
                (user["name"], name) for user in users for name in user["servers"]
            ]
            for user, name in running:
                # one that still starts is asked again
                path = Person(self, user, admin.http).server_path(name)
                admin.api("DELETE", path)
            return not running and not self.sandboxes()

        wait_until(have_ended, seconds=120, what="no server")

    def cluster_parts(self) -> dict[str, dict[str, Any]]:
        """Return what is kept of the Dask sandboxes, by the cluster's and the part's name."""
        found = {}
        for path in self.data.glob("gateway/clusters/*/[!.]*.sandbox"):
            # one that has just ended is forgotten
            with suppress(FileNotFoundError):
                found[f"{path.parent.name}/{path.stem}"] = json.loads(path.read_text())
        return found

    def pids(self) -> dict[str, int]:
        """Return the facility's processes by name as they are now."""
        hub = int(self.up["pids"]["hub"])
        return {"hub": hub, **find_children(hub)}

    def logs(self) -> str:
        files = sorted(self.data.glob("logs/*")) + sorted(
            [
                *self.data.glob("servers/*/server.log"),
                *self.data.glob("gateway/clusters/*/*.log"),
            ]
        )
        texts = []
        for path in files:
            # a cluster's goes with it
            with suppress(FileNotFoundError):
                texts.append(path.read_text(errors="replace"))
        return "\n".join(texts)

    def secrets(self) -> dict[str, str]:
        """Return everything under the data folder that nobody may see."""
        names = (
            "service-secret",
            "agent-secret",
            "crypt-key",
            "client-secret",
            "cookie-secret",
        )
        found = {name: (self.data / "hub" / name).read_text().strip() for name in names}
        for name in ("service-secret", "database-key", "proxy-token"):
            found[f"gateway's {name}"] = (self.data / "gateway" / name).read_text()
        found |= {
            f"password of {a['username']}": a["password"] for a in self.up["accounts"]
        }
        found["control token"] = (
            Path(self.up["iam_control_token_file"]).read_text().strip()
        )
        return found

    def stop(self) -> int:
        for person in self.people:
            person.http.close()
        self.people.clear()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)


def start_facility(
    data: Path,
    *arguments: str,
    seconds: float = START_SECONDS,
    before: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> RunningFacility:
    """Start ``up`` in its own folder and wait for its ready line."""
    if not before:
        data.mkdir(parents=True, exist_ok=True)
    log = data.parent / f"{data.name}.up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *before,
                *UP,
                *("--data", str(data), "--port", str(free_port())),
                *arguments,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={
                **os.environ,
                "AF_CACHE": str(cache_dir()),
                "PYTHONUNBUFFERED": "1",
                **(env or {}),
            },
        )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if re.search(r"^.* is ready at http", log.read_text(), re.MULTILINE):
            up = json.loads((data / "up.json").read_text())
            return RunningFacility(data, process, log, up)
        if process.poll() is not None:
            break
        time.sleep(0.1)
    if process.poll() is None:
        process.terminate()
        process.wait(60)
    raise AssertionError(f"up did not get ready:\n{log.read_text()}")


@contextmanager
def running_facility(
    data: Path, *arguments: str, **options: Any
) -> Iterator[RunningFacility]:
    """Run a facility for a while."""
    facility = start_facility(data, *arguments, **options)
    try:
        yield facility
    finally:
        facility.stop()
