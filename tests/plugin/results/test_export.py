from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from osgeo import gdal, ogr
from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsGraduatedSymbolRenderer,
    QgsProject,
    QgsVectorLayer,
)
from qgis.gui import QgisInterface

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.results import ResultsPanel
from qgis_mpsclip.results.export import FORMATS, Export, export_hits
from qgis_mpsclip.results.export_dialog import ACCEPTED_ONLY, ALL, SELECTED, SHOWN, ExportDialog
from qgis_mpsclip.results.layers import open_layer
from qgis_mpsclip.results.writing import Part, add_layers, write_geopackage
from tests.plugin.results.conftest import Said

GEOPACKAGE, GEOJSON, FLATGEOBUF, CSV = FORMATS
WGS84 = QgsCoordinateReferenceSystem("EPSG:4326")
UTM = QgsCoordinateReferenceSystem("EPSG:32632")


def export(said: Said, what: Export):  # type: ignore[no-untyped-def]
    sources = {name: open_layer(said.file, name) for name in ("hits", "subregions")}
    return export_hits(sources, what, QgsProject.instance().transformContext())


def test_a_new_geopackage_has_both_layers_and_their_styles(said: Said, tmp_path: Path) -> None:
    path = tmp_path / "out.gpkg"
    done = export(said, Export(GEOPACKAGE, path, ranks=[1, 2, 4]))
    assert (done.files, done.layers, done.hits) == ((path,), ("hits", "subregions"), 3)
    hits, subregions = open_layer(path, "hits"), open_layer(path, "subregions")
    assert [feature["rank"] for feature in hits.getFeatures()] == [1, 2, 4]
    assert {feature["hit_rank"] for feature in subregions.getFeatures()} == {1, 2, 4}
    assert isinstance(hits.renderer(), QgsGraduatedSymbolRenderer) and hits.labelsEnabled()
    assert isinstance(subregions.renderer(), QgsCategorizedSymbolRenderer)
    assert hits.crs().authid() == "EPSG:32632"
    original = open_layer(said.file, "hits")
    assert hits.fields().names() == original.fields().names()
    assert next(hits.getFeatures()).geometry().equals(next(original.getFeatures()).geometry())


def test_an_existing_geopackage_gets_new_layers_and_keeps_its_own(said: Said, tmp_path: Path) -> None:
    path = tmp_path / "mine.gpkg"
    mine = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = mine.CreateLayer("HITS", geom_type=ogr.wkbPoint)
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (1 2)"))
    layer.CreateFeature(feature)
    del feature, layer, mine
    first = export(said, Export(GEOPACKAGE, path))
    second = export(said, Export(GEOPACKAGE, path, outlines=False))
    assert first.layers == ("hits_2", "subregions") and second.layers == ("hits_3",)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT COUNT(*) FROM HITS").fetchone() == (1,)
        assert database.execute("SELECT COUNT(*) FROM hits_2").fetchone() == (12,)
        styled = {name for (name,) in database.execute("SELECT f_table_name FROM layer_styles")}
    assert styled == {"hits_2", "subregions", "hits_3"}


@pytest.mark.parametrize("table", ["hits", "orthophoto"])
def test_a_geopackage_of_rasters_takes_hits_beside_them(said: Said, tmp_path: Path, table: str) -> None:
    path = tmp_path / "mine.gpkg"
    picture = gdal.GetDriverByName("MEM").Create("", 64, 64, 3)
    picture.SetProjection(UTM.toWkt())
    picture.SetGeoTransform((600_000, 1, 0, 5_300_000, 0, -1))
    picture.GetRasterBand(1).Fill(77)
    gdal.Translate(str(path), picture, format="GPKG", creationOptions=[f"RASTER_TABLE={table}", "TILE_FORMAT=PNG"])
    done = export(said, Export(GEOPACKAGE, path))
    assert done.layers == ("hits_2" if table == "hits" else "hits", "subregions")
    assert open_layer(path, done.layers[0]).featureCount() == 12
    again = gdal.OpenEx(str(path), gdal.OF_RASTER, open_options=[f"TABLE={table}"])
    assert again.GetRasterBand(1).ReadRaster(0, 0, 1, 1) == bytes([77])


