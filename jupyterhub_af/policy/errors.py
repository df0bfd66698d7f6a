"""What can go wrong, by who has to act.

::

    AFError
     +-- ConfigError      the administrator: the facility file
     +-- SelectionError   the person: what they chose or may not have
     +-- UnsafeNameError  the caller: a name or a path outside the rules

A message says what is wrong, with the value, and what is allowed or what to do.
"""

from __future__ import annotations

from dataclasses import dataclass

from .sentence import Sentence


class AFError(Exception):
    """Be the root of every error this project raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a facility file.

    ``line`` counts from 1 (0: no line known), ``key`` is a dotted path such as
    ``profiles.0.sizes.1.memory`` (empty: the file as a whole).
    """

    line: int
    key: str
    message: str

    def to_text(self, file_name: str) -> str:
        """Return ``FILE:LINE: key: message``, leaving out what is not known."""
        place = f"{file_name}:{self.line}" if self.line else file_name
        return (
            f"{place}: {self.key}: {self.message}"
            if self.key
            else f"{place}: {self.message}"
        )


class ConfigError(AFError):
    """Carry every problem of a facility file at once."""

    def __init__(self, file_name: str, problems: tuple[Problem, ...]) -> None:
        self.file_name = file_name
        self.problems = problems
        super().__init__("\n".join(p.to_text(file_name) for p in problems))


class SelectionError(AFError):
    """Refuse a choice: ``sentence`` is for the person, ``rule`` for the audit.

    ``rule`` is a short stable label such as ``profile-withheld``; ``str(error)`` is the
    sentence in English.
    """

    def __init__(self, sentence: Sentence, *, rule: str) -> None:
        self.sentence = sentence
        self.rule = rule
        super().__init__(str(sentence))


class UnsafeNameError(AFError):
    """Refuse a name or a relative path that could lead somewhere else."""
