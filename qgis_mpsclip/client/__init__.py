"""The engine as the plugin sees it: a child process that is started when needed and answers requests."""

from qgis_mpsclip.client.engine_client import EngineClient
from qgis_mpsclip.client.interpreter import Interpreter, find_interpreter
from qgis_mpsclip.client.pending import PendingRequest

__all__ = ["EngineClient", "Interpreter", "PendingRequest", "find_interpreter"]
