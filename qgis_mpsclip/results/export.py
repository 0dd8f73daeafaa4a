"""Hits and their outlines in the formats that other programs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsCsException,
    QgsFeatureRequest,
    QgsVectorLayer,
)

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.layers import HITS, SUBREGIONS
from qgis_mpsclip.results.writing import GEOPACKAGE, Part, add_layers, write_geopackage, write_single


@dataclass(frozen=True)
class Format:
    """A file format: GDAL's name of it, its suffix and the options of its layers."""

    driver: str
    suffix: str
    name: str
    options: tuple[str, ...] = ()


FORMATS = (
    Format(GEOPACKAGE, ".gpkg", "GeoPackage"),
    Format("GeoJSON", ".geojson", "GeoJSON"),
    Format("FlatGeobuf", ".fgb", "FlatGeobuf"),
    Format("CSV", ".csv", "CSV", ("GEOMETRY=AS_WKT",)),
)


@dataclass(frozen=True)
class Export:
    """What is to be written.

    Attributes:
        path: file to write; its suffix is that of the format.
        crs: to write it in; None: that of the hits.
        ranks: hits to write; None: all.
        outlines: whether their subregions go with them.
    """

    format: Format
    path: Path
    crs: QgsCoordinateReferenceSystem | None = None
    ranks: Sequence[int] | None = None
    outlines: bool = True


@dataclass(frozen=True)
class Exported:
    """``files`` that were written, with the names of the layers in a GeoPackage, and the number of hits."""

    files: tuple[Path, ...]
    layers: tuple[str, ...]
    hits: int


def export_hits(
    sources: Mapping[str, QgsVectorLayer], export: Export, context: QgsCoordinateTransformContext
) -> Exported:
    """Writes hits of ``sources`` (layers by name, as :meth:`ResultLayers.sources` gives them).

    An existing GeoPackage gets new layers under names of their own; any other existing file is left alone.

    Raises:
        MpsClipError: no hit to write, one lies where the CRS is not defined, a file exists already, or it cannot be
            written.
    """
    if not export.path.parent.is_dir():
        raise MpsClipError(
            tr("The folder {folder} does not exist.").format(folder=export.path.parent), tr("Choose another folder.")
        )
    ids = _features(sources[HITS], "rank", export.ranks)
    if not ids:
        raise MpsClipError(tr("There are no hits to export."), tr("Choose all hits, or accept or select some first."))
    parts = [Part(sources[HITS], HITS, ids)]
    if export.outlines and SUBREGIONS in sources:
        parts.append(Part(sources[SUBREGIONS], SUBREGIONS, _features(sources[SUBREGIONS], "hit_rank", export.ranks)))
    _check_crs(parts, export.crs, context)
    if export.format.driver == GEOPACKAGE:
        names = [part.name for part in parts]
        if export.path.exists():
            names = add_layers(parts, export.path, context, export.crs)
        else:
            write_geopackage(parts, export.path, context, export.crs)
        return Exported((export.path,), tuple(names), len(ids))
    files = [part_path(export.path, part.name) for part in parts]
    for file in files:
        if file.exists():
            raise MpsClipError(tr("{path} exists already.").format(path=file), tr("Choose another name."))
    for number, (part, file) in enumerate(zip(parts, files)):
        try:
            write_single(part, file, export.format.driver, export.format.options, context, export.crs)
        except MpsClipError:
            for written in files[:number]:  # by this call, a moment ago: all of the export or nothing
                written.unlink(missing_ok=True)
            raise
    return Exported(tuple(files), (), len(ids))


def part_path(path: Path, layer: str) -> Path:
    """Where a layer goes in a format of one layer a file: the outlines beside the hits."""
    return path if layer == HITS else path.with_name(f"{path.stem}_{layer}{path.suffix}")


def _features(layer: QgsVectorLayer, field: str, ranks: Sequence[int] | None) -> list[int]:
    """Feature ids, by rank."""
    wanted = None if ranks is None else set(ranks)
    found = [
        (int(feature[field]), feature.id())
        for feature in layer.getFeatures()
        if wanted is None or int(feature[field]) in wanted
    ]
    return [fid for _, fid in sorted(found)]


def _check_crs(
    parts: Sequence[Part], crs: QgsCoordinateReferenceSystem | None, context: QgsCoordinateTransformContext
) -> None:
    """Whether all that is to be written has a place in the CRS: the writer would put it at infinity."""
    for part in parts:
        if crs is None or not part.layer.crs().isValid():
            continue
        transform = QgsCoordinateTransform(part.layer.crs(), crs, context)
        for feature in part.layer.getFeatures(QgsFeatureRequest().setFilterFids(list(part.ids or ()))):
            try:
                found = transform.transformBoundingBox(feature.geometry().boundingBox()).isFinite()
            except QgsCsException:
                found = False
            if not found:
                raise MpsClipError(
                    tr("Some hits lie where {crs} is not defined.").format(crs=crs.userFriendlyIdentifier()),
                    tr("Choose another CRS."),
                )