def test_hits_whose_outlines_cannot_be_written_beside_them_are_taken_back(said: Said, tmp_path: Path) -> None:
    sources = {"hits": open_layer(said.file, "hits"), "subregions": QgsVectorLayer("/nowhere", "broken", "ogr")}
    folder = tmp_path / "out"
    folder.mkdir()
    for kind in (GEOJSON, FLATGEOBUF, CSV):
        with pytest.raises(MpsClipError, match="cannot be written"):
            export_hits(sources, Export(kind, folder / f"out{kind.suffix}"), QgsProject.instance().transformContext())
        assert list(folder.iterdir()) == []


def test_what_is_no_geopackage_is_left_alone(said: Said, tmp_path: Path) -> None:
    path = tmp_path / "letter.gpkg"
    path.write_text("Dear reader")
    with pytest.raises(MpsClipError, match=r"letter\.gpkg is no GeoPackage"):
        export(said, Export(GEOPACKAGE, path))
    assert path.read_text() == "Dear reader"


def test_a_crs_that_does_not_reach_the_hits_is_told_before_anything_is_written(said: Said, tmp_path: Path) -> None:
    # The scene lies on the other side of the Earth.
    nowhere = QgsCoordinateReferenceSystem("PROJ:+proj=gnom +lat_0=-48 +lon_0=-169 +datum=WGS84")
    with pytest.raises(MpsClipError, match=r"is not defined\. Choose another CRS\."):
        export(said, Export(GEOPACKAGE, tmp_path / "out.gpkg", nowhere))
    assert not (tmp_path / "out.gpkg").exists()


def test_layers_that_are_added_in_vain_are_taken_back(said: Said, tmp_path: Path) -> None:
    path, context = tmp_path / "mine.gpkg", QgsProject.instance().transformContext()
    export(said, Export(GEOPACKAGE, path))
    parts = [Part(open_layer(said.file, "hits"), "hits"), Part(QgsVectorLayer("/nowhere", "broken", "ogr"), "broken")]
    with pytest.raises(MpsClipError, match="cannot be written"):
        add_layers(parts, path, context)
    with closing(sqlite3.connect(path)) as database:
        names = {name for (name,) in database.execute("SELECT table_name FROM gpkg_contents")}
    assert names == {"hits", "layer_styles", "subregions"}
    with pytest.raises(MpsClipError, match="cannot be written"):
        write_geopackage(parts, tmp_path / "new.gpkg", context)
    assert sorted(found.name for found in tmp_path.glob("*") if "houses" not in found.name) == ["mine.gpkg"]


def test_geojson_in_the_chosen_crs_with_the_outlines_beside_it(said: Said, tmp_path: Path) -> None:
    done = export(said, Export(GEOJSON, tmp_path / "out.geojson", WGS84, [1]))
    assert [file.name for file in done.files] == ["out.geojson", "out_subregions.geojson"]
    hits = json.loads((tmp_path / "out.geojson").read_text(encoding="utf-8"))
    (feature,) = hits["features"]
    assert feature["properties"]["rank"] == 1 and "fid" not in feature["properties"]
    assert feature["properties"]["percentile"] == pytest.approx(said.report["hits"][0]["percentile"])
    x, y = feature["geometry"]["coordinates"][0][0]
    assert 10 < x < 11 and 47 < y < 49
    outlines = json.loads((tmp_path / "out_subregions.geojson").read_text(encoding="utf-8"))
    assert len(outlines["features"]) == len(said.report["hits"][0]["subregions"])


def test_flatgeobuf_keeps_the_crs(said: Said, tmp_path: Path) -> None:
    export(said, Export(FLATGEOBUF, tmp_path / "out.fgb", outlines=False))
    assert [path.name for path in tmp_path.glob("*.fgb")] == ["out.fgb"]
    source = ogr.Open(str(tmp_path / "out.fgb"))
    layer = source.GetLayer()
    assert layer.GetFeatureCount() == 12
    assert layer.GetSpatialRef().GetAuthorityCode(None) == "32632"


def test_csv_holds_the_outlines_as_wkt(said: Said, tmp_path: Path) -> None:
    export(said, Export(CSV, tmp_path / "out.csv", UTM, [2, 3]))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["2", "3"]
    assert rows[0]["WKT"].startswith("POLYGON ((")
    assert (tmp_path / "out_subregions.csv").exists()


