"""The extension as Jupyter Server loads it: wiring only.

It owns what lives as long as the server: the connection to the facility's service,
the relay to the tabs, and what tells the service how busy this server is. Outside a
facility there is none of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.extension.application import ExtensionApp

from jupyterlab_af.activity import Busy, BusyCounter, BusyReporter, to_body
from jupyterlab_af.asked import Parts
from jupyterlab_af.contents import mount_points
from jupyterlab_af.exercises import deliver_exercises
from jupyterlab_af.gateway import GatewayAddress
from jupyterlab_af.generations import Shelf
from jupyterlab_af.person import PersonWatch
from jupyterlab_af.relay import Relay
from jupyterlab_af.routes import routes_of
from jupyterlab_af.service import Service, ServiceAddress
from jupyterlab_af.teller import Teller
from jupyterlab_af.token_watch import TokenWatch
from jupyterlab_af.versions_routes import versions_routes

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

EXERCISES = Path("share/jupyterhub-af/exercises")
# the page's option that tells the plugin that this is a facility, and where paths begin
ROOT_OPTION = "afRoot"


class FacilityApp(ExtensionApp):
    """What a person's server does for an analysis facility."""

    name = "jupyterlab_af"
    service: Service | None = None
    relay: Relay | None = None
    teller: Teller | None = None
    _person: PersonWatch | None = None
    _reporter: BusyReporter | None = None
    _counter: BusyCounter | None = None
    _tasks: tuple[asyncio.Task[None], ...] = ()

    def initialize_handlers(self) -> None:
        """Add the routes, and deliver the image's exercises."""
        address = ServiceAddress.from_environ(os.environ)
        if address is not None:
            self.service = Service(address)
            self.relay = Relay(self.service, log=self.log, secret=address.token)
            self.teller = Teller(self.service, log=self.log)
            self._tell_page()
        gateway = GatewayAddress.from_environ(os.environ)
        parts = Parts(self.service, self.relay, gateway, self.teller, self._saw_person)
        self.handlers.extend(routes_of(parts))
        self.handlers.extend(versions_routes(parts, self._shelf()))
        deliver_exercises(Path(sys.prefix) / EXERCISES, Path.home(), log=self.log)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Tell the service how busy this server is, and the tabs of its token."""
        relay = self.relay
        if relay is None:
            return
        person = PersonWatch(serverapp.web_app.settings, lambda: relay.has_tabs)
        reporter = BusyReporter(
            lambda: counter.count(), person.last_at, self._tell_busy, log=self.log
        )
        counter = BusyCounter(serverapp, reporter.poke)
        counter.watch()
        relay.on_open = reporter.tell_again
        self._person, self._reporter, self._counter = person, reporter, counter
        works = (reporter.run(), TokenWatch(relay.say_own).run())
        self._tasks = tuple(asyncio.create_task(work) for work in works)

    async def stop_extension(self) -> None:
        """Let every tab go, and end every connection."""
        if self._counter is not None:
            self._counter.close()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self.relay is not None:
            await self.relay.close()
        if self.teller is not None:
            await self.teller.close()
        if self.service is not None:
            await self.service.close()

    def _shelf(self) -> Shelf:
        """Return where the earlier versions of files are."""
        root = self.serverapp.root_dir if self.serverapp is not None else "/"
        return Shelf(Path(root), mount_points)

    def _tell_page(self) -> None:
        """Have Lab's page say that this is a facility, and where its paths begin."""
        if self.serverapp is not None:
            settings = self.serverapp.web_app.settings
            page = settings.setdefault("page_config_data", {})
            page[ROOT_OPTION] = self.serverapp.root_dir

    def _saw_person(self) -> None:
        """Take a tab's word that it is used."""
        if self._person is not None and self._reporter is not None:
            self._person.saw()
            self._reporter.poke()

    async def _tell_busy(self, busy: Busy, quiet_seconds: float) -> None:
        if self.service is not None:
            await self.service.post("api/busy", to_body(busy, quiet_seconds))
