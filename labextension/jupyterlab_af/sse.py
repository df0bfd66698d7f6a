"""Server-sent events: how they are read from the service and written to a tab.

This module owns the format only (https://html.spec.whatwg.org/multipage/server-sent-events.html)
and its bounds: a line and an event have a largest size, so that nobody can make this
process hold more than that. Comments are dropped when read.
"""

from __future__ import annotations

from dataclasses import dataclass

EVENT_LIMIT_BYTES = 256 * 1024
KEEP_ALIVE = ": \n\n"


class StreamError(ValueError):
    """The stream is not one of events, or an event of it is too large."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its kind, its data on one line, and the id that the service gave it."""

    kind: str
    data: str
    id: str = ""


class EventParser:
    """Makes events of the pieces of a stream, in whatever places it was cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}
        self._size = 0

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that `piece` completes.

        Raises
        ------
        StreamError
            If an event is too large, or is not text.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._check(len(self._rest))
        return [event for line in lines if (event := self._take(line))]

    def _take(self, line: bytes) -> Event | None:
        """Take one line; return the event that it ends, if it ends one."""
        line = line.removesuffix(b"\r")
        if not line:
            return self._finish()
        self._size += len(line)
        self._check(self._size)
        try:
            name, _, value = line.decode().partition(":")
        except UnicodeDecodeError:
            raise StreamError("The stream is not text.") from None
        if name:
            value = value.removeprefix(" ")
            joined = f"{self._fields[name]}\n{value}" if name in self._fields else value
            self._fields[name] = joined
        return None

    def _finish(self) -> Event | None:
        fields, self._fields, self._size = self._fields, {}, 0
        if "data" not in fields:
            return None
        return Event(fields.get("event", ""), fields["data"], fields.get("id", ""))

    def _check(self, size: int) -> None:
        if size > EVENT_LIMIT_BYTES:
            raise StreamError(f"An event is larger than {EVENT_LIMIT_BYTES} bytes.")


def to_text(event: Event) -> str:
    """Return the event as it goes over the wire; its fields hold no line break."""
    number = f"id: {event.id}\n" if event.id else ""
    return f"{number}event: {event.kind}\ndata: {event.data}\n\n"
