"""What ends an installation early."""

from __future__ import annotations

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr


class InstallError(MpsClipError):
    """An installation, or what it needs, failed; an environment that worked before still works.

    Args:
        problem: what is wrong, naming the file or the value.
        remedy: what the user can do about it.
        kind: one of the kinds of :mod:`qgis_mpsclip.install.troubles`, or one of: ``busy`` (another installation
            runs), ``doctor`` (the new environment does not pass its checks), ``folder`` (not to be installed there),
            ``in-use``, ``locks`` (the plugin's locks are missing or not understood), ``python`` (the chosen base Python
            does not suit), ``unknown``.
        log_file: the whole log; empty where there is none.
    """

    def __init__(self, problem: str, remedy: str = "", kind: str = "unknown", log_file: str = "") -> None:
        super().__init__(problem, remedy)
        self.kind = kind
        self.log_file = log_file


class InstallCancelled(InstallError):
    """The installation was cancelled; the next one goes on from what was downloaded."""

    def __init__(self, log_file: str = "") -> None:
        super().__init__(
            tr("The installation was cancelled."),
            tr("Start it again at any time: it goes on from what was downloaded."),
            "cancelled",
            log_file,
        )
