"""What the user thinks of a hit, and where it is kept: fields of the layer ``hits``."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.core import NULL, QgsFeature, QgsField, QgsVectorDataProvider, QgsVectorLayer
from qgis.PyQt.QtCore import QMetaType

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.hits import HitKey

REVIEW_FIELD = "review"
NOTE_FIELD = "note"
ACCEPTED = "accepted"
REJECTED = "rejected"
UNREVIEWED = ""


@dataclass(frozen=True)
class Review:
    """``verdict`` is ``accepted``, ``rejected`` or empty."""

    verdict: str = UNREVIEWED
    note: str = ""

    @property
    def word(self) -> str:
        """The verdict in the user's language."""
        return {ACCEPTED: tr("accepted"), REJECTED: tr("rejected")}.get(self.verdict, "")


def review_fields() -> list[QgsField]:
    """The fields that hold reviews; empty ones are NULL."""
    return [QgsField(name, QMetaType.Type.QString) for name in (REVIEW_FIELD, NOTE_FIELD)]


def read_reviews(layer: QgsVectorLayer) -> dict[HitKey, Review]:
    """The reviews in a layer ``hits``, of any version."""
    known = set(layer.fields().names())
    if not known.issuperset((REVIEW_FIELD, NOTE_FIELD)):
        return {}
    reviews = {}
    for feature in layer.getFeatures():
        verdict = _text(feature[REVIEW_FIELD])
        review = Review(verdict if verdict in (ACCEPTED, REJECTED) else UNREVIEWED, _text(feature[NOTE_FIELD]))
        if review != Review():
            reviews[feature_key(feature)] = review
    return reviews


def feature_ids(layer: QgsVectorLayer) -> dict[HitKey, int]:
    """Which feature each hit is. To be asked while no subset of the layer is chosen."""
    return {feature_key(feature): feature.id() for feature in layer.getFeatures()}


def write_reviews(layer: QgsVectorLayer, reviews: dict[HitKey, Review], ids: dict[HitKey, int]) -> None:
    """Puts reviews into a layer ``hits``, and the fields for them where they lack.

    A layer that is being edited takes them as edits, to be saved or dropped with the others; any other at once.

    Args:
        ids: of :func:`feature_ids`: a subset of the layer may hide a hit whose review changes.

    Raises:
        MpsClipError: the layer cannot be written.
    """
    known = {ids[key]: review for key, review in reviews.items() if key in ids}
    if not known:
        return
    if not _written(layer, known):
        # A file that is filtered anew is opened anew, and for a moment may not let itself be written.
        layer.dataProvider().reloadData()
        layer.updateFields()
        if not _written(layer, known):
            raise _unwritable(layer)
    layer.triggerRepaint()


def _written(layer: QgsVectorLayer, reviews: dict[int, Review]) -> bool:
    if not _has_fields(layer):
        return False
    columns = [layer.fields().lookupField(name) for name in (REVIEW_FIELD, NOTE_FIELD)]
    values_of = {fid: (review.verdict or NULL, review.note or NULL) for fid, review in reviews.items()}
    changes = {fid: dict(zip(columns, values)) for fid, values in values_of.items()}
    if layer.isEditable():
        return all(layer.changeAttributeValues(fid, values) for fid, values in changes.items())
    return bool(layer.dataProvider().changeAttributeValues(changes))


def feature_key(feature: QgsFeature) -> HitKey:
    """Which hit a feature of the layer ``hits`` is."""
    return str(feature["raster"]), int(feature["tile_row"]), int(feature["tile_col"])


def _has_fields(layer: QgsVectorLayer) -> bool:
    """Adds the fields for reviews where they lack; False where that cannot be."""
    lacking = [field for field in review_fields() if layer.fields().lookupField(field.name()) < 0]
    if not lacking:
        return True
    provider = layer.dataProvider()
    able = provider.capabilities() & QgsVectorDataProvider.Capability.AddAttributes
    if not able or not provider.addAttributes(lacking):
        return False
    layer.updateFields()
    return True


def _unwritable(layer: QgsVectorLayer) -> MpsClipError:
    return MpsClipError(
        tr("The review cannot be kept in {path}.").format(path=layer.source().split("|")[0]),
        tr("Check that the file still exists and may be written, and close programs that have it open."),
    )


def _text(value: object) -> str:
    return "" if value is None or value == NULL else str(value)
