"""A folder with one of everything that a copy can lose."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from storage_world import FELLOW, GIDS, STUDENT


def make_one_of_everything(folder: Path) -> None:
    """Fill a folder; owners are people's where the test runs as root."""
    (folder / "a folder").mkdir(parents=True)
    (folder / "a folder" / "notebook.ipynb").write_text('{"cells": []}')
    (folder / "empty").write_bytes(b"")
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o755)
    os.link(folder / "program", folder / "the same program")
    (folder / "way").symlink_to("a folder/notebook.ipynb")
    (folder / "way to nowhere").symlink_to("/nowhere/at all")
    os.mkfifo(folder / "pipe")
    Path(os.fsdecode(os.fsencode(folder) + b"/no \xff text")).write_text("latin1")
    (folder / "two\nlines").write_text("and a \\ backslash")
    (folder / "back\\slash").write_text("x")
    (folder / "closed").mkdir(mode=0)
    for name, acl in (("empty", "u:1000002:r"), ("a folder", "d:g:2000002:rx")):
        subprocess.run(["setfacl", "-m", acl, folder / name], check=True)
    if os.geteuid() == 0:
        os.chown(folder / "empty", FELLOW, GIDS["hackathon/gw"])
        os.chown(folder / "way", STUDENT, STUDENT, follow_symlinks=False)
        (folder / "a folder").chmod(0o2775)
    # parents last: what is put inside changes their time
    for path in sorted(folder.rglob("*"), reverse=True):
        times = (1_700_000_000_000_000_001, 1_700_000_000_123_456_789)
        os.utime(path, ns=times, follow_symlinks=False)
    os.utime(folder, ns=(1, 1_600_000_000_000_000_001))
