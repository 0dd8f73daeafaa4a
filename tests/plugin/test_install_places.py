"""Folders that other things own, QGIS's profiles and QGIS itself, and those whose paths Windows cannot take."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.long_paths import long_form, refuse_long
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


@pytest.mark.parametrize(
    ("path", "platform", "form"),
    [
        ("C:\\Users\\Zoë\\env-1", "win32", "\\\\?\\C:\\Users\\Zoë\\env-1"),
        ("C:/engines/../env-1", "win32", "\\\\?\\C:\\env-1"),
        ("\\\\server\\share\\env-1", "win32", "\\\\?\\UNC\\server\\share\\env-1"),
        ("\\\\?\\C:\\env-1", "win32", "\\\\?\\C:\\env-1"),
        ("/home/me/env-1", "linux", "/home/me/env-1"),
    ],
)
def test_a_long_path_has_a_form_that_windows_takes(path: str, platform: str, form: str) -> None:
    assert long_form(path, platform) == form


def test_folders_are_refused_in_which_the_packages_files_are_out_of_reach() -> None:
    longest = Path("C:\\" + 84 * "a")
    refuse_long(longest, "win32", is_allowed=False)
    refuse_long(Path("C:\\" + 85 * "a"), "win32", is_allowed=True)
    refuse_long(Path("/" + 300 * "a"), "linux", is_allowed=False)
    with pytest.raises(InstallError, match="more than 87 letters") as caught:
        refuse_long(Path("C:\\" + 85 * "a"), "win32", is_allowed=False)
    assert caught.value.kind == "path-too-long"
    assert "LongPathsEnabled" in caught.value.remedy


def test_the_packages_of_an_environment_are_no_deeper_than_is_counted_with(engine_python: Path) -> None:
    (packages,) = engine_python.parent.parent.glob("lib/python3*/site-packages")
    deepest = max(
        len(str(path.relative_to(packages))) for path in packages.glob("torch*/**/*") if path.suffix != ".pyc"
    )
    assert deepest + len("cache\\archive-v0\\" + 21 * "a" + "\\") <= 171
