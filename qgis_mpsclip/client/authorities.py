"""Certificate authorities that the user has added to QGIS: other programs know the system's alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from qgis.core import Qgis, QgsApplication, QgsMessageLog

from qgis_mpsclip.client.log_files import LOG_TAG
from qgis_mpsclip.i18n import tr

VARIABLE = "SSL_CERT_FILE"
_GIVEN = (VARIABLE, "SSL_CERT_DIR")


def authorities() -> bytes:
    """All authorities that QGIS trusts in PEM form; empty where the user has added none to the system's."""
    manager = QgsApplication.authManager()
    if manager is None or manager.isDisabled() or not manager.databaseCAs():
        return b""
    return bytes(manager.trustedCaCertsPemText())


def authorities_file() -> Path:
    """``mpsclip/authorities.pem`` in the user's QGIS profile, to which the authorities belong."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "mpsclip" / "authorities.pem"


def authority_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables to add to ``environ``, so that the engine trusts whom QGIS trusts where it downloads.

    None where ``environ`` names authorities itself, or the user has added none to QGIS.
    """
    if any(environ.get(name) for name in _GIVEN) or not QgsApplication.qgisSettingsDirPath():
        return {}
    content, file = authorities(), authorities_file()
    if not content:
        return {}
    try:
        if not file.is_file() or file.read_bytes() != content:
            _replace(file, content)
    except OSError as error:
        text = tr("The certificate authorities of QGIS cannot be written for the engine to {file}: {reason}")
        message = text.format(file=file, reason=error.strerror)
        QgsMessageLog.logMessage(message, LOG_TAG, Qgis.MessageLevel.Warning, notifyUser=False)
        return {}
    return {VARIABLE: str(file)}


def _replace(file: Path, content: bytes) -> None:
    """As a whole: an engine of another window may be reading it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
