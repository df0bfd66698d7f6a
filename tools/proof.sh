#!/usr/bin/env bash
# Full counts, races and benchmarks; writes a dated record to docs/proof/.
set -euo pipefail
cd "$(dirname "$0")/.."
record="docs/proof/$(date -u +%F).md"
status=0
mkdir -p docs/proof artefacts
AF_NODE_MODULES="$(.venv/bin/python -m jupyterhub_af.local.node | tail -n 1)"
PATH="$AF_NODE_MODULES/.bin:$PATH"
export AF_NODE_MODULES PATH
{
  echo "# Proof of $(date -u +%F)"
  echo
  echo "Commit $(git rev-parse --short HEAD), $(nproc) cores, Python $(.venv/bin/python -V | cut -d' ' -f2), JupyterHub $(.venv/bin/jupyterhub --version)."
  echo
  echo '## Properties and races at full count'
  echo
  echo '```'
  AF_PROOF=1 .venv/bin/pytest -q -n 2 tests/unit tests/service tests/storage 2>&1 | tail -n 1
  for _ in 1 2; do
    .venv/bin/pytest -q tests/local/test_doors.py tests/local/test_walls.py 2>&1 | tail -n 1
  done
  echo '```'
  echo
  .venv/bin/python -m benchmarks || status=1
} >"$record.new"
mv "$record.new" "$record"
cat "$record"
exit "$status"
