"""``mpsclip demo``: three searches on the drawn scene, or one's own query on one's own raster, with a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.command import Context, add_cache_option, add_model_options, table

if TYPE_CHECKING:
    from engine.search.hits import SearchResult

NAME = "demo"
HELP = "draw a scene, search it and draw what was found"

QUERIES = ("storage tanks", "boats in a harbour", "a baseball field")
SHOWN = 5
OPTIONS = {"top": 10, "refine": 16}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip demo``."""
    parser.add_argument("--raster", metavar="FILE", help="your own raster (default: a scene that is drawn on the spot)")
    parser.add_argument("--query", metavar="TEXT", help=f"what to look for (default: {', '.join(QUERIES)})")
    parser.add_argument("--out", type=Path, default=Path("build/demo"), metavar="DIR", help="default: build/demo")
    add_cache_option(parser)
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, context: Context) -> int:
    """Searches, prints the best hits, writes ``hits.gpkg`` and ``map.png``."""
    from engine.text.contract import check_query

    if args.query is not None:
        check_query(args.query)
    from engine.search.output import check_output

    files = args.out / "hits.gpkg", args.out / "map.png"
    args.out.mkdir(parents=True, exist_ok=True)
    for file in files:
        check_output(file, True, (file.suffix,))
    results = _search(args, context, *files)
    for result in results:
        context.print(*_lines(result), "")
    context.print(f"Written: {files[0]}, {files[1]}")
    return 0


def _search(args: argparse.Namespace, context: Context, geopackage: Path, picture: Path) -> list[SearchResult]:
    from engine.config import SearchOptions
    from engine.demo.scene import write_scene
    from engine.index.folder import IndexFolder
    from engine.models.catalogue import DEFAULT_MODEL
    from engine.models.registry import load_model
    from engine.search.picture import draw_picture
    from engine.search.pipeline import Searcher
    from engine.search.segmenters import make_segmenter
    from engine.search.write import write_geopackage
    from engine.text.local import LocalKeywordExtractor

    options = SearchOptions.checked(**OPTIONS)
    with context.working():
        if args.raster:
            raster = args.raster
        else:
            scene = write_scene(args.out, progress=context.progress)
            raster = str(scene.raster)
            context.print(f"{scene.raster}: {scene.drawn_note}", "")
        model = load_model(args.model or DEFAULT_MODEL, args.device, context.progress)
        segmenter = make_segmenter(options.segmenter, model)
        searcher = Searcher(model, LocalKeywordExtractor(), segmenter, IndexFolder(args.cache))
        results = [
            searcher.search(query, [raster], options, context.progress, context.interrupt.requested)
            for query in ([args.query] if args.query else QUERIES)
        ]
        write_geopackage(results, geopackage, overwrite=True)
        draw_picture(results, picture, overwrite=True)
    return results


def _lines(result: SearchResult) -> list[str]:
    from engine.search.report import report

    found = report(result)
    rows = [
        (
            str(hit["rank"]),
            f"{hit['score']:.3f}",
            ", ".join(f"{word} ({count})" for word, count in hit["subregions"].items()),
            " ".join(f"{value:.1f}" for value in hit["bounds"]),
        )
        for hit in found["hits"][:SHOWN]
    ]
    header = ("rank", "score", "outlined", f"bounds ({found['crs'] or 'no CRS'})")
    counts, seconds = result.counts, result.timings.total
    return [
        f"{result.query}: {counts.tiles} tiles, {counts.encoded} of them encoded now, {seconds:.1f} s",
        *table(header, rows),
    ]
