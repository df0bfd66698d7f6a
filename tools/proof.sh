#!/usr/bin/env bash
# Full counts, races and benchmarks; writes a dated record to docs/proof/. It takes two
# hours: one that was interrupted goes on at the same commit where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
record="docs/proof/$(date -u +%F).md"
status=0
mkdir -p docs/proof artefacts
AF_NODE_MODULES="$(.venv/bin/python -m jupyterhub_af.local.node | tail -n 1)"
AF_NODE="$(.venv/bin/python -c 'from jupyterhub_af.local.node import find_node; print(find_node().path)')"
PATH="$(dirname "$AF_NODE"):$AF_NODE_MODULES/.bin:$PATH"
export AF_NODE_MODULES AF_NODE PATH
AF_PROOF=1
commit="$(git rev-parse --short HEAD)"
AF_KEPT="$PWD/artefacts/proof-$commit"
export AF_PROOF AF_KEPT
mkdir -p "$AF_KEPT"

# the words, then the command; the record keeps its last line, a log in AF_KEPT all of it
run() {
  printf '| %s | ' "$1"
  shift
  part=$((part + 1))
  local log="$AF_KEPT/$part"
  if [ ! -e "$log.status" ]; then
    local code=0
    "$@" >"$log.log" 2>&1 || code=$?
    echo "$code" >"$log.status"
  fi
  [ "$(cat "$log.status")" = 0 ] || status=1
  printf '%s |\n' "$(tail -n 1 "$log.log" | sed 's/=//g; s/^ *//; s/ *$//')"
}

part=0
pytest=(.venv/bin/pytest -q)
{
  echo "# Proof of $(date -u +%F)"
  echo
  echo "Commit $commit, $(nproc) cores, Python $(.venv/bin/python -V | cut -d' ' -f2), JupyterHub $(.venv/bin/jupyterhub --version) and $(.venv/hub5/bin/jupyterhub --version)."
  echo
  echo '## Matrices, properties and races at full count'
  echo
  echo '| what | result |'
  echo '|---|---|'
  run 'policy and the commands: tables and properties, a million random names' "${pytest[@]}" -n 2 tests/unit
  run 'service: 5 000 generated names in the register, races of first logins, PostgreSQL' "${pytest[@]}" -n 2 tests/service
  run 'storage agent: 10 200 races, 65 escapes, bad and full disks, kills at each step, real uids' "${pytest[@]}" -n 2 tests/storage
  run 'Dask Gateway: tokens, ceilings, hostile heartbeats' "${pytest[@]}" -n 2 tests/gateway
  run 'login: 128 ways to say the same groups, hostile claims, 166 forgeries by RS256 and ES256' "${pytest[@]}" -n 2 tests/hub
  run 'doors, JupyterHub 6: 92 choices nobody may have at 11 doors' "${pytest[@]}" tests/local/test_mutations.py
  run 'doors, JupyterHub 5: the same' env AF_UP_PYTHON="$PWD/.venv/hub5/bin/python" "${pytest[@]}" tests/local/test_mutations.py
  run 'membership that ends, JupyterHub 6: five ways in four forms at seven doors, a refused client' "${pytest[@]}" tests/local/test_revocation.py
  run 'membership that ends, JupyterHub 5: the same' env AF_UP_PYTHON="$PWD/.venv/hub5/bin/python" "${pytest[@]}" tests/local/test_revocation.py
  run 'an IAM that is out of order in six ways, to the end of the grace' "${pytest[@]}" tests/local/test_iam_outages.py
  run 'strangers: 100 000 callbacks with invented state, megabytes before login' "${pytest[@]}" tests/local/test_flood.py
  run 'four container images built, run and listed' "${pytest[@]}" tests/local/test_containers.py
  run 'Dask clusters of real servers: walls, ends, restarts' "${pytest[@]}" tests/local/test_clusters.py
  run 'rights: eight places, seven people, seven operations, in real servers' "${pytest[@]}" tests/local/test_rights_matrix.py
  run 'storage in a whole facility: backups, accounts, full, bad and locked disks and databases, the drill' "${pytest[@]}" tests/local/test_{backups,accounts,full_disk,bad_disk,locked_database,disaster_drill}.py
  run 'walls between two servers, once' "${pytest[@]}" tests/local/test_walls.py
  run 'walls between two servers, again' "${pytest[@]}" tests/local/test_walls.py
  echo
  .venv/bin/python -m benchmarks || status=1
} >"$record.new"
mv "$record.new" "$record"
rm -rf "artefacts/proof"
mv "$AF_KEPT" artefacts/proof
cat "$record"
exit "$status"
