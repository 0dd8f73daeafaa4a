"""A search on the map: a group with the layers ``hits`` and ``subregions``, in memory until their file is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsField,
    QgsGeometry,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QMetaType, QObject, QTimer
from qgis.PyQt.QtGui import QColor

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.hits import Hit, HitKey
from qgis_mpsclip.results.review import Review, feature_ids, review_fields, write_reviews
from qgis_mpsclip.results.styles import KeywordColours, grade, keyword_colours, load_template
from qgis_mpsclip.results.writing import Part, write_geopackage

HITS = "hits"
SUBREGIONS = "subregions"
REPAINT_MS = 250  # refined hits may come faster than a map is drawn
LONGEST_GROUP = 80
NO_MEMORY_WARNING = "skipMemoryLayersCheck"  # QGIS's name of it

_INT, _REAL, _TEXT = QMetaType.Type.Int, QMetaType.Type.Double, QMetaType.Type.QString
HIT_FIELDS = {
    "rank": _INT,
    "score": _REAL,
    "score_global": _REAL,
    "score_regions": _REAL,
    "percentile": _REAL,
    "query": _TEXT,
    "keywords": _TEXT,
    "raster": _TEXT,
    "tile_row": _INT,
    "tile_col": _INT,
}
NEEDED_FIELDS = set(HIT_FIELDS) - {"percentile"}  # which files of earlier versions lack
SUBREGION_FIELDS = {"hit_rank": _INT, "query": _TEXT, "keyword": _TEXT, "score": _REAL}


class ResultLayers(QObject):
    """The layers of one search in one project.

    Nothing is added to the project before there is a hit. A layer that the user removes stays removed, and all
    methods do without it.
    """

    def __init__(self, project: QgsProject, name: str, query: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project = project
        self._name, self._query = name, query
        self._ids: dict[str, str] = {}  # layer ids by HITS, SUBREGIONS
        self._features: dict[HitKey, int] = {}  # of the layer hits
        self._hits: dict[HitKey, Hit] = {}
        self._colours: KeywordColours | None = None
        self._shown: str = ""
        self._path: Path | None = None  # once there is a file
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REPAINT_MS)
        self._timer.timeout.connect(self._restyle)

    @property
    def hits(self) -> QgsVectorLayer | None:
        return self._layer(HITS)

    @property
    def subregions(self) -> QgsVectorLayer | None:
        return self._layer(SUBREGIONS)

    def colours(self) -> dict[str, QColor]:
        """Colour of each keyword on the map."""
        return keyword_colours(self.subregions)

    def show_shortlist(self, hits: Iterable[Hit], crs: QgsCoordinateReferenceSystem) -> None:
        """Adds the group with the hits so far, as layers in memory; nothing where there is no hit."""
        self._hits = {hit.key: hit for hit in hits}
        if not self._hits:
            return
        layers = {
            HITS: _memory_layer(HITS, HIT_FIELDS, crs, review_fields()),
            SUBREGIONS: _memory_layer(SUBREGIONS, SUBREGION_FIELDS, crs),
        }
        for name, layer in layers.items():
            load_template(layer, name)
        self._colours = KeywordColours(layers[SUBREGIONS])
        self._colours.show(layers[SUBREGIONS], ())
        layers[HITS].dataProvider().addFeatures([self._hit_feature(layers[HITS], hit) for hit in self._hits.values()])
        grade(layers[HITS], [hit.score for hit in self._hits.values()])
        self._features = feature_ids(layers[HITS])
        self._add(layers)
        for hit in self._hits.values():
            self._add_outlines(hit)

    def update_hit(self, hit: Hit) -> None:
        """Puts a refined hit into the place of what it was; the map follows a moment later."""
        if hit.key not in self._hits:
            return
        self._hits[hit.key] = hit
        layer = self.hits
        if layer is not None:
            feature = self._hit_feature(layer, hit)
            own = len(HIT_FIELDS)  # what follows is the review
            values = {column: feature.attribute(column) for column in range(own)}
            layer.dataProvider().changeAttributeValues({self._features[hit.key]: values})
        self._add_outlines(hit)
        self._timer.start()

    def use_file(self, path: Path) -> None:
        """The file takes the place of what was in memory: the same layers, at the same place in the layer tree.

        Where no layer has been added yet, they are added from the file.

        Raises:
            MpsClipError: it cannot be opened.
        """
        self._timer.stop()
        # Opened first: a damaged file must not take the place of layers that work.
        layers = open_results(path)
        self._path = path
        self._features = feature_ids(layers[HITS])
        self._shown = ""
        if not self._ids:
            self._add(layers)
        for name in self._ids:
            layer = self._layer(name)
            if layer is not None and layer.providerType() == "memory":
                layer.setDataSource(_uri(path, name), layer.name(), "ogr", True)
                _take_undefined_crs(layer)
                layer.removeCustomProperty(NO_MEMORY_WARNING)
                layer.emitStyleChanged()
                layer.triggerRepaint()

    def find_in_project(self, path: Path) -> bool:
        """Takes over the layers of an earlier search, if the project still has its hits."""
        found = {}
        for layer in self._project.mapLayers().values():
            if isinstance(layer, QgsVectorLayer) and layer.providerType() == "ogr":
                source, _, rest = layer.source().partition("|layername=")
                name = rest.split("|")[0]
                if name in (HITS, SUBREGIONS) and _same_file(Path(source), path):
                    found.setdefault(name, layer)
        if HITS not in found:
            return False
        self._ids = {name: layer.id() for name, layer in found.items()}
        for layer in found.values():
            _set_subset(layer, "")
        self._path = path
        self._features = feature_ids(found[HITS])
        return True

    def write(self, path: Path) -> None:
        """Keeps what there is of a search that was stopped, and goes on with the file.

        Raises:
            MpsClipError: the file exists already or cannot be written.
        """
        parts = [Part(layer, name) for name in (HITS, SUBREGIONS) if (layer := self._layer(name)) is not None]
        self._restyle()
        for part in parts:
            part.layer.setSubsetString("")
        if parts:
            write_geopackage(parts, path, self._project.transformContext())
            self.use_file(path)

    def warn_when_closing(self) -> bool:
        """QGIS asks before it lets go of layers that will stay in memory; whether there are such."""
        kept = [layer for name in self._ids if (layer := self._layer(name)) and layer.providerType() == "memory"]
        for layer in kept:
            layer.removeCustomProperty(NO_MEMORY_WARNING)
        return bool(kept)

    def write_reviews(self, reviews: dict[HitKey, Review]) -> None:
        """Keeps reviews in the layer, or in its file where the user has removed the layer.

        Raises:
            MpsClipError: it cannot be written.
        """
        layer = self.hits
        if layer is None and self._path is not None:
            layer = open_layer(self._path, HITS)
        if layer is not None:
            write_reviews(layer, reviews, self._features)

    def sources(self) -> dict[str, QgsVectorLayer]:
        """All hits and outlines to read, by layer name: from the file, else copies of what is in memory.

        Raises:
            MpsClipError: the file is gone.
        """
        if self._path is not None:
            return open_results(self._path)
        found = {name: layer.clone() for name in self._ids if (layer := self._layer(name)) is not None}
        for layer in found.values():
            layer.setSubsetString("")
        return found

    def show_only(self, ranks: Collection[int] | None) -> None:
        """The map shows the hits of these ranks and their outlines; None: all."""
        listed = None if ranks is None else ", ".join(str(rank) for rank in sorted(ranks)) or "0"
        if (listed or "") == self._shown:
            return
        self._shown = listed or ""
        for layer, field in ((self.hits, "rank"), (self.subregions, "hit_rank")):
            if layer is not None and not layer.isEditable():
                _set_subset(layer, "" if listed is None else f'"{field}" IN ({listed})')

    def _layer(self, name: str) -> QgsVectorLayer | None:
        layer = self._project.mapLayer(self._ids.get(name, ""))
        return layer if isinstance(layer, QgsVectorLayer) else None

    def _add(self, layers: dict[str, QgsVectorLayer]) -> None:
        """A new group on top of the layer tree: hits over subregions."""
        group = self._project.layerTreeRoot().insertGroup(0, self._group_name())
        for name in (HITS, SUBREGIONS):
            self._project.addMapLayer(layers[name], False)
            group.addLayer(layers[name])
            self._ids[name] = layers[name].id()

    def _group_name(self) -> str:
        taken = {node.name() for node in self._project.layerTreeRoot().findGroups(True)}
        name = self._name if len(self._name) <= LONGEST_GROUP else self._name[: LONGEST_GROUP - 1] + "…"
        wanted, number = name, 2
        while wanted in taken:
            wanted, number = f"{name} ({number})", number + 1
        return wanted

    def _hit_feature(self, layer: QgsVectorLayer, hit: Hit) -> QgsFeature:
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry(hit.geometry))
        values = {
            "rank": hit.rank,
            "score": hit.score,
            "score_global": hit.score_global,
            "score_regions": hit.score_regions,
            "percentile": hit.percentile,
            "query": self._query,
            "keywords": ", ".join(hit.keywords),
            "raster": hit.raster,
            "tile_row": hit.tile_row,
            "tile_col": hit.tile_col,
        }
        for name, value in values.items():
            feature[name] = NULL if value is None else value
        return feature

    def _add_outlines(self, hit: Hit) -> None:
        layer = self.subregions
        if layer is None or self._colours is None or not hit.subregions:
            return
        features = []
        for region in hit.subregions:
            feature = QgsFeature(layer.fields())
            feature.setGeometry(QgsGeometry(region.geometry))
            feature.setAttributes([hit.rank, self._query, region.keyword, region.score])
            features.append(feature)
        layer.dataProvider().addFeatures(features)
        self._colours.show(layer, [region.keyword for region in hit.subregions])

    def _restyle(self) -> None:
        """Classes that fit the scores so far; the map is drawn anew."""
        if self.hits is not None:
            grade(self.hits, [hit.score for hit in self._hits.values()])
        for layer in (self.hits, self.subregions):
            if layer is not None:
                layer.updateExtents()
                layer.emitStyleChanged()
                layer.triggerRepaint()


def open_results(path: Path) -> dict[str, QgsVectorLayer]:
    """HITS and SUBREGIONS of the result file of one search.

    Raises:
        MpsClipError: they are gone or damaged, or belong to several queries.
    """
    layers = {name: open_layer(path, name) for name in (HITS, SUBREGIONS)}
    fields = layers[HITS].fields()
    if not NEEDED_FIELDS.issubset(fields.names()):
        raise _unreadable(path)
    if len(layers[HITS].uniqueValues(fields.lookupField("query"), 2)) > 1:
        raise MpsClipError(
            tr("{path} holds the hits of several queries, as a batch search writes them; the list shows one.").format(
                path=path
            ),
            tr("Add its layers to the map with QGIS's browser, and filter them by the field “query”."),
        )
    return layers


def open_layer(path: Path, name: str) -> QgsVectorLayer:
    """A layer of a result file, styled as the file says; without a CRS where the searched rasters have none.

    Raises:
        MpsClipError: the file or the layer is gone, or damaged.
    """
    options = QgsVectorLayer.LayerOptions()
    options.skipCrsValidation = True  # else QGIS may ask for the CRS that the rasters lack, too
    layer = QgsVectorLayer(_uri(path, name), name, "ogr", options)
    if not layer.isValid():
        raise _unreadable(path)
    _take_undefined_crs(layer)
    return layer


def _unreadable(path: Path) -> MpsClipError:
    problem = tr("{path} holds no results that can be read.") if path.exists() else tr("{path} is gone.")
    return MpsClipError(problem.format(path=path), tr("Search again, or put the file back."))


def _take_undefined_crs(layer: QgsVectorLayer) -> None:
    """Leaves a layer without a CRS where its file says "undefined".

    A GeoPackage says so with a CRS of its own (srs_id -1 or 0), which QGIS takes for a valid one. Nothing can be
    transformed from it, so the hits would not be drawn over the raster that has none.
    """
    crs = layer.crs()
    if crs.isValid() and not crs.authid() and crs.description().lower().startswith("undefined"):
        layer.setCrs(QgsCoordinateReferenceSystem())


def _memory_layer(
    name: str, fields: dict[str, QMetaType.Type], crs: QgsCoordinateReferenceSystem, more: Iterable[QgsField] = ()
) -> QgsVectorLayer:
    options = QgsVectorLayer.LayerOptions()
    options.skipCrsValidation = True
    layer = QgsVectorLayer("Polygon", name, "memory", options)
    layer.setCrs(crs)
    layer.dataProvider().addAttributes([*(QgsField(field, kind) for field, kind in fields.items()), *more])
    layer.updateFields()
    layer.setCustomProperty(NO_MEMORY_WARNING, 1)  # its file is on the way
    return layer


def _set_subset(layer: QgsVectorLayer, subset: str) -> None:
    """Shows a part of a layer.

    A file is opened anew for it: the provider's own way opens it for writing, and what reads it without locks beside
    that (GDAL 3.6) cannot count its features any more.
    """
    if layer.subsetString() == subset or layer.isEditable():
        return
    if layer.providerType() != "ogr":
        layer.setSubsetString(subset)
        return
    parts = [part for part in layer.source().split("|") if not part.startswith("subset=")]
    source = "|".join([*parts, f"subset={subset}"] if subset else parts)
    layer.setDataSource(source, layer.name(), "ogr", False)
    _take_undefined_crs(layer)


def _uri(path: Path, name: str) -> str:
    return f"{path}|layername={name}"


def _same_file(first: Path, second: Path) -> bool:
    return first == second or (first.exists() and second.exists() and first.samefile(second))
