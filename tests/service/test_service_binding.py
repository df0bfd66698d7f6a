"""One person, one name, one directory, for ever: whoever comes, by whatever name."""

from __future__ import annotations

import os
import random
import re
import string
from concurrent.futures import ThreadPoolExecutor

import pytest
from nasty_names import ALL, GROUPS, KNOWN, SAME_DIRECTORY
from pydantic import ValidationError
from service_world import CONTACT, ISSUER, person
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from jupyterhub_af.policy.messages import Account, AccountRequest
from jupyterhub_af.policy.names import check_component, is_label, make_slug
from jupyterhub_af.policy.plan import Ids
from jupyterhub_af.policy.storage import directories_of
from jupyterhub_af.service.refusal import RefusedError, StartError
from jupyterhub_af.service.register import FIRST_GID, FIRST_UID, Ranges, Register
from jupyterhub_af.service.store import Store
from jupyterhub_af.service.tables import AccountRow

GENERATED = 5000 if os.environ.get("AF_PROOF") else 500
FORM_WORDS = (
    "The account name {name!a} cannot be used here: 1 to 63 letters without accents, "
    "digits, '_', '.', '@', '$' and '-' are allowed, with a letter, digit or '_' first. "
    f"Ask {CONTACT}."
)


def come(register: Register, name: str, **more: object) -> Account | RefusedError:
    """Return what somebody gets who logs in: an account, or a "no"."""
    request = AccountRequest.model_validate(person(name, **more))
    try:
        return register.account_for(request)[0]
    except RefusedError as error:
        return error


def rule_of(outcome: Account | RefusedError) -> str:
    return outcome.rule if isinstance(outcome, RefusedError) else ""


def name_of(outcome: Account | RefusedError) -> str:
    return outcome.name if isinstance(outcome, Account) else outcome.rule


def told(register: Register, name: str, **more: object) -> tuple[int, str, str]:
    """Return status, rule and sentence of a refusal."""
    error = come(register, name, **more)
    assert isinstance(error, RefusedError)
    return error.status, error.rule, str(error)


@pytest.fixture
def lite_register(lite_store, catalogue) -> Register:
    register = Register(lite_store, catalogue, Ranges(FIRST_UID, FIRST_GID))
    register.prepare()
    return register


def slugs_in(store: Store) -> dict[str, str]:
    with store.read() as session:
        return dict(session.execute(text("SELECT name, slug FROM accounts")).all())


# who a person is


def test_a_renamed_person_keeps_the_first_name_and_frees_none(register):
    first = come(register, "anna.rossi", subject="anna")
    assert come(register, "anna.bianchi", subject="anna") == first
    assert come(register, "anna.rossi", subject="another").rule == "name-taken"
    new = come(register, "anna.bianchi", subject="another")
    assert (new.name, new.uid) == ("anna.bianchi", first.uid + 1)


def test_a_renamed_person_may_take_a_name_that_nobody_could(register):
    first = come(register, "anna", subject="anna")
    for name in ("root", "m\u00fcller", "Student1", "a" * 255):
        assert come(register, name, subject="anna") == first


@pytest.mark.parametrize(
    "subject",
    ["ANNA", "anna ", " anna", "anna1", "\uff41nna", "\u0430nna", "anna\u200b", "ann%"],
    ids=ascii,
)
def test_a_subject_that_looks_like_another_is_somebody_else(register, subject):
    first = come(register, "anna", subject="anna")
    assert come(register, "anna", subject=subject).rule == "name-taken"
    other = come(register, "other", subject=subject)
    assert (other.name, other.uid) == ("other", first.uid + 1)
    assert come(register, "anna", subject="anna") == first


def test_two_accents_of_one_subject_are_two_people(register):
    one = come(register, "one", subject="caf\u00e9")
    two = come(register, "two", subject="cafe\u0301")
    assert {one.name, two.name} == {"one", "two"}


# the sentence a person reads


