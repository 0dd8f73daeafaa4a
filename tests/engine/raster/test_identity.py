import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from engine.raster.source import RasterSource
from tests.support.rasters import make_repeating_vrt, texture, write_raster

ZEROS = np.zeros((3, 40, 40), np.uint8)


def key(path: Path | str) -> str:
    with RasterSource.open(path) as source:
        return source.identity().key


def touch(path: Path) -> None:
    """Moves the time of change by a second, forwards."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def test_identity_is_stable_and_json_ready(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", ZEROS)
    with RasterSource.open(path) as source:
        identity = source.identity()
    assert identity.key == key(path)
    assert len(identity.key) == 64
    fields = json.loads(json.dumps(identity.to_json()))
    assert fields["path"] == str(path)
    assert fields["files"] == [{"path": str(path), "size": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}]
    assert (fields["width"], fields["count"], fields["dtypes"]) == (40, 3, ["uint8"] * 3)


def test_relative_and_absolute_path_are_one_raster(tmp_path, monkeypatch) -> None:
    path = write_raster(tmp_path / "r.tif", ZEROS)
    monkeypatch.chdir(tmp_path)
    assert key("r.tif") == key(path)


def test_time_size_place_and_copy_make_another_identity(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", ZEROS)
    keys = {key(path)}
    touch(path)
    keys.add(key(path))
    with rasterio.open(path, "r+") as dataset:
        dataset.transform = Affine(0.5, 0, 1, 0, -0.5, 1)
    keys.add(key(path))
    keys.add(key(shutil.copy2(path, tmp_path / "copy.tif")))
    assert len(keys) == 4


def test_georeference_in_a_sidecar_counts(tmp_path) -> None:
    path = write_raster(tmp_path / "photo.png", ZEROS, driver="PNG", crs=None, transform=None)
    before = key(path)
    (tmp_path / "photo.pgw").write_text("0.5\n0\n0\n-0.5\n400000\n5800000\n")
    assert key(path) != before


def test_statistics_and_pyramids_beside_the_raster_do_not_count(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", texture(600))
    status = path.stat()
    before = key(path)
    mean = '<PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MEAN">3</MDI></Metadata></PAMRasterBand>'
    (tmp_path / "r.tif.aux.xml").write_text(f"<PAMDataset>{mean}</PAMDataset>")
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (tmp_path / "r.tif.ovr").exists()
    with rasterio.open(path) as dataset:
        assert {"r.tif.aux.xml", "r.tif.ovr"} < {Path(name).name for name in dataset.files}
    assert key(path) == before


def test_nodata_set_in_a_sidecar_counts(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", ZEROS)
    before = key(path)
    band = '<PAMRasterBand band="1"><NoDataValue>0</NoDataValue></PAMRasterBand>'
    (tmp_path / "r.tif.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>")
    assert key(path) != before


def test_mask_file_counts(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", ZEROS)
    before = key(path)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.zeros((40, 40), bool))
    assert (tmp_path / "r.tif.msk").exists()
    with_mask = key(path)
    touch(tmp_path / "r.tif.msk")
    assert len({before, with_mask, key(path)}) == 3


def test_vrt_changes_with_its_sources(tmp_path) -> None:
    block = write_raster(tmp_path / "block.tif", ZEROS)
    vrt = make_repeating_vrt(tmp_path / "mosaic.vrt", block, 2, 2)
    before = key(vrt)
    assert key(vrt) == before
    touch(block)
    assert key(vrt) != before


def test_vrt_of_a_vrt_changes_with_the_innermost_source(tmp_path) -> None:
    inner_folder = tmp_path / "inner folder"
    inner_folder.mkdir()
    block = write_raster(inner_folder / "block.tif", ZEROS)
    inner = make_repeating_vrt(inner_folder / "inner.vrt", block, 2, 1)
    outer = make_repeating_vrt(tmp_path / "outer.vrt", inner, 1, 2)
    with RasterSource.open(outer) as source:
        identity = source.identity()
    assert [Path(stamp.path).name for stamp in identity.files] == ["block.tif", "inner.vrt", "outer.vrt"]
    touch(block)
    assert key(outer) != identity.key


def test_mask_of_a_vrt_source_counts(tmp_path) -> None:
    block = write_raster(tmp_path / "block.tif", ZEROS)
    vrt = make_repeating_vrt(tmp_path / "mosaic.vrt", block, 2, 2)
    before = key(vrt)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(block, "r+") as dataset:
        status = block.stat()
        dataset.write_mask(np.zeros((40, 40), bool))
    os.utime(block, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert key(vrt) != before


def test_missing_vrt_source_does_not_stop_the_identity(tmp_path) -> None:
    block = write_raster(tmp_path / "block.tif", ZEROS)
    vrt = make_repeating_vrt(tmp_path / "mosaic.vrt", block, 2, 2)
    before = key(vrt)
    block.unlink()
    assert key(vrt) != before


@pytest.mark.parametrize("prefix", ["zip://{}!r.tif", "/vsizip/{}/r.tif"])
def test_raster_in_an_archive_changes_with_the_archive(tmp_path, prefix: str) -> None:
    write_raster(tmp_path / "r.tif", ZEROS)
    archive = Path(shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path, "r.tif"))
    before = key(prefix.format(archive))
    touch(archive)
    assert key(prefix.format(archive)) != before


def test_palette_counts(tmp_path) -> None:
    indices = np.zeros((1, 40, 40), np.uint8)
    path = write_raster(tmp_path / "p.tif", indices, palette={0: (255, 0, 0, 255)})
    status = path.stat()
    before = key(path)
    write_raster(path, indices, palette={0: (0, 255, 0, 255)})
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert key(path) != before
