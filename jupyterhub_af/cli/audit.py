"""``jupyterhub-af audit``: who did what, asked of the facility that runs.

Lines come oldest first, page by page, so that any number of them takes no memory.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator
from datetime import datetime

from jupyterhub_af.policy.account_messages import KeptEvent
from jupyterhub_af.policy.audit_messages import AuditPage, AuditQuery
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.fault import FaultError
from jupyterhub_af.policy.units import parse_duration_seconds

from .asking import complain
from .commands import Commands
from .service_line import ServiceLine, add_data_argument, find_actor

_PATH = "/internal/admin/audit"
_ACTION = re.compile(r"[a-z][a-z0-9.-]{0,63}")
_TIMES = (
    "write how long ago (90s, 30m, 2h, 3d), a date (2026-11-20) or a time "
    "(2026-11-20T14:30), in this machine's zone unless it names one"
)


def add_audit(commands: Commands) -> None:
    """Add the command."""
    audit = commands.add_parser(
        "audit",
        help="show who did what, by which rule, with which result",
        description="Show what the audit of a facility on this machine says, newest "
        f"last. For a time {_TIMES}. Looking is an act, and the audit has it.",
    )
    audit.add_argument(
        "--user",
        type=_user,
        metavar="U",
        help="what this person did, and what was done to what is theirs, under former "
        "names too (default: everybody)",
    )
    audit.add_argument(
        "--since", type=_time, default="1d", metavar="T", help="default: 1d"
    )
    audit.add_argument("--until", type=_time, metavar="T", help="default: now")
    audit.add_argument(
        "--action",
        type=_action,
        metavar="A",
        help="only one kind of act, such as server.start",
    )
    audit.add_argument(
        "--json", action="store_true", help="print each line as one JSON object"
    )
    add_data_argument(audit)
    audit.set_defaults(run=run_audit)


def run_audit(parsed: argparse.Namespace) -> int:
    """Print the lines that were asked for."""
    query = AuditQuery(
        actor=find_actor(),
        user=parsed.user or "",
        since=parsed.since,
        until=time.time() if parsed.until is None else parsed.until,
        action=parsed.action or "",
    )
    if query.until <= query.since:
        complain("--until must be later than --since; nothing is between them.")
        return 1
    try:
        return _show(ServiceLine(parsed.data), query, is_json=parsed.json)
    except AFError as error:
        complain(error)
        return 1


def _show(line: ServiceLine, query: AuditQuery, *, is_json: bool) -> int:
    count = 0
    for page in _ask_pages(line, query):
        for kept in page.lines:
            print(_to_json(kept) if is_json else _to_text(kept))
        count += len(page.lines)
    if not (count or page.is_known):
        complain(
            f"Nobody with the name {query.user!a} has an account here, and no line in "
            "this time is about them."
        )
        return 1
    if not count:
        complain("The audit has no such line in this time.")
    return 0


def _ask_pages(line: ServiceLine, query: AuditQuery) -> Iterator[AuditPage]:
    """Return page after page; there is always a first."""
    while True:
        page = line.ask(_PATH, AuditPage, query)
        yield page
        if page.last is None:
            return
        query = query.model_copy(update={"after": page.last})


def _to_text(kept: KeptEvent) -> str:
    """Return a line for people: time, who, what, to what, result, rule, words."""
    event = kept.event
    rule = f"({event.rule})" if event.rule else ""
    words = (event.actor, event.action, event.target or "-", event.result, rule)
    fields = (_local(kept.time), *words, event.detail)
    return "  ".join(_printable(field) for field in fields if field)


def _to_json(kept: KeptEvent) -> str:
    return json.dumps({"time": _local(kept.time), **kept.event.model_dump()})


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _printable(text: str) -> str:
    """Return a text that moves no cursor: what somebody wrote may be in it."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _user(text: str) -> str:
    if not text or not text.isprintable() or len(text) > 255:
        msg = f"{text[:80]!r} is not a hub name"
        raise argparse.ArgumentTypeError(msg)
    return text


def _action(text: str) -> str:
    if not _ACTION.fullmatch(text):
        msg = f"{text[:80]!r} is not an action; one is server.start, another is login"
        raise argparse.ArgumentTypeError(msg)
    return text


def _time(text: str) -> float:
    """Return a time in seconds since 1970 (UTC)."""
    try:
        return max(0.0, time.time() - parse_duration_seconds(text))
    except FaultError:
        pass
    try:
        found = datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        found = -1.0
    if not 0 <= found < 1e11:
        msg = f"{text[:80]!r} is not a time: {_TIMES}"
        raise argparse.ArgumentTypeError(msg)
    return found
