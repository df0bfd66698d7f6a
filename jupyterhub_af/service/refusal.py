"""A "no" of the service: a status, words for the person, the rule for the audit."""

from __future__ import annotations

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.messages import Refusal


class RefusedError(AFError):
    """Refuse a request; ``str(error)`` says what is wrong and what is allowed."""

    def __init__(self, status: int, rule: str, message: str) -> None:
        self.status = status
        self.rule = rule
        super().__init__(message)

    def to_message(self) -> Refusal:
        """Return the body of the answer."""
        return Refusal(message=str(self), rule=self.rule)


class StartError(AFError):
    """Refuse to start; ``str(error)`` is for the administrator."""
