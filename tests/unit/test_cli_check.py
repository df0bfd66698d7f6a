from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from broken_rules import BROKEN_RULES
from broken_values import BROKEN_VALUES, GPU, PATTERN, SIZE
from worlds import FACILITY_TEXT, demo_facility, edited

from jupyterhub_af.cli.check import add_check
from jupyterhub_af.policy.facility import facility_digest

LINE = re.compile(
    r"(?P<file>.+?):(?P<line>[1-9][0-9]*): (?:(?P<key>[^ ]+): )?"
    r"(?P<wrong>[^(]+) \((?P<value>.+)\), (?P<allowed>.+)"
)
ROWS = BROKEN_VALUES + BROKEN_RULES


def run(path: Path | str) -> int:
    """Run the command in this process."""
    parser = argparse.ArgumentParser()
    add_check(parser.add_subparsers())
    parsed = parser.parse_args(["check", str(path)])
    return parsed.run(parsed)


@pytest.fixture
def check(tmp_path, capsys):
    """Return what the command prints of a text: status, lines, the last line."""

    def check_text(text: str | bytes) -> tuple[int, list[str], str]:
        path = tmp_path / "facility.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        status = run(path)
        out, err = capsys.readouterr()
        return status, [s.replace(f"{path}", "F", 1) for s in out.splitlines()], err

    return check_text


def shape_of(line: str) -> tuple[int, str, str]:
    """Return a line's number, key path and words, or fail on another shape."""
    match = LINE.fullmatch(line)
    assert match, line
    assert line.isprintable()
    assert match["file"] == "F"
    words = f"{match['wrong']} ({match['value']}), {match['allowed']}"
    return int(match["line"]), match["key"] or "", words


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_this_is_one_problem_with_its_line_key_value_and_what_is_allowed(check, row):
    status, lines, last = check(row.text)
    (line,) = lines
    assert shape_of(line)[:2] == (row.line, row.key)
    assert shape_of(line)[2].startswith(row.words)
    assert not re.search(r"Input should|should have|valid (string|int|dict)", line)
    assert (status, last) == (1, "1 problem; nothing starts with this file\n")


def test_every_row_is_another_file():
    assert (
        len({row.text for row in ROWS}) == len({row.name for row in ROWS}) == len(ROWS)
    )


def test_all_problems_of_a_file_are_told_at_once(check):
    text = edited(
        ("iam-demo.cloud.cnaf.infn.it/", "iam-demo.cloud.cnaf.infn.it/?a"),
        ("[hackathon, cygno, ml-infn]", "[]"),
        ("teachers: hackathon/teachers", "teachers: hackathon/students"),
        (SIZE, "cores: true, memory: 2GB"),
        ("memory: 8G, allowed", "memory: 8G, default: true, allowed"),
        ("dask: standard", "dask: huge"),
        ("idle: 1h", "idle: 0h"),
        ("slug: cygno", "slug: dodas-v5"),
        ("    hidden: true", "    hiden: true"),
        ("af/cygno:2\n", "af/cygno:2\n    image_pattern: x\n"),
        ("storage: [private, cvmfs]", "storage: [scratch]"),
        ("slug: slice", "slug: none"),
        (GPU, "gpu, count: 0.5"),
        (PATTERN, "'(a{1000}){1000}'"),
        ("name: shared, ", "name: handin, "),
        ("GW: hackathon/gw, HEP: ", "BACKUPS: /x, HEP: "),
        ("kind: cvmfs", "kind: private"),
        ("user_cores: 16", "user_cores: 0.5"),
        ("idle_timeout: 30m", "idle_timeout: 0m"),
        ("detach: 0m", "detach: 0"),
    )
    status, lines, last = check(text)
    assert [shape_of(line)[:2] for line in lines] == [
        (5, "iam.issuer"),
        (11, "access.allowed_groups"),
        (14, "classes.0.teachers"),
        (21, "profiles.0.sizes.0.cores"),
        (21, "profiles.0.sizes.0.memory"),
        (22, "profiles.0.sizes.1.default"),
        (23, "profiles.0.dask"),
        (24, "profiles.0.lifetime.idle"),
        (25, "profiles.1.slug"),
        (25, "profiles.1"),
        (27, "profiles.1.hiden"),
        (30, "profiles.1.storage.0"),
        (30, "profiles.1.storage"),
        (36, "profiles.2.gpus.1.slug"),
        (37, "profiles.2.gpus.2.count"),
        (42, "profiles.3.image_pattern"),
        (43, "storage"),
        (45, "storage.1.name"),
        (46, "storage.2.folders.BACKUPS"),
        (46, "storage.2.folders.BACKUPS"),
        (49, "dask.standard.detach"),
        (49, "dask.standard.user_cores"),
        (49, "dask.standard.idle_timeout"),
    ]
    assert (status, last) == (1, "23 problems; nothing starts with this file\n")


