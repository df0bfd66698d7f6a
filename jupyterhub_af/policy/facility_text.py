"""Text to ``Facility``: YAML with the line of every key, every problem at once.

Limits keep a hostile or broken file cheap: at most 1 MiB of text and 20 000 values
after aliases are followed. Of YAML's types only text, numbers, true and false are
read; tags are refused, and so is a key without a value: ``allowed_groups:`` with its
list commented out would open what it closed.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import yaml
from pydantic import ValidationError

from .errors import ConfigError, Problem
from .facility import Facility
from .facility_rules import find_problems
from .facility_stand_ins import replace_invalid

MAX_TEXT_BYTES = 1024 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 20
MAX_SHOWN = 80
Path = tuple[str | int, ...]
_MAX_NODES = 2 * MAX_VALUES + 1  # a key is a node too
_TAG = "tag:yaml.org,2002:"
_READ_TAGS = frozenset(_TAG + kind for kind in ("int", "float", "bool", "null"))


@dataclass(slots=True)
class _Reading:
    """What is collected on the way: lines by key path, problems, how many values."""

    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    count: int = 0
    loader: yaml.SafeLoader = field(default_factory=lambda: yaml.SafeLoader(""))


class _TooMuchError(Exception):
    """Stop reading: the file is larger than any facility."""


class _Loader(yaml.SafeLoader):
    """Stop composing early: YAML is read at about a megabyte in four seconds."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > _MAX_NODES:
            raise _TooMuchError
        return super().compose_node(parent, index)


def parse_facility(text: str, *, file_name: str = "facility.yaml") -> Facility:
    """Return the facility a YAML text describes.

    Raises
    ------
    ConfigError
        With every problem that could be found, each with its line and key path.
    """
    reading = _Reading()
    data = _read_yaml(text, reading, file_name)
    try:
        facility = Facility.model_validate(data)
    except ValidationError as error:
        reading.problems.extend(_to_problems(error, reading.lines))
        reading.problems.extend(_rule_problems_of_rest(data, error, reading.lines))
    else:
        reading.problems.extend(_rule_problems(facility, reading.lines))
        if not reading.problems:
            return facility
    raise ConfigError(file_name, _in_order(reading.problems))


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """Return the problems by line, of each key the first one only."""
    first: dict[tuple[int, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.line, problem.key), problem)
    return tuple(sorted(first.values(), key=lambda p: p.line))


def _rule_problems(facility: Facility, lines: dict[Path, int]) -> list[Problem]:
    return [
        Problem(_line(path, lines), _dotted(path), message)
        for path, message in find_problems(facility)
    ]


def _rule_problems_of_rest(
    data: object, error: ValidationError, lines: dict[Path, int]
) -> list[Problem]:
    """Return what does not fit together in the parts that are valid by themselves."""
    rest = replace_invalid(data, [item["loc"] for item in error.errors()])
    if rest is None:
        return []
    return [
        Problem(_line(path, lines), _dotted(path), message)
        for path, message in find_problems(rest.facility)
        if not rest.is_uncertain(path)
    ]


def _read_yaml(text: str, reading: _Reading, file_name: str) -> object:
    """Return plain data, or raise ``ConfigError`` where there is none to check."""
    if len(text.encode("utf8", "replace")) > MAX_TEXT_BYTES:
        raise ConfigError(file_name, (Problem(0, "", "is larger than 1 MiB."),))
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise ConfigError(file_name, (Problem(0, "", "is empty."),))
        return _to_data(node, (), reading)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        words = ", ".join(part for part in (error.context, error.problem) if part)
        problem = Problem(line, "", f"is not valid YAML: {words}.")
        raise ConfigError(file_name, (problem,)) from None
    except (yaml.YAMLError, RecursionError) as error:
        message = f"is not valid YAML: {str(error).splitlines()[0]}."
        raise ConfigError(file_name, (Problem(0, "", message),)) from None
    except _TooMuchError:
        message = f"holds more than {MAX_VALUES} values or is nested too deep."
        raise ConfigError(file_name, (Problem(0, "", message),)) from None


def _to_data(node: yaml.Node, path: Path, reading: _Reading) -> object:
    """Return a node as plain data and note the line of each key below it."""
    reading.count += 1
    if reading.count > MAX_VALUES or len(path) > MAX_DEPTH:
        raise _TooMuchError
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
        line = node.start_mark.line + 1
        shown = node.tag.replace(_TAG, "!!")[:MAX_SHOWN]
        message = f"has the tag {shown!r}; tags are not read, leave it out"
        reading.problems.append(Problem(line, _dotted(path), message))


def _to_scalar(node: yaml.Node, loader: yaml.SafeLoader) -> object:
    """Return a number, a truth, None or text; a date is text, as it was written."""
    if node.tag in _READ_TAGS:
        try:
            return loader.construct_object(node)
        except (ValueError, LookupError):
            # a number too long, or text that a tag calls a number
            return node.value
    return node.value


def _to_dict(
    node: yaml.MappingNode, path: Path, reading: _Reading
) -> dict[object, object]:
    result: dict[object, object] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
        line = key_node.start_mark.line + 1
        if key in result:
            message = "this key is there twice; one of them would be lost"
            reading.problems.append(Problem(line, _dotted((*path, key)), message))
        reading.lines[(*path, key)] = line
        result[key] = value = _to_data(value_node, (*path, key), reading)
        if value is None:
            message = "has no value; give it one or leave the key out"
            reading.problems.append(Problem(line, _dotted((*path, key)), message))
    return result


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _line(path: Path, lines: dict[Path, int]) -> int:
    """Return the line of a key, or of the nearest thing above it that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


def _to_problems(error: ValidationError, lines: dict[Path, int]) -> list[Problem]:
    problems = []
    for item in error.errors(include_url=False, include_context=False):
        path = _known_path(tuple(item["loc"]), lines)
        message = _explain(item["type"], item["msg"], path, item["input"])
        problems.append(Problem(_line(path, lines), _dotted(path), message))
    return problems


def _known_path(loc: Path, lines: dict[Path, int]) -> Path:
    """Return pydantic's location without the parts that name types, not keys."""
    path: Path = ()
    for part in loc:
        if (*path, part) in lines or part == loc[-1]:
            path = (*path, part)
    return path if path in lines or not path else _trim_type(path, lines)


def _trim_type(path: Path, lines: dict[Path, int]) -> Path:
    """Drop a last part such as ``int``, which pydantic adds for members of a union."""
    is_type = path[-1] in ("int", "float", "str", "bool", "[key]")
    return path[:-1] if is_type and path[:-1] in lines else path


def _explain(kind: str, message: str, path: Path, value: object) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        key = str(path[-1])[:MAX_SHOWN]
        near = difflib.get_close_matches(key, _known_keys(), n=1)
        hint = f"; did you mean {near[0]!r}" if near else ""
        return f"is not a key here{hint}"
    text = message.removeprefix("Value error, ")
    if kind == "model_type":
        text = "write keys and their values here"
    return f"{text} (got {_shown(value)})"


def _shown(value: object) -> str:
    """Return a value as people recognise it; a long text is cut before it is quoted."""
    shown = repr(value[:MAX_SHOWN] if isinstance(value, str) else value)
    return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 3] + "…"


@cache
def _known_keys() -> list[str]:
    """Return the keys that some model of the file has: enough to find a misspelling."""
    keys: set[str] = set()
    schema = Facility.model_json_schema()
    for model in (schema, *schema.get("$defs", {}).values()):
        keys.update(model.get("properties", {}))
    return sorted(keys)
