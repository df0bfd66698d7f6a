from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_af.policy.groups import (
    CLAIMS,
    GroupsRead,
    ancestors,
    is_group,
    read_groups,
)
from jupyterhub_af.policy.identity import Identity, make_identity

NESTED = ["hackathon", "hackathon/students", "hackathon/gw"]
URN = "urn:geant:iam.example:group:"
# one person's groups as each of IAM's four forms writes them
FORMS = {
    "groups": lambda groups: groups,
    "wlcg.groups": lambda groups: [f"/{group}" for group in groups],
    "roles": lambda groups: groups,
    "entitlements": lambda groups: [URN + g.replace("/", ":") for g in groups],
}
MANY = [f"g{n}" for n in range(500)]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=20,
)
groups_in_grammar = st.from_regex(
    r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,8}(/[a-zA-Z0-9][a-zA-Z0-9_.-]{0,8}){0,3}",
    fullmatch=True,
)


def read(*groups: str, dropped: int = 0) -> GroupsRead:
    return GroupsRead(frozenset(groups), dropped=dropped, is_present=True)


@pytest.mark.parametrize("asked", ["auto", "by name"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "groups",
    [
        pytest.param([], id="no group"),
        pytest.param(["cygno"], id="one group"),
        pytest.param(NESTED, id="nested groups"),
        pytest.param(MANY, id="500 groups"),
    ],
)
def test_the_four_forms_give_one_set(form, groups, asked):
    claims = {"sub": "1", form: FORMS[form](groups)}
    claim = "auto" if asked == "auto" else form
    assert read_groups(claims, claim=claim) == read(*groups)


@pytest.mark.parametrize("claim", ["auto", *CLAIMS])
def test_a_token_without_the_claim_is_told_from_one_with_no_group(claim):
    absent = GroupsRead(frozenset(), dropped=0, is_present=False)
    assert read_groups({"sub": "1"}, claim=claim) == absent


def test_another_claim_than_the_named_one_is_not_read():
    claims = {"groups": ["cygno"], "roles": ["admin"]}
    assert read_groups(claims, claim="groups") == read("cygno")


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param(
            {"groups": ["cygno"], "wlcg.groups": ["/cygno"]},
            read("cygno"),
            id="two claims that agree",
        ),
        pytest.param(
            {"groups": ["cygno"], "roles": ["cygno", "facility"]},
            read(dropped=3),
            id="two claims that disagree give no group",
        ),
        pytest.param(
            {"groups": [], "wlcg.groups": ["/facility"]},
            read(dropped=1),
            id="an empty claim disagrees too",
        ),
        pytest.param(
            {"groups": None, "entitlements": [URN + "facility:admins"]},
            read(dropped=2),
            id="a null claim disagrees too",
        ),
    ],
)
def test_two_claims(claims, expected):
    assert read_groups(claims) == expected


@pytest.mark.parametrize(
    "form", [pytest.param("groups", id="iam"), pytest.param("roles", id="kc")]
)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(["facility/admins"], read(dropped=1), id="a child alone"),
        pytest.param(
            ["a", "a/b/c"], read("a", dropped=1), id="the ancestor in the middle absent"
        ),
        pytest.param(["a", "a/b", "a/b/c"], read("a", "a/b", "a/b/c"), id="all there"),
        pytest.param(
            ["A", "a/b"], read("A", dropped=1), id="an ancestor in capitals is another"
        ),
        pytest.param(
            ["../a", "../a/b"],
            read(dropped=2),
            id="a bad ancestor takes its child along",
        ),
    ],
)
def test_forms_that_list_ancestors_drop_a_path_without_them(form, value, expected):
    assert read_groups({form: value}) == expected


@pytest.mark.parametrize(
    "form",
    [pytest.param("wlcg.groups", id="wlcg"), pytest.param("entitlements", id="aarc")],
)
def test_the_other_forms_take_a_child_alone(form):
    assert read_groups({form: FORMS[form](["a/b"])}) == read("a/b")


