"""What a run trains on and is chosen by: pictures in memory, texts, nouns, scenes, vocabulary."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.random import fork_rng

from engine.datasets.rsicd import CaptionedImage, load_pixels, read_split
from engine.models.compact.text_tower import TextTower, TextTowerConfig
from engine.models.compact.tokenizer import build_tokenizer, prune_vocabulary
from engine.text.local import LocalKeywordExtractor
from engine.train.packaged.base_weights import load_minilm, minilm_vocabulary
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.nouns import NounTargets
from engine.train.packaged.text_features import TextFeatures


class TrainingData:
    """Both splits; runs of the same ``limit_images`` and ``vocabulary`` may share it.

    Attributes:
        train: images with their texts.
        val: likewise.
        pixels: uint8 ``(images, 3, 224, 224)`` of ``train``, channels last in memory.
        val_pixels: of ``val``.
        texts: the distinct texts of ``train``.
        vocabulary: word pieces of the text tower.
        tokenizer: for them.
        nouns: of ``train``.
        scenes: int64 ``(images,)``, which scene each image of ``train`` is labelled with; -1: none.

    Args:
        folder: of RSICD, or laid out like it.
        config: how much of it is used, and the size of the vocabulary.
    """

    def __init__(self, folder: Path, config: TrainingConfig) -> None:
        self.train = read_split(folder, "train")[: config.limit_images]
        self.val = read_split(folder, "val")
        self.pixels = torch.from_numpy(load_pixels(self.train)).permute(0, 3, 1, 2)
        self.val_pixels = torch.from_numpy(load_pixels(self.val)).permute(0, 3, 1, 2)
        self.texts = list(dict.fromkeys(text for image in self.train for text in texts_of(image)))
        self.vocabulary = prune_vocabulary(minilm_vocabulary(), self.texts, config.vocabulary)
        self.text_config = TextTowerConfig(len(self.vocabulary))
        self.tokenizer: Tokenizer = build_tokenizer(self.vocabulary, self.text_config.positions)
        self.nouns = NounTargets(self.train, LocalKeywordExtractor())
        names = sorted({image.scene for image in self.train if image.scene is not None})
        place = {name: i for i, name in enumerate(names)}
        self.scenes = torch.tensor([-1 if image.scene is None else place[image.scene] for image in self.train])

    @cached_property
    def published(self) -> TextFeatures:
        """Features of texts from the text tower as it was published."""
        with fork_rng(devices=[]):  # made when it is first asked for: what is drawn next must not depend on when
            tower = TextTower(self.text_config)
        load_minilm(tower, self.vocabulary)
        return TextFeatures(tower.eval().requires_grad_(False), self.tokenizer)


def texts_of(image: CaptionedImage) -> list[str]:
    """The distinct wordings of an image, captions first."""
    return list(dict.fromkeys(image.captions + image.paraphrases))