def test_a_good_file_is_one_line(check):
    digest = facility_digest(demo_facility())
    assert check(FACILITY_TEXT) == (
        0,
        [
            "F: INFN analysis facility: 4 profiles, 4 areas, 1 class, 1 dask entry,"
            f" digest {digest}"
        ],
        "",
    )


def anchor_bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 10):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(
            anchor_bomb(),
            "F:1: holds too much (more than 20000 values), no facility needs as many",
            id="an anchor bomb",
        ),
        pytest.param(
            "[" * 10_000,
            "F:1: holds too much (more than 20 levels), no facility needs as many",
            id="10 000 levels",
        ),
        pytest.param("", "F:1: is empty (0 bytes), write a facility", id="nothing"),
        pytest.param("---\n", "F:2: is not a mapping (null)", id="an empty document"),
        pytest.param("x" * 10_000_000, "F: is larger than 1 MiB.", id="10 MB"),
        pytest.param(b"name: \xff\xfe", "F: is not UTF-8 text", id="not UTF-8"),
        pytest.param(
            "name: a\nb: \x1b[31m",
            "F:2: is not valid YAML (unacceptable character #x001b: special characters"
            " are not allowed), write text without control characters",
            id="a control character",
        ),
    ],
)
def test_a_hostile_file_is_refused_quickly_in_one_line(check, data, problem):
    began = time.process_time()
    status, lines, last = check(data)
    assert time.process_time() - began < 1
    assert (status, last) == (1, "1 problem; nothing starts with this file\n")
    (line,) = lines
    assert line.startswith(problem)


def test_what_is_no_readable_file_is_one_line(tmp_path, capsys):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    for name, why in (
        ("absent", "cannot be read: No such file or directory."),
        (".", "cannot be read: Is a directory."),
        ("fifo", "is not a regular file."),
        ("loop", "cannot be read: Too many levels of symbolic links."),
        ("absent/x", "cannot be read: No such file or directory."),
        ("a\nb", "cannot be read: No such file or directory."),
    ):
        path = f"{tmp_path}/{name}"
        assert run(path) == 1
        out, err = capsys.readouterr()
        assert out == path.replace("\n", r"\n") + f": {why}\n"
        assert err == "1 problem; nothing starts with this file\n"


@contextmanager
def an_ordinary_user():
    """Drop root for a moment: root reads everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_file_one_may_not_read_is_one_line(tmp_path, capsys):
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY_TEXT)
    path.chmod(0)
    with an_ordinary_user():
        assert run(path) == 1
    assert capsys.readouterr().out == f"{path}: cannot be read: Permission denied.\n"


def test_the_file_of_somebody_else_that_everybody_may_write_can_be_checked(tmp_path):
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY_TEXT)
    path.chmod(0o666)
    assert run(path) == 0


REFUSE = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {
            "jupyterhub", "tornado", "traitlets", "jinja2", "sqlalchemy", "jwt",
            "aiohttp", "oauthenticator", "alembic", "prometheus_client",
        }:
            raise ModuleNotFoundError(f"{name} is not in the base install")

sys.meta_path.insert(0, Refuse())
from jupyterhub_af.cli.main import main
sys.exit(main())
"""


def run_on_base_install(*arguments: str, **environment: str):
    return subprocess.run(
        [sys.executable, "-c", REFUSE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ) | environment,
    )


def test_the_base_install_checks_a_file_as_it_is_typed(tmp_path):
    (tmp_path / "good.yaml").write_text(FACILITY_TEXT)
    (tmp_path / "bad.yaml").write_text(edited(("slug: cygno", "slug: Cygnó")))
    good = run_on_base_install("check", f"{tmp_path}/../{tmp_path.name}/good.yaml")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith(f"{tmp_path}/../{tmp_path.name}/good.yaml: INFN ")
    bad = run_on_base_install("check", f"{tmp_path}/bad.yaml", PYTHONIOENCODING="ascii")
    assert (bad.returncode, bad.stderr.count("\n")) == (1, 1)
    assert bad.stdout == (
        f"{tmp_path}/bad.yaml:25: profiles.1.slug: is not a slug ('Cygn\\xf3'), use up"
        " to 63 lower-case letters, digits and '-', not at the ends\n"
    )


def test_the_base_install_prints_the_schema():
    done = run_on_base_install("schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["title"] == "The facility file of jupyterhub-af"


def test_a_fifo_is_refused_at_once_by_the_command(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    done = run_on_base_install("check", f"{tmp_path}/fifo")
    assert (done.returncode, done.stdout) == (
        1,
        f"{tmp_path}/fifo: is not a regular file.\n",
    )
