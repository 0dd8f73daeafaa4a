"""Rendering of one layer into a GeoTIFF, in the background."""

from __future__ import annotations

from pathlib import Path

from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsProject,
    QgsRasterFileWriter,
    QgsRasterFileWriterTask,
    QgsRasterPipe,
)
from qgis.PyQt.QtCore import QObject, pyqtSignal

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.rendering.plan import RenderPlan

BLOCK = 1024
"""Pixels a side that are rendered at once: 4 MiB of colours, whatever the size of the whole."""
_PROBE = 512  # samples a side that tell an empty picture


class RenderJob(QObject):
    """Renders a plan with the layer's own style into red, green, blue and alpha of 8 bits.

    The work is QGIS's own task for saving rasters: no Python runs in its thread, so the window stays usable. Exactly
    one of ``finished``, ``failed`` and ``cancelled`` is emitted, once.
    """

    progress = pyqtSignal(float)  # percent
    finished = pyqtSignal(str)  # the file
    failed = pyqtSignal(object)  # an MpsClipError
    cancelled = pyqtSignal()

    def __init__(self, plan: RenderPlan, file: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._plan = plan
        self._name = plan.layer.name()  # the layer may be removed meanwhile
        self._file = file
        self._stopped = False
        self._task: QgsRasterFileWriterTask | None = None

    def start(self) -> None:
        """Hand the work to QGIS's task manager; returns at once."""
        plan = self._plan
        writer = geotiff_writer(self._file)
        self._task = QgsRasterFileWriterTask(
            writer,
            display_pipe(plan),
            plan.columns,
            plan.rows,
            plan.extent,
            plan.layer.crs(),
            QgsProject.instance().transformContext(),
        )
        self._task.setDescription(tr("Rendering “{name}”").format(name=self._name))
        self._task.progressChanged.connect(self.progress)
        self._task.taskCompleted.connect(self._completed)
        self._task.taskTerminated.connect(self._terminated)
        QgsApplication.taskManager().addTask(self._task)

    def cancel(self) -> None:
        """Ask for an early end; ``cancelled`` follows."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    def _completed(self) -> None:
        self._task = None
        if self._stopped:
            self._remove()
            self.cancelled.emit()
        elif not has_content(self._file):
            self._remove()
            self.failed.emit(
                MpsClipError(
                    tr("The layer “{name}” gave no picture for this extent.").format(name=self._name),
                    tr("Check that its server can be reached and has data there; QGIS's log messages say more."),
                )
            )
        else:
            self.finished.emit(str(self._file))

    def _terminated(self) -> None:
        self._task = None
        self._remove()
        if self._stopped:
            self.cancelled.emit()
            return
        self.failed.emit(
            MpsClipError(
                tr("The layer “{name}” could not be rendered into {file}.").format(name=self._name, file=self._file),
                tr("Check that the disk has room, and choose a smaller extent."),
            )
        )

    def _remove(self) -> None:
        self._file.unlink(missing_ok=True)


def geotiff_writer(file: Path) -> QgsRasterFileWriter:
    """What writes a picture as a tiled, compressed GeoTIFF, of any size."""
    writer = QgsRasterFileWriter(str(file))
    writer.setOutputFormat("GTiff")
    # The former name is deprecated from 3.44 on, the latter unknown before.
    set_options = getattr(writer, "setCreationOptions", None) or writer.setCreateOptions
    set_options(["TILED=YES", "COMPRESS=DEFLATE", "PREDICTOR=2", "BIGTIFF=IF_SAFER"])
    writer.setMaxTileWidth(BLOCK)
    writer.setMaxTileHeight(BLOCK)
    return writer


def has_content(file: Path) -> bool:
    """Whether any sampled pixel of a rendered file is not transparent."""
    try:
        dataset = gdal.Open(str(file))
    except RuntimeError:  # where another plugin made GDAL raise exceptions
        return False
    if dataset is None:
        return False
    alpha = dataset.GetRasterBand(dataset.RasterCount)
    columns, rows = min(_PROBE, dataset.RasterXSize), min(_PROBE, dataset.RasterYSize)
    samples = alpha.ReadRaster(buf_xsize=columns, buf_ysize=rows, buf_type=gdal.GDT_Byte)
    return samples is not None and any(samples)


def display_pipe(plan: RenderPlan) -> QgsRasterPipe:
    """What the layer draws with, copied for another thread.

    Raises:
        MpsClipError: its style cannot be used.
    """
    pipe = QgsRasterPipe()
    layer = plan.layer
    for part in (
        layer.dataProvider(),
        layer.renderer(),
        layer.brightnessFilter(),
        layer.hueSaturationFilter(),
        layer.resampleFilter(),
    ):
        if part is not None and not pipe.set(part.clone()):
            raise MpsClipError(
                tr("The layer “{name}” cannot be rendered.").format(name=layer.name()),
                tr("Reset its style, or save it as an image and search that."),
            )
    return pipe
