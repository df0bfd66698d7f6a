from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_af.policy.fault import FaultError
from jupyterhub_af.policy.values import (
    check_image_pattern,
    check_issuer,
    check_resource,
    is_image,
    matches_pattern,
)

DIGEST = "@sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "image",
    [
        pytest.param("dodas", id="a name"),
        pytest.param("library/dodas:5", id="a path and a tag"),
        pytest.param("registry.example.org/af/dodas:5", id="a registry"),
        pytest.param("localhost:5000/dodas", id="a registry with a port"),
        pytest.param("a-b.example.org/a__b/c-d.e_f:V_1.2-x", id="separators"),
        pytest.param("dodas" + DIGEST, id="a digest"),
        pytest.param("r.example.org/a:5" + DIGEST, id="a tag and a digest"),
        pytest.param("a" * 255, id="255 characters"),
    ],
)
def test_this_is_an_image(image):
    assert is_image(image)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param("", id="nothing"),
        pytest.param("a" * 256, id="256 characters"),
        pytest.param("Dodas", id="a capital in the name"),
        pytest.param("r.example.org/a/../b:1", id="the folder above"),
        pytest.param("r.example.org/./b:1", id="the folder itself"),
        pytest.param("../b", id="the folder above first"),
        pytest.param("r.example.org//b:1", id="an empty component"),
        pytest.param("/b", id="a slash first"),
        pytest.param("b/", id="a slash last"),
        pytest.param("r..example.org/b", id="a host with an empty label"),
        pytest.param("b:", id="an empty tag"),
        pytest.param("b:-1", id="a tag with a dash first"),
        pytest.param("b:" + "1" * 129, id="a tag of 129 characters"),
        pytest.param("b:1\n", id="a line's end"),
        pytest.param("b 1", id="a space"),
        pytest.param("-b", id="what reads like an option"),
        pytest.param("https://r.example.org/b", id="an address"),
        pytest.param("user@r.example.org/b", id="somebody's registry"),
        pytest.param("b@sha256:00", id="a digest too short"),
        pytest.param("b@md5:" + "0" * 32, id="another digest"),
        pytest.param("registry.example.org/\uff41:1", id="a wide letter"),
    ],
)
def test_this_is_no_image(image):
    assert not is_image(image)


@given(st.text(alphabet="aA0./:@-_", max_size=255))
def test_every_image_has_whole_components(text):
    if is_image(text):
        assert not {"", ".", ".."} & set(text.split("/"))


def test_an_image_is_judged_in_linear_time():
    began = time.process_time()
    for text in ("a-" * 127, "a." * 127, "a/" * 127, "a" * 254 + "!", "-" * 255):
        assert not is_image(text)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("pattern", "text", "answer"),
    [
        pytest.param("a+", "aaa", True, id="the whole text"),
        pytest.param("a+", "aab", False, id="its beginning only"),
        pytest.param("a+", "baa", False, id="its end only"),
        pytest.param("a|b", "ab", False, id="an alternative does not end the anchors"),
        pytest.param("a", "a\n", False, id="a line's end is a character"),
        pytest.param("(?m)a$", "a\nb", False, id="lines do not count"),
        pytest.param("", "a", False, id="an empty pattern"),
    ],
)
def test_a_pattern_matches_as_a_whole(pattern, text, answer):
    assert matches_pattern(pattern, text) is answer


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("a(?=b)", id="look ahead"),
        pytest.param("(?!b)a", id="negative look ahead"),
        pytest.param("(?<=b)a", id="look behind"),
        pytest.param("(?<!b)a", id="negative look behind"),
        pytest.param(r"(a)\1", id="a back-reference"),
        pytest.param("(?P=x)", id="a named back-reference"),
        pytest.param("((a{1000}){1000}){1000}", id="a repetition bomb"),
        pytest.param(r"\w{1000}{1000}", id="a repetition bomb of classes"),
        pytest.param("(", id="an open bracket"),
        pytest.param("a)", id="a closing bracket"),
        pytest.param("a)|(?:b", id="brackets that close the anchors'"),
        pytest.param("(?x)a # b", id="a comment that swallows the anchor"),
        pytest.param("[", id="an open class"),
        pytest.param("*", id="a star alone"),
    ],
)
def test_a_pattern_that_is_not_linear_or_not_whole_is_refused_quickly(pattern):
    began = time.process_time()
    with pytest.raises(FaultError) as refusal:
        check_image_pattern(pattern)
    # one of them takes a tenth of a second
    assert time.process_time() - began < 1
    assert (refusal.value.wrong, refusal.value.allowed) == (
        "is not a valid pattern",
        "write a regular expression without look-around, back-references and large"
        " repetitions",
    )


