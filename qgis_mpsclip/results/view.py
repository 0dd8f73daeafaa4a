"""The results of a search in the dock: the list of hits and all that can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsCoordinateReferenceSystem, QgsProject
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import QItemSelectionModel, QPoint, QTimer, QUrl, pyqtSignal, pyqtSlot
from qgis.PyQt.QtGui import QGuiApplication
from qgis.PyQt.QtWidgets import QWidget

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.message_text import bar_html
from qgis_mpsclip.read_as import read_as_texts
from qgis_mpsclip.results.actions import HitActions
from qgis_mpsclip.results.export import Export, export_hits
from qgis_mpsclip.results.export_dialog import ACCEPTED_ONLY, ALL, SELECTED, SHOWN, ExportDialog
from qgis_mpsclip.results.form import ResultsForm
from qgis_mpsclip.results.help_box import results_help, show_help
from qgis_mpsclip.results.history import EarlierSearch, SearchHistory
from qgis_mpsclip.results.history_menu import HistoryMenu
from qgis_mpsclip.results.hits import Hit, HitKey, hit_from_json, hits_from_layers
from qgis_mpsclip.results.layers import HITS, SUBREGIONS, ResultLayers, open_results
from qgis_mpsclip.results.model import HitsModel, HitsProxy, Role
from qgis_mpsclip.results.navigate import GEOGRAPHIC, coordinates, show_on_canvas, zoom_to
from qgis_mpsclip.results.paths import file_words
from qgis_mpsclip.results.request import SearchRequest
from qgis_mpsclip.results.review import ACCEPTED, REJECTED, Review, read_reviews
from qgis_mpsclip.results.reviewing import Reviewer
from qgis_mpsclip.results.thumbnails import ThumbnailLoader
from qgis_mpsclip.results.wording import summary_text
from qgis_mpsclip.settings import Settings

MAP_FILTER_MS = 120  # the list follows the slider at once, the map when it rests so long


class ResultsPanel(ResultsForm):
    """Shows one search at a time, from its first hits to its file, or an earlier one.

    The dock calls :meth:`begin`, then what the engine reports: :meth:`show_shortlist`, :meth:`update_hit`, and at the
    end :meth:`finish` or :meth:`abort`.

    Signals:
        rerunRequested(dict): an earlier search is to be run again; ``query``, ``params`` (as they were sent, without
            ``out``, ``overwrite`` and ``keywords``), ``layers``, ``title``, ``rendered``: the fields of a
            :class:`SearchRequest`.
    """

    rerunRequested = pyqtSignal(dict)

    def __init__(self, iface: QgisInterface, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._iface, self._settings = iface, settings
        self._project = QgsProject.instance()
        self._search: SearchRequest | None = None
        self._running = False
        self._read_as: list[str] = []
        self._crs = QgsCoordinateReferenceSystem()
        self._layers = ResultLayers(self._project, "", "", self)
        self._moves_map = True
        self.history = SearchHistory(self._project, self)
        self.model = HitsModel(self)
        self.proxy = HitsProxy(self.model, self)
        self.thumbnails = ThumbnailLoader(self._project, self)
        self.model.thumbnail = self.thumbnails.picture
        self.reviewer = Reviewer(self.model, self)
        self.undo_stack = self.reviewer.stack
        self.actions_ = HitActions(self)
        self._prepare()
        self._connect()
        self.empty.nothing_searched(bool(self.history.entries()))
        self._tell()

    # What the dock reports

    def begin(self, search: SearchRequest) -> None:
        """A search has started; what was shown before leaves the list, its layers stay on the map."""
        if self._running:
            self.abort(None)
        self._running = True
        self._show_search(search, QgsCoordinateReferenceSystem())
        self.empty.searching()
        self._tell()

    def show_shortlist(self, params: dict[str, Any]) -> None:
        """The engine's notification ``shortlist``: the hits before any of them is refined."""
        if self._search is None:
            return
        self._crs = _crs(params.get("crs"))
        self.thumbnails.show_search(self._search.layers, self._crs)
        hits = [hit_from_json(item) for item in params["hits"]]
        self._layers.show_shortlist(hits, self._crs)
        self._set_hits(hits)

    def update_hit(self, params: dict[str, Any]) -> None:
        """The engine's notification ``hit``: one is refined."""
        hit = hit_from_json(params["hit"])
        if self._running and self.model.update_hit(hit):
            self._layers.update_hit(hit)
            self._keywords_changed()

    def finish(self, report: dict[str, Any]) -> None:
        """The search has ended and its file is written: the file takes the place of what was shown so far."""
        if self._search is None:
            return
        self._running = False
        self._read_as = read_as_texts(report)
        self._crs = _crs(report.get("crs"))
        hits = [hit_from_json(item) for item in report["hits"]]
        if not hits and not report.get("hits_left_out"):
            self.empty.nothing_found()
            self._set_hits([])
            return
        path = Path(report["out"])
        try:
            self._use_file(path, hits)
        except MpsClipError as error:
            self._warn_of_loss(error)
            self._tell()
            return
        self._list_search(path)

    def abort(self, reason: str | None) -> None:
        """The search was cancelled (None) or failed. Hits that were there already are kept as a file."""
        if self._search is None or not self._running:
            return
        self._running = False
        if self.model.hits():
            path = self._keep_partial(reason)
            if path is not None:
                self._list_search(path)
        elif reason is None:
            self.empty.stopped()
        else:
            self.empty.failed(reason)
        self._tell()

    # What the user asks for

    def open_file(self, search: EarlierSearch) -> None:
        """Shows an earlier search again, from its file."""
        if self._running:
            self._say(tr("A search is running"), tr("Cancel it, or open the other one when it has ended."))
            return
        request = search.request()
        layers = ResultLayers(self._project, request.name, request.query, self)
        try:
            sources = open_results(search.path)
            if not layers.find_in_project(search.path):
                layers.use_file(search.path)
        except MpsClipError as error:
            self._warn(error)
            return
        self._show_search(request, sources[HITS].crs(), layers)
        self.thumbnails.show_search(request.layers, self._crs)
        self._set_hits(hits_from_layers(sources[HITS], sources.get(SUBREGIONS)), read_reviews(sources[HITS]))

    def current(self) -> Hit | None:
        """The hit that the keys work on."""
        return self.list.currentIndex().data(Role.HIT)

    def selected(self) -> list[Hit]:
        """The selected hits, in the order of the list."""
        return [index.data(Role.HIT) for index in sorted(self.list.selectedIndexes(), key=lambda index: index.row())]

    def command(self, name: str) -> None:
        """Does what a key, a button or the context menu asks for; see :class:`HitActions`."""
        self._commands[name]()

    def export(self, export: Export) -> bool:
        """Writes hits and says so; whether it could."""
        try:
            done = export_hits(self._layers.sources(), export, self._project.transformContext())
        except MpsClipError as error:
            self._warn(error)
            return False
        folder = QUrl.fromLocalFile(str(export.path.parent)).toString()
        words = tr("{count} hits written to {file}.").format(count=done.hits, file=export.path.name)
        link = f'<a href="{escape(folder, quote=True)}">{bar_html(tr("Open folder"))}</a>'
        self._say(tr("Export"), words, Qgis.MessageLevel.Success, link)
        return True

    def shut_down(self) -> None:
        """Ends what runs in the background, and keeps what it has found; to be called before the panel is deleted."""
        self.abort(None)
        self.thumbnails.stop()

    # Building

    def _prepare(self) -> None:
        self.list.setModel(self.proxy)
        self.history_menu = HistoryMenu(self.history, self)
        history, help_ = self.history_menu.button(self), self.actions_.button("help", self)
        self.add_controls(self.actions_.tool_bar(self), history, help_)
        self._map_timer = QTimer(self)
        self._map_timer.setSingleShot(True)
        self._map_timer.setInterval(MAP_FILTER_MS)
        self._commands: dict[str, Callable[[], None]] = {
            "accept": lambda: self.reviewer.judge(self.selected(), ACCEPTED),
            "reject": lambda: self.reviewer.judge(self.selected(), REJECTED),
            "note": self._edit_note,
            "undo": self.undo_stack.undo,
            "redo": self.undo_stack.redo,
            "zoom": self._zoom,
            "copy": lambda: self._copy(self._iface.mapCanvas().mapSettings().destinationCrs()),
            "copy_geographic": lambda: self._copy(QgsCoordinateReferenceSystem(GEOGRAPHIC)),
            "export": lambda: self._export(ACCEPTED_ONLY if self._ranks(self._accepted()) else ALL),
            "export_selected": lambda: self._export(SELECTED),
            "help": lambda: show_help(self, tr("Results"), results_help()),
        }

    def _connect(self) -> None:
        self.actions_.triggered.connect(self.command)
        self.list.commanded.connect(self.command)
        self.list.revisited.connect(self._visit)
        self.list.menuRequested.connect(self._open_menu)
        self.list.selectionModel().currentChanged.connect(self._visit)
        self.list.selectionModel().selectionChanged.connect(self._enable)
        self.filters.filterChanged.connect(self._filter)
        self.filters.orderChanged.connect(self.proxy.set_order)
        self.empty.showAllRequested.connect(self.filters.reset)
        self.note.written.connect(self._write_note)
        self.note.closed.connect(self.list.setFocus)
        self.thumbnails.ready.connect(self.model.thumbnail_ready)
        self.thumbnails.outdated.connect(self.model.forget_thumbnails)
        self.model.reviewed.connect(self._tell)
        self.reviewer.failed.connect(self._warn)
        self.undo_stack.indexChanged.connect(self._enable)
        self.history.changed.connect(self._history_changed)
        self.history_menu.openRequested.connect(self.open_file)
        self.history_menu.rerunRequested.connect(self._rerun)
        self._project.aboutToBeCleared.connect(self._project_closing)
        self._project.cleared.connect(self._project_cleared)
        self._map_timer.timeout.connect(self._filter_map)
        for signal in (self.proxy.rowsInserted, self.proxy.rowsRemoved):
            signal.connect(self._rows_changed)

    # Hits

    def _show_search(
        self, search: SearchRequest, crs: QgsCoordinateReferenceSystem, layers: ResultLayers | None = None
    ) -> None:
        self._layers.show_only(None)  # nothing would show its other hits again
        self._layers.deleteLater()
        self._layers = layers or ResultLayers(self._project, search.name, search.query, self)
        self._search, self._crs, self._read_as = search, crs, []
        self.note.leave()
        self.reviewer.review_in(self._layers)
        self.thumbnails.stop()
        self.filters.reset()
        self._set_hits([], {})

    def _set_hits(self, hits: Iterable[Hit], reviews: Mapping[HitKey, Review] | None = None) -> None:
        """Other hits in the list; what was current and selected stays so, and the map where it is."""
        current, chosen = self.current(), {hit.key for hit in self.selected()}
        self._moves_map = False
        try:
            self.model.set_hits(hits, None if reviews is None else dict(reviews))
            self.filters.set_levels([hit.percentile for hit in self.model.hits()])
            self._select(current, chosen)
        finally:
            self._moves_map = True
        self.list.itemDelegate().several_rasters = len({hit.raster for hit in self.model.hits()}) > 1
        self._keywords_changed()
        self._rows_changed()

    def _select(self, current: Hit | None, chosen: set[HitKey]) -> None:
        selection = self.list.selectionModel()
        for row in range(self.proxy.rowCount()):
            index = self.proxy.index(row, 0)
            key = index.data(Role.HIT).key
            if current is not None and key == current.key:
                selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
                self.list.scrollTo(index)
            if key in chosen:
                selection.select(index, QItemSelectionModel.SelectionFlag.Select)

    def _keywords_changed(self) -> None:
        found = dict.fromkeys(word for hit in self.model.hits() for word in hit.keywords)
        self.filters.set_keywords(found)
        self.list.itemDelegate().colours = self._layers.colours()
        self.list.viewport().update()

    def _filter(self, chosen: Any) -> None:
        self.proxy.set_filter(chosen)
        self._rows_changed()

    def _rows_changed(self, *_: object) -> None:
        self._map_timer.start()
        self._tell()

    def _filter_map(self) -> None:
        """The map shows what the list shows."""
        everything = self.proxy.rowCount() == self.model.rowCount()
        self._layers.show_only(None if everything else self._ranks(self.proxy.shown()))

    def _tell(self) -> None:
        """Which page is shown, and how many hits there are."""
        total, shown = self.model.rowCount(), self.proxy.rowCount()
        if total and not shown:
            self.empty.all_hidden(total)
        self.pages.setCurrentWidget(self.list if shown else self.empty)
        self.filters.setVisible(total > 0)
        self.title.setText(self._search.name if self._search is not None else tr("Results"))
        self.bar.setVisible(total > 0)
        refining = [tr("being refined")] if self._running else []
        summary = summary_text(shown, total, self.model.reviews().values(), [*refining, *self._read_as])
        self.summary.setText(summary)
        self.summary.setVisible(bool(summary))
        self._enable()

    def _enable(self, *_: object) -> None:
        selected = bool(self.list.selectedIndexes())
        self.actions_.enable(selected, self.current() is not None, self.model.rowCount() > 0)
        self.actions_["undo"].setEnabled(self.undo_stack.canUndo())
        self.actions_["redo"].setEnabled(self.undo_stack.canRedo())

    # The map

    def _visit(self, *_: object) -> None:
        hit = self.current()
        self._enable()
        if hit is not None and self._moves_map:
            show_on_canvas(self._iface.mapCanvas(), hit, self._crs)

    def _zoom(self) -> None:
        zoom_to(self._iface.mapCanvas(), self.selected(), self._crs)

    def _copy(self, target: QgsCoordinateReferenceSystem) -> None:
        QGuiApplication.clipboard().setText(coordinates(self.selected(), self._crs, target))

    # Notes

    def _edit_note(self) -> None:
        hit = self.current()
        if hit is not None:
            self._noted = hit.key
            self.note.edit(hit.rank, self.model.review(hit.key).note)

    def _write_note(self, note: str) -> None:
        self.reviewer.annotate(self._noted, note)

    # Files

    def _accepted(self) -> list[Hit]:
        return [hit for hit in self.model.hits() if self.model.review(hit.key).verdict == ACCEPTED]

    def _ranks(self, hits: Iterable[Hit]) -> list[int]:
        return sorted(hit.rank for hit in hits)

    def _export(self, chosen: str) -> None:
        if self._search is None or not self.model.rowCount():
            return
        choices = {
            ALL: self._ranks(self.model.hits()),
            SHOWN: self._ranks(self.proxy.shown()),
            SELECTED: self._ranks(self.selected()),
            ACCEPTED_ONLY: self._ranks(self._accepted()),
        }
        beside = self._search.out.parent if self._search.out else Path.home()
        folder = Path(self._project.absolutePath() or beside)
        dialog = ExportDialog(choices, chosen, folder, file_words(self._search.query), self._crs, self)
        dialog.accepted.connect(lambda: self.export(dialog.export()))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _use_file(self, path: Path, hits: Iterable[Hit] = ()) -> None:
        """The engine's file takes the place of what was shown so far.

        Args:
            hits: what is in it; none: they are read from it.

        Raises:
            MpsClipError: it cannot be opened; what was shown stays.
        """
        if not hits:
            sources = open_results(path)
            hits, self._crs = hits_from_layers(sources[HITS], sources.get(SUBREGIONS)), sources[HITS].crs()
        self._layers.use_file(path)
        if not self.model.hits():
            self.thumbnails.show_search(self._search.layers, self._crs)
        self._set_hits(hits)
        self.reviewer.keep(self.model.reviews())

    def _list_search(self, path: Path) -> None:
        self.history.add(EarlierSearch.of(self._search, path, self.model.rowCount()))

    def _keep_partial(self, reason: str | None) -> Path | None:
        """What has been found so far goes into the file that the engine did not come to write; that file."""
        path = self._search.out
        if path is None:
            return None
        try:
            if path.exists():  # it had just been written
                self._use_file(path)
            else:
                self._layers.write(path)
        except MpsClipError as error:
            self._warn_of_loss(error)
            return None
        title = tr("Search cancelled") if reason is None else tr("Search failed")
        words = tr("The {count} hits found so far are kept in {file}.")
        self._say(title, words.format(count=self.model.rowCount(), file=path))
        return path

    def _rerun(self, search: EarlierSearch) -> None:
        self.rerunRequested.emit(
            {
                "query": search.query,
                "params": search.params,
                "layers": search.layers,
                "title": search.title,
                "rendered": search.rendered,
            }
        )

    def _history_changed(self) -> None:
        if self._search is None:
            self.empty.nothing_searched(bool(self.history.entries()))

    def _warn_of_loss(self, error: MpsClipError) -> None:
        """A file could not be written or read: the hits stay in memory, which QGIS is to say when it ends."""
        if not self._layers.warn_when_closing():
            self._warn(error)
            return
        advice = tr("The hits are in memory until QGIS or the project is closed; export them to keep them.")
        self._warn(MpsClipError(error.problem, f"{error.remedy} {advice}"))

    @pyqtSlot()
    def _project_closing(self) -> None:
        """The layers in memory are about to go, with notes and verdicts: what they hold becomes a file before.

        It is not listed: the project has been saved or given up, and what QGIS reads next has taken over its entries.
        """
        if self._running and self.model.hits():
            self._running = False
            self._keep_partial(None)

    @pyqtSlot()
    def _project_cleared(self) -> None:
        """Another project: its list is empty, and what a search of the former one still reports is left out."""
        if self._search is None:
            return
        self._running = False
        self._show_search(SearchRequest("", {}), QgsCoordinateReferenceSystem())
        self._search = None
        self.empty.nothing_searched(bool(self.history.entries()))
        self._tell()

    # Words

    def _open_menu(self, place: QPoint) -> None:
        if self.selected():
            menu = self.actions_.menu(self)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(place)

    def _warn(self, error: MpsClipError) -> None:
        self._say(error.problem, error.remedy, Qgis.MessageLevel.Warning)

    def _say(self, title: str, words: str, level: Qgis.MessageLevel = Qgis.MessageLevel.Info, link: str = "") -> None:
        """Plain text in the message bar; ``link``: HTML after it."""
        self._iface.messageBar().pushMessage(bar_html(title), f"{bar_html(words)} {link}".rstrip(), level)


def _crs(text: str | None) -> QgsCoordinateReferenceSystem:
    """Of an authority's code or WKT; invalid where the rasters have none."""
    crs = QgsCoordinateReferenceSystem()
    if text:
        crs.createFromUserInput(text)
    return crs
