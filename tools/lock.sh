#!/usr/bin/env bash
# Makes the lock files of requirements/ again from their .in files. No registry address
# gets into them, so that everybody's own mirror works.
set -eu
cd "$(dirname "$0")/.."
uv="${1:?usage: tools/lock.sh PATH_OF_UV}"
for name in uv node up dev hub5 sbom; do
  "$uv" pip compile --quiet --upgrade --generate-hashes --no-header --python-version 3.11 \
    --no-emit-index-url --no-emit-find-links "requirements/$name.in" -o "requirements/$name.lock"
done
