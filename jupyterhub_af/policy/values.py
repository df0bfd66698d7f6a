"""Checks of single values in the facility file.

Each takes what YAML gave and returns it, or raises ``ValueError`` with what is
allowed; the model adds the key, the reader adds the line and the value.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from .groups import is_group
from .names import RESERVED_FOLDERS, is_folder_name, is_label
from .units import parse_duration_seconds, parse_memory_bytes

DEFAULT_MEMORY = "2G"
MAX_IMAGE_LENGTH = 255
MAX_PATTERN_LENGTH = 500
MAX_ISSUER_LENGTH = 255
MAX_RESOURCE_LENGTH = 253 + len("/") + 63
_HOST = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
_IMAGE = re.compile(
    rf"(?:{_HOST}(?::[0-9]{{1,5}})?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_ISSUER = re.compile(
    r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?"
)
_RESOURCE = re.compile(
    r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
)


def is_image(text: str) -> bool:
    """Tell whether a text is an image reference, with or without tag and digest."""
    return len(text) <= MAX_IMAGE_LENGTH and _IMAGE.fullmatch(text) is not None


def matches_pattern(pattern: str, text: str) -> bool:
    """Tell whether a text matches a pattern as a whole, in linear time.

    pydantic's Rust engine has no look-around and no back-references, so neither an
    administrator's pattern nor a person's text can make it slow.
    """
    try:
        _compile(f"^(?:{pattern})$").validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=64)
def _compile(pattern: str) -> TypeAdapter[str]:
    """Return the compiled pattern; the facility files of one process hold few."""
    return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])


def check_slug(value: object) -> object:
    """Accept a DNS label."""
    if isinstance(value, str) and not is_label(value):
        msg = "use up to 63 lower-case letters, digits and '-', not at the ends"
        raise ValueError(msg)
    return value


def check_folder(value: object) -> object:
    """Accept a folder name that is not reserved."""
    if isinstance(value, str) and (
        not is_folder_name(value) or value.lower() in RESERVED_FOLDERS
    ):
        msg = "use letters, digits, '.', '_' and '-' (a letter or digit at the ends), not 'backups'"
        raise ValueError(msg)
    return value


def check_group(value: object) -> object:
    """Accept a group's full path without a leading slash."""
    if isinstance(value, str) and not is_group(value):
        msg = "write the full path of a group without a leading slash, such as hackathon/students"
        raise ValueError(msg)
    return value


def check_version(value: object) -> object:
    """Refuse what Python counts as equal to 1 and a reader does not."""
    if type(value) is not int:
        msg = "write 1, the only version there is"
        raise ValueError(msg)
    return value


def check_not_text(value: object) -> object:
    """Refuse one string where a list belongs: it would become a list of letters."""
    if isinstance(value, str):
        msg = "write a list, such as [hackathon]"
        raise ValueError(msg)
    return value


def check_filled(value: object) -> object:
    """Refuse an empty list: it reads like "nobody" and works like a mistake."""
    check_not_text(value)
    if isinstance(value, list | tuple) and not value:
        msg = "must not be empty; leave the key out instead"
        raise ValueError(msg)
    return value


def check_memory(value: object) -> int:
    """Accept a memory size of at least 1M."""
    size_bytes = parse_memory_bytes(value)
    if size_bytes < 1024**2:
        msg = "must be at least 1M"
        raise ValueError(msg)
    return size_bytes


def check_duration(value: object) -> int:
    """Accept a duration."""
    return parse_duration_seconds(value)


def check_cores(value: object) -> object:
    """Refuse true and false, which Python counts as numbers."""
    if isinstance(value, bool):
        msg = "write a number of cores, such as 1 or 0.5"
        raise ValueError(msg)
    return value


def check_resource(value: object) -> object:
    """Accept a Kubernetes extended resource name."""
    if isinstance(value, str) and not (
        len(value) <= MAX_RESOURCE_LENGTH and _RESOURCE.fullmatch(value)
    ):
        msg = "write a Kubernetes resource name, such as nvidia.com/gpu"
        raise ValueError(msg)
    return value


def check_image(value: object) -> object:
    """Accept an image reference."""
    if isinstance(value, str) and not is_image(value):
        msg = "write an image reference, such as registry.example.org/af/dodas:5"
        raise ValueError(msg)
    return value


def check_image_pattern(value: object) -> object:
    """Accept a pattern that the linear-time engine takes."""
    if not isinstance(value, str):
        return value
    if not value or len(value) > MAX_PATTERN_LENGTH:
        msg = f"write a pattern of 1 to {MAX_PATTERN_LENGTH} characters"
        raise ValueError(msg)
    try:
        # alone first: "a)|(?:b" is whole only between somebody else's brackets
        _compile(value)
        matches_pattern(value, "registry.example.org/x:1")
    except SchemaError:
        msg = "is not a valid pattern (no look-around, no back-references)"
        raise ValueError(msg) from None
    return value


def check_issuer(value: object) -> object:
    """Accept an https address; http only on the loopback."""
    if not isinstance(value, str):
        return value
    match = _ISSUER.fullmatch(value) if len(value) <= MAX_ISSUER_LENGTH else None
    if match is None or not (match[1] == "https" or _is_loopback(match[2])):
        msg = "write an https address (http only on the loopback), such as https://iam.example.org/"
        raise ValueError(msg)
    return value


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
