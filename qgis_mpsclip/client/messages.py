"""The messages of the protocol, apart from how they travel (docs/protocol.md)."""

from __future__ import annotations

import os
from typing import Any

from qgis_mpsclip.errors import CANCELLED, EngineCancelled, EngineError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.settings import Settings
from qgis_mpsclip.version import plugin_version

PROTOCOL_VERSION = 1
INITIALIZE_ID = 0
# The engine answers these at once; all others it works on one after the other.
QUICK_METHODS = frozenset({"status", "models.list", "index.list", "cancel", "shutdown"})
PARTIAL_METHODS = frozenset({"shortlist", "hit"})


def request(request_id: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A request."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def initialize(settings: Settings) -> dict[str, Any]:
    """The first request of every connection."""
    params = {
        "protocol": PROTOCOL_VERSION,
        "client": f"qgis_mpsclip {plugin_version()}",
        "parent_pid": os.getpid(),
        "cache": settings.cache_folder or None,
        "log_level": settings.log_level,
    }
    return request(INITIALIZE_ID, "initialize", params)


def error_of(answer: dict[str, Any]) -> EngineError | None:
    """The error in an answer; None if it holds a result."""
    error = answer.get("error")
    if error is None:
        return None
    code, data = int(error.get("code", 0)), error.get("data")
    if code == CANCELLED:
        return EngineCancelled(tr("Cancelled."))
    data = data if isinstance(data, dict) else {}
    problem = data.get("problem") or error.get("message") or tr("The search engine reported an error without a text.")
    return EngineError(str(problem), str(data.get("remedy") or ""), code, data)


def initialize_error(answer: dict[str, Any]) -> EngineError | None:
    """Why the engine that gave this answer to ``initialize`` cannot be used; None if it can."""
    error = error_of(answer)
    if error is not None:
        return error
    spoken = (answer.get("result") or {}).get("protocol")
    if spoken == PROTOCOL_VERSION:
        return None
    return EngineError(
        tr("The search engine speaks version {theirs} of the protocol, this plugin version {ours}.").format(
            theirs=spoken, ours=PROTOCOL_VERSION
        ),
        tr("Install plugin and engine of the same release."),
    )
