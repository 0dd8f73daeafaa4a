"""How far uv is, told from what it prints and from the files that grow in its cache.

uv draws its progress bars on terminals only. Elsewhere it names packages of more than a megabyte when their download
begins, with its size, and when it ends; between the two it unpacks what comes into temporary folders of its cache.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.sizes import size_text

_UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_BEGUN = re.compile(r"^\s*Downloading (\S+).* \(([\d.]+)(Ki|Mi|Gi|)B\)")
_ENDED = re.compile(r"^\s*(?:Downloaded (\S+)|Downloading (\S+)\s*$)")  # the second until uv 0.9
_PACKED = 0.55  # of an unpacked wheel's size, about; torch's are between 0.5 and 0.65
_LOOK_SECONDS = 1.0
_NAMED = 3


class DownloadProgress:
    """Reads uv's output.

    Args:
        cache: folder in which uv makes its temporary ones.

    Attributes:
        done, total: bytes; both 0 while nothing large is downloaded. ``done`` never falls.
        text: what goes on, translated.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.done = 0
        self.total = 0
        self.text = ""
        self._cache = cache
        self._sizes: dict[str, int] = {}
        self._ended: set[str] = set()
        self._looked = 0.0
        self._finished = False

    def read(self, line: str) -> bool:
        """Takes a line of uv's output, or an empty one now and then; whether something has changed."""
        before = (self.done, self.total, self.text)
        begun, ended = _BEGUN.match(line), _ENDED.match(line)
        if begun:
            self._sizes[begun.group(1)] = int(float(begun.group(2)) * _UNITS[begun.group(3)])
        elif ended:
            self._ended.add(ended.group(1) or ended.group(2))
        elif line.startswith("Resolved "):
            self.text = tr("Fetching the packages")
        elif line.startswith("Prepared "):
            self._finished = True
            self.text = tr("Putting the packages in place")
        if self._sizes and (begun or ended or self._finished or self._is_time()):
            self._count()
        return (self.done, self.total, self.text) != before

    def _is_time(self) -> bool:
        if time.monotonic() < self._looked + _LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        return True

    def _count(self) -> None:
        self.total = sum(self._sizes.values())
        if self._finished:
            self.done = self.total
            return
        running = {name: size for name, size in self._sizes.items() if name not in self._ended}
        under_way = min(sum(running.values()), int(self._unpacked() * _PACKED)) if running else 0
        self.done = max(self.done, self.total - sum(running.values()) + under_way)
        names = sorted(running, key=lambda name: -running[name])
        self.text = tr("Downloading {names}: {done} of {total}").format(
            names=", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else ""),
            done=size_text(self.done),
            total=size_text(self.total),
        )

    def _unpacked(self) -> int:
        """Bytes in the temporary folders of the cache."""
        total = 0
        with contextlib.suppress(OSError):
            for folder in self._cache.glob(".tmp*") if self._cache is not None else ():
                for where, _, names in os.walk(folder):
                    for name in names:
                        with contextlib.suppress(OSError):  # moved meanwhile
                            total += os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118
        return total
