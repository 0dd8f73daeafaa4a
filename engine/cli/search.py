"""``mpsclip search``: the best places for a query."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.command import Context, add_index_options, add_model_options, add_segmenter_options, table
from engine.cli.keywords import add_keyword_options
from engine.config import ScoreName, SearchOptions, SegmenterName

if TYPE_CHECKING:
    from engine.search.hits import SearchResult
    from engine.types import Json

_log = logging.getLogger(__name__)

NAME = "search"
HELP = "search rasters for what a query says"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip search``."""
    parser.add_argument("query", metavar="QUERY", help='what to look for, such as "tennis courts beside a parking lot"')
    parser.add_argument("rasters", metavar="RASTER", nargs="+", help="file, or anything GDAL can open by name")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.gpkg", help="GeoPackage to write")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="map of the hits to draw")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("--top", type=int, metavar="N", help="hits at most (default: 50)")
    parser.add_argument("--refine", type=int, metavar="M", help="best hits to outline and rank again (default: 32)")
    add_segmenter_options(parser)
    parser.add_argument("--score", choices=[name.value for name in ScoreName], help="of refined hits (default: auto)")
    parser.add_argument("--nms", type=float, metavar="IOU", help="overlap above which the lesser hit is dropped (0.3)")
    parser.add_argument("--min-score", type=float, metavar="S", help="least score of a hit's tile (default: none)")
    parser.add_argument("--crs", metavar="EPSG:N", help="of the result (default: the rasters', else EPSG:4326)")
    add_keyword_options(parser)
    add_index_options(parser)
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, context: Context) -> int:
    """Searches, writes the GeoPackage and the picture, prints the hits."""
    from engine.search.output import check_output

    options = _options(args)
    check_output(args.out, args.overwrite, (".gpkg",))
    if args.picture is not None:
        check_output(args.picture, args.overwrite, (".png", ".jpg", ".jpeg"))
    result = _search(args, options, context)
    if args.json:
        context.print_json(_report(result, args))
    else:
        context.print(*_lines(result, args))
    return 0


def _options(args: argparse.Namespace) -> SearchOptions:
    from engine.cli.options import index_values
    from engine.text.contract import check_query

    check_query(args.query)
    return SearchOptions.checked(
        **index_values(args),
        top=args.top,
        refine=args.refine,
        segmenter=args.segmenter,
        score=args.score,
        nms=args.nms,
        crs=args.crs,
        min_score=args.min_score,
    )


def _search(args: argparse.Namespace, options: SearchOptions, context: Context) -> SearchResult:
    from engine.index.folder import IndexFolder
    from engine.models.catalogue import DEFAULT_MODEL
    from engine.models.registry import load_model
    from engine.search.pipeline import Searcher
    from engine.search.rasters import check_rasters
    from engine.search.segmenters import check_segmenter, choose_segmenter, make_segmenter
    from engine.search.write import write_geopackage
    from engine.text.extractors import make_extractor

    extractor = make_extractor(args.keywords, args.llm_url, args.llm_model, args.cache)
    check_rasters(args.rasters, options)  # what is wrong is told before a model is loaded or fetched
    check_segmenter(options.segmenter, args.segmenter_weights)
    with context.working():
        model = load_model(args.model or DEFAULT_MODEL, args.device, context.progress)
        segmenter = make_segmenter(options.segmenter, model, args.segmenter_weights)
        searcher = Searcher(model, extractor, segmenter, IndexFolder(args.cache))
        result = searcher.search(args.query, args.rasters, options, context.progress, context.interrupt.requested)
        write_geopackage([result], args.out, args.overwrite)
        if args.picture is not None:
            from engine.search.picture import draw_picture

            draw_picture([result], args.picture, options.bands, args.overwrite, stretch=options.stretch)
    if options.segmenter is SegmenterName.AUTO and options.refined:
        # Told with the result, not before: an error stays one line.
        note = choose_segmenter(model, args.segmenter_weights).note
        if note:
            _log.warning(note)
    return result


def _report(result: SearchResult, args: argparse.Namespace) -> Json:
    from engine.search.report import report

    files = {"out": str(args.out)} | ({"picture": str(args.picture)} if args.picture else {})
    return report(result) | files


def _lines(result: SearchResult, args: argparse.Namespace) -> list[str]:
    from engine.search.report import report

    found = report(result)
    header = ("rank", "score", "global", "better than", "regions", "row", "col", "found", "raster")
    rows = [
        (
            str(hit["rank"]),
            f"{hit['score']:.3f}",
            f"{hit['score_global']:.3f}",
            f"{hit['percentile']:.1f} %",
            "" if hit["score_regions"] is None else f"{hit['score_regions']:.3f}",
            str(hit["tile_row"]),
            str(hit["tile_col"]),
            ", ".join(f"{word} ({count})" for word, count in hit["subregions"].items()),
            Path(hit["raster"]).name,
        )
        for hit in found["hits"]
    ]
    counts, timings = result.counts, result.timings
    lines = [f"{result.query} - keywords: {', '.join(result.keywords.positives)}", *table(header, rows)]
    if result.keywords.negatives:
        lines[0] += f"; not: {', '.join(result.keywords.negatives)}"
    for word, known in result.words_read_as.items():
        lines[0] += f"; {word} read as: {', '.join(known)}"
    lines.append(
        f"{len(result.hits)} hits in {counts.tiles} tiles ({counts.encoded} encoded now, {counts.reused} from before)"
        f" in {timings.total:.1f} s: index {timings.index:.1f}, rank {timings.rank:.2f}, refine {timings.refine:.1f}"
    )
    lines.append(f"Written: {args.out}" + (f", {args.picture}" if args.picture else ""))
    return lines
