"""A cluster's life at the gateway: whose it is, its ceilings, what a scheduler may say."""

from __future__ import annotations

import json
import threading

import httpx
import pytest
from gateway_world import SERVICE, STUDENT
from worlds import plan_of

from jupyterhub_af.policy.messages import plan_to_json

ROOM = "you may use"


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_a_cluster_is_made_of_the_recorded_plan_and_told_to_the_service(gateway, name):
    cluster = gateway.make(gateway.neighbours.add_server(name, "one"))
    gateway.told(
        cluster,
        user=name,
        server_name="one",
        start_id=f"{name}-one-1",
        status="running",
        worker_cores=1.0,
        worker_memory_bytes=1024**3,
        wanted=0,
    )


def test_the_options_are_those_of_the_entry(gateway, name):
    token = gateway.neighbours.add_server(name)
    spec = gateway.ask("GET", "/v1/options", token).json()["cluster_options"]
    assert {f["field"]: (f["default"], f["spec"]) for f in spec} == {
        "worker_cores": (1.0, {"type": "float", "min": 1.0, "max": 4.0}),
        "worker_memory": (1.0, {"type": "float", "min": 1.0, "max": 8.0}),
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(
            {"worker_cores": 5}, "worker_cores is 5 cores", id="too many cores"
        ),
        pytest.param({"worker_cores": 0}, "worker_cores is 0 cores", id="no cores"),
        pytest.param(
            {"worker_cores": True}, "worker_cores is True", id="a truth value"
        ),
        pytest.param({"worker_cores": "2"}, "worker_cores is '2'", id="a text"),
        pytest.param({"worker_cores": None}, "worker_cores is None", id="nothing"),
        pytest.param({"worker_cores": 10**400}, "write a number", id="a giant number"),
        pytest.param(
            {"worker_memory": "16G"}, "worker_memory is 16 GiB", id="too much"
        ),
        pytest.param({"worker_memory": "lots"}, "a size such as 2G", id="no size"),
        pytest.param(
            {"worker_memory": -1}, "worker_memory is -", id="less than nothing"
        ),
        pytest.param({"image": "evil"}, "'image' cannot be chosen", id="an image"),
        pytest.param({"environment": {}}, "cannot be chosen", id="an environment"),
        pytest.param({"server": "other"}, "'server' cannot be chosen", id="a server"),
        pytest.param({"plan": "{}"}, "'plan' cannot be chosen", id="a plan"),
    ],
)
def test_a_choice_that_nobody_has_is_refused_with_words(gateway, name, options, words):
    status, said = error(gateway.create(gateway.neighbours.add_server(name), **options))
    assert status == 422
    assert words in said


@pytest.mark.parametrize(
    "text",
    [
        '{"cluster_options": {"worker_cores": NaN}}',
        '{"cluster_options": {"worker_cores": 1e999}}',
    ],
    ids=["not a number", "without end"],
)
def test_a_number_that_is_none_is_refused(gateway, name, text):
    token = gateway.neighbours.add_server(name)
    status, said = error(gateway.ask("POST", "/v1/clusters/", token, content=text))
    assert status == 422
    assert "write a number" in said


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "[" * 5000],
    ids=["empty", "half", "list", "number", "deep"],
)
def test_a_body_that_is_no_object_is_refused(gateway, name, text):
    token = gateway.neighbours.add_server(name)
    answer = gateway.ask("POST", "/v1/clusters/", token, content=text)
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]


@pytest.mark.parametrize("text", ["[]", "5", '"x"'])
def test_options_that_are_no_object_are_refused(gateway, name, text):
    token = gateway.neighbours.add_server(name)
    body = f'{{"cluster_options": {text}}}'
    answer = gateway.ask("POST", "/v1/clusters/", token, content=body)
    assert (answer.status_code, "by name" in answer.json().get("error", "")) in [
        (422, True),
        # an empty list counts as nothing chosen
        (201, False),
    ]


