"""Text to ``Facility``: YAML with the line of every key, every problem at once.

Limits keep a hostile or broken file cheap: at most 1 MiB of text, 20 000 values after
aliases are followed, 20 levels. Of YAML's types only text, numbers, true and false are
read; tags are refused, and so is a key without a value: ``allowed_groups:`` with its
list commented out would open what it closed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import yaml
from pydantic import ValidationError
from yaml.composer import ComposerError

from .errors import ConfigError, Problem
from .facility import Facility
from .facility_rules import Finding, find_problems
from .facility_stand_ins import replace_invalid
from .facility_words import explain
from .fault import MAX_SHOWN, show, tell, to_line

MAX_TEXT_BYTES = 1024 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 20
Path = tuple[str | int, ...]
_MAX_NODES = 2 * MAX_VALUES + 1  # a key is a node too
# a longer one is no number of a facility, and YAML's 1:01:01:... takes minutes to read
_MAX_NUMBER_LENGTH = 40
_TAG = "tag:yaml.org,2002:"
_HINT = "look there and above for a bracket, a quote or a space too many or few"
_HINTS: dict[type[yaml.YAMLError], str] = {
    ComposerError: "write one document, and each anchor above its aliases"
}
_READ_TAGS = frozenset(_TAG + kind for kind in ("int", "float", "bool", "null"))


@dataclass(slots=True)
class _Reading:
    """What is collected on the way.

    ``unread`` are the paths of values that are refused whatever the model says of them.
    """

    data: object = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)
    count: int = 0
    loader: yaml.SafeLoader = field(default_factory=lambda: yaml.SafeLoader(""))

    def add(self, path: Path, message: str, line: int = 0) -> None:
        """Note a problem; without a line, at the line of its key."""
        place = line or _line(path, self.lines)
        self.problems.append(Problem(place, _dotted(path), message))

    def value_at(self, path: Path) -> str:
        """Return the value at a path as it is shown, also where there is none."""
        value = self.data
        for step in path:
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and isinstance(step, int):
                value = value[step] if step < len(value) else None
            else:
                return "no value"
        return show(value)


class _TooMuchError(Exception):
    """Stop reading: the file is larger than any facility."""

    def __init__(self, line: int, shown: str, allowed: str) -> None:
        self.problem = Problem(line, "", tell("holds too much", shown, allowed))


def _check_size(count: int, most: int, depth: int, line: int) -> None:
    if count > most:
        shown = f"more than {MAX_VALUES} values"
        raise _TooMuchError(line + 1, shown, "no facility needs as many")
    if depth > MAX_DEPTH:
        shown = f"more than {MAX_DEPTH} levels"
        raise _TooMuchError(line + 1, shown, "no facility needs as many")


class _Loader(yaml.SafeLoader):
    """Stop composing early: YAML is read at about a megabyte in four seconds."""

    nodes = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.nodes += 1
        self.depth += 1
        _check_size(self.nodes, _MAX_NODES, self.depth - 1, self.line)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def parse_facility(text: str, *, file_name: str = "facility.yaml") -> Facility:
    """Return the facility a YAML text describes.

    Raises
    ------
    ConfigError
        With every problem that could be found, each with its line and key path.
    """
    reading = _Reading()
    reading.data = data = _read_yaml(text, reading, file_name)
    try:
        facility = Facility.model_validate(data)
    except ValidationError as error:
        _add_invalid(error, reading)
    else:
        _add_findings(find_problems(facility), reading)
        if not reading.problems:
            return facility
    raise ConfigError(file_name, _in_order(reading.problems))


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """Return the problems by line, each once."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: p.line))


def _add_findings(findings: tuple[Finding, ...], reading: _Reading) -> None:
    for found in findings:
        shown = found.shown or reading.value_at(found.path)
        reading.add(found.path, tell(found.wrong, shown, found.allowed))


