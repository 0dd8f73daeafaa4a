"""Layers that are no files, rendered by QGIS; the map server is a real one on the loopback address."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from osgeo import gdal
from qgis.core import (
    QgsContrastEnhancement,
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsMultiBandColorRenderer,
    QgsRasterLayer,
    QgsRectangle,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtTest import QSignalSpy

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.rendering.area import Area, crs_name
from qgis_mpsclip.rendering.derived import derived_raster
from qgis_mpsclip.rendering.displayed import Display, displayed
from qgis_mpsclip.rendering.job import RenderJob
from qgis_mpsclip.rendering.plan import ground_resolution, plan_rendering
from qgis_mpsclip.rendering.rendered import RenderedRasters
from qgis_mpsclip.rendering.sources import crs_differs, engine_source
from tests.plugin.support.http_server import png, serving

WORLD = 20037508.342789244
MERCATOR = QgsCoordinateReferenceSystem("EPSG:3857")
UTM = QgsCoordinateReferenceSystem("EPSG:32632")


class MapServer(ThreadingHTTPServer):
    """Two services whose pictures tell their place by their colours.

    XYZ tiles of 256 pixels up to zoom level 19: red is x, green y modulo 256, blue z. WMS 1.3.0, layer ``ground`` in
    EPSG:32632, at most 500 pixels a side: red is x, green y in kilometres modulo 256.
    """

    delay = 0.0
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[int, ...]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def xyz(self) -> str:
        return f"type=xyz&url={self.address}/{{z}}/{{x}}/{{y}}.png&zmin=0&zmax=19&crs=EPSG:3857"

    def wms(self) -> str:
        return f"crs=EPSG:32632&format=image/png&layers=ground&styles=&url={self.address}/wms"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(self.server.delay)
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(self.path).query)}
        if query.get("request") == "GetCapabilities":
            self._answer(
                "text/xml",
                CAPABILITIES.replace("HTTP_GET", HTTP_GET).replace("ADDRESS", f"{self.server.address}/wms?").encode(),
            )
        elif query.get("request") == "GetMap":
            x0, y0, x1, y1 = (float(number) for number in query["bbox"].split(","))
            width, height = int(query["width"]), int(query["height"])
            self.server.asked.append((width, height))
            east = bytes(int((x0 + (x1 - x0) * (i + 0.5) / width) / 1000) % 256 for i in range(width))
            north = bytes(int((y1 - (y1 - y0) * (i + 0.5) / height) / 1000) % 256 for i in range(height))
            bands = east * height, b"".join(bytes([value]) * width for value in north), bytes(width * height)
            self._answer("image/png", _png(width, height, bands))
        else:
            z, x, y = (int(part) for part in self.path.removesuffix(".png").split("/")[1:])
            self.server.asked.append((z, x, y))
            self._answer("image/png", _png(256, 256, [bytes([value]) * 256**2 for value in (x % 256, y % 256, z * 10)]))

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silent."""


def _png(width: int, height: int, bands: Sequence[bytes]) -> bytes:
    picture = gdal.GetDriverByName("MEM").Create("", width, height, 3)
    for band, values in enumerate(bands, start=1):
        picture.GetRasterBand(band).WriteRaster(0, 0, width, height, values)
    return png(picture)


HTTP_GET = '<DCPType><HTTP><Get><OnlineResource xlink:href="ADDRESS"/></Get></HTTP></DCPType>'
CAPABILITIES = """<?xml version="1.0"?>
<WMS_Capabilities version="1.3.0" xmlns="http://www.opengis.net/wms" xmlns:xlink="http://www.w3.org/1999/xlink">
<Service><Name>WMS</Name><Title>t</Title><OnlineResource xlink:href="ADDRESS"/>
<MaxWidth>500</MaxWidth><MaxHeight>500</MaxHeight></Service>
<Capability><Request>
<GetCapabilities><Format>text/xml</Format>HTTP_GET</GetCapabilities>
<GetMap><Format>image/png</Format>HTTP_GET</GetMap>
</Request><Exception><Format>XML</Format></Exception>
<Layer><Name>ground</Name><Title>ground</Title><CRS>EPSG:32632</CRS>
<EX_GeographicBoundingBox><westBoundLongitude>6</westBoundLongitude><eastBoundLongitude>12</eastBoundLongitude>
<southBoundLatitude>40</southBoundLatitude><northBoundLatitude>60</northBoundLatitude></EX_GeographicBoundingBox>
<BoundingBox CRS="EPSG:32632" minx="300000" miny="4500000" maxx="700000" maxy="6500000"/>
</Layer></Capability></WMS_Capabilities>
"""


