#!/usr/bin/env bash
# Writes requirements/*.txt anew: one resolution for all platforms, every file with its hashes. Then locks.json, for which
# each lock is unpacked once for each platform (up to 7 GB in the temporary folder, most of it from uv's cache).
# usage: scripts/lock.sh UV [further options of "uv pip compile", such as --upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$1
shift

compile() {
    local python=$1
    shift
    # Settings of this machine's uv (extra indexes, local folders) stay out of the resolution. Where a Python version
    # takes no newer release of a package, the lock holds an older one for that version alone.
    "$uv" pip compile --quiet --no-config --universal --python-version "$python" --generate-hashes --no-python-downloads \
        --no-emit-index-url --custom-compile-command "make lock" "$@"
}

compile 3.10 requirements/build.in --output-file requirements/build.txt "$@"
compile 3.10 pyproject.toml --constraint requirements/constraints.in --output-file requirements/engine.txt "$@"
# The engine's packages have one version in all locks, whatever the rest would like.
compile 3.10 pyproject.toml --extra langsam --constraint requirements/engine.txt --overrides requirements/overrides.in \
    --output-file requirements/samgeo.txt "$@"
compile 3.10 pyproject.toml --extra train --extra langsam --group dev --constraint requirements/samgeo.txt \
    --overrides requirements/overrides.in --output-file requirements/dev.txt "$@"
# QGIS's own Python may be older than the engine's.
compile 3.9 requirements/qgis.in --output-file requirements/qgis.txt "$@"

.venv/bin/python scripts/describe_locks.py "$uv" --measure
.venv/bin/python scripts/check_locks.py
