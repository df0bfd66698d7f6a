"""The service's questions to the hub, answered by a real JupyterHub."""

from __future__ import annotations

import asyncio
import os

import pytest
from jupyterhub.tests.utils import add_user, api_request
from jupyterhub.utils import url_path_join
from ports import free_port

from jupyterhub_af.service.asking import AskError
from jupyterhub_af.service.hub_api import PAGE, HubApi

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]
TOKEN = "t" * 32
SCOPES = [
    "list:users",
    "read:servers",
    "read:users:groups",
    "delete:servers",
    "delete:users",
]


@pytest.fixture
async def app(apps, proxy_on_path, hub_app, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {
        "JupyterHub": {
            "bind_url": f"http://127.0.0.1:{free_port()}/@/space%20word/",
            "hub_port": free_port(),
            "allow_named_servers": True,
            "services": [
                {"name": "af", "api_token": TOKEN},
                {"name": "blind", "api_token": "b" * 32},
                {"name": "half-blind", "api_token": "h" * 32},
            ],
            "load_roles": [
                {"name": "af-service", "scopes": SCOPES, "services": ["af"]},
                {
                    "name": "half-blind",
                    "scopes": [
                        "list:users",
                        "read:servers!user=anna",
                        "delete:servers",
                    ],
                    "services": ["half-blind"],
                },
            ],
        },
        "ConfigurableHTTPProxy": {"api_url": f"http://127.0.0.1:{free_port()}"},
    }
    apps.append(await hub_app(config=config))
    app = apps[-1]
    yield app
    await app.http_server.close_all_connections()


@pytest.fixture
async def connect(app):
    opened = []

    def to_hub(token: str = TOKEN) -> HubApi:
        opened.append(HubApi(url_path_join(app.hub.url, "api"), token))
        return opened[-1]

    yield to_hub
    for api in opened:
        await api.close()


async def run(app, name: str, server_name: str = "") -> None:
    user = app.users[add_user(app.db, app, name=name).name]
    await user.spawn(server_name)
    await app.proxy.add_user(user, server_name)


async def all_stopped(api: HubApi) -> None:
    async with asyncio.timeout(60):
        while (await api.live()).servers:  # noqa: ASYNC110 - the hub stops them
            await asyncio.sleep(0.1)


async def test_live_servers_are_listed_looked_at_and_stopped(app, connect):
    await run(app, "anna")
    await run(app, "anna", "two")
    await run(app, "b.ob@x", "a-b")
    add_user(app.db, app, name="idle")
    api = connect()
    await api.check_scopes()
    live = (await api.live()).servers
    assert live.keys() == {("anna", ""), ("anna", "two"), ("b.ob@x", "a-b")}
    one = live["anna", ""]
    assert one.is_settled
    assert one.person_at > 1.7e9
    found, listed = await api.find_server("anna", "two"), live["anna", "two"]
    # the hub asks its proxy for activity every two seconds here
    assert found.person_at >= listed.person_at
    moved = {"last_activity": listed.last_activity}
    assert found.model_copy(update=moved) == listed
    assert await api.find_server("anna", "three") is None
    assert await api.find_server("idle", "") is None
    assert await api.find_server("nobody", "") is None
    for place in live:
        await api.stop_server(*place)
    await api.stop_server("nobody", "")
    await all_stopped(api)


async def test_a_person_is_forgotten_with_tokens_and_never_renamed(app, connect):
    user = add_user(app.db, app, name="anna")
    token = user.new_api_token(scopes=["self"])
    api = connect()
    assert await api.servers_of("anna") == {}
    assert await api.delete_user("anna")
    assert not await api.delete_user("anna")
    asked = await api_request(
        app, "user", headers={"Authorization": f"token {token}"}, noauth=True
    )
    assert asked.status_code == 403
    # the service's scopes let it read and change nobody
    add_user(app.db, app, name="bob")
    for method, answer in (("patch", 403), ("delete", 204)):
        asked = await api_request(
            app,
            "users",
            "bob",
            method=method,
            headers={"Authorization": f"token {TOKEN}"},
            noauth=True,
        )
        assert asked.status_code == answer


async def test_more_people_than_a_page_holds(app, connect, monkeypatch):
    monkeypatch.setattr("jupyterhub_af.service.hub_api.PAGE", 1)
    for name in ("anna", "bea", "carlo"):
        await run(app, name)
    api = connect()
    assert len((await api.live()).servers) == 3
    assert app.tornado_settings["api_page_max_limit"] >= PAGE
    for name in ("anna", "bea", "carlo"):
        await api.stop_server(name, "")
    await all_stopped(api)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("b" * 32, "lacks delete:servers, list:users, read:servers, read:users:groups"),
        ("h" * 32, "lacks read:servers, read:users:groups"),
        ("unknown", "refuses the service's token"),
    ],
)
async def test_a_token_that_sees_less_is_found_out(connect, token, words):
    with pytest.raises(AskError, match=words):
        await connect(token).check_scopes()


async def test_a_hub_that_is_not_there_is_said_in_words():
    api = HubApi("http://127.0.0.1:9/hub/api", TOKEN)
    with pytest.raises(AskError, match="The hub does not answer"):
        await api.live()
    await api.close()
    assert os.environ.get("JUPYTERHUB_API_TOKEN") is None
