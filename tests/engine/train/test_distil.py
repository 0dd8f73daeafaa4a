"""Distillation: views, target space, regression, and a run from two checkpoints to weights that load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from torch.nn.functional import normalize

from engine.errors import UsageError
from engine.models.compact.hubs import HubTerm
from engine.models.contract import ModelIdentity
from engine.models.packaged import load_packaged
from engine.train.packaged.distil.config import DistilConfig
from engine.train.packaged.distil.hubs import hub_terms
from engine.train.packaged.distil.regression import fit_head, learning_rate_factor, regression_loss
from engine.train.packaged.distil.run import distil
from engine.train.packaged.distil.space import TargetSpace
from engine.train.packaged.distil.taught import TARGETS_FILE
from engine.train.packaged.distil.teachers import Teacher, as_one
from engine.train.packaged.distil.views import FixedViews, symmetry
from engine.train.packaged.export import export
from engine.train.packaged.run import train_packaged
from engine.types import Progress
from tests.support.cut import Cut, CutAfter
from tests.support.rsicd import write_rsicd

TEACHER = {"epochs": 1, "batch_images": 8, "image_size": 64, "head_steps": 3, "vocabulary": 4000, "frozen_stages": 5}
SMALL = {
    "teacher_size": 64,
    "crops": 1,
    "mixtures": 1,
    "image_epochs": 2,
    "image_batch": 8,
    "image_size": 64,
    "late_image_size": 64,
    "frozen_stages": 5,
    "bank": 8,
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_eight_symmetries_differ_and_keep_all_pixels() -> None:
    picture = torch.arange(9.0).view(1, 3, 3)
    seen = {tuple(symmetry(picture, number).flatten().tolist()) for number in range(8)}
    assert len(seen) == 8
    assert all(sorted(view) == list(range(9)) for view in seen)


def test_views_are_the_whole_image_crops_of_it_and_mixtures_with_another() -> None:
    flat = torch.tensor([10, 200], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 32, 32)
    views = FixedViews(flat, crops=2, mixtures=6, smallest_crop=0.4, generator=generator())
    assert len(views) == 9
    for row, value in ((0, 10.0), (1, 200.0)):
        for view in range(3):
            torch.testing.assert_close(views.render(row, view, 24), torch.full((3, 24, 24), value))
    own, other = 0, 0
    for view in range(3, 9):
        mean = float(views.render(0, view, 32).mean())
        own, other = own + (mean < 11), other + (60 < mean < 150)  # with itself, or 0.3 to 0.7 of the other
    assert own + other == 6
    assert other > 0
    again = FixedViews(flat, crops=2, mixtures=6, smallest_crop=0.4, generator=generator())
    torch.testing.assert_close(again.render(0, 5, 16), views.render(0, 5, 16))


def test_crops_keep_at_least_the_smallest_share() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    views = FixedViews(ramp, crops=20, mixtures=0, smallest_crop=0.5, generator=generator())
    for view in range(1, 21):
        row = views.render(0, view, 64)[0, 0]
        assert float(row[-1] - row[0]) > 64 * (0.5 / 4 * 3) ** 0.5 - 3  # half the area at 3 : 4


def test_cosines_of_targets_are_the_teachers_where_nothing_is_subtracted() -> None:
    images, texts = (normalize(torch.randn(40, 12, generator=generator(s)), dim=-1) for s in (1, 2))
    owners = torch.arange(40)
    space = TargetSpace(images, texts, owners, 14, 0.0, 20.0, generator())
    cosines = space.images(images) @ space.texts(texts).T
    torch.testing.assert_close(cosines, (images @ texts.T) / (1 + 0.35**2), atol=1e-5, rtol=1e-4)


def test_hubs_lose_to_what_is_near_to_fewer() -> None:
    images = normalize(torch.randn(200, 16, generator=generator(3)), dim=-1)
    texts = normalize(images + 0.5 * torch.randn(200, 16, generator=generator(4)), dim=-1)
    hub = normalize(texts.mean(0, keepdim=True), dim=-1)
    images = torch.cat([images[:-1], hub])
    space = TargetSpace(images, texts, torch.arange(200), 18, 0.6, 20.0, generator())
    plain = images @ texts.T
    corrected = space.images(images) @ space.texts(texts).T
    before = (plain.argsort(0, descending=True)[:10] == 199).sum()
    after = (corrected.argsort(0, descending=True)[:10] == 199).sum()
    assert after < before


def test_hub_terms_take_off_what_an_embedding_has_with_the_bank() -> None:
    images, texts = (normalize(torch.randn(60, 10, generator=generator(s)), dim=-1) for s in (1, 2))
    of_images, of_texts = hub_terms(images, texts, (0.5, 0.75), 60, 20.0)  # a centre for each
    bank, own = normalize(texts[:, :-2], dim=-1), normalize(images[:, :-2], dim=-1)
    hub = (20.0 * own @ bank.T).logsumexp(1) / 20.0
    term = 0.5 * (hub - hub.mean())
    seen, read = of_images(images), of_texts(texts)
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(60))
    wanted = own @ bank.T - term[:, None]
    lengths = [(1 + 0.35**2 + (t / 0.35).square()).sqrt() for t in (term, _term_of(of_texts, bank))]
    found = seen @ read.T * lengths[0][:, None] * lengths[1] + _term_of(of_texts, bank)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def _term_of(hubs: HubTerm, own: torch.Tensor) -> torch.Tensor:
    return hubs.strength * (hubs.hub(own) - hubs.mean)


def test_a_bank_of_a_few_clusters_says_nearly_what_all_of_it_would() -> None:
    centres = normalize(torch.randn(5, 14, generator=generator(3)), dim=-1)
    texts = normalize(centres.repeat_interleave(80, 0) + 0.1 * torch.randn(400, 14, generator=generator(4)), dim=-1)
    images = normalize(torch.randn(50, 14, generator=generator(5)), dim=-1)
    few, many = (hub_terms(images, texts, (0.7, 0.7), n, 20.0)[0] for n in (25, 400))
    assert few.centres.shape == (25, 12) and float(few.log_shares.exp().sum()) == pytest.approx(1.0)
    own = normalize(images[:, :-2], dim=-1)
    terms = [_term_of(hubs, own) for hubs in (few, many)]  # images are the many's limit: 50 centres at most
    assert float(torch.corrcoef(torch.stack(terms))[0, 1]) > 0.95


def test_own_texts_do_not_make_an_image_a_hub() -> None:
    images = torch.eye(6)
    texts = torch.eye(6)
    space = TargetSpace(images, texts, torch.arange(6), 8, 0.6, 20.0, generator())
    own = space.images(images, torch.arange(6))
    foreign = space.images(images)
    torch.testing.assert_close(own[:, -1], torch.zeros(6))  # all alike: none is more of a hub than the mean
    assert bool((foreign[:, -1] < -0.5).all())


def test_the_loss_is_zero_at_the_target_and_grows_away_from_it() -> None:
    targets, bank = (normalize(torch.randn(5, 8, generator=generator(s)), dim=-1) for s in (5, 6))
    assert float(regression_loss(targets, targets, bank, 4.0)) == pytest.approx(0.0, abs=1e-6)
    near = normalize(targets + 0.1 * bank, dim=-1)
    assert 0 < float(regression_loss(near, targets, bank, 4.0)) < float(regression_loss(bank, targets, bank, 4.0))


def test_a_head_is_fitted_to_what_is_linear() -> None:
    features = torch.randn(500, 6, generator=generator(7))
    wanted = features @ torch.randn(6, 3, generator=generator(8)) + 2.0
    head = torch.nn.Linear(6, 3)
    fit_head(head, features, wanted)
    with torch.no_grad():
        assert float((head(features) - wanted).abs().mean()) < 0.1


def test_the_learning_rate_rises_and_ends_near_zero() -> None:
    factors = [learning_rate_factor(step, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.2)
    assert max(factors) > 0.98
    assert factors[-1] < 0.001


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rsicd(tmp_path_factory.mktemp("data"), {"train": 16, "val": 8}, side=96)


@pytest.fixture(scope="module")
def checkpoints(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    files = []
    for seed in (0, 1):
        out = tmp_path_factory.mktemp(f"teacher{seed}")
        (out / "settings.json").write_text(json.dumps(TEACHER | {"seed": seed}), encoding="utf-8")
        train_packaged(data, out, out / "settings.json")
        files.append(out / "best.pt")
    return files


def test_cosines_of_teachers_side_by_side_are_the_mean_of_theirs(checkpoints: list[Path]) -> None:
    teachers = [Teacher(file, torch.device("cpu")) for file in checkpoints]
    pixels = torch.randint(0, 256, (3, 3, 64, 64), generator=generator(9)).float()
    texts = ["a green field", "red ground", "much grey, and some more words"]
    seen, read = [t.images(pixels, [0, 1]) for t in teachers], [t.texts(texts) for t in teachers]
    cosines = as_one(seen) @ as_one(read).T
    torch.testing.assert_close(cosines, (seen[0] @ read[0].T + seen[1] @ read[1].T) / 2)
    assert float((seen[0] @ read[0].T - seen[1] @ read[1].T).abs().max()) > 1e-3


def test_a_run_leaves_weights_that_load_and_goes_on_from_kept_targets(
    data: Path, checkpoints: list[Path], tmp_path: Path
) -> None:
    stages: list[str] = []
    second = {"image_epochs": 1, "image_batch": SMALL["image_batch"], "image_size": 64, "late_image_size": 80}
    config = DistilConfig.model_validate({**SMALL, "then": second})
    report = distil(checkpoints, data, tmp_path, config, Fabric(devices=1), lambda p: stages.append(p.stage))
    assert list(dict.fromkeys(stages)) == ["teachers", "images"]
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [row["epoch"] for row in written["history"]] == [1, 2, 3]
    assert written["best"]["mR"] == pytest.approx(report.mean_recall, abs=1e-3)
    weights = export(tmp_path / "best.pt", tmp_path / "mini.safetensors")
    model = load_packaged(weights, ModelIdentity("trial", "compact", "0" * 64, "test"), 64, torch.device("cpu"))
    assert model.encode_texts(["green land"]).shape == (1, 512)
    files = [tmp_path / TARGETS_FILE.format(number) for number in (1, 2)]
    kept = [file.stat().st_mtime_ns for file in files]
    first = torch.load(tmp_path / "best.pt", weights_only=True)["model"]
    stages.clear()
    distil(checkpoints, data, tmp_path, config, Fabric(devices=1), lambda p: stages.append(p.stage))
    assert "teachers" not in stages
    assert [file.stat().st_mtime_ns for file in files] == kept
    again = torch.load(tmp_path / "best.pt", weights_only=True)["model"]
    torch.testing.assert_close(again["image_head.weight"], first["image_head.weight"])


@pytest.mark.parametrize("steps_before_the_cut", [3, 5])
def test_a_student_that_was_cut_ends_where_an_uninterrupted_one_does(
    data: Path, checkpoints: list[Path], tmp_path: Path, steps_before_the_cut: int
) -> None:
    second = {"image_epochs": 1, "image_batch": SMALL["image_batch"], "image_size": 64, "late_image_size": 80}
    config = DistilConfig.model_validate({**SMALL, "then": second})
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    expected = distil(checkpoints, data, whole, config, Fabric(devices=1))
    with pytest.raises(Cut):
        distil(checkpoints, data, cut, config, Fabric(devices=1), CutAfter("images", steps_before_the_cut))
    again: list[Progress] = []
    found = distil(checkpoints, data, cut, config, Fabric(devices=1), again.append)
    assert len([p for p in again if p.stage == "images"]) == 6 - steps_before_the_cut // 2 * 2  # two steps an epoch
    assert found == expected
    weights = [torch.load(folder / "best.pt", weights_only=True)["model"] for folder in (whole, cut)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, msg=name)


def test_a_student_may_start_from_the_means_of_its_teachers_weights(
    data: Path, checkpoints: list[Path], tmp_path: Path
) -> None:
    still = {**SMALL, "image_epochs": 0.5, "lr_image": 0.0}
    config = DistilConfig.model_validate(still | {"image_start": "mean", "text_tower": "mean"})
    distil(checkpoints, data, tmp_path, config, Fabric(devices=1))
    student, *teachers = (torch.load(f, weights_only=True)["model"] for f in (tmp_path / "best.pt", *checkpoints))
    towers = [name for name in student if name.startswith(("image_tower.", "text_tower."))]
    for name in towers:
        torch.testing.assert_close(student[name], (teachers[0][name] + teachers[1][name]) / 2, msg=name)
    assert any(not torch.equal(teachers[0][name], teachers[1][name]) for name in towers)


def test_a_student_reads_the_pieces_it_is_given_and_no_others(
    data: Path, checkpoints: list[Path], tmp_path: Path
) -> None:
    still = {**SMALL, "image_epochs": 0.5, "lr_image": 0.0, "vocabulary": 4_000}
    smaller = tmp_path / "smaller"
    smaller.mkdir()
    settings = smaller / "settings.json"
    settings.write_text(json.dumps(TEACHER | {"vocabulary": 5_000}), encoding="utf-8")
    train_packaged(data, smaller, settings)
    distil([smaller / "best.pt"], data, tmp_path, DistilConfig.model_validate(still), Fabric(devices=1))
    student, teacher = (torch.load(f / "best.pt", weights_only=True) for f in (tmp_path, smaller))
    assert (len(student["vocabulary"]), len(teacher["vocabulary"])) == (4_000, 5_000)
    rows = [teacher["vocabulary"].index(piece) for piece in student["vocabulary"]]
    torch.testing.assert_close(
        student["model"]["text_tower.words.weight"], teacher["model"]["text_tower.words.weight"][rows]
    )
    larger = DistilConfig.model_validate(still | {"vocabulary": 6_000})
    with pytest.raises(UsageError, match="does not have all word pieces"):
        distil([smaller / "best.pt"], data, tmp_path, larger, Fabric(devices=1))


def test_a_run_that_starts_from_a_student_leaves_its_hub_terms_out(
    data: Path, checkpoints: list[Path], tmp_path: Path
) -> None:
    distil(checkpoints, data, tmp_path, DistilConfig.model_validate(SMALL), Fabric(devices=1))
    settings, student = tmp_path / "settings.json", torch.load(tmp_path / "best.pt", weights_only=True)
    settings.write_text(json.dumps(TEACHER | {"max_steps": 1}), encoding="utf-8")
    assert student["config"]["hub_centres"] == 16  # as many as there are training images
    out = tmp_path / "further"
    model = load_packaged(
        train_packaged(data, out, settings, start=tmp_path / "best.pt"),
        ModelIdentity("trial", "compact", "0" * 64, "test"),
        64,
        torch.device("cpu"),
    )
    assert model.net.parts.hub_centres == 0


def test_a_mean_of_towers_that_no_teacher_has_is_refused(data: Path, checkpoints: list[Path], tmp_path: Path) -> None:
    config = DistilConfig.model_validate({**SMALL, "image_start": "mean", "image_tower": "efficientnet_lite2"})
    with pytest.raises(UsageError, match="No teacher has the image tower efficientnet_lite2"):
        distil(checkpoints, data, tmp_path, config, Fabric(devices=1))


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.pt"
    file.write_text("no weights", encoding="utf-8")
    with pytest.raises(UsageError, match=r"notes\.pt is no checkpoint"):
        Teacher(file, torch.device("cpu"))
