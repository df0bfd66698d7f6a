from __future__ import annotations

import asyncio

import pytest

from jupyterlab_af.courtesy import Courtesy, Remembered, ask_end, end_of
from jupyterlab_af.courtesy import hash_credential as key_of
from jupyterlab_af.service import FacilityUnavailableError, ServiceAddress
from jupyterlab_af.tests.worlds import CREDENTIAL, running_service

OWNER = {"name": "student1", "kind": "user", "scopes": []}
END = {
    "rule": "denied",
    "reason": "Ask support@example.org.",
    "since": 900.0,
    "ends_at": 1300.0,
}


def test_the_longest_unused_credential_is_forgotten_first():
    remembered = Remembered(limit=2)
    for token in ("a", "b"):
        remembered.accept(key_of(token, ""), OWNER, 0)
    remembered.find(key_of("a", ""))
    remembered.accept(key_of("c", ""), OWNER, 0)
    found = [remembered.find(key_of(token, "")) is not None for token in "abc"]
    assert found == [True, False, True]
    assert len(remembered) == 2


def test_a_token_and_a_session_make_no_other_token_and_session():
    keys = {key_of("b:t", "a"), key_of("t", "a:b"), key_of("a", "b:t")}
    assert len(keys) == 3
    assert all("t" not in key for key in keys)


def test_since_when_a_credential_is_refused_stays_until_it_is_accepted():
    remembered = Remembered()
    remembered.accept("k", OWNER, 0.0)
    remembered.refuse("k", 10.0, is_away=True)
    remembered.refuse("k", 20.0, is_away=False)
    known = remembered.find("k")
    assert (known.refused_since, known.refused_at, known.is_away) == (10, 20, False)
    assert known.is_refused_lately(24.0, 5)
    assert not known.is_refused_lately(25.0, 5)
    assert not known.is_fresh(21.0, 300)
    remembered.accept("k", OWNER, 30.0)
    assert remembered.find("k").is_fresh(31.0, 300)
    assert "student1" not in repr(known)


def test_who_was_never_accepted_is_not_remembered_by_a_no():
    remembered = Remembered()
    remembered.refuse("k", 10.0, is_away=False)
    assert len(remembered) == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({"kind": "access", "end": None}, None, id="no end"),
        pytest.param({"kind": "access", "end": END}, 1300.0, id="an end"),
        pytest.param(None, None, id="nothing to say"),
    ],
)
def test_the_end_is_read_from_the_answer(answer, expected):
    assert end_of(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="a list"),
        pytest.param({"end": 5}, id="a number"),
        pytest.param({"end": {"ends_at": True}}, id="yes"),
        pytest.param({"end": {"ends_at": "soon"}}, id="a word"),
        pytest.param({}, id="nothing of it"),
    ],
)
def test_an_answer_of_another_shape_is_none(answer):
    with pytest.raises(FacilityUnavailableError):
        end_of(answer)


async def _until(address, *moments, refused=True):
    """Return until when an accepted credential is good, asked at each moment."""
    asked = []

    async def is_server_refused():
        asked.append("hub")
        return refused

    courtesy = Courtesy(address, is_server_refused, answer_seconds=5)
    return [await courtesy.until(now, latest=1100.0) for now in moments], asked


@pytest.fixture
def service():
    with running_service() as fake:
        yield fake


def address_of(service):
    return ServiceAddress(service.url, CREDENTIAL)


def test_the_services_deadline_holds_and_is_asked_once_in_a_while(service):
    service.end = END
    found, _ = asyncio.run(_until(address_of(service), 1000, 1004, 1005))
    assert found == [1300.0] * 3
    assert service.asked == 2


def test_a_deadline_that_was_announced_holds_while_the_service_is_away(service):
    service.end = END

    async def asked():
        courtesy = Courtesy(address_of(service), None, answer_seconds=5)
        first = await courtesy.until(1000, 0)
        service.status = 503
        return first, await courtesy.until(1010, 0)

    assert asyncio.run(asked()) == (1300.0, 1300.0)


def test_a_deadline_of_before_says_nothing_of_another_end(service):
    service.end = END

    async def refused() -> bool:
        return True

    async def asked():
        courtesy = Courtesy(address_of(service), refused, answer_seconds=5)
        await courtesy.until(1000, 0)
        service.status = 503
        return await courtesy.until(1299, 0), await courtesy.until(5000, 5100)

    assert asyncio.run(asked()) == (1300.0, 5100.0)


def test_before_the_end_is_announced_the_person_has_a_short_while(service):
    found, asked = asyncio.run(_until(address_of(service), 1000, 1001))
    assert (found, asked) == ([1100.0, 1100.0], ["hub"])


def test_a_browser_that_was_logged_out_has_no_courtesy(service):
    found, _ = asyncio.run(_until(address_of(service), 1000, refused=False))
    assert found == [0.0]


def test_outside_a_facility_there_is_no_courtesy():
    assert asyncio.run(_until(None, 1000)) == ([0.0], [])


def test_many_at_once_are_one_question(service):
    service.end = END
    service.delay_seconds = 0.1

    async def asked():
        courtesy = Courtesy(address_of(service), None, answer_seconds=5)
        await asyncio.gather(*(courtesy.until(1000, 0) for _ in range(50)))

    asyncio.run(asked())
    assert service.asked == 1


def test_a_service_that_does_not_know_this_server_says_nothing_of_an_end(service):
    address = ServiceAddress(service.url, "another-token")
    with pytest.raises(FacilityUnavailableError):
        asyncio.run(ask_end(address))
