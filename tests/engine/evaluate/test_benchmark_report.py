"""Reports of several models: figures by scene, differences, files and pictures, and the command that writes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.cli.main import main
from engine.evaluate.bar_chart import BarRow, bar_chart
from engine.evaluate.benchmark_report import BenchmarkReport
from engine.evaluate.measured import Measured, measure_embeddings, told_apart
from engine.evaluate.projection import projection_picture
from engine.models.contract import ModelIdentity
from tests.support.rsicd import write_rsicd
from tests.support.rsitmd import write_rsitmd


def measured(name: str, found: list[bool], labels: list[str | None]) -> Measured:
    """A model that finds some images by their captions, and puts the captions of the others to the next image."""
    images = np.eye(len(found), dtype=np.float32)
    texts = np.stack([images[i] if ok else np.roll(images[i], 1) for i, ok in enumerate(found)]).repeat(5, 0)
    owner = np.repeat(np.arange(len(found)), 5)
    return measure_embeddings(images, texts, owner, labels, ModelIdentity(name, "a", "b" * 64, "p"), "val")


def test_a_scene_is_measured_by_its_own_queries_in_the_whole_gallery() -> None:
    whole = measured("m", [True] * 12 + [False] * 12, ["sea"] * 12 + [None] * 4 + ["airport"] * 8)
    airport, sea, none = whole.scenes
    assert (airport.scene, sea.scene, none.scene) == ("airport", "sea", None)
    assert (airport.images, sea.images, none.images) == (8, 12, 4)
    assert airport.both[0] == 0.0
    # The last image's captions lie with the first image, which has ten at the same score then, five of them its own.
    assert sea.t2i == pytest.approx((100, 100, 100))
    assert sea.i2t[0] == pytest.approx(100 * 11.5 / 12)
    assert sea.both[0] == pytest.approx((100 + 100 * 11.5 / 12) / 2)
    of_scenes = sum(scene.images * scene.mean_recall for scene in whole.scenes) / 24
    assert of_scenes == pytest.approx(whole.report.mean_recall)
    assert whole.image_means.mean() == pytest.approx(whole.report.mean_recall)


def test_differences_have_the_error_of_the_paired_images() -> None:
    labels: list[str | None] = ["sea"] * 12
    first, same = measured("a", [True] * 10 + [False] * 2, labels), measured("b", [True] * 10 + [False] * 2, labels)
    other = measured("c", [True] * 6 + [False] * 6, labels)
    equal, worse = BenchmarkReport("RSICD", "val", False, (first, same, other)).differences()
    assert equal == {"model": "b", "against": "a", "mR": 0.0, "standard_error": 0.0}
    gaps = other.image_means - first.image_means
    assert (
        worse["mR"] == pytest.approx(other.report.mean_recall - first.report.mean_recall, abs=1e-4) and worse["mR"] < 0
    )
    assert worse["standard_error"] == pytest.approx(gaps.std(ddof=1) / 12**0.5, abs=1e-4)


def test_models_of_one_file_name_are_called_as_they_were_given() -> None:
    best, other = (
        measured("mps_clip:best.safetensors", [True] * 4, [None] * 4),
        measured("rsicd-mini", [True] * 4, [None] * 4),
    )
    given = ["mps_clip:a/best.safetensors", "rsicd-mini", "mps_clip:b/best.safetensors"]
    names = [entry.report.model for entry in told_apart([best, other, best], given)]
    assert names == given
    # A file that is alone keeps its short name, also while later models are not measured yet.
    assert told_apart([best, other], given)[0].report.model == "mps_clip:best.safetensors"


def test_a_report_is_a_page_values_and_three_pictures(tmp_path: Path) -> None:
    labels: list[str | None] = ["sea"] * 6 + ["airport"] * 6
    report = BenchmarkReport("RSICD", "val", False, (measured("a|b", [True] * 12, labels),) * 2)
    files = report.write(tmp_path)
    names = ["rsicd-val.md", "rsicd-val.json", "rsicd-val-recalls.png", "rsicd-val-scenes.png", "rsicd-val-tsne.png"]
    assert [file.name for file in files] == names
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names)
    for file in files[2:]:
        with Image.open(file) as picture:
            assert min(picture.size) > 200
            assert len(picture.convert("RGB").resize((200, 200)).getcolors(40000)) > 20
        assert f"]({file.name})" in files[0].read_text(encoding="utf-8")
    values = json.loads(files[1].read_text(encoding="utf-8"))
    assert [scene["scene"] for scene in values["models"][0]["scenes"]] == ["airport", "sea"]
    rows = [line for line in files[0].read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert rows[2].startswith("| a\\|b | 100.00 | ")


def test_pictures_take_what_callers_have(tmp_path: Path) -> None:
    """Runs with a spread, sections, rows without recalls; scenes that are missing, panels of different images."""
    rows = [BarRow("plain", (14.0, 15.0, 13.5), section="Systems"), BarRow("off", (12.0,), section="Ablations")]
    bar_chart(rows, tmp_path / "a.png", "RSICD val", chance=0.5)
    bar_chart([BarRow("a", (9.0,), (5.0, 9.0, 13.0), (4.0, 8.0, 12.0)), BarRow("b", (7.0,))], tmp_path / "b.png")
    points = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
    labels = [None, *["sea"] * 6, *["port"] * 5]
    projection_picture([("before", points, labels), ("after", points[:9], [None] * 9)], tmp_path / "c.png")
    assert len(list(tmp_path.glob("*.png"))) == 3
    with pytest.raises(ValueError, match="rows"):
        bar_chart([], tmp_path / "d.png")
    with pytest.raises(ValueError, match="label"):
        projection_picture([("a", points, labels[:3])], tmp_path / "d.png")


def test_the_command_measures_rsitmd_and_writes_the_report(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = write_rsitmd(tmp_path / "data", {"test": 6}, side=64)
    command = ["eval", "rsitmd", "--data", str(data), "--device", "cpu", "--out", str(tmp_path / "new" / "out")]
    assert main([*command, "--no-pictures"]) == 0
    printed = capfd.readouterr().out
    assert "RSITMD test" in printed
    page, values = (tmp_path / "new" / "out" / f"rsitmd-test.{suffix}" for suffix in ("md", "json"))
    assert printed.splitlines()[-2:] == [str(page), str(values)]
    model = json.loads(values.read_text(encoding="utf-8"))["models"][0]
    assert (model["model"], model["images"], model["captions"]) == ("rsicd-mini", 6, 30)
    assert [scene["images"] for scene in model["scenes"]] == [1, 2, 1, 2]
    assert f"{model['mR']:.2f}" in printed
    # A second time nothing is replaced unasked, and this is said before anything is measured.
    assert main([*command, "--no-pictures"]) == 1
    assert "exists already" in capfd.readouterr().err
    assert main([*command, "--no-pictures", "--overwrite", "--model", "nothing-of-the-kind"]) == 2
    assert "nothing-of-the-kind" in capfd.readouterr().err


def test_a_damaged_image_and_a_later_model_that_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = write_rsicd(tmp_path / "data", {"val": 4}, side=32)
    command = [
        "eval",
        "rsicd",
        "--data",
        str(data),
        "--split",
        "val",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*command, "--model", "rsicd-mini", "--model", f"mps_clip:{tmp_path / 'no.safetensors'}"]) == 1
    assert "no.safetensors" in capfd.readouterr().err
    # What the first model was measured at is kept.
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["rsicd-val.json", "rsicd-val.md"]
    (data / "images" / "val" / "red_0.png").write_bytes(b"no picture")
    assert main([*command, "--overwrite"]) == 2
    assert "red_0.png" in capfd.readouterr().err
    two = write_rsicd(tmp_path / "two", {"val": 2}, side=32)
    assert main(["eval", "rsicd", "--data", str(two), "--split", "val", "--out", str(tmp_path / "few")]) == 2
    assert "--no-pictures" in capfd.readouterr().err
