"""Certificate authorities that the user has added to QGIS, for uv, which knows the system's alone."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication

FILE = "authorities.pem"


def write_authorities(folder: Path) -> Path | None:
    """All authorities that QGIS trusts as a PEM file in ``folder``; None where the user has added none to the system's.

    Raises:
        OSError: the file cannot be written.
    """
    manager = QgsApplication.authManager()
    if manager is None or manager.isDisabled() or not manager.databaseCAs():
        return None
    file = folder / FILE
    file.write_bytes(bytes(manager.trustedCaCertsPemText()))
    return file
