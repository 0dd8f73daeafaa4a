"""The child process of the doctor: does the looks that load packages, and says of each how it went.

Standard output carries one JSON object a line, ``{"check": name}`` before a look and the whole finding after it; what
libraries print goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from engine.diagnose.finding import Finding, Seen
from engine.diagnose.remedies import INSTALL_AGAIN, remedy_for
from engine.errors import EngineError


def main(jobs: Sequence[Sequence[str]]) -> None:
    """Does all looks; after one that failed, it ends: what is half loaded would make the others fail too.

    Args:
        jobs: (name of the check, ``module:function``, arguments …) each.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        for check, function, *arguments in jobs:
            _tell(out, {"check": check})
            finding = look(check, function, arguments)
            _tell(out, asdict(finding))
            if not finding.ok:
                break
    sys.stderr.flush()
    os._exit(0)  # libraries that crash while they end have done what was asked of them


def look(check: str, function: str, arguments: Sequence[str]) -> Finding:
    """Does one look; whatever it raises becomes the finding."""
    start = time.perf_counter()
    try:
        module, _, name = function.partition(":")
        seen: Seen = _function(module, name)(*arguments)
        finding = Finding(check, True, seen.detail, seen.advice)
    except EngineError as error:
        finding = Finding(check, False, error.problem, error.remedy or INSTALL_AGAIN)
    except BaseException as error:  # a broken library may raise anything, SystemExit too
        message = f"{type(error).__name__}: {' '.join(str(error).split())}"
        finding = Finding(check, False, message, remedy_for(message))
    seconds = round(time.perf_counter() - start, 3)
    return Finding(finding.check, finding.ok, finding.detail, finding.remedy, seconds)


def _function(module: str, name: str) -> Callable[..., Seen]:
    function: Callable[..., Seen] = getattr(importlib.import_module(module), name)
    return function


def _end_with_parent() -> None:
    """Standard input ends when the doctor does, however it ended."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _tell(out: TextIO, message: dict[str, Any]) -> None:
    print(json.dumps(message), file=out, flush=True)
