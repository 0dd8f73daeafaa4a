"""The course of a search: validate, render what must be, ask the engine, hand on what it finds, say how it ended."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from qgis.core import Qgis, QgsMessageLog, QgsProject
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import QLocale, QObject, pyqtSignal, pyqtSlot
from qgis.PyQt.QtWidgets import QMessageBox, QPushButton

from qgis_mpsclip.client import EngineClient, PendingRequest
from qgis_mpsclip.dock.form import SearchForm
from qgis_mpsclip.dock.inputs import RasterInput, check_size, inputs_again, raster_inputs
from qgis_mpsclip.dock.progress_row import ProgressRow
from qgis_mpsclip.errors import MISSING, EngineError, MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.keyword_service import keyword_params
from qgis_mpsclip.message_text import bar_html
from qgis_mpsclip.rendering.job import RenderJob
from qgis_mpsclip.rendering.rendered import RenderedRasters
from qgis_mpsclip.results import ResultsPanel, SearchRequest, results_path
from qgis_mpsclip.settings import Settings

TITLE = "MPS-CLIP"
_UNREADABLE = (-32020,)  # RasterError of docs/protocol.md


class SearchController(QObject):
    """One search at a time.

    Signals:
        busyChanged(bool): a search began or ended.
        engineMissing(str): there is no engine; problem and remedy.
    """

    busyChanged = pyqtSignal(bool)
    engineMissing = pyqtSignal(str)

    def __init__(
        self,
        iface: QgisInterface,
        client: EngineClient,
        settings: Settings,
        results: ResultsPanel,
        progress: ProgressRow,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._iface = iface
        self._client = client
        self._settings = settings
        self._results = results
        self._progress = progress
        self._rendered = RenderedRasters()
        self._form: SearchForm | None = None
        self._inputs: list[RasterInput] = []
        self._params: dict[str, Any] = {}
        self._title = ""
        self._job: RenderJob | None = None
        self._request: PendingRequest | None = None
        self._busy = False
        self._project_gone = False
        QgsProject.instance().cleared.connect(self._project_cleared)

    @property
    def is_busy(self) -> bool:
        return self._busy

    def search(self, form: SearchForm) -> bool:
        """Begin a search; whether it began. What stands against it is told in the message bar."""
        if self._busy:
            return False
        try:
            inputs, options = raster_inputs(form)
        except MpsClipError as error:
            self.tell_error(error)
            return False
        params = {"query": form.query, "options": options, "model": form.model, "device": form.device}
        return self._begin(inputs, params, form)

    def rerun(
        self,
        params: dict[str, Any],
        layers: dict[str, str],
        title: str = "",
        rendered: dict[str, float | None] | None = None,
    ) -> bool:
        """Send an earlier request again, with a new file for its results; whether it began.

        Args:
            layers, title, rendered: as in :class:`SearchRequest`.
        """
        if self._busy:
            return False
        try:
            inputs = inputs_again(params, layers, rendered or {})
        except MpsClipError as error:
            self.tell_error(error)
            return False
        return self._begin(inputs, params, None, title)

    def cancel(self) -> None:
        """Ask for an early end of what runs."""
        if not self._busy:
            return
        self._progress.show_text(tr("Cancelling…"))
        if self._job is not None:
            self._job.cancel()
        elif self._request is not None:
            self._request.cancel()
        else:
            self._cancelled()

    @pyqtSlot()
    def _project_cleared(self) -> None:
        """Another project: nothing of a search of the former one belongs there; the results have left their list."""
        self._project_gone = self._busy
        self.cancel()

    def tell_error(self, error: MpsClipError) -> None:
        """Problem and remedy in the message bar."""
        self._tell(str(error), Qgis.MessageLevel.Critical)

    def _tell(self, text: str, level: Qgis.MessageLevel, seconds: int = 0) -> None:
        # 0 seconds: until the user closes it.
        self._iface.messageBar().pushMessage(TITLE, bar_html(text), level, seconds)

    # ---- before the engine

    def _begin(
        self, inputs: list[RasterInput], params: dict[str, Any], form: SearchForm | None, title: str = ""
    ) -> bool:
        try:
            question = check_size(inputs, self._settings.render_limit_pixels)
            out = results_path(self._settings, QgsProject.instance(), params["query"])
        except MpsClipError as error:
            self.tell_error(error)
            return False
        if question and not self._confirmed(question):
            return False
        self._form, self._inputs, self._title = form, inputs, title
        self._params = {**params, "out": str(out), "overwrite": False, "keywords": keyword_params(self._settings)}
        self._set_busy(True)
        self._render_next()
        return True

    def _confirmed(self, question: str) -> bool:
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self._iface.mainWindow(), TITLE, question, buttons.Yes | buttons.Cancel, buttons.Cancel
        )
        return answer == buttons.Yes

    def _render_next(self) -> None:
        """Render the first layer that has no file yet; without one, ask the engine."""
        left = [each for each in self._inputs if each.path is None]
        if not left:
            self._send()
            return
        plan = left[0].plan
        if QgsProject.instance().mapLayer(left[0].layer_id or "") is None:  # while another one was rendered
            self._failed(
                MpsClipError(tr("A layer that was to be searched has been removed."), tr("Choose layers again."))
            )
            return
        job = self._rendered.job(plan, self)
        if job is None:
            self._use(left[0], str(self._rendered.file(plan)))
            return
        what = tr("Rendering “{name}”").format(name=plan.layer.name())
        self._progress.show_text(what, 0)
        job.progress.connect(lambda percent: self._progress.show_text(what, percent))
        job.finished.connect(partial(self._use, left[0]))
        job.failed.connect(self._failed)
        job.cancelled.connect(self._cancelled)
        self._job = job
        try:
            job.start()
        except MpsClipError as error:
            self._failed(error)

    def _use(self, raster: RasterInput, path: str) -> None:
        self._drop_job()
        raster.path = path
        self._render_next()

    def _drop_job(self) -> None:
        if self._job is not None:
            self._job.deleteLater()
            self._job = None

    # ---- the engine

    def _send(self) -> None:
        self._params["rasters"] = list(dict.fromkeys(str(each.path) for each in self._inputs))
        layers = {str(each.path): each.layer_id for each in self._inputs if each.layer_id}
        self._progress.show_text(tr("Starting the engine") if not self._client.is_running() else tr("Waiting"))
        rendered = {str(each.path): each.resolution for each in self._inputs if each.rendered}
        self._results.begin(SearchRequest(self._params["query"], self._params, layers, self._title, rendered))
        request = self._client.request("search", self._params)
        request.progress.connect(self._progress.show_progress)
        request.partial.connect(self._partial)
        request.finished.connect(self._finished)
        request.failed.connect(self._failed)
        request.cancelled.connect(self._cancelled)
        self._request = request

    def _partial(self, method: str, params: dict[str, Any]) -> None:
        try:
            (self._results.show_shortlist if method == "shortlist" else self._results.update_hit)(params)
        except Exception as error:  # whatever it is, the search goes on, and its report brings all hits
            QgsMessageLog.logMessage(f"{method}: {error!r}", TITLE, Qgis.MessageLevel.Warning, notifyUser=False)

    def _finished(self, report: dict[str, Any]) -> None:
        if self._project_gone:  # it ended before the engine heard of the cancellation
            self._cancelled()
            return
        try:
            self._results.finish(report)
            self._tell_result(report)
        except Exception as error:  # whatever it is, the next search must be possible
            QgsMessageLog.logMessage(f"search: {error!r}", TITLE, Qgis.MessageLevel.Critical, notifyUser=False)
            problem = tr("The results cannot be shown: {error}.").format(error=error)
            remedy = tr("They are in {path}: add its layers to the map.").format(path=self._params["out"])
            self.tell_error(MpsClipError(problem, remedy))
        finally:
            self._end()

    def _tell_result(self, report: dict[str, Any]) -> None:
        query = self._params["query"]
        counts, seconds = report.get("counts") or {}, (report.get("timings") or {}).get("total") or 0.0
        hits = int(counts.get("hits") or len(report["hits"]))
        text = (
            tr("One hit for “{query}” among {tiles} tiles, in {seconds} s.")
            if hits == 1
            else tr("{hits} hits for “{query}” among {tiles} tiles, in {seconds} s.")
        )
        text = text.format(
            hits=hits,
            query=query,
            tiles=QLocale().toString(int(counts.get("tiles") or 0)),
            seconds=QLocale().toString(float(seconds), "f", 1),
        )
        level = Qgis.MessageLevel.Success if hits else Qgis.MessageLevel.Info
        self._tell(text, level, 8)

    def _failed(self, error: MpsClipError) -> None:
        if self._project_gone:
            self._cancelled()
            return
        form, inputs = self._form, self._inputs
        try:
            if self._request is not None:
                self._results.abort(str(error))
        finally:
            self._end()
        if isinstance(error, EngineError) and error.code == MISSING:
            self.engineMissing.emit(str(error))
        if not self._offered_rendering(error, form, inputs):
            self.tell_error(error)

    def _cancelled(self) -> None:
        text = (
            tr("The search was cancelled because its project was closed. The tiles looked at so far stay indexed.")
            if self._project_gone
            else tr("The search was cancelled. What was finished is kept: the same search goes on from there.")
        )
        try:
            if self._request is not None:
                self._results.abort(None)
        finally:
            self._end()
        self._tell(text, Qgis.MessageLevel.Info, 5)

    def _end(self) -> None:
        self._drop_job()
        if self._request is not None:
            self._request.deleteLater()
            self._request = None
        self._form, self._inputs = None, []
        self._project_gone = False
        self._progress.clear()
        self._set_busy(False)

    def _set_busy(self, busy: bool) -> None:
        if busy != self._busy:
            self._busy = busy
            self.busyChanged.emit(busy)

    # ---- a file that QGIS reads and the engine does not

    def _offered_rendering(self, error: MpsClipError, form: SearchForm | None, inputs: list[RasterInput]) -> bool:
        if form is None or not isinstance(error, EngineError) or error.code not in _UNREADABLE:
            return False
        unreadable = {each.layer_id for each in inputs if each.layer_id and each.path == error.data.get("path")}
        if not unreadable or unreadable <= form.render:
            return False
        bar = self._iface.messageBar()
        item = bar.createMessage(
            TITLE, tr("{problem} QGIS can render the layer instead.").format(problem=bar_html(error.problem))
        )
        button = QPushButton(tr("Render and search"), item)
        button.clicked.connect(
            lambda: (bar.popWidget(item), self.search(replace(form, render=form.render | unreadable)))
        )
        item.layout().addWidget(button)
        bar.pushWidget(item, Qgis.MessageLevel.Warning)
        return True
