from __future__ import annotations

import pytest

from jupyterlab_af.sse import (
    EVENT_LIMIT_BYTES,
    Event,
    EventParser,
    StreamError,
    to_text,
)

STREAM = b': hello\n\nid: e-1\nevent: me\ndata: {"a":\ndata: "\xc3\xa8"}\n\n'
EVENT = Event("me", '{"a":\n"è"}', "e-1")


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_whole_wherever_the_stream_was_cut(size):
    parser = EventParser()
    pieces = [STREAM[i : i + size] for i in range(0, len(STREAM), size)]
    assert [event for piece in pieces for event in parser.feed(piece)] == [EVENT]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(b"data: 1\r\n\r\n", [Event("", "1")], id="lines of Windows"),
        pytest.param(b"data:1\n\n", [Event("", "1")], id="no space after the colon"),
        pytest.param(b"data:  1\n\n", [Event("", " 1")], id="one space is taken away"),
        pytest.param(b"event: me\nid: 1\n\n", [], id="an event without data"),
        pytest.param(b"data: 1\n", [], id="an event that has not ended"),
        pytest.param(b": x\n\n: y\n\n", [], id="comments only"),
        pytest.param(b"data\n\n", [Event("", "")], id="a field without a colon"),
        pytest.param(
            b"retry: 1\ndata: 1\n\n", [Event("", "1")], id="a field that is not ours"
        ),
    ],
)
def test_each_form_of_the_format(stream, expected):
    assert EventParser().feed(stream) == expected


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"x" * (EVENT_LIMIT_BYTES + 1), id="an endless line"),
        pytest.param(b"data: 1\n" * EVENT_LIMIT_BYTES, id="an endless event"),
        pytest.param(b"data: \xff\n\n", id="not text"),
    ],
)
def test_a_stream_that_is_none_is_an_error(stream):
    with pytest.raises(StreamError):
        EventParser().feed(stream)


def test_what_is_written_is_read_again():
    event = Event("me", '{"a":1}', "e-1")
    assert EventParser().feed(to_text(event).encode()) == [event]