@pytest.fixture
def tile_server() -> Iterator[MapServer]:
    server = MapServer()
    with serving(server):
        yield server


@pytest.fixture
def xyz_layer(tile_server: MapServer) -> QgsRasterLayer:
    layer = QgsRasterLayer(tile_server.xyz(), "map of tiles", "wms")
    assert layer.isValid(), layer.error().message()
    return layer


def box(x0: float, y0: float, x1: float, y1: float, crs: QgsCoordinateReferenceSystem = MERCATOR) -> Area:
    return Area(QgsGeometry.fromRect(QgsRectangle(x0, y0, x1, y1)), crs)


def run(job: RenderJob, wait_until) -> dict[str, QSignalSpy]:
    spies = {name: QSignalSpy(getattr(job, name)) for name in ("finished", "failed", "cancelled", "progress")}
    job.start()
    wait_until(lambda: any(len(spies[name]) for name in ("finished", "failed", "cancelled")))
    return spies


def test_xyz_tiles_are_rendered_where_they_lie(
    xyz_layer: QgsRasterLayer,
    tile_server: MapServer,
    tmp_path: Path,
    wait_until,
) -> None:
    # At the equator a unit of Mercator is a metre eastwards, and 0.9933 m northwards, as the Earth is flattened.
    plan = plan_rendering(xyz_layer, box(1000, 2000, 2500, 4000), None)
    assert (plan.columns, plan.rows) == (1500, 1987)
    spies = run(RenderJob(plan, tmp_path / "map.tif"), wait_until)
    assert len(spies["finished"]) == 1, list(spies["failed"])
    picture = gdal.Open(str(tmp_path / "map.tif"))
    assert (picture.RasterXSize, picture.RasterYSize, picture.RasterCount) == (1500, 1987, 4)
    assert picture.GetGeoTransform() == pytest.approx((1000, 1, 0, 4000, 0, -2000 / 1987))
    assert picture.GetSpatialRef().GetAuthorityCode(None) == "3857"
    zoom = tile_server.asked[-1][0]
    side = 2 * WORLD / 2**zoom
    for x, y in ((1100.5, 3900.5), (2400.5, 2100.5), (1750.5, 2500.5)):
        expected = [int((x + WORLD) / side) % 256, int((WORLD - y) / side) % 256, zoom * 10, 255]
        assert list(picture.ReadRaster(int(x - 1000), int((4000 - y) * 1987 / 2000), 1, 1)) == expected
    assert 0 < spies["progress"][0][0] <= 100


def test_a_wms_is_rendered_within_the_limits_of_its_server(tile_server: MapServer, tmp_path: Path, wait_until) -> None:
    layer = QgsRasterLayer(tile_server.wms(), "ground", "wms")
    assert layer.isValid(), layer.error().message()
    plan = plan_rendering(layer, box(500_000, 5_400_000, 503_000, 5_402_000, UTM), 2.0)
    assert (plan.columns, plan.rows) == (1501, 1001)  # on this meridian a unit of UTM is 1.0004 m
    spies = run(RenderJob(plan, tmp_path / "map.tif"), wait_until)
    assert len(spies["finished"]) == 1, list(spies["failed"])
    assert max(max(size) for size in tile_server.asked) <= 500
    picture = gdal.Open(str(tmp_path / "map.tif"))
    assert picture.GetSpatialRef().GetAuthorityCode(None) == "32632"
    for column, row, east, north in ((10, 10, 500, 5401), (760, 510, 501, 5400), (1490, 990, 502, 5400)):
        assert list(picture.ReadRaster(column, row, 1, 1)) == [east % 256, north % 256, 0, 255]


def test_metres_are_true_far_from_the_equator(xyz_layer: QgsRasterLayer) -> None:
    # 60° north: Mercator shows everything twice as large.
    y = 8399737.889818
    plan = plan_rendering(xyz_layer, box(0, y - 500, 1000, y + 500), 2.0)
    assert plan.columns == pytest.approx(250, abs=2)
    assert plan.rows == pytest.approx(250, abs=2)


