"""``python -m jupyterhub_af.local.warden FOLDER``: ends Dask sandboxes once `up` is gone.

They outlive their gateway by design, so nothing else would end them where `up` was
killed. It waits at a pipe whose other end only `up` holds; then it looks a few times,
since a gateway that is about to end may still start one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from jupyterhub_af.machine.sandboxes import end_all_below

LOOKS = 12
LOOK_SECONDS = 1.0


def start_warden(clusters: Path) -> subprocess.Popen[bytes]:
    """Start a warden of a folder of clusters; it ends soon after this process."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(clusters)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        start_new_session=True,
    )


def stop_warden(warden: subprocess.Popen[bytes]) -> None:
    """Send the warden home: everything is ended already."""
    warden.kill()
    warden.communicate()


def main() -> None:
    """Wait for the end of the pipe, then end what is left."""
    clusters = Path(sys.argv[1])
    sys.stdin.buffer.read()
    for _ in range(LOOKS):
        end_all_below(clusters)
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
