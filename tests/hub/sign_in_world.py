"""People, pages and a login: what the tests of the way through the IAM share."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx

STUDENT = {
    "preferred_username": "student1",
    "groups": ["hackathon", "hackathon/students"],
}
OUTSIDER = {
    "preferred_username": "outsider1",
    "groups": ["zoo", "atlas", "atlas/users"],
}
ADMIN = {"preferred_username": "admin1", "groups": ["facility", "facility/admins"]}


class Page(HTMLParser):
    """The texts, links and elements of a page, by id where they have one."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.title = ""
        self.alert = ""
        self.by_id: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(response.text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag not in ("meta", "link", "img", "br", "input"):
            self._open.append((tag, values))
        if tag == "a" and values.get("id"):
            self.links[values["id"]] = values["href"]

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if not self._open:
            return
        tag, values = self._open[-1]
        if tag == "h1":
            self.title += data
        if values.get("role") == "alert":
            self.alert += data
        if values.get("id"):
            self.by_id[values["id"]] = self.by_id.get(values["id"], "") + data


async def try_login(hub) -> tuple[int, Page]:
    async with hub.browser() as browser:
        response = await browser.log_in()
    assert "Traceback" not in response.text
    return response.status_code, Page(response)


def assert_secrets_unlogged(hub) -> None:
    own = [r for r in hub.log.records if not r.name.startswith(("httpx", "httpcore"))]
    log = "\n".join(f"{r.getMessage()} {r.exc_text or ''}" for r in own)
    assert len(log) > 500
    assert [s for s in hub.iam.secrets if s in log] == []