def test_the_extent_may_come_in_another_crs(xyz_layer: QgsRasterLayer) -> None:
    geographic = QgsCoordinateReferenceSystem("EPSG:4326")
    plan = plan_rendering(xyz_layer, box(9.0, 48.0, 9.01, 48.01, geographic), 1.0)
    assert plan.extent.xMinimum() == pytest.approx(1001875.417, abs=0.01)
    assert plan.extent.yMaximum() == pytest.approx(6108518.64, abs=0.1)


def test_a_view_of_the_world_is_cut_to_a_small_layer(scene_layer: QgsRasterLayer) -> None:
    plan = plan_rendering(scene_layer, box(-WORLD, -WORLD, WORLD, WORLD), None)
    assert (plan.columns, plan.rows) == (1024, 1024)


def test_an_extent_beside_the_layer_is_refused(scene_layer: QgsRasterLayer) -> None:
    with pytest.raises(MpsClipError, match=r"outside the layer “scene”.*choose another extent"):
        plan_rendering(scene_layer, box(0, 0, 10, 10, UTM), None)


def test_a_cancelled_rendering_leaves_no_file(
    xyz_layer: QgsRasterLayer,
    tile_server: MapServer,
    tmp_path: Path,
    wait_until,
) -> None:
    tile_server.delay = 0.05
    job = RenderJob(plan_rendering(xyz_layer, box(0, 0, 8000, 8000), None), tmp_path / "map.tif")
    spies = {name: QSignalSpy(getattr(job, name)) for name in ("finished", "failed", "cancelled")}
    job.start()
    wait_until(lambda: len(tile_server.asked) > 2)
    job.cancel()
    wait_until(lambda: len(spies["cancelled"]) == 1)
    assert not len(spies["finished"]) and not len(spies["failed"])
    assert not (tmp_path / "map.tif").exists()


def test_a_server_that_is_gone_is_named(tmp_path: Path, wait_until) -> None:
    server = MapServer()
    server.server_close()
    layer = QgsRasterLayer(server.xyz(), "gone", "wms")
    spies = run(RenderJob(plan_rendering(layer, box(0, 0, 300, 300), None), tmp_path / "map.tif"), wait_until)
    assert "“gone” gave no picture" in str(spies["failed"][0][0])
    assert not (tmp_path / "map.tif").exists()


def test_the_same_picture_is_rendered_once_a_session(
    xyz_layer: QgsRasterLayer,
    tile_server: MapServer,
    wait_until,
) -> None:
    rendered, parent = RenderedRasters(), QObject()
    plan = plan_rendering(xyz_layer, box(0, 0, 300, 300), None)
    run(rendered.job(plan, parent), wait_until)
    assert rendered.job(plan_rendering(xyz_layer, box(0, 0, 300, 300), None), parent) is None
    xyz_layer.brightnessFilter().setBrightness(40)
    assert rendered.job(plan, parent) is not None


def test_files_are_opened_by_the_engine_and_services_are_not(
    scene_layer: QgsRasterLayer, scene_raster: Path, xyz_layer: QgsRasterLayer, tmp_path: Path
) -> None:
    assert engine_source(scene_layer) == str(scene_raster.resolve())
    assert engine_source(xyz_layer) is None
    assert engine_source(QgsRasterLayer(f"{scene_raster}|option:NUM_THREADS=2", "with options")) is None
    package = tmp_path / "two words.gpkg"
    gdal.Translate(str(package), str(scene_raster), format="GPKG", creationOptions=["RASTER_TABLE=scene"])
    layer = QgsRasterLayer(f"GPKG:{package}:scene", "table")
    assert layer.isValid()
    assert engine_source(layer) == f"GPKG:{package}:scene"


def test_a_layer_with_another_crs_than_its_file_is_seen_through_a_vrt(
    scene_layer: QgsRasterLayer, scene_raster: Path, tmp_path: Path
) -> None:
    assert not crs_differs(scene_layer)
    scene_layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32633"))
    assert crs_differs(scene_layer)
    path = derived_raster(engine_source(scene_layer), scene_layer.crs(), None, tmp_path)
    view, file = gdal.Open(path), gdal.Open(str(scene_raster))
    assert view.GetSpatialRef().GetAuthorityCode(None) == "32633"
    assert view.GetGeoTransform() == file.GetGeoTransform()
    assert view.ReadRaster(10, 10, 5, 5) == file.ReadRaster(10, 10, 5, 5)
    assert derived_raster(engine_source(scene_layer), scene_layer.crs(), None, tmp_path) == path
    assert [file.name for file in tmp_path.iterdir()] == [Path(path).name]


