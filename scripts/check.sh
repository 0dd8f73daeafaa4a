#!/usr/bin/env bash
# Lint, types, tests; stops at the first that fails. pytest comes last: its summary is the last line.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
# Small models and many short calls: more threads than this only wait for each other.
threads=$(python -c 'import os; print(min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))')
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$threads}
export PYTHONDONTWRITEBYTECODE=1

step() {
    echo "== $*"
}

step ruff
ruff check .
ruff format --check --quiet .
step bandit
bandit --quiet --recursive --configfile pyproject.toml engine qgis_mpsclip
step detect-secrets
python scripts/check_secrets.py
step mypy
mypy
step pytest
exec pytest "$@"
