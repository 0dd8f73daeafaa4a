"""The options that most searches leave alone, folded away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgis.gui import QgsCollapsibleGroupBox
from qgis.PyQt.QtCore import QLocale, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from qgis_mpsclip.dock.narrow_combo import NarrowCombo
from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.settings import Settings

AUTOMATIC, PIXELS, METRES = "auto", "px", "m"  # as the engine calls them
_NO_MINIMUM = -1.0
_TOOLTIP = Qt.ItemDataRole.ToolTipRole


class AdvancedOptions(QgsCollapsibleGroupBox):
    """Signals: ``unfolded``, when the lists of models and devices are wanted; ``changed``."""

    unfolded = pyqtSignal()
    changed = pyqtSignal()

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(tr("Advanced"), parent)
        self.setObjectName("advanced")
        self.setSaveCollapsedState(False)
        self._settings = settings
        # Letters of mnemonics are those that QGIS's own menus leave free.
        self._form = QFormLayout(self)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

        self.unit = _combo("tile_unit", ((tr("Automatic"), AUTOMATIC), (tr("Pixels"), PIXELS), (tr("Metres"), METRES)))
        self.side = _number("tile", 16, 100_000, 224, 0)
        self.automatic = QLabel()
        self.automatic.setObjectName("automatic_tile")
        self._row(
            tr("&Tile"),
            _above(self.unit, self.side, self.automatic),
            tr("Side of the squares that are compared with your words: about as large as what you look for."),
        )
        self.overlap = _number("overlap", 0, 90, 25, 0, tr(" %"))
        self._row(tr("Overlap"), self.overlap, tr("Of neighbouring tiles. More finds what lies on their borders."))
        self.as_displayed = QCheckBox(tr("As displa&yed"))
        self.as_displayed.setObjectName("as_displayed")
        self._row(
            "",
            self.as_displayed,
            tr("Search what the layer shows: its bands and its contrast. Other styles are rendered by QGIS."),
        )
        self.bands = QLineEdit()
        self.bands.setObjectName("bands")
        self.bands.setPlaceholderText(tr("Automatic"))
        self._row(tr("&Bands"), self.bands, tr("One band, or three for red, green and blue, such as 4, 3, 2."))
        self.resolution = _number("resolution", 0, 1000, 0, 2, tr(" m"))
        self.resolution.setSpecialValueText(tr("Automatic"))
        self._row(
            tr("Map pi&xel"),
            self.resolution,
            tr("Ground size of a pixel when QGIS renders a web map or another layer that is no file."),
        )
        self.model = _combo("model", ((tr("Default"), ""),))
        self._row(tr("Model"), self.model, tr("What compares words and tiles. Some are downloaded at first use."))
        self.top = QSpinBox()
        self.top.setObjectName("top")
        self.top.setRange(1, 10_000)
        self.top.setValue(50)
        self._row(tr("Hits"), self.top, tr("How many are shown at most."))
        self.min_score = _number("min_score", _NO_MINIMUM, 1.0, _NO_MINIMUM, 2)
        self.min_score.setSingleStep(0.01)
        self.min_score.setSpecialValueText(tr("None"))
        self._row(tr("M&in. score"), self.min_score, tr("Likeness of tile and words; lower ones are left out."))
        self.segmenter = _combo("segmenter", ((tr("Automatic"), ""), (tr("None"), "none")))
        self._row(tr("O&utlines"), self.segmenter, tr("What outlines the things of your query on the best hits."))
        self.refine = QSpinBox()
        self.refine.setObjectName("refine")
        self.refine.setRange(0, 10_000)
        self.refine.setValue(32)
        self._row(tr("Re&fine"), self.refine, tr("How many of the best hits are outlined and ranked again."))
        self.device = _combo("device", ((tr("Automatic"), ""),))
        self._row(tr("Device"), self.device, tr("What the model computes on."))

        self.unit.currentIndexChanged.connect(self._unit_changed)
        self.as_displayed.toggled.connect(self.bands.setDisabled)
        self.segmenter.currentIndexChanged.connect(
            lambda: self.refine.setEnabled(self.segmenter.currentData() != "none")
        )
        self.resolution.valueChanged.connect(self.changed)
        self.collapsedStateChanged.connect(lambda folded: None if folded else self.unfolded.emit())
        self._unit_changed()
        self.setCollapsed(True)

    def options(self) -> dict[str, Any]:
        """The request's options, without extent and display; what is at its default is left out.

        Raises:
            MpsClipError: band numbers that cannot be read.
        """
        unit = self.unit.currentData()
        options: dict[str, Any] = {
            "tile": unit if unit == AUTOMATIC else f"{self.side.value():.0f}{unit}",
            "overlap": round(self.overlap.value() / 100, 4),
            "top": self.top.value(),
            "refine": self.refine.value(),
        }
        bands = self._bands()
        if bands and not self.as_displayed.isChecked():
            options["bands"] = bands
        if self.min_score.value() > _NO_MINIMUM:
            options["min_score"] = round(self.min_score.value(), 4)
        if self.segmenter.currentData():
            options["segmenter"] = self.segmenter.currentData()
        return options

    def chosen_model(self) -> str | None:
        return self.model.currentData() or self._settings.default_model or None

    def chosen_device(self) -> str | None:
        return self.device.currentData() or self._settings.device or None

    def chosen_resolution(self) -> float | None:
        """Metres a pixel of rendered layers; None: automatic."""
        return self.resolution.value() or None

    def show_automatic_tile(self, text: str) -> None:
        """What "Automatic" amounts to for the chosen rasters."""
        self.automatic.setText(text)

    def set_models(self, answer: dict[str, Any]) -> None:
        """Fill in what ``models.list`` answered; what is not on this machine says so."""
        entries, notes = [], {}
        for model in answer.get("models", ()):
            name = text = str(model.get("id"))
            if name == answer.get("default"):
                text = tr("{model} (default)").format(model=name)
            elif not model.get("file"):
                text = tr("{model} (to download)").format(model=name)
            entries.append((text, name))
            notes[name] = _model_note(model)
        _fill(self.model, [(tr("Default"), ""), *entries], notes)

    def set_status(self, answer: dict[str, Any]) -> None:
        """Fill in devices and segmenters that ``status`` answered; those that are not ready say why."""
        _fill(
            self.device,
            [(tr("Automatic"), ""), *((str(d.get("name")), str(d.get("id"))) for d in answer.get("devices", ()))],
        )
        segmenters = [s for s in answer.get("segmenters", ()) if s.get("id") not in ("auto", "none")]
        _fill(
            self.segmenter,
            [
                (tr("Automatic"), ""),
                *(
                    (str(s["id"]) if s.get("ready") else tr("{name} (not ready)").format(name=s["id"]), s["id"])
                    for s in segmenters
                ),
                (tr("None"), "none"),
            ],
            {str(s["id"]): str(s.get("note") or "") for s in segmenters},
        )

    def _row(self, label: str, field: QWidget, tip: str) -> None:
        field.setToolTip(tip)
        field.setAccessibleDescription(tip)
        if label:
            self._form.addRow(label, field)
            self._form.labelForField(field).setToolTip(tip)
            field.setAccessibleName(label.replace("&", ""))
        else:
            self._form.addRow(field)

    def _bands(self) -> list[int]:
        text = self.bands.text().strip()
        if not text:
            return []
        parts = text.replace(",", " ").replace(";", " ").split()
        if len(parts) not in (1, 3) or not all(part.isdigit() and int(part) > 0 for part in parts):
            raise MpsClipError(
                tr("“{text}” names no bands.").format(text=text),
                tr("Give one band number, or three for red, green and blue, such as 4, 3, 2."),
            )
        return [int(part) for part in parts]

    def _unit_changed(self) -> None:
        unit = self.unit.currentData()
        self.side.setVisible(unit != AUTOMATIC)
        self.automatic.setVisible(unit == AUTOMATIC)
        self.side.setSuffix(tr(" m") if unit == METRES else tr(" px"))


def _model_note(model: dict[str, Any]) -> str:
    """Title, size and licence, as far as they are known."""
    size, licence = model.get("size_mb"), model.get("licence")
    parts = [str(model.get("title") or "")]
    if size:
        parts.append(tr("{size} MB").format(size=QLocale().toString(round(size))))
    if licence:
        parts.append(tr("Licence: {licence}").format(licence=licence))
    return " · ".join(part for part in parts if part)


def _combo(name: str, entries: Sequence[tuple[str, str]]) -> NarrowCombo:
    combo = NarrowCombo(name)
    _fill(combo, entries)
    return combo


def _fill(combo: QComboBox, entries: Sequence[tuple[str, str]], notes: dict[str, str] | None = None) -> None:
    """Entries of text and data; the choice stays where it is among them."""
    before = combo.currentData()
    combo.clear()
    for text, data in entries:
        combo.addItem(text, data)
        note = (notes or {}).get(data)
        if note:
            combo.setItemData(combo.count() - 1, note, _TOOLTIP)
    combo.setCurrentIndex(max(0, combo.findData(before)))


def _number(name: str, low: float, high: float, value: float, decimals: int, suffix: str = "") -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setObjectName(name)
    box.setDecimals(decimals)
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(suffix)
    return box


def _above(*parts: QWidget) -> QWidget:
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)
    column.setFocusProxy(parts[0])
    return column