def sixteen_bit(path: Path) -> QgsRasterLayer:
    """Two rows: values 100, 200, 300 in the bands, and one of no data (0)."""
    data = gdal.GetDriverByName("GTiff").Create(str(path), 1, 2, 4, gdal.GDT_UInt16)
    data.SetGeoTransform((0, 1, 0, 2, 0, -1))
    for number, value in enumerate((100, 200, 300, 400), start=1):
        band = data.GetRasterBand(number)
        band.SetNoDataValue(0)
        band.Fill(0)
        band.WriteRaster(0, 0, 1, 1, value.to_bytes(2, "little"))
    data = None
    layer = QgsRasterLayer(str(path), "sixteen")
    renderer = QgsMultiBandColorRenderer(layer.dataProvider(), 4, 3, 1)
    for set_enhancement, low, high in (
        (renderer.setRedContrastEnhancement, 0, 800),
        (renderer.setGreenContrastEnhancement, 300, 900),
        (renderer.setBlueContrastEnhancement, 50, 100),
    ):
        enhancement = QgsContrastEnhancement(layer.dataProvider().dataType(1))
        enhancement.setContrastEnhancementAlgorithm(
            QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum
        )
        enhancement.setMinimumValue(low)
        enhancement.setMaximumValue(high)
        set_enhancement(enhancement)
    layer.setRenderer(renderer)
    return layer


def test_bands_and_contrast_are_those_of_the_layer(tmp_path: Path, scene_layer: QgsRasterLayer) -> None:
    layer = sixteen_bit(tmp_path / "sixteen.tif")
    assert displayed(layer) == Display((4, 3, 1), ((0, 800), (300, 900), (50, 100)))
    assert displayed(layer).params() == {"bands": [4, 3, 1], "stretch": [[0, 800], [300, 900], [50, 100]]}
    assert displayed(scene_layer).bands == (1, 2, 3)
    layer.setRenderer(QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1))
    assert displayed(layer) is None


def test_a_display_in_a_vrt_stretches_and_keeps_what_is_no_data(tmp_path: Path) -> None:
    layer = sixteen_bit(tmp_path / "sixteen.tif")
    view = gdal.Open(derived_raster(engine_source(layer), None, displayed(layer), tmp_path / "views"))
    assert view.RasterCount == 4
    assert view.GetRasterBand(4).GetColorInterpretation() == gdal.GCI_AlphaBand
    assert list(view.ReadRaster(0, 0, 1, 1)) == [128, 0, 255, 255]
    assert view.GetRasterBand(4).ReadRaster(0, 1, 1, 1) == b"\0"


def test_ground_resolution_is_in_metres(scene_layer: QgsRasterLayer, xyz_layer: QgsRasterLayer) -> None:
    assert ground_resolution(scene_layer) == pytest.approx(0.5, rel=2e-3)
    assert ground_resolution(xyz_layer) is None
    scene_layer.setCrs(QgsCoordinateReferenceSystem())
    assert ground_resolution(scene_layer) is None


def test_an_area_names_its_crs_or_spells_it_out() -> None:
    assert box(0, 0, 1, 1, UTM).params() == {"wkt": "Polygon ((0 0, 1 0, 1 1, 0 1, 0 0))", "crs": "EPSG:32632"}
    assert box(0, 0, 1, 1, QgsCoordinateReferenceSystem()).params()["crs"] is None
    with_height = Area(QgsGeometry.fromWkt("CurvePolygonZM ((0 0 5 1, 1 0 5 1, 1 1 5 1, 0 0 5 1))"), UTM)
    assert with_height.params()["wkt"] == "Polygon ((0 0, 1 0, 1 1, 0 0))"
    own = QgsCoordinateReferenceSystem.fromProj("+proj=tmerc +lat_0=1 +lon_0=2 +ellps=bessel +units=m +no_defs")
    assert crs_name(own).startswith("BOUNDCRS[") or crs_name(own).startswith("PROJCRS[")
