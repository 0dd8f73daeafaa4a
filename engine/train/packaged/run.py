"""One command from RSICD to the packaged weights."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from lightning.fabric import Fabric

from engine.errors import UsageError
from engine.files import make_folder
from engine.train.memory import keep_freed_memory
from engine.train.packaged import unfinished
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData
from engine.train.packaged.distil.run import distil
from engine.train.packaged.export import export
from engine.train.packaged.loop import Trainer
from engine.train.packaged.recipe import Recipe, read_recipe
from engine.types import ProgressSink, no_progress

FINISHED = "settings.json"  # of a teacher that was trained to its end
FIRST = "before-"  # marks what a run left that another one followed


def train_packaged(
    data: Path,
    out: Path,
    config_file: Path | None,
    progress: ProgressSink = no_progress,
    start: Path | None = None,
) -> Path:
    """Trains, picks the best epoch on val, writes ``out/rsicd-mini.safetensors``; returns its path.

    Where the settings name a second run, it starts from the best weights of the first, and its best are written. Where
    they name teachers, these are trained in ``out/teacher-N``, and what is written is the student of them all; a
    teacher that was finished before is not trained again. What was cut goes on from its last epoch when this is called
    again with the same settings, data and folder.

    Raises:
        UsageError: the data folder or the settings cannot be used.
        OutputError: the output folder cannot be made.
    """
    recipe = read_recipe(config_file)
    make_folder(out)
    keep_freed_memory()
    if isinstance(recipe, Recipe):
        if start is not None:
            raise UsageError("A recipe with teachers has no --start.", "Leave it out.")
        teachers = [
            _teacher(config, out / f"teacher-{i}", data, progress) for i, config in enumerate(recipe.teachers, 1)
        ]
        distil(teachers, data, out, recipe.distil, Fabric(devices=1), progress)
    else:
        _train(recipe, data, out, progress, start)
    return export(out / "best.pt", out / "rsicd-mini.safetensors")


def _train(config: TrainingConfig, data: Path, out: Path, progress: ProgressSink, start: Path | None) -> None:
    """One run, and those that follow it; the last one's files bear the plain names.

    Called again with the same settings, it goes on from the last epoch of the one that was cut.
    """
    runs, kept, before = [config], out / unfinished.FILE, out / f"{FIRST}best.pt"
    while (following := runs[-1].then) is not None:
        runs.append(following)
    starts = [start, *[before] * (len(runs) - 1)]

    def digest(number: int) -> str:
        files = [file for file in [starts[number]] if file is not None and file.is_file()]
        return unfinished.digest_of(runs[number].model_dump_json(), data, *files)

    begun = max((i for i in range(1, len(runs)) if unfinished.is_of(kept, digest(i))), default=0)
    for number in range(begun, len(runs)):
        run = runs[number]
        loaded = TrainingData(data, run)
        Trainer(run, loaded, out, Fabric(devices=1), progress, starts[number], digest(number)).run()
        if number + 1 < len(runs):
            for file in ("best.pt", "report.json"):
                with suppress(FileNotFoundError):  # moved already, before the run was cut
                    (out / file).replace(out / f"{FIRST}{file}")
    kept.unlink(missing_ok=True)


def _teacher(config: TrainingConfig, folder: Path, data: Path, progress: ProgressSink) -> Path:
    """The best checkpoint of a run with these settings, of an earlier one where it was finished."""
    finished = folder / FINISHED
    settings = config.model_dump_json()
    if not (finished.is_file() and finished.read_text(encoding="utf-8") == settings):
        make_folder(folder)
        finished.unlink(missing_ok=True)
        _train(config, data, folder, progress, None)
        finished.write_text(settings, encoding="utf-8")
    return folder / "best.pt"