HOSTILE_ITEMS = [
    "",
    "/",
    "//",
    "a//b",
    "/a/../b",
    "a/../b",
    "a/./b",
    "..",
    "a,b",
    "a b",
]
HOSTILE_ITEMS += [
    "a\n",
    "\na",
    "a\0",
    "a\u202eb",
    "a\u200bb",
    "é",
    "\uff41",
    "a/",
    "-a",
    ".a",
]
HOSTILE_ITEMS += ["a\\b", "a" * 513, "*", "a|b", "a;b", "%61", "a\r", "\ud800"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("item", HOSTILE_ITEMS, ids=ascii)
def test_an_item_outside_the_grammar_gives_no_group_and_is_counted(form, item):
    spelt = {"wlcg.groups": "/" + item, "entitlements": URN + item}.get(form, item)
    assert read_groups({form: [spelt]}) == read(dropped=1)


@pytest.mark.parametrize(
    ("form", "item"),
    [
        pytest.param("wlcg.groups", "a", id="wlcg without its slash"),
        pytest.param("wlcg.groups", "//a", id="wlcg with two slashes"),
        pytest.param("groups", "/a", id="iam with a slash"),
        pytest.param("groups", "a:b", id="iam with a colon"),
        pytest.param("entitlements", "a", id="aarc without its urn"),
        pytest.param("entitlements", URN + "a:role=member", id="aarc with a role"),
        pytest.param("entitlements", URN + "a/b", id="aarc with a slash"),
        pytest.param("entitlements", "urn:geant:x:res:a", id="aarc, no group"),
        pytest.param("entitlements", URN, id="aarc, empty group"),
        pytest.param("entitlements", "x" + URN + "a", id="aarc, text before"),
        pytest.param("entitlements", URN + "a#x\n", id="aarc, line's end"),
    ],
)
def test_a_form_takes_its_own_spelling_only(form, item):
    assert read_groups({form: [item]}) == read(dropped=1)


def test_an_entitlements_authority_is_no_part_of_the_group():
    assert read_groups({"entitlements": [URN + "a:b#iam.example"]}) == read("a/b")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("value", "dropped"),
    [
        pytest.param("facility/admins", 1, id="a text"),
        pytest.param({"facility": True}, 1, id="a dict"),
        pytest.param(None, 1, id="null"),
        pytest.param(7, 1, id="a number"),
        pytest.param([["facility"]], 1, id="a list in a list"),
        pytest.param([{"name": "facility"}], 1, id="a dict in a list"),
        pytest.param([1, None, True, 1.5], 4, id="numbers and null"),
        pytest.param([f"g{n}" for n in range(10_000)], 10_000, id="10 000 groups"),
        pytest.param([b"facility"], 1, id="bytes"),
    ],
)
def test_a_hostile_value_gives_no_group_and_is_counted(form, value, dropped):
    assert read_groups({form: value}) == read(dropped=dropped)


def test_a_group_listed_twice_is_one_and_nothing_is_dropped():
    assert read_groups({"groups": ["a", "a"]}) == read("a")


def test_a_list_nested_to_the_limit_is_no_error():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert read_groups({"groups": [value, "a"]}) == read("a", dropped=1)
    while value:
        value = value.pop()


def test_a_long_entitlement_is_refused_at_once():
    item = "urn:a" + ":group:" * 200_000 + "#\n"
    began = time.process_time()
    assert read_groups({"entitlements": [item]}) == read(dropped=1)
    assert time.process_time() - began < 1


@given(st.dictionaries(st.sampled_from(["sub", *CLAIMS]), json_values))
def test_no_claims_are_an_error_and_all_that_is_read_is_a_group(claims):
    result = read_groups(claims)
    assert all(is_group(group) for group in result.groups)
    assert result.is_present == bool(claims.keys() & set(CLAIMS))


@given(st.sets(groups_in_grammar, max_size=20))
def test_every_group_goes_through_every_form(groups):
    whole = sorted(groups | {a for group in groups for a in ancestors(group)})
    results = {form: read_groups({form: spell(whole)}) for form, spell in FORMS.items()}
    assert results == dict.fromkeys(FORMS, read(*whole))


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        pytest.param("a", (), id="a root group has none"),
        pytest.param("a/b/c", ("a", "a/b"), id="outermost first"),
    ],
)
def test_ancestors(group, expected):
    assert ancestors(group) == expected


def test_an_identity_holds_groups_only():
    identity = make_identity("u", ["a", "/a", "a/b", "", "a b", "a\n"])
    assert identity == Identity("u", frozenset({"a", "a/b"}))
