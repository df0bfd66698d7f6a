"""What a Lab asks of the service, end to end: lifetimes, keep me, busy, stops."""

from __future__ import annotations

import time

import pytest
from fake_peers import FakeGateway, FakeHub
from service_world import ACCESS, GROUPS, ServiceProcess, Stream, running

from jupyterhub_af.policy.messages import Refusal
from jupyterhub_af.policy.panel import Lifetime


@pytest.fixture
def token(hub):
    def of(user: str) -> str:
        scopes = (ACCESS, f"access:servers!server={user}/")
        return hub.add(user, *scopes, groups=GROUPS)

    return of


def refused(reply, status: int) -> Refusal:
    assert reply.status_code == status
    return Refusal.model_validate_json(reply.content)


def test_keep_me_answers_with_the_new_end(service, start, token):
    start("anna", idle_seconds=3600, longest_seconds=7200)
    mine = token("anna")
    with Stream(service, mine) as stream:
        before = stream.next("lifetime")["data"]["lifetime"]
        reply = service.post("api/keep", mine)
        kept = Lifetime.model_validate_json(reply.content)
        assert kept.stop_at > before["stop_at"]
        # the other tab hears of it
        told = stream.next("lifetime")["data"]["lifetime"]
        assert told["stop_at"] == kept.stop_at


@pytest.mark.parametrize(
    ("user", "idle", "longest", "words"),
    [
        ("bea", None, None, "nothing stops it"),
        ("carlo", None, 7200, "stops 2 hours after its start, whatever happens"),
        ("dora", 7200, 3600, "stops 1 hour after its start, whatever happens"),
    ],
)
def test_keep_me_is_refused_where_it_changes_nothing(
    service, start, token, user, idle, longest, words
):
    start(user, idle_seconds=idle, longest_seconds=longest)
    refusal = refused(service.post("api/keep", token(user)), 409)
    assert refusal.rule == "keep-changes-nothing"
    assert words in refusal.message


RESTORED = {"path": "private/a.txt", "generation": "2026-11-20T09-00-00Z"}


def test_a_restore_is_a_line_that_the_person_reads_again(service, start, token):
    start("irma")
    mine = token("irma")
    long_path = f"private/{'x' * 300}/b\n.txt"
    with Stream(service, mine) as stream:
        for path, how in (("private/a.txt", "in-place"), (long_path, "copy")):
            reply = service.post(
                "api/restored", mine, {**RESTORED, "path": path, "how": how}
            )
            assert (reply.status_code, reply.content) == (204, b"")
        lines = []
        while len(lines) < 2:
            told = stream.next("history")["data"]["lines"]
            lines += [line for line in told if line["action"] == "storage.restore"]
    assert [(line["actor"], line["rule"], line["result"]) for line in lines] == [
        ("irma", "in-place", "done"),
        ("irma", "copy", "done"),
    ]
    assert lines[0]["target"] == "irma/private/a.txt"
    assert lines[1]["target"].startswith("irma/…xxx")
    assert lines[1]["target"].endswith("x/b?.txt")
    assert len(lines[1]["target"]) == 255


def test_a_restore_that_is_told_again_is_one_line(service, start, token):
    start("juna")
    mine = token("juna")
    word = {**RESTORED, "how": "copy"}
    with Stream(service, mine) as stream:
        for telling in ("0" * 32, "0" * 32, "1" * 32, "", ""):
            body = {**word, "telling": telling}
            assert service.post("api/restored", mine, body).status_code == 204
        service.post("api/restored", mine, {**word, "path": "private/last"})
        lines: list[str] = []
        while not lines or not lines[-1].endswith("last"):
            told = stream.next("history")["data"]["lines"]
            lines += [
                line["target"] for line in told if line["action"] == "storage.restore"
            ]
    assert lines == [*["juna/private/a.txt"] * 4, "juna/private/last"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**RESTORED, "how": "copy", "telling": "again"},
        {**RESTORED, "how": "over"},
        {**RESTORED, "how": "copy", "user": "anna"},
        {**RESTORED, "how": "copy", "generation": "<script>"},
        {**RESTORED, "how": "copy", "path": "x" * 5000},
    ],
)
def test_a_word_on_a_restore_of_another_shape_is_refused(service, start, token, body):
    start("ivo")
    reply = service.post("api/restored", token("ivo"), body)
    assert refused(reply, 400).rule == "body-form"


