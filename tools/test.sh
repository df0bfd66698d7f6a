#!/usr/bin/env bash
# Every test: unit and hub on both JupyterHub majors, services, a real facility, a browser.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${AF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/jupyterhub-af}"
AF_NODE_MODULES="$(.venv/bin/python -m jupyterhub_af.local.node | tail -n 1)"
AF_NODE="$(.venv/bin/python -c 'from jupyterhub_af.local.node import find_node; print(find_node().path)')"
export AF_NODE_MODULES AF_NODE AF_CACHE="$cache"
PATH="$(dirname "$AF_NODE"):$AF_NODE_MODULES/.bin:$PATH"
export PATH
mkdir -p artefacts
echo "== JupyterHub $(.venv/bin/jupyterhub --version): unit, service, storage, hub"
.venv/bin/pytest -q -n 2 tests/unit tests/service tests/storage tests/hub
# by itself: importing Dask Gateway changes how every traitlets application of a process logs
echo "== The Dask Gateway server"
.venv/bin/pytest -q -n 2 tests/gateway
echo "== JupyterHub $(.venv/hub5/bin/jupyterhub --version): hub, doors, pages and walls"
.venv/hub5/bin/pytest -q -n 2 tests/hub
AF_UP_PYTHON="$PWD/.venv/hub5/bin/python" .venv/bin/pytest -q -n 2 --dist loadfile \
  tests/local/test_{doors,walls,mutations,named_servers,stored_options,web_lists,forged_requests,pages,revocation}.py
echo "== A whole facility on this machine"
.venv/bin/pytest -q -n 2 --dist loadscope tests/local
# by itself: Playwright's loop runs from its first page to the end of the process, and no
# other test of that process could run one of its own
echo "== The same in a browser"
.venv/bin/pytest -q -n 2 --dist loadscope tests/browser
echo "== The Lab extension"
tools/test_lab.sh
