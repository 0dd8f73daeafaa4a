"""Pictures of hits, from the raster itself and in the colours in which the map shows it; rendered in the background."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsCsException,
    QgsGeometry,
    QgsMapLayer,
    QgsProject,
    QgsRasterLayer,
    QgsReadWriteContext,
    QgsRectangle,
    QgsTask,
)
from qgis.PyQt.QtCore import QObject, Qt, QTimer, pyqtSignal, pyqtSlot
from qgis.PyQt.QtGui import QImage
from qgis.PyQt.QtXml import QDomDocument

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.hits import Hit, HitKey

SIDE = 192  # pixels of the longer side: sharp at a scaling of 200 % too
KEPT = 400  # pictures, 150 kB each at most
BATCH = 8  # of one task: a new list's first rows do not wait for what the user has left behind


@dataclass(frozen=True)
class _Job:
    key: HitKey
    outline: QgsGeometry


class _Source:
    """A raster to render from, as a layer shows it (None: as a new layer of the file would).

    A layer lives in the thread it was made in, so the one to render from is made in the task's.
    """

    def __init__(self, raster: str, shown: QgsRasterLayer | None) -> None:
        self._uri, self._provider = (shown.source(), shown.providerType()) if shown is not None else (raster, "gdal")
        self._style: QDomDocument | None = None
        self._layer: QgsRasterLayer | None = None
        self.crs = QgsCoordinateReferenceSystem()
        if shown is not None:
            self.crs = shown.crs()
            self._style = QDomDocument()
            shown.exportNamedStyle(self._style, QgsReadWriteContext(), QgsMapLayer.StyleCategory.Symbology)

    def open(self) -> bool:
        """In the thread that renders."""
        options = QgsRasterLayer.LayerOptions()
        options.skipCrsValidation = True
        options.loadDefaultStyle = self._style is None
        self._layer = QgsRasterLayer(self._uri, "", self._provider, options)
        if self._style is None:
            self.crs = self._layer.crs()
        elif self._layer.isValid():
            self._layer.importNamedStyle(self._style, QgsMapLayer.StyleCategory.Symbology)
        return self._layer.isValid()

    def close(self) -> None:
        """In the thread that rendered."""
        self._layer = None

    def picture(self, extent: QgsRectangle) -> QImage:
        """The part of the raster in ``extent`` (its CRS), the longer side :data:`SIDE` pixels; transparent outside."""
        longer = max(extent.width(), extent.height())
        width = max(1, round(SIDE * extent.width() / longer))
        height = max(1, round(SIDE * extent.height() / longer))
        return self._layer.pipe().last().block(1, extent, width, height).image().copy()


class _Task(QgsTask):
    """Renders some hits of one raster.

    Signals:
        rendered(object, QImage): key and picture; a null picture where there can be none.
    """

    rendered = pyqtSignal(object, QImage)

    def __init__(
        self,
        source: _Source,
        jobs: Sequence[_Job],
        crs: QgsCoordinateReferenceSystem,
        context: QgsCoordinateTransformContext,
    ) -> None:
        flags = QgsTask.Flag.CanCancel | QgsTask.Flag.Hidden | QgsTask.Flag.Silent
        super().__init__(tr("Pictures of hits"), flags)
        self.raster = jobs[0].key[0]
        self._source, self._jobs, self._crs, self._context = source, jobs, crs, context

    def run(self) -> bool:
        opened = self._source.open()
        try:
            transform = QgsCoordinateTransform(self._crs, self._source.crs, self._context)
            for job in self._jobs:
                if self.isCanceled():
                    return False
                self.rendered.emit(job.key, self._picture(job, transform) if opened else QImage())
        finally:
            self._source.close()
        return True

    def _picture(self, job: _Job, transform: QgsCoordinateTransform) -> QImage:
        try:
            extent = transform.transformBoundingBox(job.outline.boundingBox())
        except QgsCsException:
            return QImage()
        return QImage() if extent.isEmpty() else self._source.picture(extent)


class ThumbnailLoader(QObject):
    """Pictures by hit, kept while there is room.

    Signals:
        ready(object): the picture of the hit with this key has come.
        outdated(): a layer is shown differently now, so pictures are to be asked for again.
    """

    ready = pyqtSignal(object)
    outdated = pyqtSignal()

    def __init__(self, project: QgsProject, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project = project
        self._crs = QgsCoordinateReferenceSystem()
        self._layers: dict[str, str] = {}
        self._watched: set[str] = set()  # ids: a layer may be deleted at any time
        self._pictures: OrderedDict[HitKey, QImage] = OrderedDict()
        self._waiting: OrderedDict[HitKey, QgsGeometry] = OrderedDict()
        self._task: _Task | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._start)

    def show_search(self, layers: Mapping[str, str], crs: QgsCoordinateReferenceSystem) -> None:
        """Another search: ``layers`` by raster as in :class:`SearchRequest`, ``crs`` of its hits."""
        self.stop()
        self._pictures.clear()
        self._crs = crs
        self._layers = dict(layers)

    def picture(self, hit: Hit) -> QImage | None:
        """The hit's picture; a null one where the raster cannot be read; None: it is on its way."""
        if hit.key in self._pictures:
            self._pictures.move_to_end(hit.key)
            return self._pictures[hit.key]
        self._waiting[hit.key] = hit.geometry
        self._waiting.move_to_end(hit.key)
        self._timer.start()
        return None

    def stop(self) -> None:
        """Nothing more is rendered for what has been asked so far."""
        self._waiting.clear()
        self._timer.stop()
        task, self._task = self._task, None
        if task is not None:
            task.rendered.disconnect(self._keep)
            task.cancel()
        for layer in map(self._project.mapLayer, self._watched):
            if layer is not None:
                layer.rendererChanged.disconnect(self._restyled)
        self._watched.clear()

    def _start(self) -> None:
        """One task at a time: what was asked last (what is on screen) first, all of one raster."""
        if self._task is not None or not self._waiting:
            return
        raster = next(reversed(self._waiting))[0]
        keys = [key for key in reversed(self._waiting) if key[0] == raster][:BATCH]
        jobs = [_Job(key, QgsGeometry(self._waiting.pop(key))) for key in reversed(keys)]
        source = _Source(raster, self._layer(raster))
        self._task = _Task(source, jobs, self._crs, self._project.transformContext())
        self._task.rendered.connect(self._keep, Qt.ConnectionType.QueuedConnection)
        self._task.taskCompleted.connect(self._ended)
        self._task.taskTerminated.connect(self._ended)
        QgsApplication.taskManager().addTask(self._task)

    def _layer(self, raster: str) -> QgsRasterLayer | None:
        """The layer whose style counts: the one that was searched, else one of the same file."""
        chosen = self._project.mapLayer(self._layers.get(raster, ""))
        candidates = [chosen, *self._project.mapLayers().values()]
        for layer in candidates:
            if not isinstance(layer, QgsRasterLayer) or not layer.isValid():
                continue
            own = layer.source() == raster
            # A service's layer was rendered into a file for the search: the file answers quicker, while it exists.
            if own or (layer is chosen and (layer.providerType() == "gdal" or not Path(raster).exists())):
                self._watch(layer)
                return layer
        return None

    def _watch(self, layer: QgsRasterLayer) -> None:
        if layer.id() not in self._watched:
            layer.rendererChanged.connect(self._restyled)
            self._watched.add(layer.id())

    @pyqtSlot()
    def _restyled(self) -> None:
        self._pictures.clear()
        self.outdated.emit()

    @pyqtSlot(object, QImage)
    def _keep(self, key: HitKey, picture: QImage) -> None:
        self._pictures[key] = picture
        while len(self._pictures) > KEPT:
            self._pictures.popitem(last=False)
        self.ready.emit(key)

    @pyqtSlot()
    def _ended(self) -> None:
        if self.sender() is self._task:
            self._task = None
            self._timer.start()
