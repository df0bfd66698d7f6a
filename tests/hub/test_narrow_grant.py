"""A token for less, as the IAM's token endpoint may answer."""

from __future__ import annotations

import base64
import json

import pytest

from jupyterhub_af.hub.iam_answers import IAMRefusedError, Tokens
from jupyterhub_af.hub.narrow_grant import (
    EXCHANGE,
    NarrowRequest,
    TooWideError,
    is_narrow,
    narrow,
)

AUDIENCE = "https://se.example.org"
SCOPES = ("storage.read:/", "openid")
REQUEST = NarrowRequest("wide", "refresh-1", AUDIENCE, SCOPES)


def jwt(**claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


NARROW = jwt(aud=AUDIENCE)
LESS = jwt(aud=AUDIENCE, jti="another")


def tokens(access=NARROW, refresh=None, scopes=("storage.read:/",)):
    return Tokens(access, refresh, None, scopes)


class FakeTokenEndpoint:
    """Answer each grant type with tokens or a refusal, and remember what was asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.forms = []

    async def __call__(self, form):
        self.forms.append(dict(form))
        kind = "exchange" if form["grant_type"] == EXCHANGE else "refresh"
        answer = self.answers[kind]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_token_exchange_is_the_first_way():
    iam = FakeTokenEndpoint(exchange=tokens(refresh="another-line"))
    found = await narrow(iam, REQUEST, can_exchange=True)
    assert (found.tokens.access_token, found.refresh_token) == (NARROW, "refresh-1")
    assert iam.forms == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": "wide",
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "scope": "storage.read:/ openid",
            "audience": "https://se.example.org",
        }
    ]


@pytest.mark.parametrize("refresh", ["refresh-2", None])
async def test_a_refresh_for_less_is_the_other_way_and_keeps_a_rotated_token(refresh):
    iam = FakeTokenEndpoint(refresh=tokens(refresh=refresh))
    found = await narrow(iam, REQUEST, can_exchange=False)
    assert found.refresh_token == (refresh or "refresh-1")
    assert iam.forms == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "refresh-1",
            "scope": "storage.read:/ openid",
            "audience": "https://se.example.org",
        }
    ]


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(IAMRefusedError("unauthorized_client", 401), id="of the client"),
        pytest.param(IAMRefusedError("other", 400), id="of the scopes"),
        pytest.param(tokens("wide"), id="the wide token itself"),
        pytest.param(tokens(scopes=("storage.modify:/",)), id="a wider token"),
        pytest.param(tokens("opaque"), id="a token that shows no audience"),
    ],
)
async def test_where_exchange_gives_nothing_narrow_the_refresh_does(refusal):
    iam = FakeTokenEndpoint(exchange=refusal, refresh=tokens(LESS, "refresh-2"))
    found = await narrow(iam, REQUEST, can_exchange=True)
    assert (found.tokens.access_token, found.refresh_token) == (LESS, "refresh-2")


async def test_a_client_that_is_refused_is_not_asked_for_twice():
    iam = FakeTokenEndpoint(exchange=IAMRefusedError("invalid_client", 401))
    with pytest.raises(IAMRefusedError):
        await narrow(iam, REQUEST, can_exchange=True)
    assert len(iam.forms) == 1


async def test_a_wider_token_is_thrown_away_and_its_rotated_refresh_token_kept():
    iam = FakeTokenEndpoint(refresh=tokens(refresh="refresh-2", scopes=("openid", "x")))
    with pytest.raises(TooWideError, match="wider") as caught:
        await narrow(iam, REQUEST, can_exchange=False)
    assert caught.value.refresh_token == "refresh-2"
    assert "refresh-2" not in f"{caught.value!r} {caught.value}"


async def test_without_any_way_it_is_refused():
    request = NarrowRequest("wide", None, "a", ())
    with pytest.raises(TooWideError, match="gives no token") as caught:
        await narrow(FakeTokenEndpoint(), request, can_exchange=False)
    assert caught.value.refresh_token is None


def test_nothing_secret_is_in_a_repr():
    assert "wide" not in repr(REQUEST)
    assert "refresh-1" not in repr(REQUEST)


@pytest.mark.parametrize(
    ("access", "scopes", "expected"),
    [
        pytest.param("x", ("openid",), True, id="some of the scopes"),
        pytest.param("x", (), True, id="no word about scopes"),
        pytest.param("x", ("openid", "email"), False, id="one scope more"),
        pytest.param("wide", ("openid",), False, id="the wide token"),
        pytest.param(jwt(scope="openid"), (), True, id="a claim with less"),
        pytest.param(jwt(scope="openid email"), (), False, id="a claim with more"),
        pytest.param(jwt(scope=["email"]), (), False, id="a claim that is a list"),
        pytest.param("a.b.c", (), True, id="dots that are no claims"),
    ],
)
def test_a_token_has_no_more_scopes_than_asked_for(access, scopes, expected):
    request = NarrowRequest("wide", "refresh-1", "", SCOPES)
    assert is_narrow(tokens(access, scopes=scopes), request) is expected


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        pytest.param(jwt(aud=AUDIENCE), True, id="the audience alone"),
        pytest.param(jwt(aud=[AUDIENCE]), True, id="the audience in a list"),
        pytest.param(jwt(aud=[AUDIENCE, "b"]), False, id="one audience more"),
        pytest.param(jwt(aud="b"), False, id="another audience"),
        pytest.param(
            jwt(aud="https://wlcg.cern.ch/jwt/v1/any"), False, id="any audience"
        ),
        pytest.param(jwt(scope="openid"), False, id="no audience is good everywhere"),
        pytest.param(jwt(aud=[]), False, id="an empty list of audiences"),
        pytest.param("opaque", False, id="a token that cannot be read"),
        pytest.param("a.b.c", False, id="dots that are no claims"),
    ],
)
def test_a_token_for_an_audience_shows_that_audience_alone(access, expected):
    assert is_narrow(tokens(access), REQUEST) is expected


def test_scopes_are_free_where_only_the_audience_is_wanted():
    request = NarrowRequest("wide", None, "a", ())
    assert is_narrow(tokens(jwt(aud="a"), scopes=("openid", "email")), request)
