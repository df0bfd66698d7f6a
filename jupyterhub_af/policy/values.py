"""Checks of single values in the facility file.

Each takes what YAML gave and returns it, or raises a ``FaultError``: what is wrong with
it, and what is allowed. The model adds the key, the reader adds the line and the value.

The schemas beside them say the same to an editor, as far as a schema can.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Annotated, Any, cast

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from .fault import FaultError
from .groups import MAX_GROUP_LENGTH, is_group
from .names import RESERVED_FOLDERS, is_folder_name, is_label
from .units import (
    DURATION_PATTERN,
    MEMORY_PATTERN,
    parse_duration_seconds,
    parse_memory_bytes,
)

DEFAULT_MEMORY_BYTES = 2 * 1024**3
MAX_IMAGE_LENGTH = 255
MAX_PATTERN_LENGTH = 500
MAX_ISSUER_LENGTH = 255
MAX_RESOURCE_LENGTH = 253 + len("/") + 63
MAX_CORES = 4096
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
_ISSUER_ALLOWED = "write an https address such as https://iam.example.org/ (http on the loopback only)"
_BACKUPS = "(?![Bb][Aa][Cc][Kk][Uu][Pp][Ss]$)"
_SEGMENT = "[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_LOOPBACK = r"(?:localhost|127\.[0-9.]+|\[::1\])(?::[0-9]{1,5})?(?:/|$)"

# RFC 6749, section 3.3: what a scope is made of, and an audience as well
_SCOPE = r"[\x21\x23-\x5b\x5d-\x7e]{1,500}"

Schema = dict[str, Any]
SCOPE_SCHEMA: Schema = {
    "type": "string",
    "pattern": f"^{_SCOPE}$",
    "description": "Printable ASCII without spaces, quotation marks and backslashes.",
}
SLUG_SCHEMA: Schema = {
    "type": "string",
    "pattern": "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
    "description": "Up to 63 lower-case letters, digits and '-', not at the ends.",
}
FOLDER_SCHEMA: Schema = {
    "type": "string",
    "pattern": rf"^(?!.*\.\.){_BACKUPS}"
    "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
}
GROUP_SCHEMA: Schema = {
    "type": "string",
    "maxLength": MAX_GROUP_LENGTH,
    "pattern": f"^{_SEGMENT}(?:/{_SEGMENT})*$",
    "description": "The full path of a group, without a leading slash.",
}
MEMORY_SCHEMA: Schema = {
    "type": "string",
    "pattern": MEMORY_PATTERN,
    "description": "A number with K, M, G or T, powers of 1024; at least 1M.",
}
DURATION_SCHEMA: Schema = {
    "type": "string",
    "pattern": DURATION_PATTERN,
    "description": "A whole number with s, m, h or d.",
}
CORES_SCHEMA: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_CORES}
RESOURCE_SCHEMA: Schema = {
    "type": "string",
    "maxLength": MAX_RESOURCE_LENGTH,
    "pattern": f"^{_RESOURCE.pattern}$",
    "description": "A Kubernetes resource name, such as nvidia.com/gpu.",
}
IMAGE_SCHEMA: Schema = {
    "type": "string",
    "maxLength": MAX_IMAGE_LENGTH,
    "pattern": f"^(?:{_IMAGE.pattern})$",
    "description": "An image reference, with or without tag and digest.",
}
IMAGE_PATTERN_SCHEMA: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_PATTERN_LENGTH,
    "examples": [r"registry\.example\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+"],
}
ISSUER_SCHEMA: Schema = {
    "type": "string",
    "maxLength": MAX_ISSUER_LENGTH,
    "pattern": f"^(?:https:|http:(?=//{_LOOPBACK}))"
    f"{_ISSUER.pattern.removeprefix('(https?):')}$",
}


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
        allowed = "use up to 63 lower-case letters, digits and '-', not at the ends"
        raise FaultError("is not a slug", allowed)
    return value


def check_folder(value: object) -> object:
    """Accept a folder name that is not reserved."""
    if not isinstance(value, str):
        return value
    if value.lower() in RESERVED_FOLDERS:
        raise FaultError(
            "is a reserved folder name", "use another: backups are kept there"
        )
    if not is_folder_name(value):
        allowed = (
            "use up to 63 letters, digits, '.', '_' and '-', a letter or digit at the "
            "ends and no '..'"
        )
        raise FaultError("is not a folder name", allowed)
    return value


def check_group(value: object) -> object:
    """Accept a group's full path without a leading slash."""
    if isinstance(value, str) and not is_group(value):
        allowed = (
            "write its full path without a leading slash, such as hackathon/students"
        )
        raise FaultError("is not a group", allowed)
    return value


