from __future__ import annotations

import pytest
from qgis.core import QgsGeometry
from qgis.PyQt.QtCore import QLocale

from qgis_mpsclip.results.hits import Hit, hit_from_json
from qgis_mpsclip.results.wording import percent, score_texts


@pytest.fixture(autouse=True)
def english() -> None:
    QLocale.setDefault(QLocale(QLocale.Language.English))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (99.8, "99.8"),
        (99.17, "99.1"),
        (99.95, "99.95"),
        (99.998, "99.998"),
        (100, "100.0"),
        (0, "0.0"),
        (99.99999, "99.9999"),
    ],
)
def test_a_percentile_is_rounded_down_and_told_from_100(value: float, text: str) -> None:
    assert percent(value) == text


def test_numbers_are_written_as_the_user_writes_them() -> None:
    QLocale.setDefault(QLocale(QLocale.Language.German))
    assert percent(99.8) == "99,8"


def test_without_a_percentile_the_score_is_told() -> None:
    hit = Hit(1, 0.25, 0.25, None, None, False, "a.tif", 0, 0, QgsGeometry())
    assert score_texts(hit) == ("score 0.250",)


def test_a_hit_that_is_no_hit_is_refused() -> None:
    with pytest.raises(KeyError):
        hit_from_json({"rank": 1})
    with pytest.raises(ValueError, match="no GeoJSON geometry"):
        hit_from_json(
            {"rank": 1, "score": 1, "score_global": 1, "refined": False, "raster": "a", "tile_row": 0, "tile_col": 0,
             "geometry": {"type": "Nothing"}}
        )  # fmt: skip
