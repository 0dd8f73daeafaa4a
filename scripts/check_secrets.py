"""Fails where detect-secrets finds something that ``.secrets.baseline`` does not know.

detect-secrets itself ends with status 0 whatever it finds, so its JSON is read here. The baseline holds the findings
that were looked at and are no secrets (checksums); make it anew with ``python scripts/check_secrets.py --update`` and
read the difference before committing it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / ".secrets.baseline"
# A lock is nothing but checksums.
EXCLUDED = r"^requirements/.*\.txt$|^\.secrets\.baseline$"

Finding = tuple[str, str, str]


def main() -> int:
    report = scan()
    if "--update" in sys.argv[1:]:
        report.pop("generated_at", None)  # no line that changes with every run
        BASELINE.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    known = findings(json.loads(BASELINE.read_text(encoding="utf-8")))
    new = {key: line for key, line in findings(report).items() if key not in known}
    for (path, kind, _), line in sorted(new.items()):
        print(f"{path}:{line}: {kind}")
    if new:
        print(f"{len(new)} possible secrets. Take them out, or mark a false alarm: # pragma: allowlist secret")
    return 1 if new else 0


def scan() -> dict[str, Any]:
    """detect-secrets' report over the files that git tracks or would track."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    files = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    command = [sys.executable, "-m", "detect_secrets", "scan", "--exclude-files", EXCLUDED, *files]
    report = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    parsed: dict[str, Any] = json.loads(report)
    return parsed


def findings(report: dict[str, Any]) -> dict[Finding, int]:
    """(file, kind, hash of the secret) to line number: a known finding may move within its file."""
    return {
        (path, found["type"], found["hashed_secret"]): found["line_number"]
        for path, rows in report["results"].items()
        for found in rows
    }


if __name__ == "__main__":
    raise SystemExit(main())
