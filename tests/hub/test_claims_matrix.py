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

from jupyterhub_af.policy.groups import MAX_GROUPS, ancestors

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
SCOPES = ["openid", "profile", "email", "offline_access"]
USERINFO = {
    "name": "Ada",
    "preferred_username": "ada",
    "given_name": "Ada",
    "family_name": "Rossi",
    "nickname": "ada",
    "updated_at": 1748528995,
    "email": "ada@iam.example",
    "email_verified": True,
}


def test_the_largest_set_has_as_many_groups_as_it_says():
    assert len(GROUPS["500"]) >= 500


def person_of(form: str, groups: set[str], sub: str, scopes: list[str]) -> FakeAccount:
    """Return what the ID token and userinfo say of somebody in a form of IAM."""
    name = {"name": "Ada", "preferred_username": "ada", "organisation_name": "indigo"}
    mail = {"email": "ada@iam.example"}
    userinfo = {**USERINFO, "scope": scopes}
    plain = sorted(groups, reverse=True)
    if form == "iam":
        # the ID token has an empty list, userinfo no key
        said = {"organisation_name": "indigo"} | ({"groups": plain} if plain else {})
        return FakeAccount(sub, {**name, **mail, "groups": plain}, userinfo | said)
    if form == "wlcg":
        asked = plain and "wlcg.groups" in scopes
        said = {"wlcg.groups": [f"/{group}" for group in plain]} if asked else {}
        version = {"auth_time": 1748528994, "wlcg.ver": "1.0"}
        return FakeAccount(sub, {**name, **mail, **version, **said}, userinfo | said)
    if form == "kc":
        said = {"roles": plain} if plain else {}
        return FakeAccount(sub, {**name, **mail, **said}, userinfo | said)
    urns = [f"urn:geant:iam.example:group:{g.replace('/', ':')}" for g in plain]
    entitlements = {"entitlements": urns, "eduperson_entitlement": urns}
    more = {
        "voperson_id": sub,
        "eduperson_scoped_affiliation": "member@iam.example",
        "eduperson_assurance": ["https://refeds.org/assurance"],
    }
    # the ID token has no name, and entitlements only for who asked; userinfo has them
    # for everybody, but no key for none
    asked = "eduperson_entitlement" in scopes
    claims = {"voperson_id": sub, **(entitlements if asked else {})}
    return FakeAccount(sub, claims, userinfo | more | (entitlements if urns else {}))


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


def scopes_of(form: str, *, is_slashed: bool) -> list[str]:
    """Return what a hub asks for: AARC says its groups to who asks and who does not."""
    if form == "wlcg":
        return [*SCOPES, "wlcg.groups"]
    return (
        [*SCOPES, "eduperson_entitlement"] if form == "aarc" and is_slashed else SCOPES
    )


@pytest.fixture
def start_for(start_hub, hub_config, iam, facility_file):
    """Give a function that starts a hub for one form of an IAM's tokens."""

    async def start(form: str, *, is_slashed: bool):
        hub_config["FacilityAware"]["issuer"] = iam.issuer if is_slashed else iam.url
        if form == "wlcg":
            # the hub then asks for the scope without which this form says no groups
            text = facility_file.read_text()
            old = 'iam: {issuer: "https://iam.example.org/"}'
            assert old in text
            new = old.replace("}", ", groups_claim: wlcg.groups}")
            facility_file.write_text(text.replace(old, new))
        scopes = scopes_of(form, is_slashed=is_slashed)
        return await start_hub(**({"scope": scopes} if form == "aarc" else {}))

    return start


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("is_slashed", [True, False], ids=["slash", "no slash"])
async def test_every_way_to_say_it_is_one_set(
    start_for, iam, service, subtests, form, is_slashed
):
    hub = await start_for(form, is_slashed=is_slashed)
    scopes = scopes_of(form, is_slashed=is_slashed)
    ways = list(product((False, True), (False, True)))
    for (size, groups), (is_list, is_stable) in product(GROUPS.items(), ways):
        with subtests.test(f"{size}, list: {is_list}, stable: {is_stable}"):
            sub = f"{form}-{size}-{is_list}-{is_stable}"
            service.rename = lambda _, sub=sub: sub.replace(" ", "").lower()
            name = service.rename("ada")
            iam.person = person_of(form, groups, sub, scopes)
            say_as(iam, is_list=is_list, is_slashed=is_slashed, is_stable=is_stable)
            status, page = await try_login(hub)
            assert iam.authorize_queries[-1]["scope"].split() == scopes
            last = service.events[-1]
            assert (last["actor"], last["action"]) == (name, "login")
            assert not any("dropped " in r.getMessage() for r in hub.log.records)
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


