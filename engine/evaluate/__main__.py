"""``python -m engine.evaluate COMMAND``: what docs/evaluation.md measures beyond the recalls, as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from engine.config import SearchOptions, SegmenterName
from engine.errors import EngineError
from engine.evaluate.drawn_scene import evaluate_scene
from engine.evaluate.everyday import DEVELOPMENT_PAIRS, EVERYDAY_PAIRS, evaluate_everyday
from engine.evaluate.mosaic_search import evaluate_mosaic
from engine.evaluate.regions import StudySettings, study_regions, table_lines
from engine.index.folder import IndexFolder
from engine.models.registry import load_model
from engine.search.pipeline import Searcher
from engine.search.segmenters import make_segmenter
from engine.text.local import LocalKeywordExtractor
from engine.types import Progress


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.evaluate", description=__doc__)
    parser.add_argument("--model", default="rsicd-mini")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--refine", type=int, default=SearchOptions().refine, help="hits to outline (0: none)")
    parser.add_argument("--overlap", type=float, default=None, help="of tiles (mosaic: 0, scene: as in a search)")
    parser.add_argument("--work", type=Path, help="folder for rasters and indexes (default: a temporary one)")
    commands = parser.add_subparsers(dest="command", required=True)
    mosaic = commands.add_parser("mosaic", help="RSICD images on one georeferenced canvas")
    mosaic.add_argument("--captions", type=int, default=200)
    everyday = commands.add_parser("everyday", help="everyday wording against the benchmark's, on the same canvas")
    everyday.add_argument("--development", action="store_true", help="the words that settings are chosen by")
    for with_data in (mosaic, everyday):
        with_data.add_argument("--data", type=Path, required=True, help="folder of RSICD")
        with_data.add_argument("--split", choices=["val", "test"], required=True)
    scene = commands.add_parser("scene", help="drawn scenes")
    scene.add_argument("--seeds", type=int, nargs="+", required=True)
    _add_regions(commands)
    return parser


def _add_regions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    defaults = StudySettings()
    parser = commands.add_parser("regions", help="what regions add on RSICD, without the leak of its captions")
    parser.add_argument("--data", type=Path, required=True, help="folder of RSICD")
    parser.add_argument("--split", choices=["val", "test"], default="val")
    parser.add_argument("--model", default=argparse.SUPPRESS)
    parser.add_argument("--device", default=argparse.SUPPRESS)
    names = [name.value for name in SegmenterName if name is not SegmenterName.NONE]
    parser.add_argument("--segmenter", choices=names, default=SegmenterName.RELEVANCE.value)
    parser.add_argument(
        "--captions", type=int, default=defaults.captions, metavar="N", help="queries (0: no re-ranking)"
    )
    parser.add_argument("--top", type=int, default=defaults.top, metavar="M", help="images re-ranked for each")
    parser.add_argument("--vocabulary", type=int, default=defaults.vocabulary, metavar="N", help="words (0: none)")
    parser.add_argument("--caption-guided", action="store_true", help="measure the way that leaks too, labelled")
    parser.add_argument("--timed", type=int, default=defaults.timed, metavar="N", help="queries and images timed alone")
    parser.add_argument("--images", type=int, metavar="N", help="only the first N of the split, to try things out")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _print_progress(progress: Progress, /) -> None:
    if progress.stage in ("scenes", "captions", "wordings", "kinds", "regions") and progress.done % 10 == 0:
        print(f"{progress.stage} {progress.done}/{progress.total} {progress.detail}", file=sys.stderr, flush=True)


def run(args: argparse.Namespace, work: Path) -> list[dict[str, Any]]:
    model = load_model(args.model, args.device)
    name = SegmenterName.RELEVANCE if args.refine else SegmenterName.NONE
    searcher = Searcher(model, LocalKeywordExtractor(), make_segmenter(name, model), IndexFolder(work / "cache"))
    options = SearchOptions(refine=args.refine, segmenter=name)
    if args.command in ("mosaic", "everyday"):
        options = options.model_copy(update={"overlap": args.overlap or 0.0})
        where = (searcher, args.data, args.split, work, options)
        if args.command == "everyday":
            pairs = DEVELOPMENT_PAIRS if args.development else EVERYDAY_PAIRS
            return [evaluate_everyday(*where, progress=_print_progress, pairs=pairs).to_json()]
        return [evaluate_mosaic(*where, args.captions, progress=_print_progress).to_json()]
    if args.overlap is not None:
        options = options.model_copy(update={"overlap": args.overlap})
    return [evaluate_scene(searcher, work, seed, options, _print_progress).to_json() for seed in args.seeds]


def run_regions(args: argparse.Namespace) -> None:
    """Prints what regions add."""
    model = load_model(args.model, args.device)
    segmenter = make_segmenter(SegmenterName(args.segmenter), model)
    if segmenter is None:
        raise AssertionError("the parser offers no way to have none")
    settings = StudySettings(args.captions, args.top, args.vocabulary, args.caption_guided, args.timed, args.images)
    report = study_regions(model, segmenter, LocalKeywordExtractor(), args.data, args.split, settings, _print_progress)
    print(json.dumps(report, indent=1) if args.json else "\n".join(table_lines(report)))


def main() -> int:
    args = _parser().parse_args()
    try:
        if args.command == "regions":
            run_regions(args)
            return 0
        if args.work is not None:
            args.work.mkdir(parents=True, exist_ok=True)
            reports = run(args, args.work)
        else:
            with tempfile.TemporaryDirectory() as work:
                reports = run(args, Path(work))
    except EngineError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(json.dumps(reports, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
