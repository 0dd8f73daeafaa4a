"""Certificate authorities that the user has added to QGIS, in a file for uv, which knows the system's alone."""

from __future__ import annotations

from pathlib import Path

from qgis_mpsclip.install.own import claim

FOLDER = "certificates"
FILE = "authorities.pem"


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
