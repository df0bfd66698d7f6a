#!/usr/bin/env python3
"""Container images of images/, from nothing but Debian's packages: no registry is asked.

    tools/images.py build NAME...          build each, its base first; print the reference
    tools/images.py mount NAME             build it, mount it read-only by bubblewrap later;
                                           print container, folder and configuration as JSON
    tools/images.py unmount CONTAINER      let a mounted one go
    tools/images.py push NAME DESTINATION  such as docker://registry.example.org/af/dodas:5

Needs root, and the Debian packages buildah and debootstrap. Owns CACHE/images: buildah's
own storage, in which an image is named by the hash of all that it is made of, so that a
second build is a look. The base of the base is a bare Debian 12 from debootstrap; whoever
may pull another names it in the Containerfile's BASE_IMAGE instead of using this.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from jupyterhub_af.local.environments import cache_dir, find_images_dir

BUILDAH = "/usr/bin/buildah"
DEBOOTSTRAP = "/usr/sbin/debootstrap"
SUITE = "bookworm"
WHEELS = Path(sys.prefix) / "share" / "jupyterhub-af" / "wheels"
# The machine's certificate authorities, by which an institute's package index is known:
# pip sees them while it builds; the image keeps two empty files, where they were.
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
AUTHORITIES_THERE = "/run/af-ca-certificates.crt"
UPGRADE = (
    "apt-get update && apt-get upgrade --yes --no-install-recommends"
    " && apt-get clean && rm -rf /var/lib/apt/lists/*"
)
KEY_LENGTH = 12
# Of each image: another checkout may be in use beside this one.
KEPT_IMAGES = 3
MOUNTED = "af-mounted"
# Copies in a build's context have this time: buildah's cache would miss with another.
COPY_TIME = 1_700_000_000


class ImageError(Exception):
    """Say why an image could not be built, in words."""


class Store:
    """Buildah with a storage, a configuration and a signature policy of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = hashlib.sha256(str(folder).encode()).hexdigest()[:KEY_LENGTH]
        # mounts end with the machine, and so does what is known about them
        self.run_folder = Path("/run") / f"jupyterhub-af-images-{mark}"
        self.settings = Path(tempfile.mkdtemp(prefix="af-images-"))
        self.policy = self.settings / "policy.json"
        self.policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
        (self.settings / "registries.conf").write_text("")
        self.pip = self.settings / "pip.conf"
        self.pip.write_text(f"[global]\ncert = {AUTHORITIES_THERE}\n")
        self.write_storage("overlay")
        if self.run(["from", "--name", self.probe, "scratch"], check=False).returncode:
            self.write_storage("vfs")
        self.run(["rm", self.probe], check=False)

    @property
    def probe(self) -> str:
        """Return the name of the container that tells which driver works here."""
        return f"af-probe-{os.getpid()}"

    def write_storage(self, driver: str) -> None:
        """Say where the layers lie, and by which driver."""
        text = f'[storage]\ndriver = "{driver}"\nrunroot = "{self.run_folder}"\n'
        text += f'graphroot = "{self.folder / "storage"}"\n'
        (self.settings / "storage.conf").write_text(text)

    def run(
        self, words: Sequence[str], *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run buildah; what it says goes into the error."""
        own = {
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_STORAGE_CONF": str(self.settings / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.settings / "registries.conf"),
        }
        done = subprocess.run(
            [BUILDAH, *words],
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            msg = f"buildah {words[0]} ended with {done.returncode}:\n{tail}"
            raise ImageError(msg)
        return done

    def close(self) -> None:
        """Remove the settings; the layers stay."""
        shutil.rmtree(self.settings)

    def has(self, reference: str) -> bool:
        """Tell whether an image is there."""
        return not self.run(
            ["inspect", "--type", "image", reference], check=False
        ).returncode


@contextmanager
def opened_store(cache: Path) -> Iterator[Store]:
    """Give the store to one process at a time: two would build the same image twice."""
    folder = cache / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store = Store(folder)
        try:
            sweep(store)
            yield store
        finally:
            store.close()


def sweep(store: Store) -> None:
    """Remove the containers that a failed build left, or a process that has ended."""
    said = json.loads(store.run(["containers", "--json"]).stdout) or []
    for name in (container["containername"] for container in said):
        mounted = re.fullmatch(rf"{MOUNTED}-(\d+)-\w+", name)
        if not (mounted and Path(f"/proc/{mounted[1]}").exists()):
            store.run(["rm", name])


def forget_old(store: Store, name: str) -> None:
    """Remove all but the newest builds of an image."""
    said = store.run(["images", "--json", "--filter", f"reference=localhost/af/{name}"])
    images = sorted(json.loads(said.stdout or "[]"), key=lambda i: i["created"])
    for image in images[:-KEPT_IMAGES]:
        store.run(["rmi", *image["names"]], check=False)


def check_machine() -> None:
    """Refuse a machine that cannot build, and say what it lacks."""
    if os.geteuid() != 0:
        msg = "Images are built as root here: debootstrap and chroot need it."
        raise ImageError(msg)
    missing = [path for path in (BUILDAH, DEBOOTSTRAP) if not Path(path).exists()]
    if missing:
        msg = f"Missing: {', '.join(missing)}. apt-get install buildah debootstrap"
        raise ImageError(msg)


def find_wheels() -> list[Path]:
    """Return the facility's own wheels, which set-up leaves beside this Python."""
    return sorted(WHEELS.glob("jupyterlab_af-*.whl"))


def make_context(image: Path, wheels: Sequence[Path], place: Path) -> None:
    """Copy what an image is made of, with modes and times that no checkout changes."""
    shutil.copytree(image, place, ignore=shutil.ignore_patterns("*.md", "*.in", ".*"))
    for wheel in wheels:
        shutil.copyfile(wheel, place / wheel.name)
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (COPY_TIME, COPY_TIME))