def test_a_name_outside_the_form_is_told_what_is_allowed(register):
    words = FORM_WORDS.format(name="m\u00fcller")
    assert told(register, "m\u00fcller") == (403, "name-form", words)


def test_a_long_name_is_told_in_short(register):
    shown = FORM_WORDS.format(name="a" * 64).replace("a'", "a...'", 1)
    assert told(register, "a" * 255) == (403, "name-form", shown)


def test_a_name_of_the_system_is_told_so(register):
    words = f"The account name root is reserved for the system. Ask {CONTACT}."
    assert told(register, "Root") == (403, "name-reserved", words)


def test_a_name_that_is_taken_is_told_so_in_the_form_it_would_have(register):
    come(register, "anna")
    words = f"The name anna belongs to another account of this facility. Ask {CONTACT}."
    assert told(register, "ANNA", subject="s") == (409, "name-taken", words)


def test_a_directory_that_is_taken_is_told_so(register):
    one, two, _ = SAME_DIRECTORY["long names that differ at the end"]
    come(register, one)
    words = (
        f"The directory that the name {two} would get here belongs to another account "
        f"of this facility: another name is needed. Ask {CONTACT}."
    )
    assert told(register, two) == (409, "directory-taken", words)


def test_a_name_of_an_old_hub_is_told_who_confirms_it(register):
    words = (
        "The name anna is known to this facility from before and nobody has confirmed "
        f"that it is yours; an administrator can. Ask {CONTACT}."
    )
    refused = told(register, "Anna", is_known_to_hub=True)
    assert refused == (409, "name-unconfirmed", words)
    assert come(register, "Anna").name == "anna"


def test_another_issuer_and_a_closed_account_are_told_so(register, store):
    words = f"This login comes from another IAM than the facility's. Ask {CONTACT}."
    other = told(register, "anna", issuer="https://iam.example.org.evil.test/")
    assert other == (403, "issuer-unknown", words)
    come(register, "anna")
    with store.write() as session:
        session.execute(update(AccountRow).values(state="closed"))
    words = f"The account anna is closed. Ask {CONTACT}."
    assert told(register, "anna") == (403, "account-closed", words)
    assert told(register, "anna", subject="s")[1] == "name-taken"


def test_a_facility_without_numbers_is_told_so(lite_store, catalogue):
    register = Register(lite_store, catalogue, Ranges(10, 11))
    register.prepare()
    come(register, "anna")
    words = f"The facility has given all its uids away. Ask {CONTACT}."
    assert told(register, "bruno") == (503, "numbers-exhausted", words)


# nasty names


@pytest.mark.parametrize("group", GROUPS)
def test_each_nasty_name_is_refused_or_somebody_s_own(lite_register, group):
    for name in KNOWN:
        assert come(lite_register, name).name == name
    found = {
        name: rule_of(come(lite_register, name, subject=f"nasty {number}"))
        for number, name in enumerate(GROUPS[group])
    }
    assert found == GROUPS[group]


def test_there_are_at_least_150_nasty_names_and_none_is_there_twice():
    assert len(ALL) == sum(len(group) for group in GROUPS.values()) >= 150


def test_all_nasty_names_together_share_nothing(register, store, make_server_plan):
    check_people([*KNOWN, *ALL], register, store, make_server_plan)


@pytest.mark.parametrize(
    "name", ["", "a" * 256, "\ud83d", None, 7, ["anna"]], ids=ascii
)
def test_what_is_no_name_at_all_is_no_message(name):
    with pytest.raises(ValidationError):
        AccountRequest.model_validate(person("anna") | {"preferred_username": name})


def test_generated_names_share_nothing(lite_register, lite_store, make_server_plan):
    names = list(make_names(GENERATED))
    people = check_people(names, lite_register, lite_store, make_server_plan)
    assert GENERATED * 0.3 < people < GENERATED


