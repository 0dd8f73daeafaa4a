"""From the engine's GeoPackage to the sinks of an algorithm, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osgeo import gdal
from qgis.core import (
    Qgis,
    QgsFeature,
    QgsFeatureSink,
    QgsField,
    QgsFields,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QMetaType

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.processing import parameters as p
from qgis_mpsclip.processing.interrupt import cancel_check

_INT, _REAL, _TEXT = QMetaType.Type.Int, QMetaType.Type.Double, QMetaType.Type.QString
GEOMETRY = Qgis.WkbType.Polygon


@dataclass(frozen=True)
class ResultLayer:
    """A layer of the engine's GeoPackage, and the parameter that says where it goes.

    Attributes:
        fields: those that are handed over. Frozen: scripts and models read them.
        above: layers with a greater number are put above others.
    """

    name: str
    parameter: str
    fields: tuple[tuple[str, Any], ...]
    above: int

    def qgis_fields(self) -> QgsFields:
        """Fields of a sink."""
        made = QgsFields()
        for name, kind in self.fields:
            made.append(QgsField(name, kind))
        return made


HITS = ResultLayer(
    "hits",
    p.HITS,
    (
        ("rank", _INT),
        ("score", _REAL),
        ("score_global", _REAL),
        ("score_regions", _REAL),
        ("percentile", _REAL),
        ("query", _TEXT),
        ("keywords", _TEXT),
        ("raster", _TEXT),
        ("tile_row", _INT),
        ("tile_col", _INT),
        ("model", _TEXT),
    ),
    above=1,
)
SUBREGIONS = ResultLayer(
    "subregions",
    p.SUBREGIONS,
    (
        ("hit_rank", _INT),
        ("query", _TEXT),
        ("keyword", _TEXT),
        ("score", _REAL),
        ("area_m2", _REAL),
    ),
    above=0,
)


@dataclass
class OutputLayer:
    """Where an algorithm writes a result layer.

    Attributes:
        sink: None where the user wants none.
        destination: id or source, as its sink was made with.
        title: the output's description in the dialog.
    """

    layer: ResultLayer
    sink: QgsFeatureSink | None
    destination: str
    title: str


def discard(output: OutputLayer, context: QgsProcessingContext) -> None:
    """Takes away what was begun for an output: an empty or partial layer would look like a result."""
    output.sink = None  # closes the file
    layers = context.layersToLoadOnCompletion()
    if layers.pop(output.destination, None) is not None:
        context.setLayersToLoadOnCompletion(layers)
    file, _, layer = output.destination.partition("|layername=")
    if not Path(file).is_file():  # in memory or in a database
        return
    dataset = gdal.OpenEx(file, gdal.OF_VECTOR | (gdal.OF_UPDATE if layer else 0))
    if dataset is None:
        return
    if not layer:
        driver = dataset.GetDriver()
        dataset = None
        driver.Delete(file)
        return
    for number in range(dataset.GetLayerCount()):  # the file may hold other tables
        if dataset.GetLayer(number).GetName() == layer.partition("|")[0]:
            dataset.DeleteLayer(number)
            break


def copy_features(
    geopackage: str, output: OutputLayer, origins: Mapping[str, str], feedback: QgsProcessingFeedback
) -> None:
    """Copies a layer of ``geopackage`` to where it goes, feature by feature.

    Args:
        origins: names for what the field ``raster`` holds, where they differ from it.

    Raises:
        QgsProcessingException: the layer cannot be read, or a feature cannot be written.
    """
    options = QgsVectorLayer.LayerOptions()
    options.loadDefaultStyle = False
    source = QgsVectorLayer(f"{geopackage}|layername={output.layer.name}", output.layer.name, "ogr", options)
    if not source.isValid():
        raise QgsProcessingException(
            tr("The engine's result {file} cannot be read.").format(file=geopackage)
            + " "
            + tr("Check that there is free space in the temporary folder.")
        )
    fields = output.layer.qgis_fields()
    columns = [source.fields().lookupField(name) for name in fields.names()]
    is_cancelled = cancel_check(feedback)
    for found in source.getFeatures():
        if is_cancelled():
            return
        feature = QgsFeature(fields)
        values = [found.attribute(column) if column >= 0 else None for column in columns]
        feature.setAttributes([origins.get(value, value) if isinstance(value, str) else value for value in values])
        feature.setGeometry(found.geometry())
        if not output.sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert):
            raise QgsProcessingException(
                tr("A result cannot be written: {reason}.").format(reason=output.sink.lastError())
                + " "
                + tr("Choose another file or format.")
            )
