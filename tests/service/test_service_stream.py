"""The event stream: what it says, what it says again, and when it ends."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest
from fake_peers import cluster
from pydantic import TypeAdapter
from service_world import ACCESS, FACILITY, GROUPS, ServiceProcess, Stream, running

from jupyterhub_af.policy.messages import Refusal
from jupyterhub_af.policy.panel import PanelEvent

KINDS = ["me", "lifetime", "clusters", "storage", "access", "history"]
EVENT = TypeAdapter(PanelEvent)


@pytest.fixture
def token(hub):
    """Return a function that gives the token of a person's server."""

    def of(user: str, server_name: str | None = "") -> str:
        server = f"access:servers!server={user}/{server_name}"
        scopes = [ACCESS] if server_name is None else [ACCESS, server]
        return hub.add(user, *scopes, groups=GROUPS)

    return of


def tell(service, path: str, body: object, *, secret: str | None = None) -> int:
    with service.client(secret) as client:
        method = "PUT" if path.endswith("clusters") else "POST"
        return client.request(method, f"/internal/{path}", json=body).status_code


def tell_clusters(service, *clusters: dict[str, object]) -> int:
    body = {"clusters": list(clusters)}
    return tell(service, "clusters", body, secret=service.gateway_secret)


def wait_until_nobody_listens(service) -> None:
    """Wait until the service has seen that who listened left."""
    deadline = time.monotonic() + 30
    with service.client() as client:
        while "\naf_listeners 0.0\n" not in client.get("/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def note(user: str, target: str, actor: str = "admin") -> dict[str, str]:
    return {"actor": actor, "action": "note", "target": target, "result": "done"}


def number(event: dict[str, object]) -> int:
    return int(str(event["id"]).rpartition("-")[2])


def test_it_begins_with_everything_and_me_first(service, start, token):
    start_id = start("anna", "one", idle_seconds=3600, longest_seconds=None)
    tell_clusters(service, cluster("anna", start_id, server_name="one"))
    with Stream(service, token("anna", "one")) as stream:
        events = stream.take(6)
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-store"
    assert [event["event"] for event in events] == KINDS
    me, lifetime, clusters, storage, access, history = (
        EVENT.validate_python(event["data"]) for event in events
    )
    assert (me.me.user, me.me.groups, me.me.server.name) == ("anna", GROUPS, "one")
    assert lifetime.lifetime.idle_seconds == 3600
    assert lifetime.lifetime.stop_at == lifetime.lifetime.idle_stop_at
    assert abs(lifetime.lifetime.started_at - time.time()) < 30
    (mine,) = clusters.clusters
    assert (mine.name, mine.is_of_this_server, mine.ready) == ("0f", True, 1)
    assert clusters.dask is None
    assert [(tree.area, tree.owner) for tree in storage.trees] == [
        ("private", "anna"),
        ("collab", "GW"),
    ]
    assert storage.is_rescue is False
    assert access.end is None
    assert [(x.actor, x.action) for x in history.lines] == [
        ("anna", "account.register")
    ]


def test_a_laptop_has_no_server_and_no_lifetime(service, start, token):
    start_id = start("aldo")
    tell_clusters(service, cluster("aldo", start_id), cluster("other", "s", name="1"))
    with Stream(service, token("aldo", None)) as stream:
        me, lifetime, clusters, *_ = (event["data"] for event in stream.take(6))
    assert me["me"]["server"] is None
    assert lifetime["lifetime"] is None
    assert [c["is_of_this_server"] for c in clusters["clusters"]] == [False]


def test_a_guest_of_a_shared_server_hears_of_themselves_only(service, hub, start):
    start("owner")
    scopes = (ACCESS, "access:servers!server=owner/")
    with Stream(service, hub.add("guest", *scopes, groups=GROUPS)) as stream:
        me, lifetime, clusters, *_, history = (e["data"] for e in stream.take(6))
    assert (me["me"]["user"], me["me"]["server"]) == ("guest", None)
    assert lifetime["lifetime"] is None
    assert (clusters["clusters"], history["lines"]) == ([], [])


def test_only_what_changed_is_said(service, start, token):
    start_id = start("bea")
    mine = cluster("bea", start_id)
    with Stream(service, token("bea")) as stream:
        first = stream.take(6)[-1]
        tell_clusters(service, mine, cluster("other", "x", name="1"))
        assert stream.next("clusters")["data"]["clusters"][0]["ready"] == 1
        # the same list again, and somebody else's cluster: nothing of mine is new
        tell_clusters(service, mine)
        tell_clusters(service, mine, cluster("other", "x", name="2"))
        tell(service, "audit", note("bea", "other/"))
        tell_clusters(service, {**mine, "ready": 2})
        event = stream.next()
        assert event["event"] == "clusters"
        assert event["data"]["clusters"][0]["ready"] == 2
        assert number(event) == number(first) + 2
        tell_clusters(service)
        assert stream.next("clusters")["data"]["clusters"] == []


def test_history_is_mine_and_later_only_what_is_new(service, start, token):
    start("carlo")
    for index in range(60):
        tell(service, "audit", note("x", f"carlo/{index}"))
    with Stream(service, token("carlo")) as stream:
        lines = stream.next("history")["data"]["lines"]
        assert len(lines) == 50
        assert lines[-1]["target"] == "carlo/59"
        tell(service, "audit", note("x", "carlo2/"))
        tell(service, "audit", note("x", "x", actor="carlo"))
        tell(service, "audit", note("x", "carlo/new"))
        heard = []
        while len(heard) < 2:
            heard += stream.next("history")["data"]["lines"]
        assert [line["target"] for line in heard] == ["x", "carlo/new"]
    # who comes anew gets the newest fifty, each once
    with Stream(service, token("carlo")) as stream:
        lines = stream.next("history")["data"]["lines"]
    assert len({line["id"] for line in lines}) == 50
    assert lines[-1]["target"] == "carlo/new"


def test_who_comes_back_gets_what_was_missed(service, start, token):
    start_id = start("dora")
    mine = cluster("dora", start_id)
    with Stream(service, token("dora")) as stream:
        last_id = stream.take(6)[-1]["id"]
    # while it seems to listen, each change may be an event of its own
    wait_until_nobody_listens(service)
    for ready in (1, 2):
        tell_clusters(service, {**mine, "ready": ready})
    tell(service, "audit", note("x", "dora/"))
    with Stream(service, token("dora"), last_id) as stream:
        missed = [stream.next(), stream.next()]
        assert {event["event"] for event in missed} == {"clusters", "history"}
        by_kind = {event["event"]: event["data"] for event in missed}
        assert by_kind["clusters"]["clusters"][0]["ready"] == 2
        assert [x["target"] for x in by_kind["history"]["lines"]] == ["dora/"]
        last_id = missed[-1]["id"]
    # nothing was missed: what comes next is new
    with Stream(service, token("dora"), last_id) as stream:
        tell_clusters(service, {**mine, "ready": 3})
        assert stream.next()["data"]["clusters"][0]["ready"] == 3


@pytest.mark.parametrize(
    "last_id",
    [
        "x",
        "-",
        "00000000-5",
        "{epoch}-0",
        "{epoch}-9999",
        "{epoch}-x",
        "{epoch}-²",
        "9" * 5000,
    ],
)
def test_an_id_nobody_gave_gets_everything(service, start, token, last_id):
    start("elsa")
    with Stream(service, token("elsa")) as stream:
        epoch = stream.take(6)[-1]["id"].rpartition("-")[0]
    given = last_id.replace("{epoch}", epoch)
    with Stream(service, token("elsa"), given) as stream:
        assert [event["event"] for event in stream.take(6)] == KINDS


def test_who_is_cut_off_in_the_middle_of_everything_gets_it_all(service, start, token):
    start("elio")
    with Stream(service, token("elio")) as stream:
        ids = [event["id"] for event in stream.take(6)]
    for cut in ids[:4]:
        with Stream(service, token("elio"), cut) as stream:
            assert [event["event"] for event in stream.take(6)] == KINDS


def test_two_tabs_hear_the_same_and_two_servers_their_own(service, start, token):
    first, second = start("fabio"), start("fabio", "two")
    tokens = token("fabio"), token("fabio"), token("fabio", "two")
    with (
        Stream(service, tokens[0]) as one,
        Stream(service, tokens[1]) as tab,
        Stream(service, tokens[2]) as other,
    ):
        names = [
            s.take(6)[0]["data"]["me"]["server"]["name"] for s in (one, tab, other)
        ]
        assert names == ["", "", "two"]
        tell_clusters(
            service, cluster("fabio", first), cluster("fabio", second, name="1")
        )
        heard = [s.next("clusters") for s in (one, tab, other)]
        assert heard[0] == heard[1]
        own = [[c["is_of_this_server"] for c in h["data"]["clusters"]] for h in heard]
        assert own == [[True, False], [True, False], [False, True]]


def test_it_ends_with_the_server_and_not_with_an_earlier_start(service, start, token):
    old = start("gina", start_id="gina-1")
    new = start("gina", start_id="gina-2")
    event = {"user": "gina", "server_name": "", "state": "stopped"}
    with Stream(service, token("gina")) as stream:
        stream.take(6)
        assert tell(service, "servers", {**event, "start_id": old}) == 204
        tell(service, "audit", note("x", "gina/"))
        assert stream.next("history")["data"]["lines"][0]["target"] == "gina/"
        assert tell(service, "servers", {**event, "start_id": new}) == 204
        assert stream.next("never") == {}


def test_a_new_start_is_said_to_who_listens(service, start, token):
    start("hans", start_id="hans-1")
    with Stream(service, token("hans")) as stream:
        stream.take(6)
        start("hans", start_id="hans-2", size="large")
        me = stream.next("me")["data"]["me"]
    assert (me["server"]["start_id"], me["server"]["size"]) == ("hans-2", "large")


def test_a_person_has_a_bounded_number_of_streams(service, start, token):
    start("iris")
    one = token("iris")
    with ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(Stream(service, one))
        with Stream(service, one) as refused:
            assert refused.answer.status_code == 429
            words = Refusal.model_validate_json(refused.answer.read()).message
        assert "16 event streams open" in words
    wait_until_nobody_listens(service)
    with Stream(service, one) as stream:
        assert stream.answer.status_code == 200


def test_who_may_not_ask_gets_words_and_no_stream(service, hub):
    tokens = {
        hub.add("lea", groups=GROUPS): (403, "scope"),
        hub.add("lea", ACCESS, groups=("other",)): (403, "login-withheld"),
        hub.add("bot", ACCESS, kind="service"): (403, "not-a-person"),
        "unknown": (401, "token-unknown"),
    }
    for token, wanted in tokens.items():
        with Stream(service, token) as stream:
            answer = Refusal.model_validate_json(stream.answer.read())
            assert (stream.answer.status_code, answer.rule) == wanted


def test_a_refused_stream_leaves_no_place_taken(service, hub):
    token = hub.add("mia", ACCESS, groups=("other",))
    for _ in range(20):
        with Stream(service, token) as stream:
            assert stream.answer.status_code == 403
    wait_until_nobody_listens(service)


def test_the_service_stops_at_once_with_open_streams(tmp_path, hub, start, token):
    one = ServiceProcess(tmp_path, hub_url=hub.url)

    def seconds_to_stop() -> float:
        with running(one), ExitStack() as stack:
            start("nino", service=one)
            opened = [Stream(one, token("nino")) for _ in range(5)]
            streams = [stack.enter_context(stream) for stream in opened]
            for stream in streams:
                stream.take(6)
            seconds = one.stop()
            assert "Traceback" not in one.log.read_text()
            assert [stream.next() for stream in streams] == [{}] * 5
        return seconds

    # others use the machine too
    assert any(seconds_to_stop() < 3 for _ in range(3))


def test_an_edit_of_the_file_reaches_the_stream(tmp_path, hub, start, token):
    one = ServiceProcess(tmp_path, hub_url=hub.url, more={"sweep_seconds": 0.3})
    with running(one):
        start("olga", service=one)
        with Stream(one, token("olga")) as stream:
            stream.take(6)
            one.edit(FACILITY.replace("Test facility", "Another"))
            assert stream.next("me")["data"]["me"]["facility"]["name"] == "Another"
            one.edit(FACILITY.replace("[hackathon]", "[others]"))
            assert stream.next("never") == {}


def test_only_the_gateway_says_which_clusters_there_are(service):
    body = {"clusters": []}
    assert tell(service, "clusters", body) == 401
    assert tell(service, "clusters", body, secret="x" * 64) == 401
    assert tell_clusters(service) == 204


def test_the_gateway_says_nothing_else(service):
    event = {"user": "u", "server_name": "", "start_id": "s", "state": "running"}
    secret = service.gateway_secret
    assert tell(service, "servers", event, secret=secret) == 401
    # about clusters it may write, and about nothing else
    assert tell(service, "audit", note("x", "y/"), secret=secret) == 403
    assert tell(service, "servers", event) == 204
