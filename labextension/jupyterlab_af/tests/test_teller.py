"""A service that is away, slow or says no hears of every restore that it can."""

from __future__ import annotations

import logging
import re
from contextlib import asynccontextmanager

import pytest

from jupyterlab_af.service import Service, ServiceAddress
from jupyterlab_af.teller import MOST_WAITING, Teller
from jupyterlab_af.tests.worlds import CREDENTIAL, running_service, until

LOG = logging.getLogger("test.teller")
LINES = [
    {"path": f"private/{name}", "generation": "g", "how": "copy"} for name in "abc"
]


@pytest.fixture
def fake():
    with running_service() as fake:
        yield fake


@asynccontextmanager
async def telling(fake):
    service = Service(ServiceAddress(fake.url, CREDENTIAL))
    teller = Teller(service, log=LOG, first_pause_seconds=0.01)
    yield teller
    await teller.close()
    await service.close()


async def test_lines_are_told_in_their_order(fake):
    async with telling(fake) as teller:
        for line in LINES:
            teller.tell(line)
        await teller.told()
        assert fake.restored == LINES


@pytest.mark.parametrize("status", [502, 503, 404])
async def test_a_service_that_is_away_hears_of_it_later_and_once(fake, status):
    async with telling(fake) as teller:
        fake.status = status
        for line in LINES:
            teller.tell(line)
        await until(lambda: fake.asked >= 3)
        assert fake.restored == []
        fake.status = 200
        await teller.told()
        assert fake.restored == LINES
    # told again under the name that it had
    assert len(fake.tellings) > len(LINES) == len(set(fake.tellings))
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in fake.tellings)


async def test_a_line_that_is_refused_holds_up_no_other(fake, caplog):
    async with telling(fake) as teller:
        fake.status, fake.refusal = 400, {"message": "The path is too long."}
        teller.tell(LINES[0])
        await teller.told()
        assert "The path is too long." in caplog.text
        fake.status = 200
        teller.tell(LINES[1])
        await teller.told()
        assert fake.restored == LINES[1:2]


async def test_a_token_that_is_no_longer_good_ends_the_trying(fake):
    async with telling(fake) as teller:
        fake.status = 403
        teller.tell(LINES[0])
        await teller.told()
        assert fake.asked == 1


async def test_only_so_many_wait(fake, caplog):
    async with telling(fake) as teller:
        fake.status = 503
        for _ in range(MOST_WAITING + 1):
            teller.tell(LINES[0])
        assert "too many wait" in caplog.text
        await teller.close()
        assert f"did not hear of {MOST_WAITING} restores" in caplog.text
