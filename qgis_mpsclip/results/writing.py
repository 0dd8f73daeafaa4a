"""Vector files written so that what is there is never harmed: new files appear whole, layers are only added."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsFeatureRequest,
    QgsMapLayer,
    QgsReadWriteContext,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from qgis.PyQt.QtXml import QDomDocument

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr

GEOPACKAGE = "GPKG"


@dataclass(frozen=True)
class Part:
    """A layer to write.

    Attributes:
        layer: where the features come from; its style goes into a GeoPackage.
        name: of the layer in the file.
        ids: features to write; None: all.
        attributes: names of the fields to write; None: all but the feature id.
    """

    layer: QgsVectorLayer
    name: str
    ids: Sequence[int] | None = None
    attributes: Sequence[str] | None = None


def write_geopackage(
    parts: Sequence[Part],
    path: Path,
    context: QgsCoordinateTransformContext,
    crs: QgsCoordinateReferenceSystem | None = None,
) -> None:
    """A new GeoPackage with the layers and their styles; it appears whole or not at all.

    Raises:
        MpsClipError: it exists already or cannot be written.
    """

    def write(temporary: Path) -> None:
        for part in parts:
            _write_layer(part, temporary, part.name, GEOPACKAGE, context, crs, [])
        for part in parts:
            _keep_style(part, temporary, part.name)

    _whole(path, write)


def add_layers(
    parts: Sequence[Part],
    path: Path,
    context: QgsCoordinateTransformContext,
    crs: QgsCoordinateReferenceSystem | None = None,
) -> list[str]:
    """New layers in an existing GeoPackage, under names that it does not have yet; returns these names.

    Layers that are there stay as they are; after an error none of the new ones is left.

    Raises:
        MpsClipError: it is no GeoPackage, or cannot be written.
    """
    taken = {name.lower() for name in layer_names(path)}
    names: list[str] = []
    try:
        for part in parts:
            name = free_name(part.name, taken)
            taken.add(name.lower())
            names.append(name)
            _write_layer(part, path, name, GEOPACKAGE, context, crs, [])
        for part, name in zip(parts, names):
            _keep_style(part, path, name)
    except MpsClipError:
        _remove_layers(path, names)
        raise
    return names


def write_single(
    part: Part,
    path: Path,
    driver: str,
    options: Sequence[str],
    context: QgsCoordinateTransformContext,
    crs: QgsCoordinateReferenceSystem | None = None,
) -> None:
    """A new file of one layer, such as GeoJSON; it appears whole or not at all.

    Raises:
        MpsClipError: it exists already or cannot be written.
    """
    _whole(path, lambda temporary: _write_layer(part, temporary, part.name, driver, context, crs, options))


def layer_names(path: Path) -> list[str]:
    """All tables and views of a GeoPackage: of features, attributes and rasters, and what is none of these.

    Raises:
        MpsClipError: it is no GeoPackage.
    """
    try:
        # Read only; the mode as a URI, since sqlite3 would make a missing file.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("SELECT table_name FROM gpkg_contents LIMIT 1")
            found = database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            return sorted(name for (name,) in found)
    except sqlite3.Error as error:
        raise MpsClipError(
            tr("{path} is no GeoPackage.").format(path=path),
            tr("Choose another name, or a GeoPackage to which layers can be added."),
        ) from error


def free_name(wanted: str, taken: set[str]) -> str:
    """``wanted``, or with the first number that makes it new; ``taken`` is in lower case."""
    name, number = wanted, 2
    while name.lower() in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    """Lets ``write`` fill a file in a folder of its own beside ``path``, then puts it into its place."""
    if path.exists():
        raise MpsClipError(tr("{path} exists already.").format(path=path), tr("Choose another name."))
    try:
        folder = Path(tempfile.mkdtemp(prefix=".mpsclip-", dir=path.parent))
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    try:
        write(folder / path.name)
        (folder / path.name).rename(path)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_layer(
    part: Part,
    path: Path,
    name: str,
    driver: str,
    context: QgsCoordinateTransformContext,
    crs: QgsCoordinateReferenceSystem | None,
    layer_options: Sequence[str],
) -> None:
    layer = part.layer
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = driver
    options.layerName = name
    options.fileEncoding = "UTF-8"
    options.attributes = _columns(part)
    options.layerOptions = [*QgsVectorFileWriter.defaultLayerOptions(driver), *layer_options]
    options.datasourceOptions = QgsVectorFileWriter.defaultDatasetOptions(driver)
    if driver == GEOPACKAGE:
        options.layerOptions += ["GEOMETRY_NAME=geom"]
    if path.exists():
        options.actionOnExistingFile = QgsVectorFileWriter.ActionOnExistingFile.CreateOrOverwriteLayer
    if crs is not None and crs.isValid() and layer.crs().isValid() and crs != layer.crs():
        options.ct = QgsCoordinateTransform(layer.crs(), crs, context)
    source = layer
    if part.ids is not None:
        source = layer.materialize(QgsFeatureRequest().setFilterFids(list(part.ids)))
    error, message, _, _ = QgsVectorFileWriter.writeAsVectorFormatV3(source, str(path), context, options)
    if error != QgsVectorFileWriter.WriterError.NoError:
        raise _unwritable(path, message)


def _columns(part: Part) -> list[int]:
    fields = part.layer.fields()
    wanted = [name for name in fields.names() if name != "fid"] if part.attributes is None else part.attributes
    return [index for index in map(fields.lookupField, wanted) if index >= 0]


def _keep_style(part: Part, path: Path, name: str) -> None:
    """Stores the style of the layer it came from as the default one of the written layer."""
    written = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
    document = QDomDocument()
    categories = QgsMapLayer.StyleCategory.Symbology | QgsMapLayer.StyleCategory.Labeling
    part.layer.exportNamedStyle(document, QgsReadWriteContext(), categories)
    written.importNamedStyle(document, categories)
    problem = written.saveStyleToDatabase(name, f"mpsclip: {name}", True, "", categories)
    if problem:
        raise _unwritable(path, problem)


def _remove_layers(path: Path, names: Sequence[str]) -> None:
    """Takes back layers that this module has just added."""
    dataset = None
    with suppress(RuntimeError):  # raised only where GDAL's exceptions are on
        dataset = gdal.OpenEx(str(path), gdal.OF_VECTOR | gdal.OF_UPDATE, allowed_drivers=[GEOPACKAGE])
    if dataset is None:
        return
    for i in reversed(range(dataset.GetLayerCount())):
        if dataset.GetLayer(i).GetName() in names:
            with suppress(RuntimeError):
                dataset.DeleteLayer(i)


def _unwritable(path: Path, reason: str) -> MpsClipError:
    return MpsClipError(
        tr("{path} cannot be written: {reason}.").format(path=path, reason=reason.strip().rstrip(".")),
        tr("Check free space and permissions, and close programs that have the file open."),
    )
