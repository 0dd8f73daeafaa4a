"""The provider under which the algorithms stand in the toolbox, the modeler and ``qgis_process``."""

from __future__ import annotations

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from qgis_mpsclip.icons import FOLDER, icon
from qgis_mpsclip.processing.batchsearch import BatchSearch
from qgis_mpsclip.processing.buildindex import BuildIndex
from qgis_mpsclip.processing.enginestatus import EngineStatus
from qgis_mpsclip.processing.installengine import InstallEngine
from qgis_mpsclip.processing.searchimagery import SearchImagery

PROVIDER_ID = "mpsclip"  # frozen: scripts and models name algorithms by it


class MpsClipProvider(QgsProcessingProvider):
    """Algorithms of MPS-CLIP; needs neither an interface nor a display."""

    def id(self) -> str:
        return PROVIDER_ID

    def name(self) -> str:
        return "MPS-CLIP"

    def longName(self) -> str:
        return "MPS-CLIP Search"

    def icon(self) -> QIcon:
        return icon("mpsclip")

    def svgIconPath(self) -> str:
        return str(FOLDER / "mpsclip.svg")

    def supportsNonFileBasedOutput(self) -> bool:
        return True

    def loadAlgorithms(self) -> None:
        for algorithm in (SearchImagery, BatchSearch, BuildIndex, EngineStatus, InstallEngine):
            self.addAlgorithm(algorithm())
