"""What every route of ours shares: whom it asks, and how a no and a silence are said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError

from jupyterlab_af.gateway import GatewayAddress, GatewayAwayError
from jupyterlab_af.relay import Relay
from jupyterlab_af.service import FacilityUnavailableError, Service
from jupyterlab_af.wire import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jupyterlab_af.teller import Teller

OUTSIDE = FacilityUnavailableError("outside", "AF_SERVICE_URL is not set")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes ask; None where this server has none."""

    service: Service | None
    relay: Relay | None
    gateway: GatewayAddress | None
    teller: Teller | None = None
    saw_person: Callable[[], None] = lambda: None


class FacilityHandler(APIHandler):
    """A route of ours."""

    # a tab that listens is no activity; what counts as activity is the service's to say
    _track_activity = False

    def initialize(self, parts: Parts) -> None:
        """Keep what is asked."""
        self.parts = parts

    def service(self) -> Service:
        """Return the facility's service.

        Raises
        ------
        HTTPError
            404, where this server is of no facility.
        """
        if self.parts.service is None:
            raise HTTPError(404, "%s", OUTSIDE.reason)
        return self.parts.service

    async def said(self, asking: Awaitable[Any]) -> Any:
        """Return what another process answers; its no, and its silence, in words.

        Raises
        ------
        HTTPError
            409 with the words of a no, 503 with why there is no answer.
        """
        try:
            return await asking
        except Refused as error:
            self.log.info("was refused by the facility: %s", error.detail)
            raise HTTPError(409, "%s", str(error)) from None
        except FacilityUnavailableError as error:
            self.log.warning("could not ask the facility: %s", error)
            raise HTTPError(503, "%s", error.reason) from None
        except GatewayAwayError as error:
            self.log.warning("could not ask the Dask gateway: %s", error.detail)
            raise HTTPError(503, "%s", str(error)) from None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the words alone."""
        error = kwargs.get("exc_info", (None, None))[1]
        words = error.get_message() if isinstance(error, HTTPError) else ""
        self.finish(json.dumps({"message": words or self._reason}))