def _add_invalid(error: ValidationError, reading: _Reading) -> None:
    """Add what is invalid by itself, and what does not fit together in the rest."""
    places: list[Path] = []
    for item in error.errors(include_url=False):
        path = _known_path(tuple(item["loc"]), reading.lines)
        fault = item.get("ctx", {}).get("error")
        told = explain(item["type"], path, item["input"], fault)
        if path not in reading.unread:
            reading.add(told.path, told.message)
        places += [path, *told.touches]
    rest = replace_invalid(reading.data, places)
    if rest is not None:
        certain = filter(rest.is_certain, find_problems(rest.facility))
        _add_findings(tuple(certain), reading)


def _known_path(loc: Path, lines: dict[Path, int]) -> Path:
    """Return pydantic's location without the word it adds for the key of a mapping."""
    return loc[:-1] if loc[-1:] == ("[key]",) and loc not in lines else loc


def _read_yaml(text: str, reading: _Reading, file_name: str) -> object:
    """Return plain data, or raise ``ConfigError`` where there is none to check."""
    size = len(text.encode("utf8", "replace"))
    if size > MAX_TEXT_BYTES:
        message = tell("is too large", f"{size} bytes", "at most 1 MiB is read")
        raise ConfigError(file_name, (Problem(1, "", message),))
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            return _to_data(node, (), reading)
        message = tell("is empty", f"{size} bytes", "write a facility")
        problem = Problem(1, "", message)
    except yaml.YAMLError as error:
        problem = _to_problem(error, text)
    except _TooMuchError as error:
        problem = error.problem
    raise ConfigError(file_name, (problem,))


def _to_problem(error: yaml.YAMLError, text: str) -> Problem:
    """Return where and why a text is not YAML."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        words = ", ".join(part for part in (error.context, error.problem) if part)
        allowed = _HINTS.get(type(error), _HINT)
    else:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        words = str(error).splitlines()[0]
        allowed = "write text without control characters"
    return Problem(line, "", tell("is not valid YAML", words, allowed))


def _to_data(node: yaml.Node, path: Path, reading: _Reading) -> object:
    """Return a node as plain data and note the line of each key below it."""
    reading.count += 1
    _check_size(reading.count, MAX_VALUES, len(path), node.start_mark.line)
    reading.lines.setdefault(path, node.start_mark.line + 1)
    _note_tag(node, path, reading)
    if isinstance(node, yaml.MappingNode):
        return _to_dict(node, path, reading)
    if isinstance(node, yaml.SequenceNode):
        return [
            _to_data(item, (*path, n), reading) for n, item in enumerate(node.value)
        ]
    return _to_scalar(node, reading.loader)


def _note_tag(node: yaml.Node, path: Path, reading: _Reading) -> None:
    """Note a tag that is not the one the value has by itself."""
    is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    resolve: Callable[..., str] = reading.loader.resolve
    own = resolve(type(node), node.value, (is_plain, not is_plain))
    if node.tag != own:
        shown = show(node.tag.replace(_TAG, "!!"))
        message = tell("has a tag", shown, "leave it out: tags are not read")
        reading.add(path, message, node.start_mark.line + 1)
        reading.unread.add(path)


def _to_scalar(node: yaml.Node, loader: yaml.SafeLoader) -> object:
    """Return a number, a truth, None or text; a date is text, as it was written."""
    if node.tag in _READ_TAGS and len(node.value) <= _MAX_NUMBER_LENGTH:
        try:
            return loader.construct_object(node)
        except (ValueError, LookupError):
            # text that a tag calls a number
            return node.value
    return node.value


def _to_dict(
    node: yaml.MappingNode, path: Path, reading: _Reading
) -> dict[object, object]:
    result: dict[object, object] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
        line, place = key_node.start_mark.line + 1, (*path, key)
        if key in result:
            allowed = f"keep one: the first is on line {reading.lines[place]}"
            reading.add(place, tell("is there twice", show(key), allowed), line)
        reading.lines[place] = line
        result[key] = value = _to_data(value_node, place, reading)
        if value is None:
            allowed = "give it one or leave the key out"
            reading.add(place, tell("has no value", "null", allowed), line)
            reading.unread.add(place)
    return result


def _dotted(path: Path) -> str:
    return ".".join(to_line(str(part)[:MAX_SHOWN]) for part in path)


def _line(path: Path, lines: dict[Path, int]) -> int:
    """Return the line of a key, or of the nearest thing above it that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)
