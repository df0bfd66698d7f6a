"""Tells the tabs how the access token in this server is: until when, and what is wrong.

It looks at the times and the words beside the token every few seconds: a bind mount of
any kind shows them, where notices of changes would not come through. The token itself
is never opened here.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyterlab_af.bearer import FILE, read_number, read_words
from jupyterlab_af.sse import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER = Path("/run/af/token")
LOOK_SECONDS = 2.0
NO_FOLDER = "The facility could not put an access token into this server."


def look(folder: Path) -> dict[str, Any]:
    """Return how the token in a folder is: the panel's ``TokenOfMine``."""
    if not folder.is_dir():
        return {"expires_at": None, "lifetime_seconds": None, "problem": NO_FOLDER}
    return {
        "expires_at": read_number(folder / "expires_at"),
        "lifetime_seconds": read_number(folder / "lifetime"),
        "problem": read_words(folder / "problem"),
    }


class TokenWatch:
    """Looks at the token's folder, and tells whenever something changed."""

    def __init__(
        self,
        tell: Callable[[Event], None],
        environ: Mapping[str, str] = os.environ,
        folder: Path = FOLDER,
    ) -> None:
        self._tell = tell
        self._folder = folder
        # another file may be named by the person's own image: that one is not ours
        self._has_token = Path(environ.get(FILE, "")).parent == folder
        self._told = ""

    def look(self) -> None:
        """Tell how the token is, if that is another thing than before."""
        token = look(self._folder) if self._has_token else None
        data = json.dumps({"kind": "token", "token": token}, separators=(",", ":"))
        if data != self._told:
            self._told = data
            self._tell(Event("token", data))

    async def run(self) -> None:
        """Look until cancelled; once, where the facility gives no token."""
        self.look()
        while self._has_token:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()
