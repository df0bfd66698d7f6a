"""XFS projects: the commands and what is read of the kernel's list; no XFS obeys here."""

from __future__ import annotations

import os

from jupyterhub_af.storage.quota.xfs import Project, find, limit_command, parse_mounts

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:17 / /srv/areas rw,relatime shared:9 master:1 - xfs /dev/sdb1 rw,attr2,prjquota
31 22 8:33 / /srv/other rw,relatime - xfs /dev/sdc1 rw,attr2,noquota
32 22 8:49 / /srv/prjquota rw - ext4 /dev/sdd1 rw,prjquota
"""


def test_only_an_xfs_with_project_quotas_is_one():
    assert parse_mounts(MOUNTS, "8:17") == "/srv/areas"
    for device in ("8:1", "8:33", "8:49", "9:9"):
        assert parse_mounts(MOUNTS, device) is None


def test_a_limit_is_a_list_of_arguments_without_a_name():
    assert limit_command("/srv/areas", 131, 1024) == (
        "xfs_quota",
        "-x",
        "-c",
        "limit -p bhard=1024 131",
        "/srv/areas",
    )
    assert limit_command("/srv/areas", 131, None)[3] == "limit -p bhard=0 131"


def test_another_file_system_holds_nothing(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    (tmp_path / "file").touch()
    run = []
    try:
        assert find(fd) is None
        # a directory with something in it is never made a project
        assert not Project(fd, "/srv/areas", run.append).hold(1024)
    finally:
        os.close(fd)
    assert run == []
