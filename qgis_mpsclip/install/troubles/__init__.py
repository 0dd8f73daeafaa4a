"""What went wrong with an installation, told from what uv, Python and the engine's doctor wrote.

The rules know uv's words (0.5 to 0.13), those of Python's own tools, of PyTorch and of the operating systems. Windows
says its errors in the user's language, so these go by their numbers.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.troubles import ends, files, network, packages, system
from qgis_mpsclip.install.troubles.log import Log, Trouble

__all__ = ["Trouble", "recognise"]

LAST_LINES = 6
_UV_ERROR = re.compile(r"^(?:error: |\s*[×x] (?=[A-Z]))", re.MULTILINE)
_DECORATION = re.compile(r"^\s*(?:[│├╰─▶×]+|[|`]->|x(?= [A-Z]))?\s*(?:cause: |Caused by: )?", re.MULTILINE)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# The doctor knows which folder it tried, and what that is for.
_KNOWN_BETTER_BY_DOCTOR = ("disk-full", "locked-file", "no-write-access")
# The more particular comes first: a proxy that refuses a connection is also a connection that failed.
_RULES = (
    *files.FULL,
    *system.RULES,
    *packages.RULES,
    *network.RULES,
    *files.RULES,
)


def recognise(
    log: str, returncode: int | None = None, python: str = "", log_file: str = "", platform: str = sys.platform
) -> Trouble:
    """The cause of a failed installation and its remedy.

    Args:
        log: output of the commands that failed: uv's, Python's, or the doctor's (as text or as JSON).
        returncode: as :mod:`subprocess` gives it; negative where a signal ended the command.
        python: interpreter that the environment was to be made with.
        log_file: where the whole log lies, for what is not recognised.
        platform: as :data:`sys.platform`; the numbers of errors mean different things.

    Returns:
        Always a trouble; ``unknown`` with the last lines where no rule fits.
    """
    text = _CONTROL.sub("", log).replace("\r\n", "\n").replace("\r", "\n")
    findings = list(_bad_findings(text))
    if findings:
        return _of_doctor(findings, python, platform, log_file)
    return (
        _by_rules(Log(_flat(_last_error(text)), python, platform))
        or ends.of_returncode(returncode, platform)
        or _unknown(text, returncode, log_file)
    )


def _by_rules(log: Log) -> Trouble | None:
    return next((trouble for trouble in (rule(log) for rule in _RULES) if trouble is not None), None)


def _of_doctor(findings: list[tuple[str, str, str]], python: str, platform: str, log_file: str) -> Trouble:
    """The first finding that a rule knows, else the first."""
    for check, detail, remedy in findings:
        trouble = _by_rules(Log(_flat(detail), python, platform))
        if trouble is not None and remedy and trouble.kind in _KNOWN_BETTER_BY_DOCTOR:
            return Trouble(trouble.kind, _unhealthy(check, detail), remedy)
        if trouble is not None:
            return trouble
    check, detail, remedy = findings[0]
    return Trouble("doctor", _unhealthy(check, detail), remedy or _report(log_file))


def _last_error(text: str) -> str:
    """The last error that uv reports and all after it: warnings of attempts that succeeded later are not the cause."""
    starts = [match.start() for match in _UV_ERROR.finditer(text)]
    return text[starts[-1] :] if starts else text


def _flat(text: str) -> str:
    """One line: uv wraps its messages at the terminal's width and draws trees before them."""
    return " ".join(_DECORATION.sub("", text).split())


def _bad_findings(text: str) -> Iterator[tuple[str, str, str]]:
    """Check, detail and remedy of what the engine's doctor finds bad, from its JSON or its lines."""
    for start in re.finditer(r"^\{", text, re.MULTILINE):
        try:
            report, _ = json.JSONDecoder().raw_decode(text, start.start())
            for finding in report["findings"]:
                if not finding["ok"]:
                    yield str(finding["check"]), str(finding["detail"]), str(finding.get("remedy") or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    for line in re.finditer(r"^BAD  ([^:\n]+): (.+)$", text, re.MULTILINE):
        yield line[1], line[2], ""


def _unhealthy(check: str, detail: str) -> str:
    return f"{check}: {detail}"  # the caller says whose check it is


def _unknown(text: str, returncode: int | None, log_file: str) -> Trouble:
    lines = [line.rstrip() for line in _last_error(text).splitlines() if line.strip()]
    # What uv says first is what failed, the causes follow; of other output the end tells most.
    lines = lines[:LAST_LINES] if _UV_ERROR.search(text) else lines[-LAST_LINES:]
    if lines:
        problem = tr("The installation failed for a reason that is not known here:") + "\n" + "\n".join(lines)
    elif returncode is None:
        problem = tr("The installation failed, and nothing was written about it.")
    else:
        problem = tr("The installation ended with status {code}, and nothing was written about it.").format(
            code=returncode
        )
    return Trouble("unknown", problem, _report(log_file))


def _report(log_file: str) -> str:
    if log_file:
        return tr("Try again. If it stays so, report it with the whole log: {file}").format(file=log_file)
    return tr("Try again. If it stays so, report it with the whole log.")
