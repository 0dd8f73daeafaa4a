"""A file seen otherwise: with the CRS or the display that its layer has in QGIS, as a VRT of a few kilobytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from osgeo import gdal
from qgis.core import QgsApplication, QgsCoordinateReferenceSystem

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.rendering.displayed import Display


def derived_folder() -> Path:
    """In the user's profile, as results and their index refer to these files in later sessions too."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "mpsclip" / "derived"


def derived_raster(
    source: str,
    crs: QgsCoordinateReferenceSystem | None,
    display: Display | None,
    folder: Path | None = None,
) -> str:
    """A VRT over ``source``, made once for the same arguments, so that its index serves again.

    Args:
        crs: put in place of the file's own; None: that stays.
        display: bands, brought to 0 … 255; what is no data becomes transparent. None: the bands stay as they are.
        folder: where it is kept; None: :func:`derived_folder`.

    Raises:
        MpsClipError: the file cannot be opened, or the folder not be written.
    """
    wkt = crs.toWkt() if crs is not None else ""
    key = hashlib.sha256(repr((source, wkt, display)).encode()).hexdigest()[:12]
    file = (folder or derived_folder()) / f"{Path(source).stem}-{key}.vrt"
    if file.exists():
        return str(file)
    options = {"format": "VRT"}
    if wkt:
        options["outputSRS"] = wkt
    if display is not None:
        # Validity becomes an alpha band, since a no-data value would be stretched along with the others.
        options["bandList"] = [*display.bands, "mask"]
        options["scaleParams"] = [[low, high, 0, 255] for low, high in display.stretch] + [[0, 255, 0, 255]]
        options["outputType"] = gdal.GDT_Byte
        options["noData"] = "none"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        view = gdal.Translate(str(file), source, **options)
    except (OSError, RuntimeError) as error:
        raise _unusable(source, str(error)) from error
    if view is None:
        raise _unusable(source, gdal.GetLastErrorMsg())
    if display is not None:
        view.GetRasterBand(view.RasterCount).SetColorInterpretation(gdal.GCI_AlphaBand)
    view.FlushCache()
    return str(file)


def _unusable(source: str, reason: str) -> MpsClipError:
    return MpsClipError(
        tr("{source} cannot be read the way its layer shows it: {reason}.").format(
            source=source, reason=reason.strip().rstrip(".")
        ),
        tr("Switch “As displayed” off, or save the layer under a new name and search that file."),
    )
