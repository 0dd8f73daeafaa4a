"""The whole comparison in one call, which goes on where an earlier one was cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from engine.errors import UsageError
from engine.evaluate.overlap import chance_overlap
from engine.evaluate.projection import FEWEST, projection_picture
from engine.files import make_folder
from engine.models.registry import load_model, resolve_device
from engine.train.compare.backbone import PACKAGED, PUBLISHED, Backbone, packaged, published
from engine.train.compare.cache import image_cache, text_cache
from engine.train.compare.config import CompareConfig, quick, with_steps
from engine.train.compare.data import CompareData
from engine.train.compare.measure import embed, measure, tiles_a_second
from engine.train.compare.net import SystemNet, count
from engine.train.compare.report import MARKDOWN, table, write_report
from engine.train.compare.results import Run, best_parts, part_gains, summaries
from engine.train.compare.rows import (
    BEST,
    MAIN,
    NAMES,
    OSDPM,
    ROWS,
    SPATIAL,
    UNCLUSTERED,
    Row,
    combination,
    system_parts,
)
from engine.train.compare.start import Start, make_start
from engine.train.compare.train_row import Caches, build, train_row
from engine.train.kept_files import write_tensors, write_text
from engine.train.memory import keep_freed_memory
from engine.types import Json, ProgressSink, no_progress

_TESTED = {row.name for row in MAIN} | {BEST}
_KEPT = _TESTED | {UNCLUSTERED}  # rows whose weights are kept: for test, and for the picture of the clustering
CLUSTERING = "osfcm.png"


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs share.

    ``base``: sha256 (hex) of the packaged weights that were loaded; empty with the published backbone.
    """

    out: Path
    config: CompareConfig
    backbone: Backbone
    base: str
    data: CompareData
    caches: Caches
    device: torch.device
    progress: ProgressSink


