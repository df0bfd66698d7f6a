"""Code that a person runs in a kernel of their own server, over its websocket."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass

from facility_world import Person
from websockets.sync.client import connect

PATIENCE_SECONDS = 90


@dataclass
class Kernel:
    """A kernel in a person's server, driven over its websocket."""

    person: Person
    kernel_id: str
    headers: dict[str, str]

    def run(self, code: str, *, seconds: float = 120) -> str:
        """Return what the code printed; an exception's text where there was one."""
        url = self.person.at(
            f"user/{self.person.username}/api/kernels/{self.kernel_id}/channels"
        ).replace("http", "ws", 1)
        message_id = uuid.uuid4().hex
        header = {
            "msg_id": message_id,
            "msg_type": "execute_request",
            "username": "",
            "session": "s",
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "allow_stdin": False,
        }
        request = {
            "header": {**header, "version": "5.3"},
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
        }
        options = {
            "additional_headers": self.headers,
            "max_size": None,
            # the line opens once the kernel runs; a busy machine answers pings late
            "open_timeout": PATIENCE_SECONDS,
            "ping_timeout": PATIENCE_SECONDS,
        }
        with connect(url, **options) as line:
            line.send(json.dumps(request))
            return self._collect(line, message_id, time.monotonic() + seconds)

    def _collect(self, line, message_id, deadline) -> str:
        text = ""
        while time.monotonic() < deadline:
            message = json.loads(
                line.recv(timeout=max(0.1, deadline - time.monotonic()))
            )
            if message["parent_header"].get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                text += content["text"]
            elif kind == "error":
                text += f"{content['ename']}: {content['evalue']}"
            elif kind == "status" and content["execution_state"] == "idle":
                return text
        raise AssertionError(f"the kernel did not finish: {text}")

    def end(self) -> None:
        """End it, and with it the room that it takes in its server."""
        path = f"user/{self.person.username}/api/kernels/{self.kernel_id}"
        answer = self.person.http.delete(self.person.at(path), headers=self.headers)
        assert answer.status_code in (204, 404), answer.text


def make_kernel(person: Person) -> Kernel:
    headers = {"Authorization": f"token {person.make_token()}"}
    url = person.at(f"user/{person.username}/api/kernels")
    answer = person.http.post(url, headers=headers, json={"name": "python3"})
    assert answer.status_code == 201, answer.text
    return Kernel(person, answer.json()["id"], headers)
