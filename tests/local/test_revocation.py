"""Membership that ends at the IAM: which doors close, when, and what goes on for how long.

One facility for each form in which the IAM writes groups. Several people lose their
access in different ways at the same time; each is a row. AF_PROOF=1 has every row in
every form; without it each row and each form is there once. JupyterHub 5.5: with
AF_UP_PYTHON.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from facility_world import RunningFacility
from revocation_world import (
    COLUMNS,
    RECHECK_SECONDS,
    SLACK_SECONDS,
    Watched,
    change,
    counts,
    facility_with_bounds,
    set_groups,
    watch,
)
from waiting import wait_until

pytestmark = pytest.mark.local
IS_PROOF = os.environ.get("AF_PROOF") == "1"
# long enough to ask at every door before it is over, on a busy machine
COURTESY_SECONDS = 20
# what each door says once the hub knows, while the server still runs
EXPECTED = """
                      | page  | page API | user token | OAuth token | server | server, new | gateway
one group lost        | open  | open     | open       | open        | open   | open        | refused
all groups lost       | login | refused  | refused    | refused     | open   | refused     | refused
suspended             | login | refused  | refused    | refused     | open   | refused     | refused
AUP unsigned          | login | refused  | refused    | refused     | open   | refused     | refused
refresh token revoked | login | refused  | refused    | refused     | open   | refused     | refused
client suspended      | open  | open     | open       | open        | open   | open        | open
"""


@dataclass(frozen=True)
class Row:
    """A way to lose access: whose, with which groups and profile, and what happens."""

    says: str
    account: str
    happens: Callable[[RunningFacility, str], object]
    groups: tuple[str, ...] = ("hackathon",)
    profile: str = "dodas-v5"
    # the page that a new login then ends at
    logs_in_with: frozenset[int] = frozenset({200})
    reads: str = ""


ROWS = (
    Row(
        "one group lost",
        "student1",
        lambda f, name: set_groups(f, name, ["hackathon"]),
        groups=("hackathon", "cygno"),
        profile="cygno",
    ),
    Row(
        "all groups lost",
        "student2",
        lambda f, name: set_groups(f, name, []),
        logs_in_with=frozenset({403}),
        reads="support@example.org",
    ),
    Row(
        "suspended",
        "student3",
        lambda f, name: change(f, f"accounts/{name}", suspended=True),
        logs_in_with=frozenset({403}),
        reads="suspended",
    ),
    Row(
        "AUP unsigned",
        "teacher1",
        lambda f, name: change(f, f"accounts/{name}", aup_signed=False),
    ),
    Row(
        "refresh token revoked",
        "researcher1",
        lambda f, name: f.control("POST", f"accounts/{name}/revoke"),
    ),
)
PROFILES = ("iam", "wlcg", "kc", "aarc")
# without AF_PROOF: all rows in one form, and one row in each of the others
SOME = {"iam": ROWS, "wlcg": ROWS[1:2], "kc": ROWS[:1], "aarc": ROWS[2:3]}
CELLS = [
    pytest.param(profile, row, id=f"{row.says} in the form of {profile}")
    for profile in PROFILES
    for row in (ROWS if IS_PROOF else SOME[profile])
]


def expected(says: str) -> dict[str, str]:
    """Return a row of the table."""
    head, *rows = (line.split("|") for line in EXPECTED.strip("\n").splitlines())
    columns = [name.strip() for name in head[1:]]
    assert columns == list(COLUMNS)
    words = {row[0].strip(): [w.strip() for w in row[1:]] for row in rows}
    return dict(zip(columns, words[says], strict=True))


@dataclass
class Fallen:
    """What was seen of one row: words by door, and seconds since it happened."""

    noticed_seconds: float = 0.0
    ended_seconds: float = 0.0
    during: dict[str, str] = field(default_factory=dict)
    page_after_login: tuple[int, str] = (0, "")


def let_fall(
    facility: RunningFacility, watched: dict[Row, Watched]
) -> dict[Row, Fallen]:
    """Have it happen to everybody at once, and look at everything until all is over."""
    found = {row: Fallen() for row in watched}
    begin = time.monotonic()
    for row in watched:
        row.happens(facility, row.account)
    for row, who in watched.items():
        wait_until(lambda who=who: who.gateway() == "refused", what=row.says)
        found[row].noticed_seconds = time.monotonic() - begin
        found[row].during = who.look()
    for row, who in watched.items():
        wait_until(lambda who=who: not who.has_server(), what=f"the end, {row.says}")
        found[row].ended_seconds = time.monotonic() - begin
        page = who.person.log_in()
        found[row].page_after_login = (page.status_code, page.text)
    return found


@pytest.fixture(scope="module")
def fall(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], dict[Row, Fallen]]:
    """Give what happened in one of the forms; asked again, it is known."""

    @functools.cache
    def in_form(profile: str) -> dict[Row, Fallen]:
        rows = ROWS if IS_PROOF else SOME[profile]
        folder = tmp_path_factory.mktemp(profile)
        with facility_with_bounds(
            folder, profile=profile, courtesy=COURTESY_SECONDS
        ) as facility:
            for row in rows:
                set_groups(facility, row.account, list(row.groups))
            watched = {
                row: watch(facility, row.account, profile=row.profile) for row in rows
            }
            return let_fall(facility, watched)

    return in_form


@pytest.mark.parametrize(("profile", "row"), CELLS)
def test_every_door_closes_within_the_bound(fall, profile, row):
    found = fall(profile)[row]
    assert found.during == expected(row.says)
    assert found.noticed_seconds < RECHECK_SECONDS + SLACK_SECONDS
    assert found.ended_seconds > COURTESY_SECONDS
    assert found.ended_seconds < RECHECK_SECONDS + COURTESY_SECONDS + SLACK_SECONDS
    status, page = found.page_after_login
    assert status in row.logs_in_with
    assert row.reads in page
    assert "Traceback" not in page


def test_a_client_that_the_iam_refuses_locks_nobody_out(tmp_path):
    says = "client suspended"
    with facility_with_bounds(tmp_path, courtesy=1) as facility:
        watched = watch(facility, "student1", profile="dodas-v5")
        before = counts(facility)["grants"].get("refresh_token", 0)
        change(facility, "client", suspended=True)
        wait_until(
            lambda: counts(facility)["grants"].get("refresh_token", 0) >= before + 2,
            what="two attempts to renew",
        )
        assert watched.look() == expected(says)
        assert watched.has_server()
        assert "invalid_client" in facility.logs()
        change(facility, "client", suspended=False)
        wait_until(
            lambda: counts(facility)["grants"].get("refresh_token", 0) >= before + 4,
            what="renewals again",
        )
        assert watched.look() == expected(says)