def hash_context(place: Path, base: str) -> str:
    """Return the key of an image: of its base and of every file it is made of."""
    digest = hashlib.sha256(base.encode())
    for path in sorted(p for p in place.rglob("*") if p.is_file()):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(place)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:KEY_LENGTH]


def ensure_debian(store: Store) -> str:
    """Return the reference of a bare Debian, made now if it is not there."""
    reference = f"localhost/af/debian:{SUITE}"
    if store.has(reference):
        return reference
    mirrors = read_mirrors()
    say(f"debian: debootstrap {SUITE} from {mirrors[SUITE]} (only once) …")
    container = store.run(["from", "scratch"]).stdout.strip()
    try:
        root = Path(store.run(["mount", container]).stdout.strip())
        run_debootstrap(root, mirrors)
        store.run(["run", container, "--", "sh", "-ec", UPGRADE])
        store.run(["umount", container])
        store.run(["config", "--cmd", "bash", container])
        store.run(["commit", "--quiet", container, reference])
    finally:
        store.run(["rm", container], check=False)
    return reference


def read_mirrors() -> dict[str, str]:
    """Return where this machine's apt gets each of the suites from."""
    wanted = (SUITE, f"{SUITE}-updates", f"{SUITE}-security")
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(SITE)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    pairs = (line.partition(" ")[::2] for line in done.stdout.splitlines())
    found = {suite: site for suite, site in pairs if suite in wanted}
    missing = [suite for suite in wanted if suite not in found]
    if missing:
        msg = f"apt knows no source of {', '.join(missing)}; run apt-get update."
        raise ImageError(msg)
    return found


def run_debootstrap(root: Path, mirrors: Mapping[str, str]) -> None:
    """Fill a folder with Debian, with its updates named."""
    words = [DEBOOTSTRAP, "--variant=minbase", "--include=ca-certificates"]
    done = subprocess.run(
        [*words, SUITE, root, mirrors[SUITE]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        msg = f"debootstrap ended with {done.returncode}:\n{tail}"
        raise ImageError(msg)
    lines = [f"deb {site} {suite} main" for suite, site in sorted(mirrors.items())]
    (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")


def ensure_image(store: Store, name: str) -> str:
    """Return the reference of an image, built now if nobody did before.

    Only what people start has the facility's wheel: with it in the base, an edit of the
    panel would build everything again.
    """
    image = find_images_dir() / name
    if not (image / "Containerfile").is_file():
        msg = f"There is no image {name!r} in {image.parent}."
        raise ImageError(msg)
    is_base = name == "base"
    base = ensure_debian(store) if is_base else ensure_image(store, "base")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / name
        make_context(image, [] if is_base else find_wheels(), place)
        reference = f"localhost/af/{name}:{hash_context(place, base)}"
        if not store.has(reference):
            say(f"{name}: building {reference} …")
            words = ["bud", "--quiet", "--layers", "--pull-never", "--tag", reference]
            words += ["--signature-policy", str(store.policy)]
            words += ["--volume", f"{AUTHORITIES}:{AUTHORITIES_THERE}:ro"]
            words += ["--volume", f"{store.pip}:/etc/pip.conf:ro"]
            words += ["--build-arg", f"BASE_IMAGE={base}", str(place)]
            store.run(words)
            forget_old(store, name)
    return reference


def mount(store: Store, name: str) -> dict[str, object]:
    """Return an image's container, the folder it is mounted at, and its configuration."""
    reference = ensure_image(store, name)
    # whoever asked for it: with that process it may go
    container = f"{MOUNTED}-{os.getppid()}-{secrets.token_hex(4)}"
    store.run(["from", "--pull-never", "--name", container, reference])
    folder = store.run(["mount", container]).stdout.strip()
    image = json.loads(store.run(["inspect", "--type", "image", reference]).stdout)
    return {
        "reference": reference,
        "container": container,
        "folder": folder,
        "config": image["OCIv1"]["config"],
    }


def unmount(store: Store, container: str) -> None:
    """Let a mounted container go."""
    store.run(["umount", container])
    store.run(["rm", container])


def push(store: Store, name: str, destination: str) -> None:
    """Push an image to a registry, or to an archive such as oci-archive:FILE."""
    reference = ensure_image(store, name)
    policy = ["--signature-policy", str(store.policy)]
    store.run(["push", "--quiet", *policy, reference, destination])


def say(line: str) -> None:
    """Show progress at once; standard output is for answers."""
    print(line, file=sys.stderr, flush=True)


def run_command(parsed: argparse.Namespace) -> None:
    """Do what the command line says."""
    check_machine()
    with opened_store(cache_dir()) as store:
        if parsed.command == "build":
            for name in parsed.names:
                print(ensure_image(store, name), flush=True)
        elif parsed.command == "mount":
            print(json.dumps(mount(store, parsed.name)))
        elif parsed.command == "unmount":
            unmount(store, parsed.container)
        else:
            push(store, parsed.name, parsed.destination)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0],
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build").add_argument("names", nargs="+", metavar="NAME")
    commands.add_parser("mount").add_argument("name", metavar="NAME")
    commands.add_parser("unmount").add_argument("container", metavar="CONTAINER")
    pushing = commands.add_parser("push")
    pushing.add_argument("name", metavar="NAME")
    pushing.add_argument("destination", metavar="DESTINATION")
    try:
        run_command(parser.parse_args(arguments))
    except ImageError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
