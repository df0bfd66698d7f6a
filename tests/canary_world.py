"""Nine secrets of a facility that runs, where each belongs, and every place to look at.

A *haystack* is a place and its bytes: a file, a process's environment or command line, an
answer. A secret counts as found in any of the forms in which somebody could have written
it: as it is, in base64 (wherever it begins in the text), per cent encoded, as bytes.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
from cryptography.fernet import Fernet
from facility_world import RunningFacility, descendants

LARGEST_BYTES = 64 * 1024 * 1024
_JWT = re.compile(rb"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")
# what could be one in base64
_STANDARD = bytes.maketrans(b"-_", b"+/")
_HIDDEN_JWT = re.compile(rb"[A-Za-z0-9+/_-]{80,}={0,2}")


@dataclass(frozen=True)
class Haystack:
    """A place that somebody may read, or that outlives the moment."""

    place: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Canary:
    """A secret, and the places where it belongs."""

    kind: str
    value: str = field(repr=False)
    # tells of a place whether the secret belongs there
    belongs: Callable[[str], bool] = field(default=lambda place: False, repr=False)

    def forms(self) -> set[bytes]:
        """Return the secret in every spelling."""
        plain = {self.value.encode()}
        with suppress(ValueError):
            plain.add(bytes.fromhex(self.value))
        found = set(plain)
        for text in plain:
            found |= _base64_forms(text)
        found.add(quote(self.value, safe="").encode())
        return {form for form in found if len(form) >= 12}


def _base64_forms(text: bytes) -> set[bytes]:
    """Return the part of the base64 that is the same whatever stands around the text."""
    found = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            whole = encode(b"\0" * shift + text)
            first = 0 if shift == 0 else 4
            found.add(whole[first : len(whole) // 4 * 4 - 4])
    return found


def find_leaks(canaries: list[Canary], haystacks: Iterator[Haystack]) -> list[str]:
    """Return what was found outside its place, as sentences without the secret."""
    wanted = [(canary, canary.forms()) for canary in canaries]
    found = []
    for hay in haystacks:
        for canary, forms in wanted:
            is_there = any(form in hay.content for form in forms)
            if is_there and not canary.belongs(hay.place):
                found.append(f"{canary.kind} in {hay.place}")
        if _has_id_token(hay.content):
            found.append(f"ID token in {hay.place}")
    return sorted(set(found))


def _has_id_token(content: bytes) -> bool:
    """Tell whether there is a JWT with the nonce that only ID tokens have."""
    hidden = [content]
    for text in _HIDDEN_JWT.findall(content):
        plain = text.rstrip(b"=").translate(_STANDARD)
        # a run may begin anywhere in the four letters that stand for three
        for first in range(4):
            whole = plain[first : first + (len(plain) - first) // 4 * 4]
            hidden.append(base64.b64decode(whole))
    return any(_is_id_token(jwt) for text in hidden for jwt in _JWT.findall(text))


def _is_id_token(jwt: bytes) -> bool:
    with suppress(ValueError):
        claims = json.loads(base64.urlsafe_b64decode(jwt.split(b".")[1] + b"=="))
        return isinstance(claims, dict) and "nonce" in claims
    return False


class CanaryWorld:
    """A facility whose secrets are collected while it is used."""

    def __init__(self, facility: RunningFacility) -> None:
        self.facility = facility
        self.answers: list[Haystack] = []
        self._canaries: dict[tuple[str, str], Canary] = {}
        self._own: dict[tuple[str, str], set[str]] = {}
        self._passing: dict[str, bytes] = {}

    def listen(self, client: httpx.Client) -> None:
        """Keep every answer that somebody gets."""

        def keep(answer: httpx.Response) -> None:
            answer.read()
            head = str(sorted(answer.headers.items())).encode()
            place = f"answer {answer.request.method} {answer.request.url.path}"
            # what the IAM's own pages say to its own people is the IAM's
            if not str(answer.request.url).startswith(self.facility.iam_url):
                self.answers.append(Haystack(place, head + answer.content))

        client.event_hooks["response"].append(keep)

    def collect(self) -> None:
        """Learn the secrets of now, and keep what passes away: environments, clusters."""
        self._collect_files()
        self._collect_tokens()
        self._collect_servers()
        self._collect_clusters()
        for hay in self._processes():
            self._passing[hay.place] = hay.content
        for path in self.facility.data.glob("gateway/clusters/*/*.log"):
            with suppress(OSError):
                self._passing[f"file {path}"] = path.read_bytes()

    def canaries(self) -> list[Canary]:
        return list(self._canaries.values())

    def haystacks(self) -> Iterator[Haystack]:
        """Return everything there is to look at now, and what was kept of before."""
        yield from self.answers
        for place, content in self._passing.items():
            yield Haystack(place, content)
        yield from self._processes()
        yield from self._files()
        up = self.facility.log
        yield Haystack(f"file {up}", up.read_bytes())

    def _add(
        self,
        kind: str,
        value: str,
        belongs: Callable[[str], bool] = lambda place: False,
    ) -> None:
        value = value.strip()
        assert len(value) >= 16, kind
        self._canaries[kind, value] = Canary(kind, value, belongs)

    def _collect_files(self) -> None:
        for kind, name in (
            ("client secret", "client-secret"),
            ("cookie secret", "cookie-secret"),
            ("crypt key", "crypt-key"),
        ):
            path = self.facility.data / "hub" / name
            own = f"file {path}"
            self._add(kind, path.read_text(), lambda place, own=own: place == own)

    def _collect_tokens(self) -> None:
        """Read the IAM's tokens as the hub can: from its encrypted column."""
        key = bytes.fromhex((self.facility.data / "hub/crypt-key").read_text())
        fernet = Fernet(base64.urlsafe_b64encode(key))
        database = self.facility.data / "hub/jupyterhub.sqlite"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as line:
            rows = line.execute("select encrypted_auth_state from users").fetchall()
        for (state,) in rows:
            if state is None:
                continue
            found = json.loads(fernet.decrypt(state))
            self._add("access token", found["access_token"], _is_token_folder)
            if found.get("refresh_token"):
                self._add("refresh token", found["refresh_token"])

    def _collect_servers(self) -> None:
        """Learn each server's token from its own environment; it belongs there alone."""
        for pid in self.facility.sandboxes():
            self._add_own("hub API token", b"JUPYTERHUB_API_TOKEN", pid)

    def _collect_clusters(self) -> None:
        for part in self.facility.cluster_parts().values():
            for pid in (part["pid"], part["init_pid"]):
                self._add_own("Dask cluster token", b"DASK_GATEWAY_API_TOKEN", pid)
        for folder in self.facility.data.glob("gateway/clusters/*"):
            own = f"file {folder}/inside/dask.pem"
            with suppress(OSError):
                key = (folder / "inside/dask.pem").read_text().splitlines()[3]
                self._add("Dask TLS key", key, lambda place, own=own: place == own)

    def _add_own(self, kind: str, variable: bytes, pid: int) -> None:
        """Add a token that belongs into the processes of one sandbox."""
        tree = {pid, *descendants(pid)}
        token = _variable(tree, variable)
        if token:
            own = self._own.setdefault((kind, token), set())
            own |= {f"of process {one}" for one in tree}
            self._add(
                kind,
                token,
                lambda place: (
                    any(place.endswith(end) for end in own)
                    and not place.startswith("cmdline")
                ),
            )

    def _processes(self) -> Iterator[Haystack]:
        """Return environments, command lines, and what lies in a sandbox's /tmp."""
        parts = self.facility.cluster_parts().values()
        roots = {part[key] for part in parts for key in ("pid", "init_pid")}
        roots |= {self.facility.process.pid}
        for pid in roots.union(*map(descendants, roots)):
            for name in ("environ", "cmdline"):
                with suppress(OSError):
                    content = Path(f"/proc/{pid}/{name}").read_bytes()
                    yield Haystack(f"{name} of process {pid}", content)
        for root in {*self.facility.sandboxes(), *roots} - {self.facility.process.pid}:
            for pid in sorted(descendants(root))[1:2]:
                yield from _read_tree(
                    Path(f"/proc/{pid}/root/tmp"), f" of process {pid}"
                )

    def _files(self) -> Iterator[Haystack]:
        # the IAM's own folder is where the IAM's secrets are made
        theirs = f"file {self.facility.data / 'iam'}/"
        for hay in _read_tree(self.facility.data, ""):
            if not hay.place.startswith(theirs):
                yield hay


def _read_tree(root: Path, of: str) -> Iterator[Haystack]:
    """Return every file below a folder that can be read now."""
    with suppress(OSError):
        for path in sorted(root.rglob("*")):
            with suppress(OSError):
                is_file = path.is_file() and not path.is_symlink()
                if is_file and path.stat().st_size <= LARGEST_BYTES:
                    yield Haystack(f"file {path}{of}", path.read_bytes())


def _is_token_folder(place: str) -> bool:
    """Tell whether a place is the file of a server's or a cluster's token folder."""
    return re.fullmatch(r"file .*/tokens?/([^/]+/)?token", place) is not None


def _variable(pids: set[int], name: bytes) -> str:
    for pid in sorted(pids):
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                key, _, value = line.partition(b"=")
                if key == name:
                    return value.decode()
    return ""