@pytest.mark.parametrize("path", ["api/keep", "api/busy", "api/restored"])
def test_only_a_server_of_one_s_own_may_be_kept_or_work(service, hub, start, path):
    start("owner")
    body = {"kernels": 1}
    guest = hub.add("guest", ACCESS, "access:servers!server=owner/", groups=GROUPS)
    laptop = hub.add("owner", ACCESS, groups=GROUPS)
    for token in (guest, laptop):
        refusal = refused(service.post(path, token, body), 403)
        assert refusal.rule == "not-a-server"
    new = hub.add("new", ACCESS, "access:servers!server=new/", groups=GROUPS)
    assert refused(service.post(path, new, body), 404).rule == "plan-unknown"
    no_scope = hub.add("owner", "access:servers!server=owner/", groups=GROUPS)
    assert refused(service.post(path, no_scope, body), 403).rule == "scope"
    assert refused(service.post(path, "unknown", body), 401).rule == "token-unknown"


@pytest.mark.parametrize(
    "body", [{}, {"kernels": -1}, {"kernels": 1, "user": "x"}, {"kernels": "many"}, []]
)
def test_a_word_on_work_of_another_shape_is_refused(service, start, token, body):
    start("elsa")
    reply = service.post("api/busy", token("elsa"), body)
    assert refused(reply, 400).rule == "body-form"


def test_work_is_said_in_the_lifetime(service, start, token):
    start("fabio", idle_seconds=3600, longest_seconds=None)
    mine = token("fabio")
    with Stream(service, mine) as stream:
        before = stream.next("lifetime")["data"]["lifetime"]
        reply = service.post("api/busy", mine, {"kernels": 2, "terminals": 0})
        assert (reply.status_code, reply.content) == (204, b"")
        after = stream.next("lifetime")["data"]["lifetime"]
    assert after["last_active_at"] > before["last_active_at"]
    assert after["idle_stop_at"] > before["idle_stop_at"]


def test_a_server_s_whole_life(tmp_path, start):
    """Announced, kept, stopped not before the last announcement, and the cluster after."""
    with FakeHub().running() as hub, FakeGateway().running() as gateway:
        more = {"sweep_seconds": 0.2, "activity_seconds": 0, "cluster_ttl_seconds": 0.5}
        more["gateway_url"] = gateway.url
        one = ServiceProcess(tmp_path, hub_url=hub.url, more=more)
        with running(one):
            hub.run("gina", active_at=time.time())
            start_id = start("gina", service=one, idle_seconds=6, longest_seconds=None)
            gateway.run("gina", start_id)
            scopes = (ACCESS, "access:servers!server=gina/")
            mine = hub.add("gina", *scopes, groups=GROUPS)
            with Stream(one, mine) as stream:
                lifetime = stream.next("lifetime")["data"]["lifetime"]
                # late, with time for the answer on a busy machine
                time.sleep(max(0, lifetime["stop_at"] - time.time() - 3))
                kept = one.post("api/keep", mine).json()
                assert hub.stopped == []
                while not hub.stopped and time.time() < kept["stop_at"] + 20:
                    time.sleep(0.02)
                assert hub.stopped == [("gina", "")]
                assert kept["stop_at"] <= time.time()
                lines: list[dict[str, object]] = []
                while not lines:
                    told = stream.next("history")["data"]["lines"]
                    lines = [line for line in told if line["actor"] == "af"]
                assert (lines[0]["action"], lines[0]["rule"]) == (
                    "server.stop",
                    "lifetime-idle",
                )
                while not gateway.stopped and time.time() < kept["stop_at"] + 40:
                    time.sleep(0.02)
            assert len(gateway.stopped) == 1
            log = one.log.read_text()
            assert "Stopped gina/: lifetime-idle" in log
            assert "Traceback" not in log
            assert mine not in log


@pytest.mark.parametrize(
    ("trait", "value", "words"),
    [
        ("sweep_seconds", 0, "sweep_seconds must be at least 0.1"),
        ("sweep_seconds", "nan", "sweep_seconds must be at least 0.1"),
        ("cluster_ttl_seconds", -1, "cluster_ttl_seconds must be at least 0"),
        ("activity_seconds", "inf", "activity_seconds must be at least 0"),
        ("gateway_url", "unix:/x", "must begin with http:// or https://"),
    ],
)
def test_settings_that_make_no_sense_refuse_the_start(tmp_path, trait, value, words):
    one = ServiceProcess(tmp_path, more={trait: value})
    with pytest.raises(AssertionError, match=words):
        one.start()
    assert one.process.wait(10) == 1