@pytest.mark.parametrize("name", ["out.csv", "out_subregions.csv"])
def test_no_existing_file_is_replaced(said: Said, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(MpsClipError, match=f"{name} exists already"):
        export(said, Export(CSV, tmp_path / "out.csv"))
    assert [path.name for path in tmp_path.glob("*.csv")] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_nothing_to_export_and_missing_folders_are_told(said: Said, tmp_path: Path) -> None:
    with pytest.raises(MpsClipError, match="no hits to export"):
        export(said, Export(CSV, tmp_path / "out.csv", ranks=[99]))
    with pytest.raises(MpsClipError, match="does not exist"):
        export(said, Export(CSV, tmp_path / "none" / "out.csv"))


def test_reviews_are_exported(finished: ResultsPanel, tmp_path: Path) -> None:
    finished.list.setCurrentIndex(finished.proxy.index(0, 0))
    finished.command("accept")
    assert finished.export(Export(CSV, tmp_path / "out.csv", ranks=[1], outlines=False))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert [row["review"] for row in csv.DictReader(file)] == ["accepted"]


def test_hits_that_the_filter_hides_are_exported_when_all_are_asked_for(finished: ResultsPanel, tmp_path: Path) -> None:
    finished.filters.slider.setValue(9)
    finished._filter_map()
    assert finished.export(Export(GEOPACKAGE, tmp_path / "out.gpkg"))
    assert open_layer(tmp_path / "out.gpkg", "hits").featureCount() == 12


def test_hits_of_a_search_that_still_runs_can_be_exported(panel: ResultsPanel, said: Said, tmp_path: Path) -> None:
    said.file.unlink()
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    panel.update_hit(said.hits[0])
    assert panel.export(Export(GEOPACKAGE, tmp_path / "out.gpkg"))
    assert open_layer(tmp_path / "out.gpkg", "hits").featureCount() == 12


def test_names_are_shown_as_they_are_in_messages(
    finished: ResultsPanel, tmp_path: Path, qgis_iface: QgisInterface
) -> None:
    assert finished.export(Export(CSV, tmp_path / "a<b>.csv"))
    assert "a&lt;b&gt;.csv" in qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Success)[-1]
    assert not finished.export(Export(CSV, tmp_path / "a<b>.csv"))
    warning = qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Warning)[-1]
    assert "a&lt;b&gt;.csv exists already" in warning


def test_the_message_has_a_link_to_the_folder(
    finished: ResultsPanel, tmp_path: Path, qgis_iface: QgisInterface
) -> None:
    assert finished.export(Export(CSV, tmp_path / "out.csv"))
    text = qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Success)[-1]
    assert "12 hits written to out.csv" in text and f'href="file://{tmp_path}"' in text


def test_the_dialog_offers_what_there_is_and_answers_with_it(qgis_app: object, tmp_path: Path) -> None:
    dialog = ExportDialog(
        {ALL: [1, 2, 3], SELECTED: [2], SHOWN: [1, 2, 3], ACCEPTED_ONLY: []}, SELECTED, tmp_path, "boats", UTM
    )
    assert [dialog.which.itemData(i) for i in range(dialog.which.count())] == [ALL, SHOWN, SELECTED]
    assert dialog.export() == Export(GEOPACKAGE, tmp_path / "boats.gpkg", UTM, [2], True)
    dialog.format.setCurrentIndex(3)
    dialog.crs.setCrs(WGS84)
    dialog.outlines.setChecked(False)
    assert dialog.export() == Export(CSV, tmp_path / "boats.csv", WGS84, [2], False)
    dialog.deleteLater()


def test_the_dialog_tells_before_what_cannot_be_done(qgis_app: object, tmp_path: Path) -> None:
    (tmp_path / "mine.gpkg").touch()
    (tmp_path / "mine_subregions.csv").touch()
    dialog = ExportDialog({ALL: [1]}, ALL, tmp_path, "mine", UTM)
    ok = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
    assert dialog.file.filePath() == str(tmp_path / "mine_2.gpkg") and ok.isEnabled()
    dialog.file.setFilePath(str(tmp_path / "mine.gpkg"))
    assert "added to it as new layers" in dialog.note.text() and ok.isEnabled()
    dialog.format.setCurrentIndex(3)
    assert "mine_subregions.csv exists already" in dialog.note.text() and not ok.isEnabled()
    dialog.outlines.setChecked(False)
    assert ok.isEnabled()
    dialog.file.setFilePath("")
    assert not ok.isEnabled()
    dialog.deleteLater()
