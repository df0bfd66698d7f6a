"""How a browser reads an address, and addresses that were made to be misread.

The payloads are JupyterHub's own cases of a login's ``next`` (its test_pages.py) and
the usual ways past a check of addresses.

Source: the URL standard of the WHATWG, basic URL parser.
"""

from __future__ import annotations

import re

import httpx
from facility_world import Person

EVIL = "evil.example"
_EVERY_STEP = 12

# {host} is the facility's own host and port
NEXT = (
    # JupyterHub's own list
    "relative/path",
    "https://evil.example",
    "ftp://evil.example",
    "//evil.example",
    "///evil.example/triple",
    "\\\\evil.example/backslashes",
    "http://{host}/evil.example/",
    "http://{host}//evil.example/",
    "http://{host}///evil.example/",
    "http://{host}////evil.example/",
    "/has?repo=https://evil.example/x.git",
    "/has#repo=https://evil.example/x.git",
    # slashes of every kind
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "/\\/evil.example",
    "\\evil.example",
    "/%5cevil.example",
    "/%2fevil.example",
    "%2f%2fevil.example",
    "/%252fevil.example",
    "/\uff0fevil.example",
    "\u2044\u2044evil.example",
    "\u3002evil.example",
    "/\u2215/evil.example",
    # schemes
    "http:evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http:///evil.example",
    "HTTPS://evil.example",
    "https:\\\\evil.example",
    "://evil.example",
    "javascript:alert(1)",
    "javascript://{host}/%0aalert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "blob:http://{host}/x",
    "file:///etc/passwd",
    "mailto:a@evil.example",
    # somebody before the host
    "//{host}@evil.example",
    "http://{host}@evil.example/",
    "http://{host}:80@evil.example/",
    "http://{host}\\@evil.example/",
    "http://{host}%2f@evil.example/",
    "http://{host}.evil.example/",
    "http://evil.example#{host}/",
    "http://evil.example?http://{host}/",
    "//{host}.evil.example/",
    "@evil.example",
    "/@evil.example",
    # characters that a browser leaves out
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x01//evil.example",
    "/\x00/evil.example",
    "ht\ntps://evil.example",
    "/\x0b/evil.example",
    "/\x7f/evil.example",
    # a second header
    "/x\r\nLocation: https://evil.example",
    "/x\r\nSet-Cookie: a=b",
    "/x\n\n<script>alert(1)</script>",
    # dots
    "/..//evil.example",
    "/.//evil.example",
    "/hub/..//evil.example",
    "/;//evil.example",
    # the hub's own ways on
    "/hub/login?next=//evil.example",
    "/hub/logout?next=//evil.example",
    "/hub/user-redirect//evil.example",
    "/hub//evil.example",
    "//evil.example/%2e%2e",
    # far too long
    "/" + "a" * 1500,
    "//evil.example/" + "a" * 1500,
    "/" + "%2f" * 400 + "evil.example",
)


def target_of(base: httpx.URL, location: str) -> tuple[str, str]:
    """Return scheme and host (with port) where a browser goes from ``base``."""
    text = location.strip("".join(map(chr, range(0x21))))
    text = re.sub(r"[\t\n\r]", "", text)
    found = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", text)
    scheme = found[1].lower() if found else base.scheme
    rest = text[found.end() :] if found else text
    if scheme not in ("http", "https"):
        return scheme, ""
    rest = rest.replace("\\", "/")
    is_relative = scheme == base.scheme and not rest.startswith("//")
    if is_relative:
        return scheme, base.netloc.decode()
    authority = re.split(r"[/?#]", rest.lstrip("/"), maxsplit=1)[0]
    return scheme, authority.rpartition("@")[2].lower()


def follow(person: Person, url: str) -> httpx.Response:
    """Open an address as a browser would, and follow; nothing leaves the two hosts."""
    known = {httpx.URL(person.at("")).netloc.decode()}
    known.add(httpx.URL(person.facility.iam_url).netloc.decode())
    answer = person.http.get(url, follow_redirects=False)
    for _ in range(_EVERY_STEP):
        assert answer.status_code < 500, (url, answer.status_code, answer.text[:2000])
        assert "a" not in answer.cookies
        location = answer.headers.get("location")
        if location is None:
            return answer
        scheme, host = target_of(answer.url, location)
        assert (scheme, host in known) == ("http", True), (url, location)
        answer = person.http.get(answer.url.join(location), follow_redirects=False)
    return answer
