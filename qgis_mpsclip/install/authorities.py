"""Certificate authorities that the user has added to QGIS, for uv, which knows the system's alone."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication

from qgis_mpsclip.install.own import claim

FOLDER = "certificates"
FILE = "authorities.pem"


def authorities() -> bytes:
    """All authorities that QGIS trusts in PEM form; empty where the user has added none to the system's."""
    manager = QgsApplication.authManager()
    if manager is None or manager.isDisabled() or not manager.databaseCAs():
        return b""
    return bytes(manager.trustedCaCertsPemText())


def write_authorities(folder: Path, content: bytes) -> Path:
    """Puts them into a folder of the installation's own within the folder of environments.

    Raises:
        InstallError: somebody else keeps something in that folder.
        OSError: the file cannot be written.
    """
    claim(folder / FOLDER)
    file = folder / FOLDER / FILE
    file.write_bytes(content)
    return file
