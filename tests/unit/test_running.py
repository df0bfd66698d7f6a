"""What `up` keeps for its processes, and what it says of one that does not come."""

from __future__ import annotations

import json
import socket
import sys
import threading

import pytest

from jupyterhub_af.local.layout import Layout, LocalError
from jupyterhub_af.local.running import (
    hold_port,
    hold_ports,
    start_child,
    wait_until_healthy,
)


def test_held_ports_are_given_to_nobody_else_and_servers_may_listen_there():
    with hold_ports(5) as ports:
        assert len(set(ports)) == 5
        for port in ports:
            # what asks without leave, as clients and other facilities do
            with (
                socket.socket() as other,
                pytest.raises(OSError, match="in use"),
            ):
                other.bind(("127.0.0.1", port))
            with (
                socket.create_server(("127.0.0.1", port)) as server,
                socket.create_connection(("127.0.0.1", port)),
            ):
                server.accept()[0].close()


def test_a_port_where_somebody_listens_cannot_be_held():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(OSError, match="in use"),
        hold_port(server.getsockname()[1]),
    ):
        pass


def test_who_does_not_answer_is_named_when_the_hub_does_not_come(tmp_path):
    layout = Layout(tmp_path)
    layout.settings_file.parent.mkdir(parents=True, exist_ok=True)
    layout.settings_file.write_text(json.dumps({"gateway_url": "http://127.0.0.1:1"}))
    hub = start_child(
        "hub",
        [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"],
        log=tmp_path / "hub.log",
    )
    with hold_port(0) as port:
        url = f"http://127.0.0.1:{port}/"
        try:
            hub.wait_for_line("up", seconds=60)
            with pytest.raises(LocalError) as refused:
                wait_until_healthy(url, hub, layout, threading.Event(), 1.0)
        finally:
            hub.stop(5)
        assert str(refused.value).splitlines() == [
            f"The hub did not start; no good answer from the hub at {url}:",
            "up",
            f"The whole log: {tmp_path / 'hub.log'}",
        ]
        with pytest.raises(LocalError, match=r"^The hub did not start:\nup\n"):
            wait_until_healthy(url, hub, layout, threading.Event(), 1.0)
