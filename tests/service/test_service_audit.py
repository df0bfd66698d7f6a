"""The audit: kept, masked, and only what fits the schema."""

from __future__ import annotations

import base64
import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from jsonschema import ValidationError
from sqlalchemy.exc import OperationalError

from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.service.audit import Audit, mask
from jupyterhub_af.service.store import Store

EVENT = AuditEvent(
    actor="alice",
    action="server.start",
    target="alice/",
    rule="profile-withheld",
    result="refused",
    detail="CYGNO is for members of the group cygno.",
)
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"RS256","kid":"a"}', b'{"sub":"x"}', b"0" * 64)
)
MASKED = {
    "a signed token": (f"got {JWT}.", "got [token]"),
    "an unsigned token": ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "[token]"),
    "half a token": (JWT[:40], "[token]"),
    "a hub token": ("with 3f2b8e0d6a5c4f1e9b7a3c2d1e0f9a8b now", "with [secret] now"),
    "an Authorization header": ("Bearer abcdefghijklmnopqrst", "[secret]"),
    "a mail": ("ask Ann.Lee+x@cern.example.org!", "ask [mail]"),
    "a mail in brackets": ("<a@b.it>", "<[mail]>"),
    "a sentence": (EVENT.detail, EVENT.detail),
    "an image": ("registry.example.org/af/dodas:5", "registry.example.org/af/dodas:5"),
}


@pytest.fixture
def audit(store) -> Audit:
    return Audit(store)


@pytest.mark.parametrize(("text", "shown"), MASKED.values(), ids=MASKED.keys())
def test_what_looks_like_a_secret_is_masked(text, shown):
    assert mask(text) == shown


def test_masking_never_makes_a_text_too_long():
    assert len(mask("a@b.c " * 83)) <= 500


async def test_an_event_is_kept_when_record_returns(audit):
    await audit.record(EVENT)
    (kept,) = audit.last(5)
    assert kept.event == EVENT
    age = datetime.now(UTC) - kept.time
    assert timedelta(0) <= age < timedelta(seconds=30)


async def test_the_newest_event_comes_first(audit):
    for number in range(3):
        await audit.record(EVENT.model_copy(update={"target": str(number)}))
    assert [k.event.target for k in audit.last(2)] == ["2", "1"]


async def test_a_token_in_an_event_is_neither_stored_nor_logged(store):
    written = io.StringIO()
    audit = Audit(store, handlers=[logging.StreamHandler(written)])
    given = {"actor": JWT[:200], "target": JWT[:200], "detail": f"{JWT} from a@b.it"}
    await audit.record(EVENT.model_copy(update=given))
    (kept,) = audit.last(1)
    assert kept.event.actor == kept.event.target == "[token]"
    assert kept.event.detail == "[token] from [mail]"
    line = json.loads(written.getvalue())
    assert line["detail"] == "[token] from [mail]"
    assert JWT[:20] not in written.getvalue()


async def test_a_hub_name_that_looks_like_a_mail_stays_readable(audit):
    await audit.record(EVENT.model_copy(update={"actor": "a@b.it"}))
    assert audit.last(1)[0].event.actor == "a@b.it"


@pytest.mark.parametrize(
    "change", [{"action": "Not An Action"}, {"result": "maybe"}, {"actor": ""}], ids=str
)
async def test_what_does_not_fit_the_schema_is_not_kept(audit, change):
    with pytest.raises(ValidationError):
        await audit.record(EVENT.model_copy(update=change))
    assert audit.last(1) == []


async def test_an_event_that_cannot_be_stored_is_an_error(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/none/af.sqlite")
    with pytest.raises(OperationalError):
        await Audit(store).record(EVENT)
    store.close()