def test_a_bad_pattern_that_is_there_a_thousand_times_is_looked_at_once():
    began = time.process_time()
    for _ in range(1000):
        with pytest.raises(FaultError):
            check_image_pattern(r"(\w{1000}){1000}")
    # looking a thousand times takes more than a minute
    assert time.process_time() - began < 5


@pytest.mark.parametrize("pattern", ["", "a" * 501], ids=["empty", "501 characters"])
def test_a_pattern_has_a_length(pattern):
    with pytest.raises(
        ValueError,
        match=r"^is a pattern of (0|501) characters, write 1 to 500 characters$",
    ):
        check_image_pattern(pattern)


def test_a_pattern_that_python_would_never_finish_is_linear():
    pattern = "(a*)*(a*)*b"
    assert check_image_pattern(pattern) == pattern
    began = time.process_time()
    assert not matches_pattern(pattern, "a" * 255)
    assert time.process_time() - began < 0.5


@given(st.text(max_size=60))
def test_any_pattern_is_taken_or_a_value_error(pattern):
    try:
        check_image_pattern(pattern)
    except ValueError:
        return
    assert matches_pattern(pattern, "x") in (True, False)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://iam.example.org",
        "https://iam.example.org/",
        "https://iam.example.org:8443/realms/a",
        "http://localhost:8080",
        "http://127.0.0.1:8080/",
        "http://[::1]:8080/",
    ],
)
def test_this_is_an_issuer(issuer):
    assert check_issuer(issuer) == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param("", id="nothing"),
        pytest.param("iam.example.org", id="no scheme"),
        pytest.param("http://iam.example.org/", id="http"),
        pytest.param(
            "http://127.0.0.1.example.org/", id="http, a host like the loopback"
        ),
        pytest.param("http://localhost.example.org/", id="http, a host like localhost"),
        pytest.param("http://localhost@example.org/", id="http, a user like localhost"),
        pytest.param("ftp://iam.example.org/", id="another scheme"),
        pytest.param("https:///", id="no host"),
        pytest.param("https://u:p@iam.example.org/", id="a password"),
        pytest.param("https://iam.example.org/?a", id="a query"),
        pytest.param("https://iam.example.org/#a", id="a fragment"),
        pytest.param("https://iam.example.org:port/", id="a port in words"),
        pytest.param("https://[iam", id="half an address"),
        pytest.param("https://iam.example.org/ ", id="a space"),
        pytest.param("https://iam\n.example.org/", id="a line's end"),
        pytest.param("https://iam.example.org\\@evil.example.org/", id="a backslash"),
        pytest.param("https://\u0456am.example.org/", id="a letter that looks alike"),
        pytest.param("https://" + "a" * 248, id="256 characters"),
    ],
)
def test_this_is_no_issuer(issuer):
    with pytest.raises(
        ValueError, match=r"^is not (an address|https), write an https address "
    ):
        check_issuer(issuer)


@given(st.text(max_size=40).map("https://".__add__) | st.text(max_size=40))
def test_any_issuer_is_taken_or_a_value_error(issuer):
    if _is_refused(issuer):
        return
    assert check_issuer(issuer) == issuer
    assert issuer.isascii()
    assert issuer.isprintable()


def _is_refused(issuer: str) -> bool:
    try:
        check_issuer(issuer)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("name", ["nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "a/B_c"])
def test_this_is_a_resource(name):
    assert check_resource(name) == name


@pytest.mark.parametrize(
    "name", ["gpu", "/gpu", "nvidia.com/", "a/b/c", "a b/c", "a/b\n", "a/" + "b" * 316]
)
def test_this_is_no_resource(name):
    with pytest.raises(ValueError, match=r"^is not a Kubernetes resource, "):
        check_resource(name)
