"""The terms of the packaged model's objective: each is there when its weight is, and does what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.models.compact.dual_encoder import DualEncoder
from engine.train.packaged.batch import Batch, draw_batch
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData
from engine.train.packaged.likeness import Likeness
from engine.train.packaged.objective import Objective
from engine.train.packaged.synonyms import Synonyms
from tests.support.rsicd import write_rsicd

SETTINGS: dict[str, Any] = {
    "batch_images": 8, "image_size": 64, "mosaic_size": 96, "vocabulary": 4000, "cutmix": 0.0, "drop_path": 0.0,
    "feature_dropout": 0.0, "likeness_width": 0.0, "synonym_rate": 0.0, "noun_weight": 0.0, "dense_weight": 0.0,
    "frozen_text_layers": 6,
}  # fmt: skip
ROWS = torch.arange(8)


THINGS = {"red": "tennis court", "green": "pond", "blue": "river", "grey": "bridge"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """Forty pictures in four colours; a caption names what that colour stands for."""
    folder = write_rsicd(tmp_path_factory.mktemp("objective") / "data", {"train": 40, "val": 8}, side=64)
    listing = folder / "train.jsonl"
    rows = [json.loads(line) for line in listing.read_text("utf-8").splitlines()]
    for i, row in enumerate(rows):
        thing = THINGS[Path(row["image"]).name.split("_")[0]]
        row |= {"captions": [f"a {thing} numbered {i}", f"one {thing} numbered {i}"], "paraphrases": []}
    listing.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return TrainingData(folder, TrainingConfig(**SETTINGS))


def test_the_data_knows_nouns_and_scenes(data: TrainingData) -> None:
    assert data.nouns.words == ["bridge", "pond", "river", "tennis court"]
    assert data.train[0].scene is None
    assert data.scenes[0] == -1
    assert [data.train[i].scene for i in (1, 2, 3, 4)] == ["green", "blue", "grey", "red"]
    assert data.scenes[1:5].tolist() == data.scenes[5:9].tolist() == [1, 0, 2, 3]


class Setting:
    """One network and one batch under given settings."""

    def __init__(self, data: TrainingData, **changes: Any) -> None:
        self.config = TrainingConfig(**SETTINGS | changes)
        self.data = data
        torch.manual_seed(0)
        self.net = DualEncoder(data.text_config, 512, 0.0, self.config.parts)
        self.random = torch.Generator().manual_seed(0)
        likeness = Likeness(data.published, self.config.likeness_width)
        self.objective = Objective(self.config, data, self.net, likeness, data.published, self.random)

    def batch(self, rows: Tensor = ROWS) -> Batch:
        self.random.manual_seed(5)
        return draw_batch(rows, self.data, self.config, Synonyms.shipped(self.config.synonym_rate), self.random)

    def loss(self, rows: Tensor = ROWS) -> Tensor:
        torch.manual_seed(1)
        loss: Tensor = self.objective(self.net, self.batch(rows))
        return loss


@pytest.fixture(scope="module")
def plain(data: TrainingData) -> float:
    return Setting(data).loss().item()


@pytest.mark.parametrize(
    "changes",
    [
        {"attribution_weight": 1.0},
        {"noun_prior_weight": 0.3},
        {"triplet_weight": 0.1},
        {"views": 2},
        {"noun_weight": 0.3},
        {"dense_weight": 0.3},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_term_adds_to_the_loss_and_trains_what_is_its_own(
    data: TrainingData, plain: float, changes: dict[str, Any]
) -> None:
    setting = Setting(data, **changes)
    loss = setting.loss()
    assert loss.item() > plain + 1e-3
    loss.backward()  # type: ignore[no-untyped-call]
    own = [*setting.objective.parameters(), *(p for n, p in setting.net.named_parameters() if n.startswith("mpr"))]
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in own)
    assert bool(setting.net.image_head.weight.grad.any())


def test_a_term_of_weight_zero_is_not_there(data: TrainingData, plain: float) -> None:
    assert Setting(data, views=0, attribution_weight=0.0).loss().item() == plain
    assert not list(Setting(data).objective.parameters())


def test_the_queue_adds_negatives_from_the_second_batch_on(data: TrainingData) -> None:
    setting, alone = Setting(data, queue=8), Setting(data)
    assert setting.loss().item() == pytest.approx(alone.loss().item(), abs=1e-6)
    queue = setting.objective.queue
    assert queue is not None and len(queue) == 8
    second = torch.arange(8, 16)
    assert setting.loss(second).item() > alone.loss(second).item() + 1e-3
    assert [setting.batch(second).captions[0], len(queue)] == [queue.wordings[0], 8]  # the first batch is gone


def test_a_queued_pair_of_the_same_words_is_right_and_of_other_words_wrong(data: TrainingData) -> None:
    setting = Setting(data, queue=8)
    batch, queue = setting.batch(), setting.objective.queue
    assert queue is not None
    each = torch.eye(8, 512)  # every image is its text, and far from the queue's
    own = setting.objective.likeness.positives(batch.captions, batch.owners, 8)
    queue.push(-each, -each, [f"another text {i}" for i in range(8)])
    wrong = setting.objective._contrastive(batch, each, each, own)
    queue.push(-each, -each, batch.captions)
    right = setting.objective._contrastive(batch, each, each, own)
    assert wrong.item() < 1e-3
    assert right.item() == pytest.approx(
        setting.objective.scale.item(), abs=1e-3
    )  # half of the target at -1, half at 1


def test_mixed_images_do_not_enter_the_queue_and_get_no_scene(data: TrainingData) -> None:
    setting = Setting(data, queue=8, cutmix=1.0, attribution_weight=1.0)
    loss = setting.loss()
    assert setting.objective.queue is not None and len(setting.objective.queue) == 0
    loss.backward()  # type: ignore[no-untyped-call]
    assert setting.objective.log_scene_scale.grad is None


def test_fresh_token_blocks_change_nothing(data: TrainingData, plain: float) -> None:
    setting = Setting(data, token_blocks=2)
    plain_net = Setting(data).net.state_dict()
    setting.net.load_state_dict(setting.net.state_dict() | plain_net)
    assert setting.loss().item() == pytest.approx(plain, abs=1e-6)
