#!/usr/bin/env python3
"""The bill of materials of an image: every Python and every Debian package it has.

    tools/sbom.py NAME                      of the container image, built now if need be
    tools/sbom.py NAME --root DIR           of a container image that is mounted at DIR
    tools/sbom.py NAME --environment DIR    of a local environment: Python packages only

CycloneDX 1.6, as JSON on the standard output; `--validate` checks it against the schema,
which takes longer than making it. The same image gives the same bytes: no time, no serial
number and no path of the machine is in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from images import ImageError, check_machine, mount, opened_store, say, unmount
from jupyterhub_af.local.environments import cache_dir

TOOL = (
    Path(sys.prefix) / "share" / "jupyterhub-af" / "tools" / "sbom" / "bin" / "python"
)
PACKAGES_OF_IMAGE = "opt/af"
DISTRIBUTION = "debian-12"
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(f"not CycloneDX: {problem}" if problem else 0)
"""


def run_tool(*words: str, text: str = "") -> str:
    """Return what a program of the tool's own environment says."""
    if not TOOL.exists():
        msg = f"There is no {TOOL}: tools/setup.sh dev makes it."
        raise ImageError(msg)
    done = subprocess.run(
        [TOOL, *words], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        msg = f"The list could not be made:\n{done.stderr[-2000:]}"
        raise ImageError(msg)
    return done.stdout


def find_site_packages(environment: Path) -> Path:
    """Return the folder in which an environment's packages lie."""
    found = sorted(environment.glob("lib/python3*/site-packages"))
    if len(found) != 1:
        msg = f"{environment} is no Python environment."
        raise ImageError(msg)
    return found[0]


def list_python(environment: Path) -> dict[str, Any]:
    """Return the bill of an environment's own packages, not of the machine's.

    The tool asks a Python for its path. The environment's own would name the machine's
    packages too, and one of another file system cannot be run: this one answers for it.
    """
    paths = json.dumps([str(find_site_packages(environment))])
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "python"
        answer.write_text(f"#!{sys.executable}\nprint({paths!r})\n", "utf8")
        answer.chmod(0o755)
        options = (
            "--no-validate",
            "--output-reproducible",
            "--sv",
            "1.6",
            "--of",
            "JSON",
            "-o",
            "-",
        )
        said = run_tool("-m", "cyclonedx_py", "environment", *options, str(answer))
    bill: dict[str, Any] = json.loads(said)
    for component in bill["components"]:
        drop_local_addresses(component)
    return bill


def drop_local_addresses(component: dict[str, Any]) -> None:
    """Forget where on this machine a wheel lay when it was installed."""
    references = component.pop("externalReferences", [])
    kept = [r for r in references if not r["url"].startswith("file:")]
    if kept:
        component["externalReferences"] = kept
    if "purl" in component:
        component["purl"] = component["purl"].partition("?")[0]


def list_debian(root: Path) -> Iterator[dict[str, Any]]:
    """Yield the Debian packages that are installed in a file system."""
    status = (root / "var/lib/dpkg/status").read_text("utf8")
    for paragraph in status.split("\n\n"):
        lines = (
            line.partition(": ") for line in paragraph.splitlines() if line[:1] != " "
        )
        fields = {key: value for key, _, value in lines}
        if fields.get("Status") == "install ok installed":
            yield make_debian_component(fields)


def make_debian_component(fields: dict[str, str]) -> dict[str, Any]:
    """Return one Debian package as CycloneDX says it."""
    name, version, machine = (fields[k] for k in ("Package", "Version", "Architecture"))
    purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}"
    purl += f"?arch={machine}&distro={DISTRIBUTION}"
    return {
        "type": "library",
        "bom-ref": f"debian:{name}:{machine}",
        "name": name,
        "version": version,
        "purl": purl,
    }


def make_bill(name: str, environment: Path, root: Path | None) -> str:
    """Return the bill of an image as text, in an order that never changes."""
    bill = list_python(environment)
    if root is not None:
        bill["components"] += list_debian(root)
    # Python's packages first, as they come, then Debian's
    bill["components"].sort(
        key=lambda c: ("pkg:deb" in c.get("purl", ""), c["bom-ref"])
    )
    bill["metadata"]["component"] = {"type": "container", "bom-ref": name, "name": name}
    return json.dumps(bill, indent=1, sort_keys=True) + "\n"


def make_bill_of_image(name: str) -> str:
    """Return the bill of a container image, which is mounted for the while."""
    check_machine()
    with opened_store(cache_dir()) as store:
        mounted = mount(store, name)
        root = Path(str(mounted["folder"]))
        try:
            return make_bill(name, root / PACKAGES_OF_IMAGE, root)
        finally:
            unmount(store, str(mounted["container"]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("name", metavar="NAME", help="a folder of images/")
    places = parser.add_mutually_exclusive_group()
    places.add_argument("--root", type=Path, metavar="DIR")
    places.add_argument("--environment", type=Path, metavar="DIR")
    parser.add_argument("--validate", action="store_true")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.root:
            root = parsed.root
            text = make_bill(parsed.name, root / PACKAGES_OF_IMAGE, root)
        elif parsed.environment:
            text = make_bill(parsed.name, parsed.environment, None)
        else:
            text = make_bill_of_image(parsed.name)
        if parsed.validate:
            run_tool("-c", VALIDATE, text=text)
    except ImageError as error:
        say(str(error))
        return 1
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
