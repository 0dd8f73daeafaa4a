"""From trained packaged models to one that knows what they know together."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from engine.evaluate.retrieval import RetrievalReport
from engine.models.compact.dual_encoder import DualEncoder
from engine.train.packaged import unfinished
from engine.train.packaged.checkpoint import read_checkpoint, save_checkpoint
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData, texts_of
from engine.train.packaged.distil.config import DistilConfig, ImageRound
from engine.train.packaged.distil.hubs import hub_terms, with_hub_terms
from engine.train.packaged.distil.image_student import ImageStudent
from engine.train.packaged.distil.space import TargetSpace
from engine.train.packaged.distil.student import starting_student
from engine.train.packaged.distil.taught import taught
from engine.train.packaged.distil.text_student import fit_text_head
from engine.train.packaged.distil.views import FixedViews
from engine.train.packaged.measure import val_report
from engine.train.packaged.text_features import TextFeatures
from engine.train.seeds import Purpose, derived_seed
from engine.types import ProgressSink, no_progress

PHRASES = ("an aerial photo of {}", "a satellite image of {}", "{} seen from above", "many {}")
PAIRS = ("{} and {}", "{} near {}", "{} beside a {}", "{} with {}", "{} next to {}")
PAIR_COUNT = 4000


def distil(
    teachers: Sequence[Path],
    data: Path,
    out: Path,
    config: DistilConfig,
    fabric: Fabric,
    progress: ProgressSink = no_progress,
) -> RetrievalReport:
    """Leaves ``best.pt`` and ``report.json`` in ``out``; returns the val report of the best epoch.

    The student starts from the first teacher, or from means of several's weights (model soups: Wortsman et al., arXiv
    2203.05482). The teachers' embeddings are kept in ``out``; a run that was cut goes on from them, and from its last
    epoch.

    Args:
        teachers: checkpoints of runs on the same data.
        data: folder of RSICD, or laid out like it.
        out: exists.

    Raises:
        UsageError: a checkpoint, the data or a setting cannot be used.
    """
    started = time.monotonic()
    saved = read_checkpoint(teachers[0])
    digests = [hashlib.sha256(teacher.read_bytes()).hexdigest() for teacher in teachers]
    training = TrainingConfig.model_validate(
        {k: v for k, v in saved["config"].items() if k in TrainingConfig.model_fields}
    )
    training = training.model_copy(update={"vocabulary": config.vocabulary or training.vocabulary})
    loaded = TrainingData(data, training)
    random = torch.Generator().manual_seed(config.seed)
    views = FixedViews(loaded.pixels, config.crops, config.mixtures, config.smallest_crop, random)
    texts, owners = texts_to_learn(loaded, config.seed)
    embedded = taught(teachers, digests, loaded, views, texts, config, fabric, out, random, progress)
    said = owners >= 0
    space = TargetSpace(
        embedded["images"][:, 0],
        embedded["texts"][said],
        owners[said],
        training.embed_dim,
        config.hub_strength,
        config.hub_scale,
        random,
    )
    rows = torch.arange(len(loaded.train))
    # A mixture is no training image, so that all texts are its bank.
    of_views = [embedded["images"][:, view] for view in range(len(views))]
    images = torch.stack(
        [space.images(view, rows if number <= views.crops else None) for number, view in enumerate(of_views)], 1
    )
    targets = space.texts(embedded["texts"], owners)
    strengths, bank = (config.image_hub_strength, config.hub_strength), (config.hub_centres, config.hub_scale)
    hubs = hub_terms(images[:, 0], targets[said], strengths, *bank) if config.hub_centres else None
    fabric.seed_everything(config.seed, verbose=False)  # the teachers may or may not have been built just now
    model = starting_student(teachers, config, loaded.vocabulary).to(memory_format=torch.channels_last)
    fabric.to_device(model)
    fit_text_head(model, loaded, texts, targets)
    read = TextFeatures(model.text_tower, loaded.tokenizer)  # which stays as it is
    history: list[dict[str, float]] = []
    reports: list[RetrievalReport] = []
    rounds: list[ImageRound] = [config] if config.then is None else [config, config.then]
    run, file, begun = unfinished.digest_of(config.model_dump_json(), data, *teachers), out / unfinished.FILE, 0
    kept = unfinished.read(file, run)
    if kept is not None:
        place = kept["place"]
        begun, history, reports = place["round"], place["history"], [unfinished.report_from_kept(place["best"])]
        started -= 60 * history[-1]["minutes"]

    def epoch_done(average: DualEncoder, parts: Mapping[str, Any], place: dict[str, Any]) -> None:
        measured = with_hub_terms(average, *hubs) if hubs else average
        report = val_report(measured, loaded, this.late_image_size, read)
        reports.append(report)
        minutes = (time.monotonic() - started) / 60
        history.append({"epoch": len(history) + 1, "val_mR": report.mean_recall, "minutes": minutes})
        best = max(reports, key=lambda r: r.mean_recall)
        if best is report:
            settings = {**training.model_dump(), **asdict(measured.parts), "distil": config.model_dump()}
            save_checkpoint(out / "best.pt", measured, loaded.vocabulary, settings)
        _write_report(out / "report.json", config, digests, history, best)
        place |= {"round": number, "history": history, "best": unfinished.report_to_kept(best)}
        unfinished.keep(file, run, parts, place)

    text_targets = dict(zip(texts, targets, strict=True))
    for number, this in enumerate(rounds[begun:], begun):
        seed = derived_seed(config.seed, Purpose.WEIGHTS, number)
        student = ImageStudent(model, loaded, views, images, text_targets, this, fabric, seed, progress)
        model = student.run(epoch_done, is_first=number == 0, kept=kept if number == begun else None)
    file.unlink(missing_ok=True)
    return max(reports, key=lambda r: r.mean_recall)


def texts_to_learn(data: TrainingData, seed: int) -> tuple[list[str], Tensor]:
    """The texts that the student reads, and int64 ``(T,)``: the training image that each was said of, -1: none.

    Beside what was said of the training images: their nouns, alone, in short phrases and in pairs, as people type them.
    """
    owner = {text: row for row, image in enumerate(data.train) for text in texts_of(image)}
    random = torch.Generator().manual_seed(seed)
    nouns = data.nouns.words
    made = [phrase.format(noun) for noun in nouns for phrase in PHRASES]
    if len(nouns) > 1:
        for _ in range(PAIR_COUNT):
            first, second = torch.randperm(len(nouns), generator=random)[:2].tolist()
            pair = PAIRS[int(torch.randint(len(PAIRS), (), generator=random))]
            made.append(pair.format(nouns[first], nouns[second]))
    texts = list(dict.fromkeys([*data.texts, *nouns, *made]))
    return texts, torch.tensor([owner.get(text, -1) for text in texts])


def _write_report(
    file: Path, config: DistilConfig, teachers: list[str], history: list[dict[str, float]], best: RetrievalReport
) -> None:
    report = {
        "distil": config.model_dump(),
        "teachers": teachers,  # sha256 of their checkpoints
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "history": history,
        "best": best.to_json(),
    }
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
