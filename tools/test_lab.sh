#!/usr/bin/env bash
# The tests of `jupyterlab-af`: its server part against the built wheel, what a browser
# loads of it, its browser part by jest, its generated types, and the linters. Called by tools/test.sh with AF_CACHE set and Node on the PATH.
set -euo pipefail
umask 022
uv="$PWD/.venv/share/jupyterhub-af/tools/bin/uv"
wheel="$(echo "$PWD"/.venv/share/jupyterhub-af/wheels/jupyterlab_af-*.whl)"
export UV_SYSTEM_CERTS=1 UV_LINK_MODE="${UV_LINK_MODE:-copy}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

VIRTUAL_ENV="$work/venv" "$uv" venv -q --python /usr/bin/python3 "$work/venv"
VIRTUAL_ENV="$work/venv" "$uv" pip sync -q --require-hashes labextension/requirements-test.lock
VIRTUAL_ENV="$work/venv" "$uv" pip install -q --no-deps "$wheel"
cp -r labextension "$work/tree"
rm -rf "$work/tree/node_modules" "$work/tree/lib"
(cd "$work/tree" && "$work/venv/bin/pytest" -q .)

# an empty template counts too, so this is stricter than "above an empty template"
static="$work/venv/share/jupyter/labextensions/jupyterlab-af/static"
size=0
for file in "$static"/*.js; do size=$((size + $(gzip -9 -c "$file" | wc -c))); done
echo "What a browser loads of the plugin: $((size / 1024)) KiB gzip (at most 60)"
[ "$size" -le $((60 * 1024)) ]

tools="$AF_CACHE/tools/lab-$(sha256sum labextension/requirements-build.lock | cut -c1-12)"
cd "$work/tree"
export PATH="$tools/bin:$PATH" YARN_GLOBAL_FOLDER="$AF_CACHE/yarn" YARN_ENABLE_GLOBAL_CACHE=1
jlpm install --immutable >install.log 2>&1 || { tail -n 30 install.log >&2; exit 1; }
jlpm types:check
jlpm lint:check
jlpm test
