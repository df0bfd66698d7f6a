"""What all routes share: headers, bodies, and that every "no" is a ``Refusal``."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from tornado.log import app_log
from tornado.web import HTTPError, RequestHandler

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.messages import Message

from .desk import Desk
from .refusal import RefusedError

Parsed = TypeVar("Parsed")
MAX_BODY_BYTES = 1024 * 1024
_NUL = (b"\x00", b"\\u0000")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Route(RequestHandler):
    """Be the base of every route."""

    route = "unknown"
    # whether the time to answer says anything: a stream ends when its reader leaves
    is_timed = True

    def initialize(self, desk: Desk) -> None:
        """Take the parts of the service."""
        self.desk = desk

    def set_default_headers(self) -> None:
        """Answer nothing that a browser would run, frame, guess or keep."""
        self.clear_header("Server")
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def compute_etag(self) -> None:
        """Send none: nothing here is kept by anybody."""

    def write_message(self, message: Message) -> None:
        """Answer with one message."""
        self.write_json(message.model_dump_json())

    def write_json(self, text: str | bytes) -> None:
        """Answer with JSON text."""
        self.set_header("Content-Type", "application/json")
        self.write(text)

    def read_body(self, parse: Callable[[bytes], Parsed]) -> Parsed:
        """Return the body as one message, or refuse it without repeating its values."""
        body = self.request.body
        if len(body) > MAX_BODY_BYTES:
            message = f"The body is larger than {MAX_BODY_BYTES} bytes."
            raise RefusedError(413, "body-too-large", message)
        if any(nul in body for nul in _NUL):
            message = "The body holds a NUL character."
            raise RefusedError(400, "body-form", message)
        try:
            return parse(body)
        except ValidationError as error:
            raise RefusedError(400, "body-form", _explain(error)) from None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a ``Refusal``; what went wrong inside stays in the log."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        refusal = _to_refusal(status_code, error)
        self.set_status(refusal.status)
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")
        self.write_message(refusal.to_message())
        self.finish()

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log what is a fault of ours, with its traceback and without the query."""
        if isinstance(value, AFError):
            return
        if isinstance(value, HTTPError) and value.status_code < 500:
            return
        app_log.error(
            "Failed at %s %s",
            self.request.method,
            self.request.path,
            exc_info=(typ, value, tb) if typ and value else None,
        )


class Missing(Route):
    """Answer for every path that is none of ours."""

    route = "missing"

    def prepare(self) -> None:
        """Refuse at once."""
        message = "There is nothing at this address."
        raise RefusedError(404, "path-unknown", message)


def observe(handler: RequestHandler) -> None:
    """Count a request when it is done; tornado calls this in place of an access log."""
    if not isinstance(handler, Route) or not handler.is_timed:
        return
    # a method is a word of the sender's: unknown ones would be labels without end
    method = handler.request.method or ""
    known = method if method in handler.SUPPORTED_METHODS else "other"
    handler.desk.metrics.request_seconds.labels(
        handler.route, known, str(handler.get_status())
    ).observe(handler.request.request_time())


def _to_refusal(status: int, error: BaseException | None) -> RefusedError:
    """Return the words for an error; an unknown one is 500 and says nothing of itself."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, OperationalError | InterfaceError):
        message = "The database does not answer; try again in a moment."
        return RefusedError(503, "database-unreachable", message)
    if isinstance(error, HTTPError):
        phrase = _phrase(error.status_code)
        return RefusedError(error.status_code, f"http-{error.status_code}", phrase)
    if error is None and status < 500:
        return RefusedError(status, f"http-{status}", _phrase(status))
    message = "The service failed; the administrator finds why in its log."
    return RefusedError(500, "service-failed", message)


def _phrase(status: int) -> str:
    try:
        return f"{HTTPStatus(status).description or HTTPStatus(status).phrase}."
    except ValueError:
        return "The request was refused."


def _explain(error: ValidationError) -> str:
    """Return what is wrong with a body, key by key, without its values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    parts = []
    for item in found[:10]:
        if item["type"] == "extra_forbidden":
            # a key nobody knows may be a value in the wrong place
            parts.append("an unknown key")
            continue
        place = ".".join(str(part)[:60] for part in item["loc"])
        parts.append(f"{place}: {item['msg']}" if place else item["msg"])
    return f"The body is not what this address takes: {'; '.join(parts)}."
