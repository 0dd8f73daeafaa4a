"""The rendered pictures of this session: each is made once and deleted when QGIS ends."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from qgis.core import QgsProcessingUtils
from qgis.PyQt.QtCore import QObject, QTemporaryDir
from qgis.PyQt.QtXml import QDomDocument

from qgis_mpsclip.rendering.job import RenderJob
from qgis_mpsclip.rendering.plan import RenderPlan


class RenderedRasters:
    """Files of rendered plans. The same layer in the same style, extent and size is rendered once a session."""

    def __init__(self) -> None:
        self._folder: QTemporaryDir | None = None

    def file(self, plan: RenderPlan) -> Path:
        """Where the plan's picture is, or goes."""
        if self._folder is None:
            self._folder = QTemporaryDir(str(Path(QgsProcessingUtils.tempFolder()) / "mpsclip-XXXXXX"))
        name = re.sub(r"[^\w-]+", "_", plan.layer.name()).strip("_") or "layer"
        return Path(self._folder.path()) / f"{name[:40]}-{_key(plan)}.tif"

    def job(self, plan: RenderPlan, parent: QObject) -> RenderJob | None:
        """The work that is left to do; None where the file is there."""
        file = self.file(plan)
        return None if file.exists() else RenderJob(plan, file, parent)


def _key(plan: RenderPlan) -> str:
    layer, extent = plan.layer, plan.extent
    style = QDomDocument("style")
    layer.exportNamedStyle(style)
    corners = (extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum())
    parts = (
        layer.providerType(),
        layer.source(),
        layer.crs().toWkt(),
        style.toString(),
        corners,
        plan.columns,
        plan.rows,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
