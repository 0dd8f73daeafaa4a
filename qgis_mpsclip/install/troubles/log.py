"""What the rules that recognise troubles work with."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.sizes import size_text


@dataclass(frozen=True)
class Trouble:
    """Why an installation failed.

    Attributes:
        kind: a short name that stays the same, for tests and reports, such as ``disk-full``.
        problem: what is wrong, with the values of the log.
        remedy: what the user can do.
    """

    kind: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Log:
    """What a rule looks at.

    Attributes:
        text: the error in one line, without the drawing around it.
        python: the interpreter that was to be used, or "".
        platform: as :data:`sys.platform`.
    """

    text: str
    python: str
    platform: str

    @property
    def is_windows(self) -> bool:
        """Whether numbers of errors are those of Windows."""
        return self.platform == "win32"

    def find(self, pattern: str) -> re.Match[str] | None:
        """The first place that the pattern fits, whatever the case of letters."""
        return re.search(pattern, self.text, re.IGNORECASE)

    def find_number(self, posix: tuple[int, ...], windows: tuple[int, ...]) -> re.Match[str] | None:
        """An error of the operating system by its number, as Rust and Python write it."""
        numbers, written = (windows, "WinError") if self.is_windows else (posix, "Errno")
        either = "|".join(map(str, numbers))
        return self.find(rf"\(os error (?:{either})\)|\[{written} (?:{either})\]") if numbers else None

    def find_reply(self, *numbers: int) -> re.Match[str] | None:
        """An error of QGIS's own network by its number in QNetworkReply, since its words are the user's language."""
        return self.find(rf"\(QNetworkReply error (?:{'|'.join(map(str, numbers))})\)")

    def host(self) -> str:
        """Host and port of the first URL, without a password; "" where there is none."""
        found = re.findall(r"https?://[^\s`'\")>\]]+", self.text)
        return urlsplit(found[0]).netloc.rpartition("@")[2] if found else ""

    def path(self) -> str:
        """The file or folder that the operating system's error is about; "" where none is named."""
        patterns = (
            r"\bto (?P<path>(?:/|[A-Za-z]:\\|\\\\)[^`'\"]+?): [^:]+ \(os error",
            r"at path [`'\"](?P<path>[^`'\"]+)[`'\"]",
            r"[`'\"](?P<path>(?:/|[A-Za-z]:\\|\\\\)[^`'\"]+)[`'\"][^`'\"]*\(os error",
            r"\[(?:WinError|Errno) \d+\] [^'\"]*['\"](?P<path>[^'\"]+)['\"]",
            r"[`'\"](?P<path>(?:/|[A-Za-z]:\\|\\\\)[^`'\"]+)[`'\"]",
        )
        found = next((match for match in map(self.find, patterns) if match), None)
        return found["path"].replace("\\\\", "\\") if found else ""

    def place(self) -> str:
        """The path for a sentence, whether one is named or not."""
        return self.path() or tr("(see the log)")


# Looks at a log; None: not my kind of trouble.
Rule = Callable[[Log], Optional[Trouble]]


def free_text(path: str) -> str:
    """How much is free where ``path`` lies or would lie, for people; "" where that cannot be told."""
    if not path:
        return ""
    for folder in (Path(path), *Path(path).parents):
        try:
            return size_text(shutil.disk_usage(folder).free)
        except OSError:
            continue
    return ""