def test_a_size_with_a_unit_is_understood(gateway, name):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token, worker_cores=2, worker_memory="1536M")
    gateway.told(cluster, worker_cores=2.0, worker_memory_bytes=1536 * 1024**2)


def test_one_cluster_more_than_allowed_is_refused(gateway, name):
    token = gateway.neighbours.add_server(name)
    for _ in range(2):
        gateway.make(token)
    status, said = error(gateway.create(token))
    assert (status, said) == (
        422,
        "You have 2 Dask clusters and may have 2. Use the one you have, or stop one first.",
    )


def test_clusters_asked_for_at_once_do_not_slip_past_the_ceiling(gateway, name):
    token = gateway.neighbours.add_server(name)
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(gateway.create(token).status_code)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 201] + [422] * 6


def test_a_stopped_cluster_makes_room(gateway, name):
    token = gateway.neighbours.add_server(name)
    first, _ = gateway.make(token), gateway.make(token)
    assert gateway.ask("DELETE", f"/v1/clusters/{first}", token).status_code == 204
    assert gateway.create(token).status_code == 201


@pytest.mark.parametrize(
    ("changes", "groups", "words"),
    [
        pytest.param({"dask": None}, STUDENT, "DODAS V5 has no Dask clusters.", id="a profile without clusters"),
        pytest.param({"dask": "gone"}, STUDENT, "is not offered any more", id="an entry that is gone"),
        pytest.param({"profile": "gone"}, STUDENT, "is not offered any more", id="a profile that is gone"),
        pytest.param({"profile": "cygno"}, STUDENT, "cygno is for members", id="a profile of other people"),
        pytest.param({}, ["nobody"], "may not use", id="a person who lost every group"),
    ],
)  # fmt: skip
def test_todays_access_must_still_cover_the_plan(gateway, name, changes, groups, words):
    gateway.neighbours.add_server(name, **changes)
    scope = f"access:servers!server={name}/"
    token = gateway.neighbours.add(name, scope, SERVICE, groups=groups)
    status, said = error(gateway.create(token))
    assert status == 422
    assert words in said
    assert error(gateway.ask("GET", "/v1/options", token)) == (403, said)


def test_a_server_whose_start_is_not_recorded_gets_no_cluster(gateway, name):
    scope = f"access:servers!server={name}/"
    token = gateway.neighbours.add(name, scope, SERVICE, groups=STUDENT)
    assert error(gateway.create(token)) == (422, "No start of this server is recorded.")


def test_a_service_that_is_away_is_said(gateway, name):
    token = gateway.neighbours.add_server(name)
    gateway.neighbours.service_status = 500
    try:
        status, said = error(gateway.create(token))
    finally:
        gateway.neighbours.service_status = 0
    assert status == 422
    assert said.startswith("The service of this facility does not answer")


def test_a_plan_of_another_version_is_not_guessed_at(gateway, name):
    token = gateway.neighbours.add_server(name, surprise=1)
    status, said = error(gateway.create(token))
    assert status == 422
    assert said.startswith("The service of this facility does not answer")


@pytest.mark.parametrize(
    ("op", "body", "words"),
    [
        pytest.param("scale", {"count": 17}, "At most 16 fit.", id="too many"),
        pytest.param("adapt", {"minimum": 0, "maximum": 17}, "At most 16 fit.", id="too many at most"),
        pytest.param("adapt", {"minimum": 17}, "more than the maximum", id="too many at least"),
        pytest.param("adapt", {"minimum": 3, "maximum": 2}, "more than the maximum", id="bounds that cross"),
        pytest.param("adapt", {"minimum": "a"}, "write a whole number", id="a text"),
        pytest.param("adapt", {"maximum": -1}, "write a whole number", id="less than none"),
        pytest.param("adapt", {"maximum": 1.5}, "write a whole number", id="half a worker"),
        pytest.param("adapt", {"maximum": True}, "write a whole number", id="a truth value"),
    ],
)  # fmt: skip
def test_workers_that_do_not_fit_are_refused_at_scale_and_adapt(
    gateway, name, op, body, words
):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token)
    status, said = error(
        gateway.ask("POST", f"/v1/clusters/{cluster}/{op}", token, json=body)
    )
    assert status == 409
    assert words in said


