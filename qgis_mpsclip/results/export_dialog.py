"""The dialog that asks what to export, and to where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from qgis.core import QgsCoordinateReferenceSystem
from qgis.gui import QgsFileWidget, QgsProjectionSelectionWidget
from qgis.PyQt.QtWidgets import QCheckBox, QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.export import FORMATS, Export, Format, part_path
from qgis_mpsclip.results.help_box import export_help, show_help
from qgis_mpsclip.results.layers import HITS, SUBREGIONS

ALL, SELECTED, ACCEPTED_ONLY, SHOWN = "all", "selected", "accepted", "shown"


class ExportDialog(QDialog):
    """Asks; :meth:`export` is the answer once it is accepted.

    Args:
        choices: ranks of the hits by ALL, SELECTED, ACCEPTED_ONLY and SHOWN; what has none cannot be chosen.
        chosen: which of them stands first.
        folder: where the file goes unless another is chosen.
        crs: of the hits; an invalid one leaves nothing to choose.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[int]],
        chosen: str,
        folder: Path,
        name: str,
        crs: QgsCoordinateReferenceSystem,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Export hits"))
        self._choices = {which: list(ranks) for which, ranks in choices.items()}
        self._own_crs = crs
        self.which = QComboBox()
        for which, words in (
            (ALL, tr("All hits ({count})")),
            (SHOWN, tr("Hits shown in the list ({count})")),
            (SELECTED, tr("Selected hits ({count})")),
            (ACCEPTED_ONLY, tr("Accepted hits ({count})")),
        ):
            ranks = self._choices.get(which, [])
            if ranks:
                self.which.addItem(words.format(count=len(ranks)), which)
        self.which.setCurrentIndex(max(0, self.which.findData(chosen)))
        self.outlines = QCheckBox(tr("With the outlines of their keywords"))
        self.outlines.setChecked(True)
        self.format = QComboBox()
        for kind in FORMATS:
            self.format.addItem(kind.name, kind.driver)
        self.file = QgsFileWidget()
        self.file.setStorageMode(QgsFileWidget.StorageMode.SaveFile)
        self.file.setConfirmOverwrite(False)  # nothing is overwritten
        self.file.setDialogTitle(tr("Export hits to"))
        self.file.setFilePath(str(_unused(folder / f"{name}{FORMATS[0].suffix}")))
        self.crs = QgsProjectionSelectionWidget()
        self.crs.setCrs(crs)
        self.crs.setEnabled(crs.isValid())
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok
            | QDialogButtonBox.StandardButton.Cancel
            | QDialogButtonBox.StandardButton.Help
        )
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setText(tr("Export"))
        form = QFormLayout(self)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow(tr("&Hits"), self.which)
        form.addRow("", self.outlines)
        form.addRow(tr("&Format"), self.format)
        form.addRow(tr("F&ile"), self.file)
        form.addRow(tr("&CRS"), self.crs)
        form.addRow(self.note)
        form.addRow(self.buttons)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.buttons.helpRequested.connect(lambda: show_help(self, self.windowTitle(), export_help()))
        self.format.currentIndexChanged.connect(lambda _: self._format_chosen())
        self.file.fileChanged.connect(lambda _: self._tell())
        self.outlines.toggled.connect(lambda _: self._tell())
        self._format_chosen()
        self.resize(460, self.sizeHint().height())

    def export(self) -> Export:
        """What was chosen; the format's suffix is added where the name has none of it."""
        crs = self.crs.crs()
        return Export(
            format=self._format(),
            path=self._path(),
            crs=crs if crs.isValid() else None,
            ranks=self._choices[self.which.currentData()],
            outlines=self.outlines.isChecked(),
        )

    def _format(self) -> Format:
        return FORMATS[self.format.currentIndex()]

    def _path(self) -> Path:
        path, suffix = Path(self.file.filePath().strip()).expanduser(), self._format().suffix
        return path if path.suffix.lower() == suffix else path.with_name(f"{path.name}{suffix}")

    def _format_chosen(self) -> None:
        kind = self._format()
        path = Path(self.file.filePath())
        if path.suffix.lower() in {other.suffix for other in FORMATS} - {kind.suffix}:
            self.file.setFilePath(str(_unused(path.with_suffix(kind.suffix))))
        self.file.setFilter(f"{kind.name} (*{kind.suffix})")
        self._tell()

    def _tell(self) -> None:
        """Says what will happen, and lets nothing start that cannot be done."""
        named = bool(Path(self.file.filePath().strip()).name)
        single = self._format().suffix != FORMATS[0].suffix
        files = []
        if named:
            path = self._path()
            outlines = [SUBREGIONS] if self.outlines.isChecked() and single else []
            files = [part_path(path, layer) for layer in (HITS, *outlines)]
        existing = [file.name for file in files if file.exists()]
        if not named:
            words = tr("Name a file.")
        elif existing and single:
            words = tr("{file} exists already. Choose another name.").format(file=existing[0])
        elif existing:
            words = tr("The file exists: the hits are added to it as new layers, what is in it stays as it is.")
        elif len(files) > 1:
            words = tr("The outlines go into {file}.").format(file=files[1].name)
        else:
            words = ""
        self.note.setText(words)
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(named and not (existing and single) and self.which.count() > 0)


def _unused(path: Path) -> Path:
    """The path, with a number where a file of the name exists."""
    number, found = 2, path
    while found.exists():
        found = path.with_name(f"{path.stem}_{number}{path.suffix}")
        number += 1
    return found
