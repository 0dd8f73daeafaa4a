"""The parameters that algorithms share. Their names are frozen: scripts, models and ``qgis_process`` calls use them."""

from __future__ import annotations

import re
from typing import Any

from qgis.core import (
    Qgis,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from qgis_mpsclip.i18n import tr

INPUT = "INPUT"
MORE_INPUTS = "MORE_INPUTS"
INPUTS = "INPUTS"
FOLDER = "FOLDER"
PATTERN = "PATTERN"
RECURSIVE = "RECURSIVE"
QUERY = "QUERY"
QUERIES = "QUERIES"
QUERIES_FILE = "QUERIES_FILE"
EXTENT = "EXTENT"
AREA = "AREA"
TILE_SIZE = "TILE_SIZE"
OVERLAP = "OVERLAP"
BANDS = "BANDS"
TOP = "TOP"
MIN_SCORE = "MIN_SCORE"
REFINE = "REFINE"
SEGMENTER = "SEGMENTER"
SCORE = "SCORE"
NMS = "NMS"
KEYWORDS = "KEYWORDS"
MODEL = "MODEL"
DEVICE = "DEVICE"
TARGET_CRS = "TARGET_CRS"
RESOLUTION = "RESOLUTION"
LOAD_LAYERS = "LOAD_LAYERS"
HITS = "HITS"
SUBREGIONS = "SUBREGIONS"
SUMMARY = "SUMMARY"
OUTPUT = "OUTPUT"
OUTPUT_HTML = "OUTPUT_HTML"
OUTPUT_JSON = "OUTPUT_JSON"

# Values of the enumerations are the engine's own words, and frozen like the names.
SEGMENTERS = ("auto", "relevance", "relevance+sam", "langsam", "samgeo3", "none")
SCORES = ("auto", "global", "fused", "max-view")
EXTRACTORS = ("local", "llm")
DEFAULT_PATTERN = "*.tif;*.tiff;*.vrt;*.jp2;*.img"

_TILE_SIZE = re.compile(r"\s*(?:auto|[1-9]\d*\s*(?:px)?|(?:\d+(?:\.\d*)?|\.\d+)\s*m)\s*", re.IGNORECASE)
_BANDS = re.compile(r"\s*[1-9]\d*\s*(?:,\s*[1-9]\d*\s*,\s*[1-9]\d*\s*)?")


def rasters() -> list[QgsProcessingParameterDefinition]:
    """Several rasters: layers or files, and all in a folder."""
    return [
        helped(
            QgsProcessingParameterMultipleLayers(
                INPUTS, tr("Rasters"), Qgis.ProcessingSourceType.Raster, optional=True
            ),
            tr("Raster layers or files."),
        ),
        helped(
            QgsProcessingParameterFile(
                FOLDER, tr("Folder of rasters"), Qgis.ProcessingFileParameterBehavior.Folder, optional=True
            ),
            tr("All rasters in this folder are taken too. Files that cannot be read are left out, with a warning."),
        ),
        advanced(
            QgsProcessingParameterString(PATTERN, tr("Files to take from the folder"), DEFAULT_PATTERN, optional=True),
            tr("Patterns of file names, separated by semicolons."),
        ),
        advanced(
            QgsProcessingParameterBoolean(RECURSIVE, tr("Look into subfolders"), False),
            tr("Whether rasters are looked for in the folder's subfolders too."),
        ),
    ]


def area() -> list[QgsProcessingParameterDefinition]:
    """Where to look: a rectangle, polygons, or what both have in common."""
    return [
        helped(
            QgsProcessingParameterExtent(EXTENT, tr("Extent"), optional=True),
            tr("Only tiles that touch this rectangle are encoded and searched. Empty: the whole raster."),
        ),
        helped(
            QgsProcessingParameterFeatureSource(
                AREA, tr("Areas"), [Qgis.ProcessingSourceType.VectorPolygon], optional=True
            ),
            tr("Only tiles that touch these polygons are encoded and searched; with an extent, both must be touched."),
        ),
    ]


def tiles() -> list[QgsProcessingParameterDefinition]:
    """How rasters are cut into tiles and encoded."""
    overlap = _number(OVERLAP, tr("Overlap of tiles"), 0.25, 0.0, 0.9, real=True)
    return [
        helped(
            QgsProcessingParameterString(TILE_SIZE, tr("Tile size (such as 224px or 100m)"), optional=True),
            tr(
                "Side of the squares that are compared with the query, in pixels (224px) or metres on the ground"
                " (100m). A good tile is about as large as what is looked for, with its surroundings. Empty: what suits"
                " the raster's ground resolution."
            ),
        ),
        advanced(overlap, tr("Of neighbouring tiles, as a fraction of their side.")),
        advanced(
            QgsProcessingParameterString(BANDS, tr("Bands"), optional=True),
            tr(
                "Three band numbers for red, green and blue, such as 4,3,2, or one. Empty: as the raster's colour"
                " interpretation says."
            ),
        ),
    ]


def rendering() -> list[QgsProcessingParameterDefinition]:
    """How finely layers are rendered that are no files."""
    return [
        advanced(
            _number(RESOLUTION, tr("Ground resolution of layers that are no files"), None, 1e-3, 1e5, real=True),
            tr(
                "Metres a pixel at which web maps and layers of databases are rendered before they are searched. Empty:"
                " their own pixels, or 1 m where they have none."
            ),
        )
    ]


def hits() -> list[QgsProcessingParameterDefinition]:
    """How many hits, and how they are looked at again."""
    return [
        helped(
            _number(TOP, tr("Number of hits"), 50, 1, 100_000),
            tr("At most so many hits are returned for a query, the best ones."),
        ),
        helped(
            _number(MIN_SCORE, tr("Minimum score"), None, -1.0, 1.0, real=True),
            tr(
                "Tiles whose own score (score_global) is less are left out. Scores are no probabilities:"
                " what is high depends on the model and on the query. Empty: none is left out."
            ),
        ),
        helped(
            _number(REFINE, tr("Hits to outline"), 32, 0, 10_000),
            tr("In so many of the best hits the keywords are outlined (subregions). 0: in none."),
        ),
        advanced(
            _choice(SEGMENTER, tr("Segmenter"), SEGMENTERS),
            tr("What outlines the keywords. auto: what suits the engine's machine; none: nothing is outlined."),
        ),
        advanced(
            _choice(SCORE, tr("Score of outlined hits"), SCORES),
            tr("How subregions enter a hit's score. auto: what suits the model; global: not at all."),
        ),
        advanced(
            _number(NMS, tr("Overlap of hits"), 0.3, 0.0, 1.0, real=True),
            tr("A hit that overlaps a better one by more (intersection divided by union of their areas) is left out."),
        ),
        advanced(
            _choice(KEYWORDS, tr("Keywords found by"), EXTRACTORS),
            tr(
                "local: rules on this machine; llm: the language model of the settings, which gets the query and never"
                " imagery."
            ),
        ),
        advanced(
            QgsProcessingParameterCrs(TARGET_CRS, tr("CRS of the results"), optional=True),
            tr("Empty: that of the rasters where they have the same one, else EPSG:4326."),
        ),
    ]


def engine() -> list[QgsProcessingParameterDefinition]:
    """With which model, and on which device."""
    return [
        advanced(
            QgsProcessingParameterString(MODEL, tr("Model"), optional=True),
            tr("Id of a model of the catalogue. Empty: the one of the settings, else the packaged one."),
        ),
        advanced(
            QgsProcessingParameterString(DEVICE, tr("Device"), optional=True),
            tr("cpu, cuda:0 or mps. Empty: the one of the settings, else the fastest there is."),
        ),
    ]


def check_tile_size(text: str) -> str | None:
    """What is wrong with a tile size, or None."""
    match = _TILE_SIZE.fullmatch(text)
    if not text.strip() or (match and re.search(r"[1-9]|auto", text, re.IGNORECASE)):
        return None
    return tr("Tile size “{text}” is not understood: give whole pixels such as 224px, or metres such as 100m.").format(
        text=text
    )


def check_bands(text: str) -> str | None:
    """What is wrong with a list of bands, or None."""
    if not text.strip() or _BANDS.fullmatch(text):
        return None
    return tr("Bands “{text}” are not understood: give one or three band numbers, such as 4,3,2.").format(text=text)


def parse_bands(text: str) -> list[int] | None:
    """Band numbers of a text that :func:`check_bands` accepts; None where there are none."""
    return [int(part) for part in text.split(",")] if text.strip() else None


def helped(parameter: QgsProcessingParameterDefinition, text: str) -> QgsProcessingParameterDefinition:
    """The parameter, with ``text`` as its help."""
    parameter.setHelp(text)
    return parameter


def advanced(parameter: QgsProcessingParameterDefinition, text: str) -> QgsProcessingParameterDefinition:
    """The parameter, folded away with the advanced ones, with ``text`` as its help."""
    parameter.setFlags(parameter.flags() | Qgis.ProcessingParameterFlag.Advanced)
    return helped(parameter, text)


def _number(
    name: str, title: str, default: Any, least: float, greatest: float, real: bool = False
) -> QgsProcessingParameterNumber:
    kind = Qgis.ProcessingNumberParameterType.Double if real else Qgis.ProcessingNumberParameterType.Integer
    return QgsProcessingParameterNumber(
        name, title, kind, default, optional=default is None, minValue=least, maxValue=greatest
    )


def _choice(name: str, title: str, values: tuple[str, ...]) -> QgsProcessingParameterEnum:
    return QgsProcessingParameterEnum(
        name, title, list(values), allowMultiple=False, defaultValue=values[0], usesStaticStrings=True
    )
