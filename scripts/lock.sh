#!/usr/bin/env bash
# Writes requirements/*.txt anew: one resolution for all platforms, every file with its hashes.
# usage: scripts/lock.sh UV [further options of "uv pip compile", such as --upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$1
shift

compile() {
    local python=$1
    shift
    # Settings of this machine's uv (extra indexes, local folders) stay out of the resolution.
    "$uv" pip compile --quiet --no-config --universal --python-version "$python" --generate-hashes \
        --no-emit-index-url --custom-compile-command "make lock" "$@"
}

compile 3.11 requirements/build.in --output-file requirements/build.txt "$@"
compile 3.11 pyproject.toml --output-file requirements/engine.txt "$@"
# The engine's packages have one version in all locks, whatever the rest would like.
compile 3.11 pyproject.toml --extra langsam --constraint requirements/engine.txt --overrides requirements/overrides.in \
    --output-file requirements/samgeo.txt "$@"
compile 3.11 pyproject.toml --extra train --extra langsam --group dev --constraint requirements/samgeo.txt \
    --overrides requirements/overrides.in --output-file requirements/dev.txt "$@"
# QGIS's own Python may be older than the engine's.
compile 3.9 requirements/qgis.in --output-file requirements/qgis.txt "$@"

if grep -nE '://|^--|find-links|^-e ' requirements/*.txt; then
    echo "A lock names a host or a folder (lines above)." >&2
    exit 1
fi
