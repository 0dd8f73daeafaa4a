"""How a hit looks in the list: picture with rank, score, keywords in the colours of the map, verdict and note."""

from __future__ import annotations

from qgis.PyQt.QtCore import QModelIndex, QPoint, QRect, QSize, Qt
from qgis.PyQt.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPalette
from qgis.PyQt.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.results.hits import Hit
from qgis_mpsclip.results.model import Role
from qgis_mpsclip.results.review import ACCEPTED, REJECTED
from qgis_mpsclip.results.wording import keywords_text, raster_name, score_texts

MARGIN = 6
BADGE = QColor(0, 0, 0, 185)
VERDICT_COLOURS = {ACCEPTED: QColor(47, 158, 87), REJECTED: QColor(224, 82, 63)}
VERDICT_ICONS = {ACCEPTED: "accept", REJECTED: "reject"}
WIDEST_PICTURE = 0.3  # of the row: a narrow dock needs the room for words
FAINT = 0.65  # opacity of what is less important
REJECTED_OPACITY = 0.45


class HitDelegate(QStyledItemDelegate):
    """Paints hits in the colours of the theme; lengths follow from the font, so that they scale with it."""

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self.colours: dict[str, QColor] = {}
        self.several_rasters = False
        self._icons = {verdict: icon(name) for verdict, name in VERDICT_ICONS.items()}
        self._note = icon("note")

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(1, picture_side(option.fontMetrics) + 2 * MARGIN)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        hit: Hit = index.data(Role.HIT)
        style = option.widget.style() if option.widget else QApplication.style()
        painter.save()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        verdict = index.data(Role.REVIEW)
        if verdict:
            bar = QRect(option.rect.left(), option.rect.top() + 1, MARGIN - 2, option.rect.height() - 2)
            painter.fillRect(bar, VERDICT_COLOURS[verdict])
        tall = picture_side(option.fontMetrics)
        side = min(tall, round(option.rect.width() * WIDEST_PICTURE))
        picture = QRect(option.rect.left() + MARGIN, option.rect.top() + MARGIN + (tall - side) // 2, side, side)
        # What is selected is being looked at: it stays clear.
        dimmed = verdict == REJECTED and not option.state & QStyle.StateFlag.State_Selected
        painter.setOpacity(REJECTED_OPACITY if dimmed else 1.0)
        self._draw_picture(painter, picture, option, index.data(Role.THUMBNAIL))
        painter.setOpacity(1.0)
        self._draw_rank(painter, picture, option, hit.rank)
        if verdict:
            self._draw_verdict(painter, picture, option, verdict)
        left = picture.right() + 1 + MARGIN + 2
        text = QRect(left, option.rect.top() + MARGIN, option.rect.right() - MARGIN - left, tall)
        self._draw_text(painter, text, option, hit, index.data(Role.NOTE))
        if option.state & QStyle.StateFlag.State_HasFocus:
            self._draw_focus(painter, option)
        painter.restore()

    def _draw_picture(
        self, painter: QPainter, place: QRect, option: QStyleOptionViewItem, picture: QImage | None
    ) -> None:
        if picture is not None and not picture.isNull():
            size = picture.size().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
            target = QRect(QPoint(0, 0), size)
            target.moveCenter(place.center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(target, picture)
            return
        colour = QColor(_text_colour(option))
        colour.setAlpha(28)
        painter.fillRect(place, colour)
        colour.setAlpha(150)
        painter.setPen(colour)
        words = "…" if picture is None else tr("no picture")
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, words)

    def _draw_rank(self, painter: QPainter, picture: QRect, option: QStyleOptionViewItem, rank: int) -> None:
        font = QFont(option.font)
        font.setBold(True)
        metrics = QFontMetrics(font)
        text = str(rank)
        badge = QRect(picture.topLeft(), QSize(metrics.horizontalAdvance(text) + 8, metrics.height() + 1))
        painter.fillRect(badge, BADGE)
        painter.setFont(font)
        painter.setPen(Qt.GlobalColor.white)
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)

    def _draw_verdict(self, painter: QPainter, picture: QRect, option: QStyleOptionViewItem, verdict: str) -> None:
        side = option.fontMetrics.height() + 2
        mark = QRect(picture.right() - side + 3, picture.bottom() - side + 3, side, side)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(option.palette.color(QPalette.ColorRole.Base))
        painter.drawEllipse(mark)
        self._icons[verdict].paint(painter, mark.adjusted(3, 3, -3, -3))
        painter.restore()

    def _draw_text(self, painter: QPainter, place: QRect, option: QStyleOptionViewItem, hit: Hit, note: str) -> None:
        bold = QFont(option.font)
        bold.setBold(True)
        line = option.fontMetrics.height() + 2
        extras = [bool(note), self.several_rasters]
        top = place.top() + max(0, (place.height() - line * (2 + sum(extras))) // 2)
        row = QRect(place.left(), top, place.width(), line)
        painter.setPen(_text_colour(option))
        painter.setFont(bold)
        painter.drawText(row, _LEFT, _fitting(score_texts(hit), QFontMetrics(bold), row.width()))
        painter.setFont(option.font)
        row.translate(0, line)
        self._draw_keywords(painter, row, option, hit)
        if note:
            row.translate(0, line)
            self._note.paint(painter, QRect(row.left(), row.top() + 1, line - 4, line - 4))
            rest = row.adjusted(line, 0, 0, 0)
            painter.drawText(rest, _LEFT, _elided(option.fontMetrics, note.replace("\n", " "), rest.width()))
        if self.several_rasters:
            row.translate(0, line)
            painter.setOpacity(FAINT)
            painter.drawText(row, _LEFT, _elided(option.fontMetrics, raster_name(hit.raster), row.width()))
            painter.setOpacity(1.0)

    def _draw_keywords(self, painter: QPainter, row: QRect, option: QStyleOptionViewItem, hit: Hit) -> None:
        metrics = option.fontMetrics
        if not hit.keywords:
            painter.setOpacity(FAINT)
            painter.drawText(row, _LEFT, _elided(metrics, keywords_text(hit), row.width()))
            painter.setOpacity(1.0)
            return
        square = metrics.ascent() - 2
        x, left = row.left(), len(hit.keywords)
        for word, count in hit.keywords.items():
            left -= 1
            box = QRect(x, row.center().y() - square // 2, square, square)
            if box.right() > row.right():
                return
            painter.fillRect(box, self.colours.get(word, QColor(128, 128, 128)))
            painter.setPen(_text_colour(option))
            painter.setOpacity(FAINT)
            painter.drawRect(box)
            painter.setOpacity(1.0)
            x = box.right() + 5
            # Where not all words fit, the squares of the others still say that they were found.
            room = row.right() - x - left * (square + 6)
            shown = _elided(metrics, word if count == 1 else f"{word} ×{count}", room)
            if len(shown) > 1:
                painter.drawText(QRect(x, row.top(), room, row.height()), _LEFT, shown)
                x += metrics.horizontalAdvance(shown) + 8

    def _draw_focus(self, painter: QPainter, option: QStyleOptionViewItem) -> None:
        painter.setPen(_text_colour(option))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setOpacity(FAINT)
        painter.drawRect(option.rect.adjusted(0, 0, -1, -1))


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


def picture_side(metrics: QFontMetrics) -> int:
    """Four lines of text."""
    return 4 * (metrics.height() + 2)


def _text_colour(option: QStyleOptionViewItem) -> QColor:
    selected = option.state & QStyle.StateFlag.State_Selected
    active = option.state & QStyle.StateFlag.State_Active
    group = QPalette.ColorGroup.Active if active else QPalette.ColorGroup.Inactive
    role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text
    return option.palette.color(group, role)


def _elided(metrics: QFontMetrics, text: str, width: int) -> str:
    return metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)


def _fitting(texts: tuple[str, ...], metrics: QFontMetrics, width: int) -> str:
    """The longest text that fits."""
    for text in texts:
        if metrics.horizontalAdvance(text) <= width:
            return text
    return _elided(metrics, texts[-1], width)
