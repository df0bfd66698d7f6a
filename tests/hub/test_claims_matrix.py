"""One person, said in every way an INDIGO IAM can say them: one canonical set of groups.

Four forms x {none, one, nested, 500 groups} x {issuer with and without slash} x
{audience text, list} x {rotating, stable refresh tokens} = 128 logins, the shapes as
INDIGO IAM 1.12 makes them.
"""

from __future__ import annotations

from itertools import product

import pytest
from fake_iam import CLIENT_ID, FakeAccount, FakeIAM
from sign_in_world import try_login

from jupyterhub_af.policy.groups import ancestors

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]
MANY = {f"experiment-{n // 10}/working-group-{n}" for n in range(460)}
GROUPS: dict[str, set[str]] = {
    "no group": set(),
    "one": {"hackathon"},
    "nested": {"hackathon", "hackathon/students", "hackathon/students/first.year"},
    "500": {"hackathon", *MANY, *(a for group in MANY for a in ancestors(group))},
}
FORMS = ("iam", "wlcg", "kc", "aarc")


def test_the_largest_set_has_as_many_groups_as_it_says():
    assert len(GROUPS["500"]) >= 500


def person_of(form: str, groups: set[str], sub: str) -> FakeAccount:
    """Return what the ID token and userinfo say of somebody in a form of IAM."""
    name = {"name": "Ada", "preferred_username": "ada", "organisation_name": "indigo"}
    plain = sorted(groups, reverse=True)
    if form == "iam":
        # the ID token has an empty list, userinfo no key
        return FakeAccount(
            sub, {**name, "groups": plain}, name | ({"groups": plain} if plain else {})
        )
    if form == "wlcg":
        said = {"wlcg.groups": [f"/{group}" for group in plain]} if plain else {}
        return FakeAccount(sub, {**name, "wlcg.ver": "1.0", **said}, name | said)
    if form == "kc":
        said = {"roles": plain} if plain else {}
        return FakeAccount(sub, name | said, name | said)
    urns = [f"urn:geant:iam.example:group:{g.replace('/', ':')}" for g in plain]
    claims = {
        "voperson_id": sub,
        "eduperson_scoped_affiliation": "member@iam.example",
        "entitlements": urns,
        "eduperson_entitlement": urns,
        "eduperson_assurance": ["https://refeds.org/assurance"],
    }
    # no name in the ID token, and no key for nothing in userinfo
    return FakeAccount(sub, claims, name | ({"entitlements": urns} if urns else {}))


def say_as(iam: FakeIAM, *, is_list: bool, is_slashed: bool, is_stable: bool) -> None:
    """Make the IAM write its tokens in one of its ways."""
    audience = [CLIENT_ID] if is_list else CLIENT_ID
    issuer = iam.issuer if is_slashed else iam.url
    iam.change_claims = lambda claims: {**claims, "aud": audience, "iss": issuer}
    iam.change_discovery = lambda document: {**document, "issuer": issuer}

    def answer(tokens: dict) -> dict:
        if is_stable:
            tokens["refresh_token"] = "the-one-refresh-token"
        return tokens

    iam.change_answer = answer


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("is_slashed", [True, False], ids=["slash", "no slash"])
async def test_every_way_to_say_it_is_one_set(
    start_hub, hub_config, iam, service, subtests, form, is_slashed
):
    hub_config["FacilityAware"]["issuer"] = iam.issuer if is_slashed else iam.url
    hub = await start_hub()
    ways = list(product((False, True), (False, True)))
    for (size, groups), (is_list, is_stable) in product(GROUPS.items(), ways):
        with subtests.test(f"{size}, list: {is_list}, stable: {is_stable}"):
            sub = f"{form}-{size}-{is_list}-{is_stable}"
            service.rename = lambda _, sub=sub: sub.replace(" ", "").lower()
            name = service.rename("ada")
            iam.person = person_of(form, groups, sub)
            say_as(iam, is_list=is_list, is_slashed=is_slashed, is_stable=is_stable)
            status, page = await try_login(hub)
            last = service.events[-1]
            assert (last["actor"], last["action"]) == (name, "login")
            if not groups:
                assert (status, last["result"]) == (403, "refused")
                assert page.by_id["af-groups"] == "none"
                continue
            assert (status, last["result"]) == (200, "allowed")
            user = hub.user(name)
            assert {group.name for group in user.groups} == groups
            state = await user.get_auth_state()
            assert state["groups"] == sorted(groups)
            assert (state["refresh_token"] == "the-one-refresh-token") is is_stable


