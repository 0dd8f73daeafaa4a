#!/usr/bin/env bash
# Lint, types, tests; stops at the first that fails. Of all tests, both halves run side by side and to their ends.
# usage: scripts/check.sh all|lint|engine|plugin [arguments for pytest]
set -euo pipefail
cd "$(dirname "$0")/.."
part=${1:-all}
shift || true
# Small models and many short calls: more threads than this only wait for each other, all the more with two halves.
threads=$(.venv/bin/python -c 'import os; n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2; print(max(1, min(4, n // 2)))')
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$threads}
export PYTHONDONTWRITEBYTECODE=1

step() {
    echo "== $*"
}

# Not for QGIS, which would take the engine's Python for its own.
with_engine() {
    PATH="$PWD/.venv/bin:$PATH" "$@"
}

lint() {
    step ruff
    with_engine ruff check .
    with_engine ruff format --check --quiet .
    step bandit
    with_engine bandit --quiet --recursive --configfile pyproject.toml engine qgis_mpsclip
    step detect-secrets
    with_engine python scripts/check_secrets.py
    step locks
    with_engine python scripts/check_locks.py
    step mypy
    with_engine mypy
    # Finds what the oldest Python's standard library has not yet. NumPy's own annotations are of a newer one.
    with_engine mypy --python-version 3.10 --no-warn-return-any
}

flake8_qgis() {
    step flake8-qgis
    # ruff sees to style; this looks for what works in one of QGIS 3 and 4 only. Not its QGS105 (iface is handed over, so
    # that tests can), nor its experimental QGS201 and QGS202 (they take any setValue() for that of a raster block).
    .venv-qgis/bin/python -m flake8 --select=QGS,F,E9 --extend-ignore=QGS105,QGS201,QGS202 qgis_mpsclip tests/plugin
}

engine_tests() {
    step pytest, engine
    with_engine pytest "$@"
}

plugin_tests() {
    step pytest, plugin
    # No screen; a profile of its own is the tests' conftest's affair.
    QT_QPA_PLATFORM=offscreen .venv-qgis/bin/python -m pytest tests/plugin "$@"
}

# One after the other they take nearly twice as long: each keeps little more than one core busy.
both_tests() {
    local log status=0
    log=$(mktemp)
    # With job control, a process group of its own, so that all of it can be ended, and Ctrl-C is not ignored in it:
    # tests send it to their children.
    set -m
    plugin_tests "$@" >"$log" 2>&1 </dev/null &
    local plugin=$!
    set +m
    # shellcheck disable=SC2064  # the names as they are now
    trap "kill -- -$plugin 2>/dev/null || true; rm -f '$log'" EXIT
    engine_tests "$@" || status=$?
    wait "$plugin" || status=$?
    cat "$log"
    if [ "$status" != 0 ]; then
        echo "check.sh: tests failed; the engine's stand above the line '== pytest, plugin', the plugin's below it." >&2
    fi
    return "$status"
}

case $part in
    all)
        lint
        flake8_qgis
        both_tests "$@"
        ;;
    lint) lint ;;
    engine)
        lint
        engine_tests "$@"
        ;;
    plugin)
        flake8_qgis
        plugin_tests "$@"
        ;;
    *)
        echo "check.sh: '$part' is none of all, lint, engine, plugin." >&2
        exit 2
        ;;
esac
