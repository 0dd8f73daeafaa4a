"""Writes results as a GeoPackage that QGIS opens styled."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import geopandas
import pyogrio

from engine.errors import OutputError
from engine.search.hits import SearchResult
from engine.search.layers import make_layers, make_summary
from engine.search.output import check_output, replacing
from engine.search.styles import hits_style, subregions_style

GEOMETRY = "geom"
SUFFIXES = (".gpkg",)
# QGIS 3.40 in Debian comes with GDAL 3.6, which warns of newer ones.
GEOPACKAGE_VERSION = "1.2"

# The table in which QGIS keeps styles, as QGIS itself creates it.
_STYLES_TABLE = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""


def write_geopackage(
    results: Sequence[SearchResult], path: Path, overwrite: bool = False, rasters: Sequence[str] = ()
) -> None:
    """Layers ``hits`` and ``subregions`` of one or several queries, with styles; appears whole or not at all.

    Args:
        rasters: absolute paths or URIs of which a table ``summary`` tells what each query came to; none: no table.

    Raises:
        OutputError: it exists and is not to be replaced, or cannot be written.
        RasterError: a hit lies where the CRS is not defined.
    """
    check_output(path, overwrite, SUFFIXES)
    layers = make_layers(results)
    summary = make_summary(results, rasters) if rasters else None
    keywords = list(dict.fromkeys(word for result in results for word in result.keywords.positives))
    queries = "; ".join(result.query for result in results)
    styles = {
        "hits": hits_style([hit.score for result in results for hit in result.hits]),
        "subregions": subregions_style(keywords),
    }
    with replacing(path) as temporary:
        try:
            _write_layer(layers.hits, temporary, "hits", f"Places found for: {queries}")
            _write_layer(layers.subregions, temporary, "subregions", f"Outlines of: {', '.join(keywords)}")
            if summary is not None:
                pyogrio.write_dataframe(summary, temporary, layer="summary", driver="GPKG", append=True)
            _write_styles(temporary, styles)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, sqlite3.Error) as error:
            raise OutputError(
                f"{path} cannot be written: {error}.", "Check free space and permissions.", path=str(path)
            ) from error


def _write_layer(frame: geopandas.GeoDataFrame, path: Path, layer: str, description: str) -> None:
    with warnings.catch_warnings():
        # "'crs' was not provided": a raster without a CRS gives a layer without one.
        warnings.filterwarnings("ignore", message="'crs' was not provided", category=UserWarning)
        pyogrio.write_dataframe(
            frame,
            path,
            layer=layer,
            driver="GPKG",
            geometry_type="Polygon",
            append=path.exists(),
            dataset_options={} if path.exists() else {"VERSION": GEOPACKAGE_VERSION},
            layer_options={"GEOMETRY_NAME": GEOMETRY, "IDENTIFIER": layer, "DESCRIPTION": description},
        )


def _write_styles(path: Path, styles: dict[str, str]) -> None:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_STYLES_TABLE)
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change)"
            " VALUES (?, ?, ?, ?, ?)",
            ("layer_styles", "attributes", "layer_styles", "QGIS styles", now),
        )
        database.executemany(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column,"
            " styleName, styleQML, styleSLD, useAsDefault, description, owner, ui)"
            " VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '', NULL)",
            [(layer, GEOMETRY, layer, qml, f"mpsclip: {layer}") for layer, qml in styles.items()],
        )