HOSTILE = {
    "a text": "hackathon",
    "a number": 7,
    "true": True,
    "null": None,
    "an object": {"hackathon": True},
    "a list in a list": [["hackathon"]],
    "numbers": [1, 2.5, float(10**300)],
    "truths": [True, False, None],
    "10 000 groups": ["hackathon"] + [f"g{n}" for n in range(9_999)],
    "a way up": ["/a/../b", "hackathon/../hackathon", "../hackathon"],
    "a comma": ["a,b", "hackathon,cygno"],
    "a newline": ["hackathon\n", "hack\nathon"],
    "control characters": ["hackathon\x00", "\x1bhackathon", "hack\tathon"],
    "bidi and zero-width": ["hackathon\u202e", "hack\u200bathon", "\ufeffhackathon"],
    "twins": ["h\u0430ckathon", "\uff48ackathon", "hackathon\u0301"],
    "slashes": ["//hackathon", "hackathon/", "hackathon//students", "/", ""],
    "spaces": [" hackathon", "hackathon ", "hack athon"],
    "very long": ["h" * 513],
    "other URNs": ["urn:geant:iam.example:role:hackathon", "urn:x:group:", "urn:::"],
    "a script": ["<script>alert(1)</script>", "'; drop table users; --"],
    "an administrator in disguise": ["facility/admins\n", "/facility//admins", "*"],
    "a child without its parent": ["facility/admins/x/../.."],
}
CLAIMS = ("groups", "wlcg.groups", "roles", "entitlements")


@pytest.mark.parametrize("place", ["ID token", "userinfo"])
@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_hostile_claim_gives_no_group_and_a_counted_line(
    hub, iam, service, subtests, claim, place
):
    for says, value in HOSTILE.items():
        with subtests.test(says):
            hub.log.clear()
            service.rename = lambda _: "mallory"
            name = {"preferred_username": "mallory"}
            said = {claim: value}
            iam.person = (
                FakeAccount("evil", {**name, **said})
                if place == "ID token"
                else FakeAccount("evil", {}, {**name, **said})
            )
            status, page = await try_login(hub)
            assert status == 403
            assert page.by_id["af-groups"] == "none"
            assert hub.user("mallory") is None
            lines = [r.getMessage() for r in hub.log.records]
            counted = [line for line in lines if line.startswith("dropped ")]
            assert len(counted) == 1
            assert int(counted[0].split()[1]) >= 1
            assert not any(r.exc_info for r in hub.log.records if r.name != "asyncio")
            assert not any("alert(1)" in line or "drop table" in line for line in lines)
            assert max(len(line) for line in lines) < 4000


async def test_a_group_called_parent_slash_child_opens_nothing_of_the_parents(hub, iam):
    # IAM lists every ancestor: without it the group is a root group with a slash
    iam.person.claims = {
        "preferred_username": "mallory",
        "groups": ["hackathon", "facility/admins"],
    }
    status, _ = await try_login(hub)
    assert status == 200
    assert [group.name for group in hub.user("mallory").groups] == ["hackathon"]
    assert hub.user("mallory").admin is False


async def test_claims_that_disagree_give_no_group(hub, iam):
    iam.person.claims = {
        "preferred_username": "mallory",
        "groups": ["hackathon"],
        "roles": ["facility", "facility/admins"],
    }
    status, page = await try_login(hub)
    assert (status, page.by_id["af-groups"]) == (403, "none")


@pytest.mark.parametrize("key", ["groups", "wlcg.groups", "roles", "entitlements"])
async def test_a_token_of_a_megabyte_is_refused_and_one_of_500_long_groups_is_not(
    hub, iam, key
):
    segment = "g" * 60
    urn = {"entitlements": "urn:geant:iam.example:group:", "wlcg.groups": "/"}.get(
        key, ""
    )
    long_ones = [f"{urn}{segment}{n}" for n in range(499)]
    name = {"preferred_username": "ada"}
    iam.person = FakeAccount("long", {**name, key: [f"{urn}hackathon", *long_ones]})
    status, _ = await try_login(hub)
    assert status == 200
    assert len(hub.user("ada").groups) == 500
    iam.person = FakeAccount(
        "long", {**name, key: [f"{urn}hackathon"], "x": "y" * 2**20}
    )
    status, _ = await try_login(hub)
    assert status in (403, 503)