def test_what_another_cluster_wants_is_not_left(gateway, name):
    token = gateway.neighbours.add_server(name)
    first, second = (
        gateway.make(token),
        gateway.make(token, worker_cores=4, worker_memory=8),
    )
    assert gateway.beat(first, count=10).status_code == 200
    gateway.told(first, wanted=10)
    status, said = error(
        gateway.ask("POST", f"/v1/clusters/{second}/scale", token, json={"count": 2})
    )
    assert (status, said) == (
        409,
        "2 workers of 4 cores and 8 GiB are more than is left to you: your other "
        "clusters may use 10 of 16 cores and 10 GiB of 32 GiB. At most 1 fit.",
    )


def test_a_scheduler_that_wants_more_than_fits_gets_what_fits(gateway, name):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token)
    assert gateway.beat(cluster, count=1000).status_code == 200
    gateway.told(cluster, wanted=16)


def test_two_greedy_schedulers_share_one_ceiling(gateway, name):
    token = gateway.neighbours.add_server(name)
    first, second = gateway.make(token), gateway.make(token)
    assert gateway.beat(first, count=12).status_code == 200
    assert gateway.beat(second, count=12).status_code == 200
    gateway.told(first, wanted=12)
    gateway.told(second, wanted=4)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"count": -1}, id="less than none"),
        pytest.param({"count": "many"}, id="a text for a number"),
        pytest.param({"count": True}, id="a truth value for a number"),
        pytest.param({"active_workers": [1]}, id="a worker that is a number"),
        pytest.param({"active_workers": ["x"] * 10_001}, id="workers without end"),
        pytest.param({"api_address": "http://10.0.0.1:80"}, id="an API elsewhere"),
        pytest.param({"api_address": "http://127.0.0.1:80/hub"}, id="an API with a path"),
        pytest.param({"api_address": "file:///etc/passwd"}, id="an API that is a file"),
        pytest.param({"scheduler_address": "tcp://127.0.0.1:80"}, id="no TLS"),
        pytest.param({"scheduler_address": "tls://db.example.org:5432"}, id="another host"),
        pytest.param({"scheduler_address": "tls://u@127.0.0.1:80"}, id="a name before the host"),
        pytest.param({"scheduler_address": "tls://127.0.0.1:99999"}, id="a port that is none"),
        pytest.param({"dashboard_address": "http://example.org:80"}, id="pages elsewhere"),
    ],
)  # fmt: skip
def test_a_heartbeat_of_another_form_is_refused_and_changes_nothing(
    gateway, name, changes
):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token)
    assert gateway.beat(cluster, **changes).status_code == 409
    gateway.told(cluster, wanted=0, status="running")


def test_the_dashboard_is_told_to_its_owner_alone(gateway, name):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token)
    path = f"/v1/clusters/{cluster}/dashboard"
    found = gateway.ask("GET", path, token).json()
    assert found["address"] == "http://127.0.0.1:7002"
    assert len(found["key"]) == 64
    other = gateway.neighbours.add_server(f"{name}x")
    assert gateway.ask("GET", path, other).status_code == 404
    assert gateway.ask("GET", path).status_code == 401
    report = gateway.ask("GET", f"/v1/clusters/{cluster}", token).json()
    assert report["dashboard_route"] == f"/clusters/{cluster}/status"


def test_the_plan_in_the_database_is_the_recorded_one_and_no_secret(gateway, name):
    plan = json.loads(plan_to_json(plan_of("student1")))
    # what the server's token is to be, and never one
    assert plan["token"] is None or set(plan["token"]) == {"audience", "scopes"}
    assert not any("secret" in key for key in plan)
