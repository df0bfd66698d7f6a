"""The one spawn form: from ``Access`` to HTML, and from what the browser sends to a choice.

It is plain HTML: sizes, GPUs and the typed image of every profile are fields of their
own (``size.dodas-v5``), of which only the chosen profile's count. What the browser
sends is only read here; ``policy.selection`` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from jupyterhub_af.policy.access import Access, GpuAccess, ProfileAccess, SizeAccess
from jupyterhub_af.policy.errors import SelectionError
from jupyterhub_af.policy.facility import Size
from jupyterhub_af.policy.selection import (
    MAX_OPTION_LENGTH,
    OPTION_KEYS,
    unknown_option,
)
from jupyterhub_af.policy.sentence import Sentence, Translate, say
from jupyterhub_af.policy.units import format_memory

_PARTS = ("size", "gpu", "image")
_IGNORED = ("_xsrf", "next", "display_name")
TEMPLATES = Path(__file__).parent / "templates"

_environment = Environment(
    loader=PackageLoader("jupyterhub_af.hub", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the form shows as chosen: for each profile its size and GPU."""

    profile: str | None
    sizes: Mapping[str, str | None]
    gpus: Mapping[str, str | None]
    image: str


@dataclass(frozen=True, slots=True)
class Section:
    """The cards of one experiment; None: those of no experiment."""

    experiment: str | None
    profiles: tuple[ProfileAccess, ...]


def render_form(
    access: Access,
    last: Mapping[str, object],
    wanted: str | None,
    translate: Translate = str,
    *,
    rescue: Sentence | None = None,
) -> str:
    """Return the form: ``last`` is the choice of last time, ``wanted`` a profile asked for.

    ``rescue`` says why the server will be one to clean up with, if it will.
    Neither is trusted: each marks what the person may choose today, or nothing.
    """
    shown = access.shown_profiles
    return _environment.get_template("form.html").render(
        sections=_sections(shown),
        chosen=_chosen(shown, last, wanted),
        any_allowed=any(found.allowed for found in shown),
        areas=access.storage,
        rescue=rescue,
        longest=MAX_OPTION_LENGTH,
        _=translate,
        say=lambda sentence: sentence.to_text(translate),
        amount=describe_size,
    )


def describe_size(size: Size) -> Sentence:
    """Return how much of a machine a size is."""
    memory = format_memory(size.memory)
    if size.cores == 1:
        return say("1 core, {memory} of memory", memory=memory)
    return say(
        "{cores} cores, {memory} of memory", cores=f"{size.cores:g}", memory=memory
    )


def _sections(shown: Iterable[ProfileAccess]) -> tuple[Section, ...]:
    """Return the cards by experiment, each where its first profile is in the file."""
    cards: dict[str | None, list[ProfileAccess]] = {}
    for found in shown:
        cards.setdefault(found.profile.experiment, []).append(found)
    return tuple(Section(name, tuple(found)) for name, found in cards.items())


def _chosen(
    shown: Sequence[ProfileAccess], last: Mapping[str, object], wanted: str | None
) -> Chosen:
    allowed = [found for found in shown if found.allowed]
    slugs = [found.profile.slug for found in allowed]
    by_default = [found.profile.slug for found in allowed if found.profile.default]
    candidates = (wanted, last.get("profile"), *by_default, *slugs)
    profile = next((slug for slug in candidates if slug in slugs), None)
    remembered = last if last.get("profile") == profile else {}
    return Chosen(
        profile=profile if isinstance(profile, str) else None,
        sizes={
            f.profile.slug: _pick(f.sizes, remembered.get("size"), f, profile)
            for f in allowed
        },
        gpus={
            f.profile.slug: _pick(f.gpus, remembered.get("gpu"), f, profile)
            for f in allowed
        },
        image=str(remembered.get("image", ""))[:MAX_OPTION_LENGTH],
    )


def _pick(
    items: Sequence[SizeAccess] | Sequence[GpuAccess],
    remembered: object,
    found: ProfileAccess,
    profile: object,
) -> str | None:
    """Return the slug to mark: last time's, else the default, else the first allowed."""
    parts = [
        (i.size if isinstance(i, SizeAccess) else i.gpu) for i in items if i.allowed
    ]
    slugs = [part.slug for part in parts]
    if found.profile.slug == profile and remembered in slugs:
        return str(remembered)
    return next(
        (part.slug for part in parts if part.default), slugs[0] if slugs else None
    )


def parse_options(data: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """Return the choice in what a form or a query string sent.

    Empty inputs are absent; ``size.<profile>`` counts for the chosen profile only; the
    prefix ``opt-`` of JupyterHub 6's query strings is taken off.

    Raises
    ------
    SelectionError
        If a field is unknown, is there twice, or is not text.
    """
    fields: dict[str, str] = {}
    for key, values in data.items():
        name = key.removeprefix("opt-")
        if key in _IGNORED:
            continue
        if not _is_field(name):
            raise SelectionError(unknown_option(key), rule="option-unknown")
        if name in fields or len(values) != 1 or not isinstance(values[0], str):
            sentence = say(
                "The field {key} must be there once, as text.", key=repr(key[:80])
            )
            raise SelectionError(sentence, rule="option-malformed")
        fields[name] = values[0].strip()
    return _to_options(fields)


def read_fields(data: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """Return what can be read of a posted form, to show it again; nothing is refused."""
    fields = {
        key: values[0].strip()
        for key, values in data.items()
        if _is_field(key) and len(values) == 1 and isinstance(values[0], str)
    }
    return _to_options(fields)


def _is_field(name: str) -> bool:
    option, _, slug = name.partition(".")
    return option in OPTION_KEYS and (not slug or option in _PARTS)


def _to_options(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the options of the fields that are filled in and count."""
    options: dict[str, str] = {}
    for key, value in fields.items():
        name, _, slug = key.partition(".")
        if value and (not slug or slug == fields.get("profile")):
            options[name] = value
    return options
