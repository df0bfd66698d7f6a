#!/usr/bin/env bash
# Builds the wheel `jupyterlab-af` once for each state of its sources and puts it into
# FOLDER. Called by tools/setup.sh with UV, PYTHON and CACHE set and Node on the PATH.
set -euo pipefail
folder="${1:?usage: tools/build_lab_wheel.sh FOLDER}"
source="$PWD/labextension"

# the sources, without what a build or an editor leaves there
files() {
  (cd "$source" && find . -type f \
    -not -path './node_modules/*' -not -path './lib/*' -not -path './.yarn/*' \
    -not -path './jupyterlab_af/labextension/*' -not -path './jupyterlab_af/tests/*' \
    -not -path '*/__pycache__/*' -not -path './.*_cache/*' -not -name '*.tsbuildinfo' \
    -not -path './src/__tests__/*' | LC_ALL=C sort)
}
key="$(cd "$source" && files | xargs sha256sum | sha256sum | cut -c1-12)"
ready="$CACHE/labextension/$key"

build() {
  local tools
  tools="$CACHE/tools/lab-$(sha256sum "$source/requirements-build.lock" | cut -c1-12)"
  if [ ! -e "$tools/.ready" ]; then
    echo "Installing the tools that build the Lab extension" >&2
    rm -rf "$tools"
    "$PYTHON" -m venv --without-pip "$tools"
    VIRTUAL_ENV="$tools" "$UV" pip sync -q --require-hashes "$source/requirements-build.lock"
    touch "$tools/.ready"
  fi
  echo "Building the Lab extension (jupyterlab-af)" >&2
  work="$(mktemp -d)"
  trap 'rm -rf "$work"' EXIT
  (cd "$source" && files | tar c -T -) | tar x -C "$work"
  (
    cd "$work"
    export PATH="$tools/bin:$PATH" SOURCE_DATE_EPOCH=1767225600 YARN_ENABLE_GLOBAL_CACHE=1
    export YARN_GLOBAL_FOLDER="$CACHE/yarn" YARN_ENABLE_TELEMETRY=0
    if ! { jlpm install --immutable && python -m build --wheel --no-isolation --outdir dist .; } \
      >build.log 2>&1; then
      tail -n 30 build.log >&2
      echo "The Lab extension could not be built." >&2
      exit 1
    fi
  )
  mkdir -p "$ready.part"
  cp "$work"/dist/*.whl "$ready.part/"
  rm -rf "$ready"
  mv "$ready.part" "$ready"
}

mkdir -p "$CACHE/labextension"
exec 9>"$CACHE/labextension/.lock"
flock 9
[ -d "$ready" ] || build
mkdir -p "$folder"
for old in "$folder"/jupyterlab_af-*.whl; do
  [ -e "$old" ] && ! cmp -s "$old" "$ready/$(basename "$old")" && rm -f "$old"
done
cp -n "$ready"/*.whl "$folder/" 2>/dev/null || true
ls "$folder"/jupyterlab_af-*.whl >/dev/null
