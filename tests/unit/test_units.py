from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_af.policy.units import (
    format_cores,
    format_duration,
    format_memory,
    parse_duration_seconds,
    parse_memory_bytes,
)

BAD_NUMBERS = [
    None,
    True,
    2,
    2.5,
    "",
    "2",
    "G",
    "-2G",
    "+2G",
    "2 G",
    "2g",
    "2GB",
    "2GiB",
]
BAD_NUMBERS += ["1e3G", "1_0G", "٢G", "2G\n", "0x2G", "1.2345G", ".5G", "1.G", "nanG"]
BAD_DURATIONS = [None, True, 30, "", "30", "m", "-30m", "1.5h", "30 m", "30M", "30m\n"]
BAD_DURATIONS += ["1h30m", "1w", "٣m", "9999999s"]


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        pytest.param("2G", 2 * 1024**3, id="gibibytes"),
        pytest.param("512M", 512 * 1024**2, id="mebibytes"),
        pytest.param("1K", 1024, id="kibibytes"),
        pytest.param("1T", 1024**4, id="tebibytes"),
        pytest.param("1.5G", 3 * 512 * 1024**2, id="a fraction"),
        pytest.param("0.001K", 1, id="a fraction is cut to whole bytes"),
        pytest.param("0G", 0, id="zero"),
    ],
)
def test_memory_is_bytes_in_powers_of_1024(text, size_bytes):
    assert parse_memory_bytes(text) == size_bytes


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=ascii)
def test_what_is_no_memory_size_is_refused(value):
    message = "is not a size, write a number and K, M, G or T, such as 2G"
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_memory_bytes(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("90s", 90, id="seconds"),
        pytest.param("30m", 1800, id="minutes"),
        pytest.param("12h", 43200, id="hours"),
        pytest.param("2d", 172800, id="days"),
        pytest.param("0m", 0, id="zero"),
    ],
)
def test_a_duration_is_seconds(text, seconds):
    assert parse_duration_seconds(text) == seconds


@pytest.mark.parametrize("value", BAD_DURATIONS, ids=ascii)
def test_what_is_no_duration_is_refused(value):
    message = "is not a duration, write a whole number and s, m, h or d, such as 30m"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_duration_seconds(value)


@given(st.text(max_size=30))
def test_any_other_text_is_a_value_error_and_nothing_else(text):
    for parse in (parse_memory_bytes, parse_duration_seconds):
        try:
            assert parse(text) >= 0
        except ValueError:
            continue


@given(st.integers(0, 999999), st.integers(0, 999), st.sampled_from("KMGT"))
def test_memory_grows_with_its_number(whole, thousandths, unit):
    size = parse_memory_bytes(f"{whole}.{thousandths:03}{unit}")
    assert parse_memory_bytes(f"{whole}{unit}") <= size
    assert size <= parse_memory_bytes(f"{whole + 1}{unit}"[-7:]) or whole == 999999


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        pytest.param(2 * 1024**3, "2 GiB", id="whole"),
        pytest.param(1536 * 1024**2, "1.5 GiB", id="a half"),
        pytest.param(1000 * 1024**2, "1000 MiB", id="a thousand is not 1e+03"),
        pytest.param(1024**3 - 1, "1024 MiB", id="nearly the next unit"),
        pytest.param(10 * 1024**4, "10 TiB", id="tebibytes"),
        pytest.param(999999 * 1024**4, "999999 TiB", id="the most a file can say"),
        pytest.param(512, "0.5 KiB", id="less than one"),
    ],
)
def test_memory_is_shown_short(size_bytes, text):
    assert format_memory(size_bytes) == text


@pytest.mark.parametrize(
    ("cores", "text"),
    [
        pytest.param(1.0, "1 core", id="one"),
        pytest.param(4.0, "4 cores", id="four"),
        pytest.param(0.5, "0.5 cores", id="a half"),
        pytest.param(4096.0, "4096 cores", id="the most a file can say"),
    ],
)
def test_cores_are_shown_in_words(cores, text):
    assert format_cores(cores) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(1, "1 second", id="one"),
        pytest.param(90, "90 seconds", id="no whole minute"),
        pytest.param(1800, "30 minutes", id="minutes"),
        pytest.param(5400, "90 minutes", id="no whole hour"),
        pytest.param(43200, "12 hours", id="hours"),
        pytest.param(86400, "1 day", id="a day"),
        pytest.param(0, "0 seconds", id="nothing"),
    ],
)
def test_a_duration_is_shown_in_words(seconds, text):
    assert format_duration(seconds) == text
