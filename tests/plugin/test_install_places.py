"""Folders that other things own: QGIS's profiles, and QGIS itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgis_mpsclip.install.places import _profiles, _whole


def test_all_profiles_are_refused_and_not_only_the_active_one() -> None:
    assert _profiles(Path("/home/me/QGIS3/profiles/default")) == Path("/home/me/QGIS3/profiles")
    assert _profiles(Path("/home/me/portable")) == Path("/home/me/portable"), "nothing beside it is a profile"


@pytest.mark.parametrize(
    ("prefix", "platform", "whole"),
    [
        ("/usr", "linux", None),
        ("/home/me/apps/qgis", "linux", "/home/me/apps/qgis"),
        ("/QGIS 3.40/apps/qgis-ltr", "win32", "/QGIS 3.40"),
        ("/Applications/QGIS.app/Contents/MacOS", "darwin", "/Applications/QGIS.app"),
    ],
)
def test_the_folder_of_qgis_is_as_large_as_the_system_makes_it(prefix: str, platform: str, whole: str | None) -> None:
    assert _whole(Path(prefix), platform) == (Path(whole) if whole else None)