def check_people(names, register, store, make_server_plan) -> int:
    """Let everybody in, by every name; return how many may stay, with what is theirs."""
    outcomes = [come(register, n, subject=f"s{i}") for i, n in enumerate(names)]
    refused = [error for error in outcomes if isinstance(error, RefusedError)]
    for error in refused:
        assert error.rule in ("name-form", "name-reserved", "name-taken")
        assert error.status in (403, 409)
        assert str(error).endswith(f". Ask {CONTACT}.")
        assert str(error).isprintable()
        assert str(error).isascii()
    people = [account for account in outcomes if isinstance(account, Account)]
    slugs = slugs_in(store)
    assert slugs == {account.name: make_slug(account.name) for account in people}
    plans = [plan_of(make_server_plan, account) for account in people]
    assert {len(set(column)) for column in zip(*plans, strict=True)} == {len(people)}
    return len(people)


def plan_of(make_server_plan, account: Account) -> tuple[object, ...]:
    """Return what nobody may share: name, numbers, directory, mount, label, Dask user."""
    ids = Ids(account.uid, account.gid, {"hackathon/gw": FIRST_GID})
    plan = make_server_plan(account.name, ids, start_id=account.name)
    (home,) = (mount for mount in plan.mounts if mount.kind == "private")
    directories = {d.path for d in directories_of(plan.mounts, person=plan.person)}
    label = plan.labels["jupyterhub-af/person"]
    assert check_component(plan.person) == plan.person == label
    assert home.source == f"private/{plan.person}" in directories
    assert is_label(label)
    # JupyterHub's own normalisation changes nothing, so nobody can be two of its users
    assert account.name.lower() == account.name
    return (account.name, plan.user, account.uid, account.gid, home.source, label)


def make_names(count: int):
    """Yield names as an IAM's users may have them, and as nobody's should be."""
    dice = random.Random(20261121)  # noqa: S311 - the same names at every run
    letters = string.ascii_lowercase + string.digits + "_"
    allowed = f"{letters}.@$-"
    words = ["anna", "rossi", "student", "1", "de", "la", "x", "maria", "0", "_"]
    odd = "anAN\u0430\uff41\u212a\u0131\u00df\u0301\u200d\u202e/\\. \n\0\x1b-_$@\U0001f600"
    for number in range(count):
        kind = number % 5
        if kind == 0:
            yield dice.choice(letters) + "".join(
                dice.choices(allowed, k=dice.randint(0, 62))
            )
        elif kind == 1:
            yield dice.choice("ab_1") + "".join(
                dice.choices("a.-", k=dice.randint(0, 6))
            )
        elif kind == 2:
            parts = dice.choices(words, k=dice.randint(1, 4))
            name = "".join(part + dice.choice("._-@$") for part in parts)
            yield dice.choice((name, name[:-1], name.upper(), name.title()))
        elif kind == 3:
            yield "".join(dice.choices(odd, k=dice.randint(1, 12)))
        else:
            point = dice.choice((0x7F, 0x24F, 0xFFFF, 0x10FFFF))
            drawn = (chr(dice.randint(1, point)) for _ in range(dice.randint(1, 80)))
            yield "".join(c for c in drawn if not 0xD800 <= ord(c) < 0xE000) or "?"


# twins at once


@pytest.mark.parametrize("names", SAME_DIRECTORY.values(), ids=SAME_DIRECTORY)
def test_names_with_one_directory_are_never_two_people_s(register, store, names):
    one, two, slug = names
    assert make_slug(one) == make_slug(two) == slug
    first = come(register, one)
    assert come(register, two).rule == "directory-taken"
    assert come(register, one, subject="s").rule == "name-taken"
    assert come(register, two, subject=f"subject-of-{one}") == first
    assert slugs_in(store) == {one: slug}


