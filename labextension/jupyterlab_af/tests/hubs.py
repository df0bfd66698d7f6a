"""A hub at the wire, as far as a single-user server asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyterlab_af.tests.worlds import CREDENTIAL, write

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

BROWSER = "the-token-of-a-browser"
ADMIN = "the-token-of-an-admin"
SCOPE = "access:servers!server=student1/"


class FakeHub:
    """Says who a token is of, and refuses those whose person lost access."""

    def __init__(self) -> None:
        self.people = {BROWSER: "student1", CREDENTIAL: "student1", ADMIN: "admin1"}
        self.status = 0
        self.asked: list[str] = []
        self.url = ""

    def deny(self, name: str) -> None:
        """Accept no token of a person any more."""
        self.people = {t: n for t, n in self.people.items() if n != name}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Write the answer to one request."""
        token = request.headers.get("Authorization", "").removeprefix("token ")
        self.asked.append(token)
        name = self.people.get(token)
        if request.path == "/hub/api":
            write(request, 200, {"version": "6.1.1"})
        elif self.status:
            write(request, self.status, {})
        elif request.path.endswith("/activity"):
            write(request, 200 if name else 403, {})
        elif not request.path.endswith("/user"):
            write(request, 403, {"error": "access_denied"})
        elif name is None:
            write(request, 403, {"message": "Forbidden"})
        else:
            model = {"kind": "user", "name": name, "scopes": [SCOPE], "groups": []}
            write(request, 200, model)