def check_version(value: object) -> object:
    """Refuse what Python counts as equal to 1 and a reader does not."""
    if type(value) is not int or value != 1:
        raise FaultError("is not a version", "write 1, the only one there is")
    return value


def check_access_mode(value: object) -> object:
    """Refuse a claim that the servers of many people cannot share."""
    if isinstance(value, str) and value.startswith("ReadWriteOnce"):
        raise FaultError(
            "lets one node alone mount the claim, and servers run on many",
            "use a claim that is ReadWriteMany (cvmfs: ReadOnlyMany is enough)",
        )
    return value


def check_not_text(value: object) -> object:
    """Refuse one string where a list belongs: it would become a list of letters."""
    if isinstance(value, str):
        raise FaultError(
            "is not a list", "write a list in brackets, such as [one, two]"
        )
    return value


def check_filled(value: object) -> object:
    """Refuse an empty list: it reads like "nobody" and works like a mistake."""
    check_not_text(value)
    if isinstance(value, list | tuple) and not value:
        allowed = "write at least one item, or leave the key out if it may be absent"
        raise FaultError("is an empty list", allowed)
    return value


def check_memory(value: object) -> int:
    """Accept a memory size of at least 1M."""
    size_bytes = parse_memory_bytes(value)
    if size_bytes < 1024**2:
        raise FaultError("is too small", "write at least 1M")
    return size_bytes


def check_duration(value: object) -> int:
    """Accept a duration."""
    return parse_duration_seconds(value)


def check_cores(value: object) -> object:
    """Accept a number of cores; Python counts true, false and NaN as numbers too."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 < cast(float, value) <= MAX_CORES:
        return value
    allowed = f"write a number above 0 and up to {MAX_CORES}, such as 1 or 0.5"
    raise FaultError("is not a number of cores", allowed)


def check_resource(value: object) -> object:
    """Accept a Kubernetes extended resource name."""
    if isinstance(value, str) and not (
        len(value) <= MAX_RESOURCE_LENGTH and _RESOURCE.fullmatch(value)
    ):
        allowed = "write a name with its domain, such as nvidia.com/gpu"
        raise FaultError("is not a Kubernetes resource", allowed)
    return value


def check_image(value: object) -> object:
    """Accept an image reference."""
    if isinstance(value, str) and not is_image(value):
        allowed = (
            f"write one of up to {MAX_IMAGE_LENGTH} characters, such as "
            "registry.example.org/af/dodas:5"
        )
        raise FaultError("is not an image reference", allowed)
    return value


def check_image_pattern(value: object) -> object:
    """Accept a pattern that the linear-time engine takes."""
    if not isinstance(value, str):
        return value
    if not 1 <= len(value) <= MAX_PATTERN_LENGTH:
        allowed = f"write 1 to {MAX_PATTERN_LENGTH} characters"
        raise FaultError(f"is a pattern of {len(value)} characters", allowed)
    if not _is_pattern(value):
        allowed = (
            "write a regular expression without look-around, back-references and "
            "large repetitions"
        )
        raise FaultError("is not a valid pattern", allowed)
    return value


@lru_cache(maxsize=64)
def _is_pattern(pattern: str) -> bool:
    """Tell whether the engine takes a pattern; a "no" is kept too, it costs the most."""
    try:
        # alone first: "a)|(?:b" is whole only between somebody else's brackets
        _compile(pattern)
        matches_pattern(pattern, "registry.example.org/x:1")
    except SchemaError:
        return False
    return True


def check_scope(value: object) -> object:
    """Accept one scope or audience: several of them are a list, not a text with spaces."""
    if not isinstance(value, str) or re.fullmatch(_SCOPE, value):
        return value
    raise FaultError(
        "is not one scope or audience",
        "write printable characters without spaces, quotation marks and backslashes; "
        "several scopes are a list",
    )


def check_issuer(value: object) -> object:
    """Accept an https address; http only on the loopback."""
    if not isinstance(value, str):
        return value
    match = _ISSUER.fullmatch(value) if len(value) <= MAX_ISSUER_LENGTH else None
    if match is None:
        raise FaultError("is not an address", _ISSUER_ALLOWED)
    if not (match[1] == "https" or _is_loopback(match[2])):
        raise FaultError("is not https", _ISSUER_ALLOWED)
    return value


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