async def test_wlcg_form_says_no_groups_to_who_does_not_ask(hub, iam):
    iam.person = person_of("wlcg", GROUPS["nested"], "sub", SCOPES)
    status, page = await try_login(hub)
    assert (status, page.by_id["af-groups"]) == (403, "none")


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
    "a script": ["<script>alert(1)</script>", "'; drop table users; --"],
    "an administrator in disguise": ["facility/admins\n", "/facility//admins", "*"],
    "a child without its parent": ["facility/admins/x/../.."],
    "other signs": [
        "hack\\athon",
        "hack%61thon",
        "hackathon;x",
        "hackathon|x",
        "\ud800",
    ],
}
# what is bad in its own spelling only
HOSTILE_BY_CLAIM = {
    "groups": ["/hackathon", "hackathon:students", "facility/admins"],
    "wlcg.groups": ["hackathon", "facility/admins", "hackathon/students"],
    "roles": ["/hackathon", "hackathon:students", "facility/admins"],
    "entitlements": [
        "hackathon",
        "/hackathon",
        "urn:geant:iam.example:role:hackathon",
        "urn:geant:iam.example:group:facility/admins",
        "urn:geant:iam.example:group:hackathon:role=admin",
        "URN:geant:iam.example:group:hackathon",
        "xurn:geant:iam.example:group:hackathon",
        "urn:x:group:",
        "urn:::",
    ],
}
CLAIMS = tuple(HOSTILE_BY_CLAIM)


def spell(claim: str, group: str) -> str:
    """Return a group as a form writes it."""
    if claim == "wlcg.groups":
        return f"/{group}"
    if claim == "entitlements":
        return f"urn:geant:iam.example:group:{group.replace('/', ':')}"
    return group


def in_its_spelling(claim: str, value: object) -> object:
    """Return the texts of a hostile list as they are, and as the form writes them."""
    if not isinstance(value, list):
        return value
    spelt = [spell(claim, item) for item in value if isinstance(item, str)]
    return spelt if len(spelt) > MAX_GROUPS else [*value, *spelt]


def hostile_values(claim: str) -> dict[str, object]:
    common = {says: in_its_spelling(claim, value) for says, value in HOSTILE.items()}
    return {**common, "its own spelling": HOSTILE_BY_CLAIM[claim]}


def texts_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | dict):
        return [text for item in list(value)[:20] for text in texts_in(item)]
    return []


@pytest.mark.parametrize("place", ["ID token", "userinfo"])
@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_hostile_claim_gives_no_group_and_a_counted_line(
    hub, iam, service, subtests, claim, place
):
    for says, value in hostile_values(claim).items():
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
            size = len(set(value)) if says == "10 000 groups" else 1
            assert int(counted[0].split()[1]) >= size
            assert not any(r.exc_info for r in hub.log.records if r.name != "asyncio")
            texts = [item for item in texts_in(value) if len(item) > 8]
            assert not any(text in line for text in texts for line in lines)
            assert max(len(line) for line in lines) < 4000


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_good_group_among_hostile_ones_is_the_only_one(hub, iam, claim):
    bad = {
        text
        for says, value in hostile_values(claim).items()
        if isinstance(value, list) and says != "10 000 groups"
        for text in value
        if isinstance(text, str)
    }
    iam.person.claims = {
        "preferred_username": "mallory",
        claim: [spell(claim, "hackathon"), *sorted(bad), 7, None, {"a": 1}, ["a"]],
    }
    status, _ = await try_login(hub)
    assert status == 200
    assert [group.name for group in hub.user("mallory").groups] == ["hackathon"]
    assert hub.user("mallory").admin is False
    lines = [r.getMessage() for r in hub.log.records]
    (counted,) = (line for line in lines if line.startswith("dropped "))
    assert int(counted.split()[1]) == len(bad) + 4


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