@pytest.mark.parametrize(
    ("names", "rules"),
    [
        pytest.param(["anna", "Anna", "ANNA"] * 4, {"name-taken"}, id="one name"),
        pytest.param(
            [*SAME_DIRECTORY["long names that differ at the end"][:2]] * 6,
            {"name-taken", "directory-taken"},
            id="one directory",
        ),
    ],
)
def test_twins_who_come_at_once_are_one_winner_and_losers_with_words(
    register, store, names, rules
):
    def first_login(number: int) -> str:
        return name_of(come(register, names[number], subject=f"s{number}"))

    with ThreadPoolExecutor(len(names)) as pool:
        outcomes = list(pool.map(first_login, range(len(names))))
    (winner,) = slugs_in(store)
    assert outcomes.count(winner) == 1
    assert {name for name in outcomes if name != winner} <= rules


def test_the_database_itself_refuses_a_second_of_anything(register, store):
    come(register, "anna")
    free = {"subject": "s", "name": "n", "name_key": "n", "slug": "n", "uid": 7}

    def copy_anna(**changes: object) -> None:
        with store.write() as session:
            row = session.execute(text("SELECT * FROM accounts")).mappings().first()
            values = {k: v for k, v in dict(row).items() if k != "id"} | changes
            places = ", ".join(f":{key}" for key in values)
            insert = f"INSERT INTO accounts ({', '.join(values)}) VALUES ({places})"  # noqa: S608
            session.execute(text(insert), values)

    for taken in free:
        with pytest.raises(IntegrityError, match=taken):
            copy_anna(**{key: free[key] for key in free if key != taken})
    copy_anna(**free)


# a database of before


def add_old_people(store: Store, *names: str) -> None:
    row = (
        "INSERT INTO accounts (issuer, subject, name, name_key, uid, created_at, state) "
        "VALUES (:issuer, :subject, :name, :name, :uid, '2026-01-01 00:00:00', 'active')"
    )
    with store.write() as session:
        for number, name in enumerate(names):
            values = person(name) | {"name": name, "uid": FIRST_UID + number}
            values["issuer"] = ISSUER.rstrip("/")
            del values["preferred_username"]
            session.execute(text(row), values)


def test_people_of_before_get_the_directory_they_had(old_store, catalogue):
    names = ["anna", "anna.rossi", "_x", "a" * 63, "1000001", "a--b"]
    add_old_people(old_store, *names)
    old_store.upgrade()
    assert slugs_in(old_store) == {name: make_slug(name) for name in names}
    register = Register(old_store, catalogue, Ranges(FIRST_UID, FIRST_GID))
    register.prepare()
    same = come(register, "anna.rossi")
    assert (same.name, same.uid) == ("anna.rossi", FIRST_UID + 1)
    assert come(register, "anna.rossi", subject="s").rule == "name-taken"
    assert come(register, "new").uid == FIRST_UID + len(names)


def test_a_name_with_the_directory_of_somebody_of_before_is_refused(
    old_store, catalogue
):
    one, two, _ = SAME_DIRECTORY["names that differ in what stands between"]
    add_old_people(old_store, one)
    old_store.upgrade()
    register = Register(old_store, catalogue, Ranges(FIRST_UID, FIRST_GID))
    register.prepare()
    assert come(register, two).rule == "directory-taken"


def test_people_of_before_who_share_a_directory_refuse_the_start(old_store):
    one, two, slug = SAME_DIRECTORY["long names that differ at the end"]
    add_old_people(old_store, one, "anna", two)
    words = f"The accounts '{one}' and '{two}' share the directory '{slug}'"
    with pytest.raises(StartError, match=re.escape(words)):
        old_store.upgrade()
    with old_store.read() as session:
        version = session.execute(text("SELECT version_num FROM alembic_version"))
        assert version.scalar() == "0001"
        count = session.execute(text("SELECT count(*) FROM accounts"))
        assert count.scalar() == 3
    with old_store.write() as session:
        session.execute(text("DELETE FROM accounts WHERE name = :name"), {"name": two})
    old_store.upgrade()
    assert set(slugs_in(old_store)) == {one, "anna"}
