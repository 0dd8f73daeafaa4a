"""What is missing is found out before anything is loaded, and said with the command that mends it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.cli.main import main
from engine.config import SearchOptions, SegmenterName
from engine.errors import MissingDependencyError, ModelError, UsageError
from engine.models.catalogue import catalogue
from engine.models.weights import local_file
from engine.search.segmenters import check_segmenter, choose_segmenter, make_segmenter
from engine.segment.relevance import RelevanceSegmenter
from engine.segment.samgeo.readiness import NEEDS, install_command, readiness
from engine.segment.samgeo.weights import BERT, DINO, FOLDER_VARIABLE, SAM, SAM3, weights_folder
from tests.support.colour_model import ColourModel, ground
from tests.support.rasters import write_raster

ROOT = Path(__file__).resolve().parents[4]
SAMGEO_NAMES = (SegmenterName.SAMGEO3, SegmenterName.LANGSAM, SegmenterName.RELEVANCE_SAM)


def put(folder: Path, *names: str) -> None:
    """Files that are only looked at from outside."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"weights")


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages count as installed, whatever this environment has."""
    for name, needs in list(NEEDS.items()):
        monkeypatch.setitem(NEEDS, name, replace(needs, modules=("json",)))


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, needs in list(NEEDS.items()):
        monkeypatch.setitem(NEEDS, name, replace(needs, modules=("mpsclip_no_such_package",)))


class CudaModel(ColourModel):
    """Says that it runs on CUDA; nothing here runs it."""

    device = torch.device("cuda")


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("name", SAMGEO_NAMES)
def test_missing_weights_are_named_with_the_command_that_fetches_them(name: SegmenterName, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as raised:
        check_segmenter(name, tmp_path)
    assert f"mpsclip segmenters fetch {name} --segmenter-weights {shlex.quote(str(tmp_path))}" in str(raised.value)
    assert raised.value.data["folder"] == str(tmp_path)
    assert raised.value.data["files"] != []


@pytest.mark.usefixtures("no_packages")
@pytest.mark.parametrize("name", SAMGEO_NAMES)
def test_missing_packages_are_named_with_the_command_that_installs_them(name: SegmenterName, tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="mpsclip_no_such_package") as raised:
        make_segmenter(name, ColourModel(), tmp_path)
    assert f"make -C {shlex.quote(str(ROOT))} setup PROFILE=samgeo && mpsclip segmenters fetch" in str(raised.value)
    assert "choose the segmenter relevance" in str(raised.value)


@pytest.mark.usefixtures("packages")
def test_gated_weights_come_with_what_to_do_first(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"accept the licence of facebook/sam3.*hf auth login"):
        check_segmenter(SegmenterName.SAMGEO3, tmp_path)


@pytest.mark.usefixtures("packages")
def test_any_sam_serves_and_each_segmenter_has_its_preference(tmp_path: Path) -> None:
    put(tmp_path, SAM["vit_l"].path, *DINO.needed, *BERT.needed)
    assert [readiness(name, tmp_path).sam for name in ("langsam", "relevance+sam")] == ["vit_l", "vit_l"]
    put(tmp_path, SAM["vit_b"].path, SAM["vit_h"].path)
    assert [readiness(name, tmp_path).sam for name in ("langsam", "relevance+sam")] == ["vit_h", "vit_b"]
    assert all(readiness(name, tmp_path).ready for name in ("langsam", "relevance+sam"))


@pytest.mark.usefixtures("no_packages")
def test_relevance_none_and_auto_need_nothing(tmp_path: Path) -> None:
    for name in (SegmenterName.RELEVANCE, SegmenterName.NONE, SegmenterName.AUTO):
        check_segmenter(name, tmp_path)
    assert isinstance(make_segmenter(SegmenterName.RELEVANCE, ColourModel(), tmp_path), RelevanceSegmenter)
    assert make_segmenter(SegmenterName.NONE, ColourModel(), tmp_path) is None


@pytest.mark.usefixtures("packages")
def test_auto_takes_the_best_that_is_here_on_cuda(tmp_path: Path) -> None:
    chosen = [choose_segmenter(CudaModel(), tmp_path).name]
    for names in ((SAM["vit_b"].path,), (*DINO.needed, *BERT.needed), SAM3.needed):
        put(tmp_path, *names)
        choice = choose_segmenter(CudaModel(), tmp_path)
        chosen.append(choice.name)
        assert choice.note == ""
    assert chosen == ["relevance", "relevance+sam", "langsam", "samgeo3"]


@pytest.mark.usefixtures("packages")
def test_auto_stays_with_relevance_on_the_cpu_and_says_so(tmp_path: Path) -> None:
    put(tmp_path, *SAM3.needed)
    assert isinstance(make_segmenter(SegmenterName.AUTO, ColourModel(), tmp_path), RelevanceSegmenter)
    note = choose_segmenter(ColourModel(), tmp_path).note
    assert "relevance" in note and "--segmenter samgeo3" in note


@pytest.mark.usefixtures("no_packages")
def test_auto_without_packages_is_relevance_with_a_notice(tmp_path: Path) -> None:
    put(tmp_path, *SAM3.needed, SAM["vit_b"].path)
    choice = choose_segmenter(CudaModel(), tmp_path)
    assert choice.name is SegmenterName.RELEVANCE
    assert "mpsclip segmenters list" in choice.note
    assert SearchOptions().segmenter is SegmenterName.AUTO


def test_the_folder_is_the_chosen_one_else_the_variables_else_the_data_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_data_folder: Path
) -> None:
    assert weights_folder() == user_data_folder / "segmenters"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "variable"))
    assert weights_folder() == tmp_path / "variable"
    assert weights_folder(tmp_path) == tmp_path
    with pytest.raises(UsageError, match="There is no folder"):
        readiness("langsam", tmp_path / "absent")


def test_an_installation_without_a_checkout_is_mended_with_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("engine.segment.samgeo.readiness.project_root", lambda: tmp_path)
    assert install_command("langsam") == f"{shlex.quote(sys.executable)} -m pip install 'mpsclip[langsam]'"


def test_looking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from engine.segment.samgeo.readiness import NEEDS, readiness\n"
        "for name in NEEDS: readiness(name)\n"
        "print(sorted({'torch', 'samgeo', 'transformers', 'cv2', 'groundingdino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("packages")
def test_a_search_ends_before_it_begins(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPSCLIP_CACHE", str(tmp_path / "cache"))
    raster = write_raster(tmp_path / "cells.tif", ground([["moss", "water"]]), photometric="RGB")
    out = tmp_path / "out.gpkg"
    status = main(["search", "water", str(raster), "--out", str(out), "--segmenter", "langsam", "--json"])
    captured = capfd.readouterr()
    assert (status, captured.out) == (1, "")
    [line] = captured.err.strip().splitlines()
    assert line.startswith("mpsclip: Segmenter langsam lacks the weights groundingdino_swinb_cogcoor.pth")
    assert "Run: mpsclip segmenters fetch langsam." in line
    assert not out.exists() and not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("no_packages")
def test_a_search_by_default_goes_on_with_relevance_and_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if local_file(catalogue().get("rsicd-mini")) is None:
        pytest.skip("the packaged weights are not in resources/models")
    monkeypatch.setenv("MPSCLIP_CACHE", str(tmp_path / "cache"))
    raster = write_raster(tmp_path / "cells.tif", ground([["moss", "water"]]), photometric="RGB")
    command = ["search", "water", str(raster), "--out", str(tmp_path / "out.gpkg"), "--json", "--tile", "64px"]
    assert main([*command, "--refine", "1", "--device", "cpu"]) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["hits"]
    assert "mpsclip: note: outlines by relevance; " in captured.err


@pytest.mark.usefixtures("packages")
def test_the_list_says_what_is_ready_and_what_mends_the_rest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, SAM["vit_b"].path)
    assert main(["segmenters", "list", "--json", "--segmenter-weights", str(tmp_path)]) == 0
    listed = {one["name"]: one for one in json.loads(capfd.readouterr().out)["segmenters"]}
    assert {name: one["ready"] for name, one in listed.items()} == {
        "relevance": True, "samgeo3": False, "langsam": False, "relevance+sam": True,
    }  # fmt: skip
    assert listed["langsam"]["files"] == [*DINO.needed, *BERT.needed]
    assert main(["segmenters", "list", "--segmenter-weights", str(tmp_path)]) == 0
    assert "lacks weights" in capfd.readouterr().out
