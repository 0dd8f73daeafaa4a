"""The training loop of the packaged model: heads first on frozen features, then both towers; selection on val."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from tokenizers import Tokenizer
from torch import Tensor, nn

from engine.datasets.rsicd import CaptionedImage, load_pixels, read_split
from engine.errors import UsageError
from engine.evaluate.retrieval import RetrievalReport, evaluate_embeddings
from engine.models.compact.dual_encoder import DualEncoder
from engine.models.compact.image_tower import STRIDE, normalise_pixels
from engine.models.compact.text_tower import TextTowerConfig
from engine.models.compact.tokenizer import build_tokenizer, prune_vocabulary, tokenize
from engine.text.local import LocalKeywordExtractor
from engine.train.losses import (
    multi_positive_contrastive,
    multiple_instance_contrastive,
    text_to_image_contrastive,
)
from engine.train.packaged.augment import augment, cutmix
from engine.train.packaged.base_weights import efficientnet_lite0, load_minilm, minilm_vocabulary
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.likeness import Likeness
from engine.train.packaged.mosaic import PARTS, mosaics
from engine.train.packaged.nouns import NounTargets
from engine.train.packaged.synonyms import Synonyms
from engine.types import Progress, ProgressSink, no_progress

HEAD_TEXTS = 3  # wordings an image in the heads' warm start


class Trainer:
    """Holds what one run needs; :meth:`run` leaves ``last.pt``, ``best.pt`` and ``report.json`` in ``folder``."""

    def __init__(
        self,
        config: TrainingConfig,
        data: Path,
        folder: Path,
        fabric: Fabric,
        progress: ProgressSink = no_progress,
        start: Path | None = None,
    ) -> None:
        self.config, self.folder, self.fabric, self.progress = config, folder, fabric, progress
        fabric.seed_everything(config.seed, verbose=False)
        self.random = torch.Generator().manual_seed(config.seed)
        self.train = read_split(data, "train")[: config.limit_images]
        self.val = read_split(data, "val")
        self.pixels = torch.from_numpy(load_pixels(self.train)).permute(0, 3, 1, 2)  # uint8, channels last in memory
        self.val_pixels = torch.from_numpy(load_pixels(self.val)).permute(0, 3, 1, 2)
        texts = [t for image in self.train for t in texts_of(image)]
        distinct = list(dict.fromkeys(texts))
        vocabulary = prune_vocabulary(minilm_vocabulary(), distinct, config.vocabulary)
        self.vocabulary = vocabulary
        self.nouns = NounTargets(self.train, LocalKeywordExtractor())
        text_config = TextTowerConfig(len(vocabulary))
        self.tokenizer: Tokenizer = build_tokenizer(vocabulary, text_config.positions)
        model = DualEncoder(text_config, config.embed_dim, config.feature_dropout)
        model.image_tower.load_state_dict(efficientnet_lite0())
        model.image_tower.drop_paths(config.drop_path)
        load_minilm(model.text_tower, vocabulary)
        features: dict[str, Tensor] = {}
        if config.likeness_width:
            fabric.to_device(model)
            features = dict(zip(distinct, self._text_features(model, distinct, head=False).cpu(), strict=True))
        self.likeness = Likeness(features, config.likeness_width)
        self.synonyms = Synonyms.shipped(config.synonym_rate)
        self.warm = start is not None
        if start is not None:
            saved = torch.load(start, map_location="cpu", weights_only=True)
            if saved["vocabulary"] != vocabulary:
                raise UsageError(f"{start} was trained with another vocabulary.", "Give its settings with --config.")
            model.load_state_dict(saved["model"])
        model.to(memory_format=torch.channels_last)
        self.model: DualEncoder = fabric.to_device(model)  # type: ignore[assignment]
        self.history: list[dict[str, float]] = []

    def run(self) -> RetrievalReport:
        """Trains and returns the best val report."""
        started = time.monotonic()
        if not self.warm:
            self._train_heads()
        self._freeze()
        steps_an_epoch = len(self.train) // self.config.batch_images
        total = min(steps_an_epoch * self.config.epochs, self.config.max_steps or 10**9)
        optimizer = torch.optim.AdamW(self._parameter_groups(), weight_decay=self.config.weight_decay)
        peaks = [g["lr"] for g in optimizer.param_groups]
        model, optimizer = self.fabric.setup(self.model, optimizer, _reapply_compile=False)
        for method in ("embed_images", "embed_texts", "embed_tokens"):
            model.mark_forward_method(method)
        average = deepcopy(self.model)
        average.requires_grad_(False)
        reports: list[RetrievalReport] = []
        step, running = 0, 0.0
        for epoch in range(self.config.epochs):
            for rows in self._batches():
                factor = schedule(step, total, self.config, steps_an_epoch)
                for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                    group["lr"] = peak * factor
                self.model.train()
                loss = self._loss(model, rows)
                self.fabric.backward(loss)
                self.fabric.clip_gradients(
                    model, optimizer, max_norm=self.config.gradient_clip, error_if_nonfinite=True
                )
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                decay = min(self.config.ema_decay, (1 + step) / (10 + step))
                with torch.no_grad():
                    for kept, new in zip(average.parameters(), self.model.parameters(), strict=True):
                        kept.lerp_(new, 1 - decay)
                step += 1
                running = loss.item() if step == 1 else 0.98 * running + 0.02 * loss.item()
                self.progress(Progress("train", step, total, f"loss {running:.3f}"))
                if step == total:
                    break
            report = self.validate(average)
            self.history.append(
                {
                    "epoch": epoch + 1,
                    "loss": running,
                    "val_mR": report.mean_recall,
                    "minutes": (time.monotonic() - started) / 60,
                }
            )
            reports.append(report)
            best = max(reports, key=lambda r: r.mean_recall)
            if best is report:
                self._save("best.pt", average)
            self._save("last.pt", average)
            self._report(best)
            if step == total or epoch + 1 == self.config.stop_epoch:
                break
        return max(reports, key=lambda r: r.mean_recall)

    def validate(self, model: DualEncoder) -> RetrievalReport:
        """Recalls on RSICD val with the standard captions."""
        captions = [c for image in self.val for c in image.captions]
        owner = np.repeat(np.arange(len(self.val)), [len(i.captions) for i in self.val])
        distinct = {c: i for i, c in enumerate(dict.fromkeys(captions))}
        texts = self._text_features(model, list(distinct), head=True)[[distinct[c] for c in captions]]
        images = torch.cat([self._image_features(model, part, head=True) for part in torch.split(self.val_pixels, 64)])
        return evaluate_embeddings(images.cpu().numpy(), texts.cpu().numpy(), owner, "packaged", "val")

    def _loss(self, model: Any, rows: Tensor) -> Tensor:
        config, device = self.config, self.fabric.device
        pixels = augment(self.pixels[rows], config.image_size, config.smallest_crop, config.jitter, self.random)
        captions, owners = self._sample_texts(rows)
        nouns, shown = self.nouns.sample(rows, self.random)
        # What is right for an image follows from what was said of it; what the tower reads may be worded otherwise.
        wordings = [self.synonyms.reword(text, self.random) for text in captions + nouns]
        embeddings = self._embed_texts(model, wordings)
        caption_embeddings, noun_embeddings = embeddings[: len(captions)], embeddings[len(captions) :]
        positives = self.likeness.positives(captions, owners, len(rows)).to(device)
        shown = shown.to(device)
        mixed, mixed_positives, mixed_shown = pixels, positives, shown.to(positives)
        if config.cutmix and float(torch.rand((), generator=self.random)) < config.cutmix:
            mixed, others, own = cutmix(pixels, self.random)
            others = others.to(device)
            mixed_positives = torch.lerp(mixed_positives[others], mixed_positives, own)
            mixed_shown = torch.lerp(mixed_shown[others], mixed_shown, own)
        images = normalise_pixels(mixed).to(device, memory_format=torch.channels_last)
        image_embeddings = model.embed_images(images)
        scale = self.model.log_scale.exp().clamp(max=100.0)
        loss = multi_positive_contrastive(scale * image_embeddings @ caption_embeddings.T, mixed_positives)
        if config.noun_weight and nouns:
            logits = scale * image_embeddings @ noun_embeddings.T
            loss = loss + config.noun_weight * text_to_image_contrastive(logits, mixed_shown)
        if config.dense_weight and len(rows) >= PARTS:
            dense = self._dense_loss(model, pixels, caption_embeddings, positives, noun_embeddings, shown)
            loss = loss + config.dense_weight * dense
        return loss

    def _dense_loss(
        self, model: Any, pixels: Tensor, captions: Tensor, own: Tensor, nouns: Tensor, shown: Tensor
    ) -> Tensor:
        """Tokens of mosaics against the texts of the images that they show.

        Args:
            pixels: augmented images ``(B, 3, S, S)``.
            captions, nouns: embeddings ``(T, E)`` and ``(M, E)``.
            own: float32 ``(B, T)``, how right each caption is for each image.
            shown: bool ``(B, M)``, who shows each noun.
        """
        canvas, owners = mosaics(pixels, self.config.mosaic_size, STRIDE, self.random)
        device = self.fabric.device
        tokens = model.embed_tokens(normalise_pixels(canvas).to(device, memory_format=torch.channels_last))
        tokens, owners = tokens.flatten(0, 2), owners.flatten().to(device)  # (P, E), (P,)
        scale = self.config.dense_scale
        loss = text_to_image_contrastive(scale * captions @ tokens.T, own[owners].T)  # each token looks for its texts
        on_canvas = shown[owners]
        answerable = on_canvas.any(0)
        if bool(answerable.any()):
            logits = scale * tokens @ nouns[answerable].T
            loss = loss + multiple_instance_contrastive(logits, on_canvas[:, answerable])
        return loss

    def _embed_texts(self, model: Any, texts: list[str]) -> Tensor:
        """Embeddings ``(T, E)``; texts of like length share a call, else padding would cost more than the words."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        size = -(-len(texts) // self.config.text_buckets)
        parts = []
        for start in range(0, len(texts), size):
            ids, mask = tokenize(self.tokenizer, [texts[i] for i in order[start : start + size]])
            parts.append(model.embed_texts(ids.to(self.fabric.device), mask.to(self.fabric.device)))
        back = torch.empty(len(order), dtype=torch.int64)
        back[torch.tensor(order)] = torch.arange(len(order))
        return torch.cat(parts)[back.to(self.fabric.device)]

    def _sample_texts(self, rows: Tensor) -> tuple[list[str], Tensor]:
        texts: list[str] = []
        for row in rows.tolist():
            pool = texts_of(self.train[row])
            order = torch.randperm(len(pool), generator=self.random)[: self.config.captions_per_image].tolist()
            texts += [pool[i] for i in order] + [pool[0]] * (self.config.captions_per_image - len(order))
        owners = torch.arange(len(rows)).repeat_interleave(self.config.captions_per_image)
        return texts, owners

    def _batches(self) -> Iterator[Tensor]:
        order = torch.randperm(len(self.train), generator=self.random)
        yield from torch.split(order, self.config.batch_images)[: len(self.train) // self.config.batch_images]

    def _freeze(self) -> None:
        text = self.model.text_tower
        text.words.requires_grad_(False)
        if self.config.frozen_text_layers:
            for module in (text.positions, text.norm, *list(text.encoder.layers)[: self.config.frozen_text_layers]):
                module.requires_grad_(False)
        for module in self.model.image_tower.frozen_prefix(self.config.frozen_stages):
            module.requires_grad_(False)

    def _parameter_groups(self) -> list[dict[str, Any]]:
        heads = [*self.model.image_head.parameters(), *self.model.text_head.parameters(), self.model.log_scale]
        return [
            {"params": trainable(self.model.image_tower), "lr": self.config.lr_image},
            {"params": trainable(self.model.text_tower), "lr": self.config.lr_text},
            {"params": heads, "lr": self.config.lr_heads},
        ]

    def _train_heads(self) -> None:
        """Warm start: the two heads alone on features of the frozen towers, texts drawn anew at each step.

        Dropout on the features and few steps: heads that know their training images by heart are a bad start.
        """
        if not self.config.head_steps:
            return
        images = torch.cat([self._image_features(self.model, p, head=False) for p in torch.split(self.pixels, 64)])
        pools = [texts_of(image)[:HEAD_TEXTS] for image in self.train]
        texts = [text for pool in pools for text in pool]
        features = self._text_features(self.model, texts, head=False)
        counts = torch.tensor([len(pool) for pool in pools])
        starts = counts.cumsum(0) - counts
        heads = nn.ModuleList([self.model.image_head, self.model.text_head])
        optimizer = torch.optim.AdamW([*heads.parameters(), self.model.log_scale], lr=1e-3, weight_decay=0.02)
        for step in range(self.config.head_steps):
            rows = torch.randperm(len(pools), generator=self.random)[:1024]
            chosen = starts[rows] + (torch.rand(len(rows), generator=self.random) * counts[rows]).long()
            image = nn.functional.normalize(self.model.image_head(nn.functional.dropout(images[rows], 0.3)), dim=-1)
            text = nn.functional.normalize(self.model.text_head(nn.functional.dropout(features[chosen], 0.3)), dim=-1)
            logits = self.model.log_scale.exp() * image @ text.T
            names = [texts[i] for i in chosen.tolist()]
            positives = self.likeness.positives(names, torch.arange(len(names)), len(names))
            loss = multi_positive_contrastive(logits, positives.to(logits.device))
            optimizer.zero_grad()
            self.fabric.backward(loss)
            optimizer.step()
            self.progress(Progress("heads", step + 1, self.config.head_steps, f"loss {loss.item():.3f}"))

    @torch.no_grad()
    def _image_features(self, model: DualEncoder, pixels: Tensor, head: bool) -> Tensor:
        model.eval()
        side = self.config.image_size
        resized = nn.functional.interpolate(pixels.float(), (side, side), mode="bilinear", antialias=True)
        images = normalise_pixels(resized).to(self.fabric.device, memory_format=torch.channels_last)
        return model.embed_images(images) if head else model.image_tower(images).mean((2, 3))

    @torch.no_grad()
    def _text_features(self, model: DualEncoder, texts: list[str], head: bool) -> Tensor:
        model.eval()
        parts = [tokenize(self.tokenizer, texts[i : i + 256]) for i in range(0, len(texts), 256)]
        embed, device = model.embed_texts if head else model.text_tower, self.fabric.device
        return torch.cat([embed(ids.to(device), mask.to(device)) for ids, mask in parts])

    def _save(self, name: str, model: DualEncoder) -> None:
        state = {k: v.cpu().contiguous() for k, v in model.state_dict().items()}
        checkpoint = {"model": state, "vocabulary": self.vocabulary, "config": self.config.model_dump()}
        torch.save(checkpoint, self.folder / name)

    def _report(self, best: RetrievalReport) -> None:
        report = {
            "config": self.config.model_dump(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "history": self.history,
            "best": best.to_json(),
        }
        (self.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def texts_of(image: CaptionedImage) -> list[str]:
    """The distinct wordings of an image, captions first."""
    return list(dict.fromkeys(image.captions + image.paraphrases))


def trainable(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


def schedule(step: int, total: int, config: TrainingConfig, steps_an_epoch: int) -> float:
    """Factor of the learning rates at a step, see :class:`TrainingConfig`."""
    start = max(1, int(total * config.warm_up_fraction))
    if step < start:
        return (step + 1) / start
    horizon = max(total, config.horizon_epochs * steps_an_epoch)
    line = total - config.cool_down_epochs * steps_an_epoch  # the step at which the line begins

    def cosine(at: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * max(0, at - start) / max(1, horizon - start)))

    return cosine(step) if step < line else cosine(line) * (total - step) / (total - line)
