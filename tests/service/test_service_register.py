"""The register: bound once, for ever; the same on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_world import CONTACT, person
from sqlalchemy import delete, update

from jupyterhub_af.policy.messages import AccountRequest, IdsRequest
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.service.hub_name import RESERVED_NAMES, make_name_key
from jupyterhub_af.service.refusal import RefusedError, StartError
from jupyterhub_af.service.register import (
    FIRST_GID,
    FIRST_UID,
    Ranges,
    Register,
)
from jupyterhub_af.service.tables import AccountRow, GroupRow


def ask(name: str, **more: object) -> AccountRequest:
    return AccountRequest.model_validate(person(name, **more))


def account(register: Register, name: str, **more: object):
    return register.account_for(ask(name, **more))[0]


def refusal(register: Register, name: str, **more: object) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        account(register, name, **more)
    return caught.value


def test_the_first_login_gives_the_first_number(register):
    given, is_new = register.account_for(ask("alice"))
    assert (given.name, given.uid, given.gid) == ("alice", FIRST_UID, FIRST_UID)
    assert is_new


def test_the_second_login_gives_the_same_account(register):
    first = account(register, "alice")
    assert register.account_for(ask("alice")) == (first, False)


def test_a_person_who_changes_the_iam_name_keeps_the_account(register):
    first = account(register, "alice")
    assert account(register, "bob", subject="subject-of-alice") == first


def test_the_issuer_with_and_without_its_slash_is_one(register):
    first = account(register, "alice")
    assert account(register, "alice", issuer="https://iam.example.org") == first


def test_a_bound_person_may_bring_any_name_later(register):
    first = account(register, "alice")
    assert account(register, "Ünmöglich", subject="subject-of-alice") == first


def test_another_subject_never_gets_a_name_that_is_bound(register):
    account(register, "alice")
    refused = refusal(register, "alice", subject="somebody-else")
    assert (refused.status, refused.rule) == (409, "name-taken")
    assert "alice" in str(refused)
    assert CONTACT in str(refused)


def test_a_name_that_differs_in_case_is_the_same_name(register):
    account(register, "alice")
    assert refusal(register, "ALICE", subject="another").rule == "name-taken"


def test_another_issuer_is_refused(register):
    refused = refusal(register, "alice", issuer="https://evil.example.org/")
    assert (refused.status, refused.rule) == (403, "issuer-unknown")


def test_an_unbound_name_of_an_old_hub_user_is_refused(register):
    refused = refusal(register, "alice", is_known_to_hub=True)
    assert (refused.status, refused.rule) == (409, "name-unconfirmed")
    assert CONTACT in str(refused)


def test_a_bound_name_is_let_in_where_the_hub_knows_it(register):
    first = account(register, "alice")
    assert account(register, "alice", is_known_to_hub=True) == first


def test_a_closed_account_is_refused(register, store):
    account(register, "alice")
    with store.write() as session:
        session.execute(update(AccountRow).values(state="closed"))
    refused = refusal(register, "alice")
    assert (refused.status, refused.rule) == (403, "account-closed")


HOSTILE_NAMES = {
    "empty after nothing": " ",
    "a dot": ".",
    "two dots": "..",
    "a path": "../root",
    "a slash": "a/b",
    "a space": "a b",
    "a trailing line end": "alice\n",
    "a leading dash": "-rf",
    "a leading dot": ".bashrc",
    "a leading at": "@alice",
    "an accent": "müller",
    "a kelvin sign that lower() makes a k": "\u212aarl",
    "a dotted capital i": "\u0130rma",
    "a full-width letter": "\uff41lice",
    "a cyrillic a": "\u0430lice",
    "a zero-width joiner": "al\u200dice",
    "a right-to-left mark": "alice\u202e",
    "a NUL": "alice\x00",
    "a backslash": "a\\b",
    "a shell substitution": "$(id)",
    "a semicolon": "a;id",
    "a quote": "a'b",
    "a percent sign": "a%2e",
    "a colon": "a:b",
    "64 characters": "a" * 64,
    "255 characters": "a" * 255,
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
def test_a_hostile_name_is_refused_with_what_is_allowed(lite_register, name):
    refused = refusal(lite_register, name)
    assert (refused.status, refused.rule) == (403, "name-form")
    assert "are allowed" in str(refused)
    assert CONTACT in str(refused)
    assert str(refused).isprintable()


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_name_of_the_system_is_refused(lite_register, name):
    refused = refusal(lite_register, name.upper())
    assert (refused.status, refused.rule) == (403, "name-reserved")


@pytest.mark.parametrize(
    "name", ["a", "_a", "9lives", "a.b@example.org", "a-b_c", "host$", "A" * 63]
)
def test_a_usable_name_is_taken_in_lower_case(lite_register, name):
    assert account(lite_register, name).name == name.lower()


NAMES = st.from_regex(r"[a-z0-9_][a-z0-9_.@$-]{0,62}", fullmatch=True)


@given(st.sets(NAMES, min_size=2, max_size=2))
def test_two_names_never_share_a_directory_or_a_key(names):
    one, other = names
    assert make_slug(one) != make_slug(other)
    assert make_name_key(one) != make_name_key(other)


def test_a_number_is_never_given_again_after_its_row_is_gone(register, store):
    account(register, "alice")
    last = account(register, "bob")
    with store.write() as session:
        session.execute(delete(AccountRow))
    register.prepare()
    assert account(register, "carol").uid == last.uid + 1


def test_a_gid_is_never_given_again_after_its_row_is_gone(register, store):
    account(register, "alice")
    request = IdsRequest(user="alice", groups=("a",))
    first = register.ids_for(request).gids["a"]
    with store.write() as session:
        session.execute(delete(GroupRow))
    assert register.ids_for(request).gids["a"] == first + 1


def test_a_first_uid_that_is_lowered_later_changes_nothing(register, store, catalogue):
    first = account(register, "alice")
    again = Register(store, catalogue, Ranges(FIRST_UID - 1000, FIRST_GID))
    again.prepare()
    assert account(again, "bob").uid == first.uid + 1


@pytest.mark.parametrize(
    ("first_uid", "first_gid"), [(0, 10), (10, 10), (20, 10), (1, 2**31)]
)
def test_ranges_that_overlap_refuse_the_start(
    lite_store, catalogue, first_uid, first_gid
):
    register = Register(lite_store, catalogue, Ranges(first_uid, first_gid))
    with pytest.raises(StartError, match="share no number"):
        register.prepare()


def test_people_never_reach_the_numbers_of_groups(lite_store, catalogue):
    register = Register(lite_store, catalogue, Ranges(10, 12))
    register.prepare()
    assert [account(register, n).uid for n in ("alice", "bob")] == [10, 11]
    refused = refusal(register, "carol")
    assert (refused.status, refused.rule) == (503, "numbers-exhausted")


def test_groups_get_numbers_of_their_own_for_ever(register):
    person = account(register, "alice")
    first = register.ids_for(IdsRequest(user="alice", groups=("a", "A", "a/b", "a")))
    assert first.gids == {"a": FIRST_GID, "A": FIRST_GID + 1, "a/b": FIRST_GID + 2}
    again = register.ids_for(IdsRequest(user="alice", groups=("c", "A")))
    assert again.gids == {"c": FIRST_GID + 3, "A": FIRST_GID + 1}
    assert (again.uid, again.gid) == (person.uid, person.gid)


def test_nobody_is_registered_by_asking_for_numbers(register):
    with pytest.raises(RefusedError) as caught:
        register.ids_for(IdsRequest(user="alice", groups=("a",)))
    assert (caught.value.status, caught.value.rule) == (404, "account-unknown")


@pytest.mark.parametrize("group", ["/a", "a/", "a//b", "..", "a b", "é", "a\n"])
def test_what_is_no_group_gets_no_number(lite_register, group):
    account(lite_register, "alice")
    with pytest.raises(RefusedError) as caught:
        lite_register.ids_for(IdsRequest(user="alice", groups=("ok", group)))
    assert (caught.value.status, caught.value.rule) == (400, "group-form")


def test_too_many_groups_at_once_are_refused(lite_register):
    groups = tuple(f"g{n}" for n in range(1001))
    with pytest.raises(RefusedError, match="At most 1000"):
        lite_register.ids_for(IdsRequest(user="alice", groups=groups))


def test_fifty_first_logins_at_once_get_fifty_numbers(register):
    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda n: account(register, f"p{n}"), range(50)))
    assert {a.uid for a in made} == set(range(FIRST_UID, FIRST_UID + 50))


def test_one_person_who_logs_in_twenty_times_at_once_is_one(register):
    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda _: account(register, "alice"), range(20)))
    assert set(made) == {account(register, "alice")}


def test_one_name_that_ten_people_want_at_once_goes_to_one(register):
    def try_it(number: int) -> str:
        try:
            return account(register, "alice", subject=f"s{number}").name
        except RefusedError as error:
            return error.rule

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(try_it, range(10))) == ["alice", *["name-taken"] * 9]


def test_groups_asked_for_at_once_get_one_number_each(register):
    account(register, "alice")
    groups = tuple(f"g{n}" for n in range(5))

    def numbers(_: int) -> tuple[tuple[str, int], ...]:
        reply = register.ids_for(IdsRequest(user="alice", groups=groups))
        return tuple(sorted(reply.gids.items()))

    with ThreadPoolExecutor(8) as pool:
        (reply,) = set(pool.map(numbers, range(16)))
    assert {gid for _, gid in reply} == set(range(FIRST_GID, FIRST_GID + 5))


@pytest.fixture
def lite_register(lite_store, catalogue) -> Register:
    register = Register(lite_store, catalogue, Ranges(FIRST_UID, FIRST_GID))
    register.prepare()
    return register
