"""``mpsclip train``: arguments and dispatch."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import MissingDependencyError, UsageError
from engine.types import ProgressSink, no_progress

if TYPE_CHECKING:
    from engine.train.runs.files import Outcome

PACKAGED, MPS_CLIP, PRIOR_CLIP = "packaged", "mps-clip", "prior-clip"
ABLATE, COMPARE, PARTS = "ablate", "compare", "parts"
_ONLY_OF = {
    "start": (PACKAGED, PRIOR_CLIP),
    "config": (PACKAGED, MPS_CLIP, PRIOR_CLIP, ABLATE),
    "resume": (MPS_CLIP, PRIOR_CLIP),
    "masks_only": (MPS_CLIP,),
    "cache": (MPS_CLIP,),
    "steps": (ABLATE, COMPARE, PARTS),
    "seeds": (ABLATE, COMPARE),
    "system": (PARTS,),
    "backbone": (COMPARE,),
    "rows": (COMPARE,),
    "quick": (COMPARE,),
    "test": (COMPARE,),
}
ABLATION_STEPS = 400
COMPARISON_STEPS = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip train``."""
    parser.add_argument(
        "recipe",
        choices=[PACKAGED, MPS_CLIP, PRIOR_CLIP, ABLATE, COMPARE, PARTS],
        help="what to train: the packaged model; MPS-CLIP or a stage of PriorCLIP on a CLIP backbone; the packaged "
        "model many times and shortly, each ingredient of its training on and off (ablate); MPS-CLIP, PriorCLIP, OSDPM "
        "and their parts on one compact backbone (compare); one of these systems on the packaged model (parts). "
        "packaged, ablate and compare go on where they were cut, when they are called again",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of RSICD, or laid out like it; for prior-clip also one of tar shards, or of pictures with "
        "captions beside them",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for checkpoints and the report")
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FILE",
        help="packaged: go on from this checkpoint's weights; prior-clip: from those of the stage before",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings that replace the recipe's: JSON, for mps-clip and prior-clip also TOML such as "
        "resources/recipes/*.toml",
    )
    parser.add_argument(
        "--resume", action="store_true", help="mps-clip, prior-clip: go on from the last checkpoint in --out"
    )
    parser.add_argument(
        "--masks-only", action="store_true", help="mps-clip: outline the keywords of all captions, and stop"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="mps-clip: folder of the outlines (default: the user's cache)"
    )
    parser.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help=f"ablate, compare, parts: of each run (default {ABLATION_STEPS}; {COMPARISON_STEPS})",
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="SEED", help="ablate, compare: of each ingredient or row (default 0)"
    )
    parser.add_argument(
        "--backbone",
        choices=["published", "packaged"],
        help="compare: published weights, the last stages of which are trained (default), or the packaged model, to "
        "which parts are added",
    )
    parser.add_argument("--system", choices=["mps-clip", "prior-clip", "osdpm"], help="parts: whose, needed for it")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="compare: only these (default: all)")
    parser.add_argument("--quick", action="store_true", help="compare: few steps on few images, to see that all works")
    parser.add_argument(
        "--test", action="store_true", help="compare: read the test split, once, when all runs are done"
    )


def run(
    args: argparse.Namespace, progress: ProgressSink = no_progress, say: Callable[[str], None] = lambda line: None
) -> int:
    """Trains as the arguments say; 0 when done. ``say`` is given the outcome in words.

    Raises:
        UsageError: an option of another recipe, or data and settings that cannot be used.
        MissingDependencyError: without the extra ``train``.
    """
    for option, recipes in _ONLY_OF.items():
        if getattr(args, option) and args.recipe not in recipes:
            name = option.replace("_", "-")
            named = " and ".join(f"'mpsclip train {recipe}'" for recipe in recipes)
            raise UsageError(f"--{name} is an option of {named}.", "Leave it out.", option=name)
    try:
        if args.recipe == MPS_CLIP:
            return _train_mps_clip(args, progress, say)
        if args.recipe == PRIOR_CLIP:
            return _train_prior_clip(args, progress, say)
        if args.recipe == ABLATE:
            return _ablate(args, progress, say)
        if args.recipe == COMPARE:
            return _compare(args, progress, say)
        if args.recipe == PARTS:
            return _parts(args, progress, say)
        from engine.train.packaged.run import train_packaged
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"Training needs the package {error.name}.", "Install it with: pip install 'mpsclip[train]'."
        ) from error
    train_packaged(args.data, args.out, args.config, progress, args.start)
    return 0


def _train_mps_clip(args: argparse.Namespace, progress: ProgressSink, say: Callable[[str], None]) -> int:
    from engine.train.mps_clip.run import train_mps_clip

    outcome = train_mps_clip(
        args.data,
        args.out,
        args.config,
        resume=args.resume,
        masks_only=args.masks_only,
        cache=args.cache,
        progress=progress,
    )
    _tell(outcome, say)
    return 0


def _train_prior_clip(args: argparse.Namespace, progress: ProgressSink, say: Callable[[str], None]) -> int:
    from engine.train.prior_clip.run import train_prior_clip

    outcome = train_prior_clip(
        args.data, args.out, args.config, start=args.start, resume=args.resume, progress=progress
    )
    if outcome is not None and outcome.state.damaged:
        say(f"{len(outcome.state.damaged)} damaged samples were left out; the report names them")
    _tell(outcome, say)
    return 0


def _tell(outcome: Outcome | None, say: Callable[[str], None]) -> None:
    if outcome is not None and outcome.state.best is not None:
        best = outcome.state.best
        say(
            f"val mR {best['val']['mR']:.2f} after epoch {best['epoch']} (chance {outcome.chance:.2f}); "
            f"{outcome.state.step} steps, {outcome.state.seconds / 60:.1f} min"
        )
        say(f"weights {outcome.files.best}, report {outcome.files.report}, curves {outcome.files.plot}")


def _ablate(args: argparse.Namespace, progress: ProgressSink, say: Callable[[str], None]) -> int:
    from engine.train.packaged.ablate import ablate

    steps = ABLATION_STEPS if args.steps is None else args.steps
    ablate(args.data, args.out, steps, args.seeds or [0], args.config, progress, say)
    return 0


def _compare(args: argparse.Namespace, progress: ProgressSink, say: Callable[[str], None]) -> int:
    from engine.train.compare.run import compare

    report = compare(
        args.data,
        args.out,
        steps=args.steps,
        seeds=args.seeds or [0],
        backbone=args.backbone or "published",
        rows=args.rows,
        trial=args.quick,
        test=args.test,
        progress=progress,
        say=say,
    )
    say(f"report {report}")
    return 0


def _parts(args: argparse.Namespace, progress: ProgressSink, say: Callable[[str], None]) -> int:
    from engine.train.compare.parts import train_parts

    if args.system is None:
        raise UsageError("It is not said whose parts to train.", "Give --system, for example --system osdpm.")
    say(f"parts {train_parts(args.system, args.data, args.out, steps=args.steps, progress=progress, say=say)}")
    return 0