def compare(
    data: Path,
    out: Path,
    *,
    steps: int | None = None,
    seeds: Sequence[int] = (0,),
    backbone: str = PUBLISHED,
    rows: Sequence[str] | None = None,
    trial: bool = False,
    test: bool = False,
    config: CompareConfig | None = None,
    progress: ProgressSink = no_progress,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Makes all runs that ``out`` does not hold yet, and after each of them the report.

    The best combination is formed from this call's seeds when all others are done
    (:func:`engine.train.compare.results.best_parts`), and made anew where more seeds say otherwise.

    Args:
        data: folder of RSICD, or laid out like it.
        out: folder; gets ``BACKBONE/`` (of a trial ``BACKBONE-quick/``) with the three files of the report, ``cache/``
            and ``runs/``.
        steps: of each run; None: as ``config`` says.
        seeds: of each row.
        backbone: one of :data:`engine.train.compare.backbone.BACKBONES`.
        rows: names; None: all.
        trial: few steps on few images.
        test: read test at the end, for the systems and the best combination.
        config: the recipe; None: the usual one.
        progress: told after each step; may stop all.
        say: given one line after each run.

    Returns:
        The Markdown file.

    Raises:
        UsageError: a row, the data folder or the number of steps cannot be used.
        OutputError: the output folder cannot be made.
    """
    wanted = NAMES if rows is None else tuple(rows)
    for name in wanted:
        if name not in NAMES:
            raise UsageError(f"There is no row {name!r}.", f"Rows are: {', '.join(NAMES)}.", row=name)
    if set(wanted) == {BEST}:
        raise UsageError(
            "The best combination needs the systems and their ablations.", "Leave --rows out, or name them too."
        )
    seeds = tuple(dict.fromkeys(seeds))  # one given twice would look like a spread of nothing
    config = with_steps(config or CompareConfig(), steps)
    folder = out / (f"{backbone}-quick" if trial else backbone)
    bench = open_bench(data, folder, backbone, quick(config) if trial else config, progress)
    starts: dict[int, Start] = {}
    said: dict[int, Json] = {}
    for seed in seeds:
        starts[seed], said[seed] = open_start(bench, seed)
        say(f"seed {seed}: starts at val mR {said[seed]['val_mR']:.2f}, scenes {said[seed]['scene_accuracy']:.3f}")
    runs: list[Run] = []
    tests: dict[tuple[str, int], Json] = {}

    def make(row: Row, seed: int) -> None:
        run, new = _run(bench, row, seed, starts[seed])
        runs.append(run)
        if new:
            say(f"{row.name}, seed {seed}: val mR {run.val_mr:.2f}, {run.minutes:.1f} min")
        known = _known_test(bench, row, seed)
        if known is not None:
            tests[row.name, seed] = known
        write_report(bench.out, ordered(runs), backbone, bench.backbone.side, bench.config, said, {}, tests)

    for seed in seeds:
        for row in ROWS:
            if row.name in wanted:
                make(row, seed)
    final = [row for row in ROWS if row.name in wanted]
    chosen = best_parts(part_gains(runs))
    if BEST in wanted and chosen:
        final.append(combination(chosen))
        for seed in seeds:
            make(final[-1], seed)
    elif BEST in wanted:
        say("No part is worth anything to its system, or too few rows were asked for: there is no best combination.")
    speeds = {row.name: _speed(bench, row, starts[seeds[0]], seeds[0]) for row in final if row.name in _TESTED}
    if test:
        tests = _tests(bench, [row for row in final if row.name in _TESTED], seeds, starts)
    write_report(bench.out, ordered(runs), backbone, bench.backbone.side, bench.config, said, speeds, tests)
    if {OSDPM, UNCLUSTERED} <= set(wanted):
        _clustering_picture(bench, starts[seeds[0]], seeds[0])
    say(table(summaries(ordered(runs), {key: float(report["mR"]) for key, report in tests.items()}), speeds))
    return bench.out / MARKDOWN


def ordered(runs: Sequence[Run]) -> list[Run]:
    """By row as they are listed, then by seed."""
    return sorted(runs, key=lambda run: (NAMES.index(run.name), run.seed))


def open_bench(data: Path, out: Path, name: str, config: CompareConfig, progress: ProgressSink) -> Bench:
    """Data, backbone and what is kept of them, in ``out``, which is made.

    Raises:
        UsageError: the data folder cannot be used.
        OutputError: the output folder cannot be made.
    """
    for folder in ("cache", "runs"):
        make_folder(out / folder)
    keep_freed_memory()
    device = resolve_device("auto")
    held = CompareData(data, config.limit_images)
    if name == PACKAGED:
        from engine.models.packaged import PackagedModel

        model = load_model()
        if not isinstance(model, PackagedModel):
            raise UsageError("The default model is not the packaged one.", "Restore resources/models.json.")
        base, towers = model.identity.weights, packaged(model.net, model.tokenizer, model.image_size)
    else:
        base, towers = "", published(held.train.texts, config.vocabulary, config.side)
    cache = out / "cache"
    caches = Caches(
        image_cache("train", held.train.images, config.views, towers, config, cache, device, progress),
        text_cache("train", held.train.texts, towers, cache, device, progress),
        text_cache("nouns", held.nouns.words, towers, cache, device, progress),
        image_cache("val", held.val.images, 1, towers, config, cache, device, progress),
        text_cache("val", held.val.texts, towers, cache, device, progress),
    )
    return Bench(out, config, towers, base, held, caches, device, progress)


def open_start(bench: Bench, seed: int) -> tuple[Start, Json]:
    """The common start of a seed, and what it reaches."""
    caches = bench.caches
    file = bench.out / "runs" / f"start-{seed}.safetensors"
    start = make_start(
        seed, bench.backbone, bench.data, bench.config, caches.train, caches.texts, caches.val, file, bench.progress
    )
    net = build(MAIN[0], seed, bench.backbone, bench.data, start, bench.device)
    report, overlap = measure(net, bench.data.val, caches.val, caches.val_texts)
    return start, {"val_mR": report.mean_recall, "overlap": overlap, "scene_accuracy": start.accuracy} | _chance(bench)


def _chance(bench: Bench) -> Json:
    try:
        return {"chance_overlap": chance_overlap(bench.data.val.scenes.numpy())}
    except UsageError:  # no scene has two images
        return {"chance_overlap": None}


def _settings(bench: Bench, row: Row, seed: int) -> str:
    """Digest of all that a run depends on."""
    sizes = asdict(system_parts(row.parts, len(bench.data.scene_names)))
    recipe = {name: value for name, value in asdict(bench.config).items() if name != "speed_seconds"}
    content = [bench.backbone.digest, bench.backbone.side, recipe, sorted(row.parts), sizes, seed]
    for split in (bench.data.train, bench.data.val):
        content += [split.texts, [image.path.name for image in split.images]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _run(bench: Bench, row: Row, seed: int, start: Start) -> tuple[Run, bool]:
    """A run from its file where it was made with the same settings, else made; whether it was made."""
    file = bench.out / "runs" / f"{row.name}-{seed}.json"
    settings = _settings(bench, row, seed)
    weights = _weights(bench, row, seed)
    try:
        done = Run(**json.loads(file.read_text(encoding="utf-8")))
        if done.settings == settings and (row.name not in _KEPT or weights.is_file()):
            return done, False
    except (OSError, ValueError, TypeError):  # none, or cut while it was written
        pass
    trained = train_row(
        row, seed, bench.backbone, bench.data, bench.caches, start, bench.config, bench.device, bench.progress
    )
    report, overlap = measure(trained.net, bench.data.val, bench.caches.val, bench.caches.val_texts)
    fresh = build(row, seed, bench.backbone, bench.data, start, bench.device)
    parameters = count(fresh) + count(bench.backbone.image_first) + count(bench.backbone.text_first)
    if _prior_last(bench, row) is not None:
        parameters += count(bench.backbone.image_last)
    run = Run(
        name=row.name,
        label=row.label,
        parts=sorted(row.parts),
        against=row.against,
        seed=seed,
        settings=settings,
        val=report.to_json(),
        val_mr=round(report.mean_recall, 4),
        overlap=None if overlap is None else round(overlap, 5),
        loss=round(trained.loss, 4),
        trained=count(fresh, trained=True),
        parameters=parameters,
        minutes=round(trained.minutes, 3),
        processor_minutes=round(trained.processor_minutes, 3),
        scene_accuracy=round(start.accuracy, 5) if SPATIAL in row.parts else None,
    )
    if row.name in _KEPT:
        write_tensors(weights, trained.net.trained_state())
    write_text(file, json.dumps(run.to_json(), indent=1) + "\n")
    return run, True


def _weights(bench: Bench, row: Row, seed: int) -> Path:
    return bench.out / "runs" / f"{row.name}-{seed}.safetensors"


def _prior_last(bench: Bench, row: Row) -> torch.nn.Module | None:
    """The image tower's last half as it was published, which the scene prior needs beside a trained one."""
    return bench.backbone.image_last if SPATIAL in row.parts and bench.backbone.trained else None


def _speed(bench: Bench, row: Row, start: Start, seed: int) -> float:
    """Tiles a second; weights do not matter to it."""
    net = build(row, seed, bench.backbone, bench.data, start, bench.device).eval()
    first = bench.backbone.image_first.to(bench.device)
    return tiles_a_second(first, _prior_last(bench, row), net, bench.backbone.side, bench.config.speed_seconds)


def _tests(
    bench: Bench, rows: Sequence[Row], seeds: Sequence[int], starts: dict[int, Start]
) -> dict[tuple[str, int], Json]:
    """Reports on test of the averaged weights by row and seed; what was read before is not read again."""
    found: dict[tuple[str, int], Json] = {}
    missing: list[tuple[Row, int]] = []
    for row in rows:
        for seed in seeds:
            known = _known_test(bench, row, seed)
            if known is None:
                missing.append((row, seed))
            else:
                found[row.name, seed] = known
    if not missing:
        return found
    split, cache = bench.data.test(), bench.out / "cache"
    images = image_cache("test", split.images, 1, bench.backbone, bench.config, cache, bench.device, bench.progress)
    texts = text_cache("test", split.texts, bench.backbone, cache, bench.device, bench.progress)
    for row, seed in missing:
        report, _ = measure(_kept(bench, row, seed, starts[seed]), split, images, texts)
        found[row.name, seed] = report.to_json()
        content = {"settings": _settings(bench, row, seed), "report": report.to_json()}
        write_text(_test_file(bench, row, seed), json.dumps(content, indent=1) + "\n")
    return found


def _kept(bench: Bench, row: Row, seed: int, start: Start) -> SystemNet:
    net = build(row, seed, bench.backbone, bench.data, start, bench.device)
    net.load_state_dict(load_file(_weights(bench, row, seed)))
    return net


def _test_file(bench: Bench, row: Row, seed: int) -> Path:
    return bench.out / "runs" / f"{row.name}-{seed}-test.json"


def _known_test(bench: Bench, row: Row, seed: int) -> Json | None:
    """The report on test that an earlier call read with the same settings."""
    try:
        content = json.loads(_test_file(bench, row, seed).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or cut while it was written
        return None
    report: Json | None = content["report"] if content.get("settings") == _settings(bench, row, seed) else None
    return report


def _clustering_picture(bench: Bench, start: Start, seed: int) -> None:
    """Val's images without and with the clustering, by scene."""
    caches, data = bench.caches, bench.data
    labels = [data.scene_names[scene] if scene >= 0 else None for scene in data.val.scenes.tolist()]
    if len(labels) < FEWEST:
        return
    panels = []
    for name, title in ((UNCLUSTERED, "OSFCM off"), (OSDPM, "OSDPM")):
        row = next(row for row in ROWS if row.name == name)
        panels.append((title, embed(_kept(bench, row, seed, start), caches.val, caches.val_texts)[0], labels))
    projection_picture(panels, bench.out / CLUSTERING)
