"""Layers that are no files: rendered by QGIS into a GeoTIFF, in the algorithm's own thread."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsRasterBlockFeedback,
    QgsRasterFileWriter,
    QgsRasterLayer,
)

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.processing.interrupt import cancel_check
from qgis_mpsclip.rendering.area import Area
from qgis_mpsclip.rendering.job import display_pipe, geotiff_writer, has_content
from qgis_mpsclip.rendering.plan import RenderPlan, plan_rendering
from qgis_mpsclip.rendering.rendered import RenderedRasters
from qgis_mpsclip.settings import Settings

_rendered = RenderedRasters()


def plan_within_limit(layer: QgsRasterLayer, area: Area | None, resolution: float | None) -> RenderPlan:
    """What is to be rendered of a layer; see :func:`qgis_mpsclip.rendering.plan.plan_rendering`.

    Raises:
        MpsClipError: the area lies beside the layer, or the picture would have more pixels than the settings allow.
    """
    plan, limit = plan_rendering(layer, area, resolution), Settings().render_limit_pixels
    if plan.pixels > limit:
        raise MpsClipError(
            tr("{name} is no file and would be rendered as {columns} × {rows} pixels; {limit} are allowed.").format(
                name=layer.name(), columns=plan.columns, rows=plan.rows, limit=limit
            ),
            tr("Choose a smaller extent or a coarser ground resolution, or raise the limit in the plugin's options."),
        )
    return plan


def picture_file(plan: RenderPlan) -> Path:
    """Where the plan's picture is, or goes; it is deleted when QGIS ends."""
    return _rendered.file(plan)


class Rendering:
    """A plan with a copy of what its layer draws with; made where the layer lives, run in any thread."""

    def __init__(self, plan: RenderPlan) -> None:
        self._plan = plan
        self._name = plan.layer.name()
        self._crs = plan.layer.crs()
        self._pipe = display_pipe(plan)
        self._file = picture_file(plan)

    def run(self, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> None:
        """Draws the picture unless it is there; after a cancellation there is none.

        Raises:
            MpsClipError: it cannot be written, or shows nothing.
        """
        if self._file.exists():
            return
        size = {"name": self._name, "columns": self._plan.columns, "rows": self._plan.rows}
        feedback.setProgressText(tr("Rendering {name}, {columns} × {rows} pixels").format(**size))
        progress = QgsRasterBlockFeedback()
        feedback.canceled.connect(progress.cancel)
        is_cancelled = cancel_check(feedback)
        progress.progressChanged.connect(lambda _: is_cancelled())  # a signal of the system becomes an event here
        # Under its own name only when it is whole: another algorithm may draw or look for the same picture.
        part = self._file.with_name(f"{self._file.stem}-{uuid4().hex[:8]}.part")
        try:
            self._draw(part, context, progress)
            if not is_cancelled():
                self._check(part)
                part.replace(self._file)
        except OSError as error:
            raise self._unwritten() from error
        finally:
            part.unlink(missing_ok=True)

    def _draw(self, part: Path, context: QgsProcessingContext, progress: QgsRasterBlockFeedback) -> None:
        plan = self._plan
        error = geotiff_writer(part).writeRaster(
            self._pipe, plan.columns, plan.rows, plan.extent, self._crs, context.transformContext(), progress
        )
        if error != QgsRasterFileWriter.WriterError.NoError and not progress.isCanceled():
            raise self._unwritten()

    def _check(self, part: Path) -> None:
        if not has_content(part):
            raise MpsClipError(
                tr("{name} gave no picture for this extent.").format(name=self._name),
                tr("Check that its server can be reached and has data there; QGIS's log messages say more."),
            )

    def _unwritten(self) -> MpsClipError:
        return MpsClipError(
            tr("{name} could not be rendered into {file}.").format(name=self._name, file=self._file),
            tr("Check that the disk has room, and choose a smaller extent."),
        )
