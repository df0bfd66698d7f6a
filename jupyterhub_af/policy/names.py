"""Names that become directories, labels and host names, and the paths they join to.

Two guarantees hold everything together: every string a person or an IAM can send has
a slug that is a safe directory, DNS label and Kubernetes label; and two strings share
one only if 32 bits of their hashes agree, so who binds names for ever (the register)
also refuses a slug that is taken. The slug is the one KubeSpawner uses, so that claims
and directories of the two agree (a test holds them equal; importing KubeSpawner here
would cost a second).

Source: Kubernetes object names, RFC 1035 and RFC 1123.
"""

from __future__ import annotations

import hashlib
import re

from .errors import UnsafeNameError

_SLUG = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FOLDER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_OUTSIDE_SLUG = re.compile(r"[^a-z0-9]+")
_HASH_LENGTH = 8
_SHORT_LENGTH = 32
_LONGEST = 63
_DEEPEST = 8

RESERVED_AREAS = frozenset({"handin", "class", "backups"})
RESERVED_FOLDERS = frozenset({"backups"})


def make_slug(name: str) -> str:
    """Return a safe form of any string, at most 63 characters.

    A name that is safe already is returned as it is; any other becomes
    ``<readable part>---<hash>``. A name with ``--`` counts as unsafe, so no name can
    look like somebody else's slug.
    """
    if "--" not in name and len(name) <= _LONGEST and _SLUG.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf8", "surrogatepass")).hexdigest()
    return f"{_readable_part(name)}---{digest[:_HASH_LENGTH]}"


def _readable_part(name: str) -> str:
    """Return what a person still recognises of a name: ``[a-z][a-z0-9-]*``."""
    longest = _SHORT_LENGTH - _HASH_LENGTH - len("---")
    part = _OUTSIDE_SLUG.sub("-", name.lower()).lstrip("-")[:longest].rstrip("-")
    if part and not part[0].isalpha():
        part = f"x-{part[: longest - 2]}"
    return part or "x"


def is_label(name: str) -> bool:
    """Tell whether a name is a DNS label: profile slugs, area names, class names."""
    return _LABEL.fullmatch(name) is not None


def is_folder_name(name: str) -> bool:
    """Tell whether a name may be a folder of a collab area."""
    return _FOLDER.fullmatch(name) is not None and ".." not in name


def is_component(name: str) -> bool:
    """Tell whether a name is safe as one component of a relative path."""
    return len(name) <= _LONGEST and (
        _SLUG.fullmatch(name) is not None or is_folder_name(name)
    )


def check_component(name: str) -> str:
    """Return the name, or refuse it as a path component.

    Raises
    ------
    UnsafeNameError
        If it is empty, too long, or holds anything but letters, digits, ``.``, ``_``
        and ``-`` (a letter or digit first and last, no ``..``).
    """
    if not is_component(name):
        msg = (
            f"{name[:80]!r} cannot be a directory name: up to {_LONGEST} letters, digits, "
            "'.', '_' and '-', with a letter or digit first and last, are allowed."
        )
        raise UnsafeNameError(msg)
    return name


def join_components(*components: str) -> str:
    """Return the components as one relative path, each checked."""
    return "/".join(check_component(component) for component in components)


def check_relative(path: str) -> tuple[str, ...]:
    """Return the components of a relative path, each checked.

    Raises
    ------
    UnsafeNameError
        If the path is absolute, empty, too deep, or a component is unsafe.
    """
    components = tuple(path.split("/"))
    if len(components) > _DEEPEST:
        msg = f"The path {path[:80]!r} has more than {_DEEPEST} components."
        raise UnsafeNameError(msg)
    for component in components:
        check_component(component)
    return components
