"""The doctor's findings as one page of Markdown to paste into an issue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

from engine.diagnose.finding import Finding
from engine.diagnose.redact import Machine, redact, without_folders

_LONGEST = 400  # characters of one cell


def markdown(findings: Sequence[Finding], machine: Machine | None = None) -> str:
    """A page without anything that says whose machine it is, and without folders outside the home."""
    machine = Machine.here() if machine is None else machine
    bad = [finding for finding in findings if not finding.ok]
    verdict = f"{len(bad)} of {len(findings)} checks failed" if bad else f"all {len(findings)} checks passed"
    seconds = sum(finding.seconds for finding in findings)
    lines = [
        f"### MPS-CLIP doctor: {verdict}",
        "",
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {seconds:.0f} s",
        "",
        "| | check | found | s |",
        "|---|---|---|---|",
    ]
    # What is wrong stands first.
    for finding in sorted(findings, key=lambda finding: finding.ok):
        state = "ok" if finding.ok else "**BAD**"
        lines.append(f"| {state} | {finding.check} | {_cell(finding.detail, machine)} | {finding.seconds:.1f} |")
    advised = [finding for finding in findings if finding.remedy]
    if advised:
        lines += ["", "What to do:", ""]
        lines += [f"- {finding.check}: {_cell(finding.remedy, machine)}" for finding in advised]
    return "\n".join(lines) + "\n"


def _cell(text: str, machine: Machine) -> str:
    """One line that Markdown takes as it stands; what is hidden is hidden before it is cut short."""
    line = " ".join(without_folders(redact(text, machine)).split())
    if len(line) > _LONGEST:
        line = f"{line[:_LONGEST]}…"
    return re.sub(r"([|<>*`\\\[\]_])", r"\\\1", line).replace(r"\_", "_")
