"""``mpsclip segmenters``: which segmenters are ready, and what the others lack; fetch weights of one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from engine.cli.command import Context, add_segmenter_weights, human_bytes, table

if TYPE_CHECKING:
    from engine.segment.samgeo.readiness import Readiness

NAME = "segmenters"
HELP = "list what can outline keywords, or fetch its weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds ``segmenters list`` and ``segmenters fetch``."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, parser_class=type(parser))
    listing = actions.add_parser("list", help="all segmenters, and what they lack")
    listing.add_argument("--json", action="store_true", help="print the list as one JSON object")
    add_segmenter_weights(listing)
    listing.set_defaults(run=_list)
    fetch = actions.add_parser("fetch", help="fetch a segmenter's weights and check them")
    fetch.add_argument("segmenter", metavar="NAME", help="a segmenter of 'mpsclip segmenters list'")
    fetch.add_argument("--sam", metavar="KIND", help="vit_b, vit_l or vit_h (default: what it prefers)")
    fetch.add_argument("--json", action="store_true", help="print the result as one JSON object")
    add_segmenter_weights(fetch)
    fetch.set_defaults(run=_fetch)


def _list(args: argparse.Namespace, context: Context) -> int:
    from engine.segment.samgeo.readiness import NEEDS, readiness
    from engine.segment.samgeo.weights import weights_folder

    found = [readiness(name, args.segmenter_weights) for name in NEEDS]
    folder = weights_folder(args.segmenter_weights)
    if args.json:
        relevance = {"name": "relevance", "ready": True, "modules": [], "files": [], "sam": None, "remedies": []}
        others = [
            {
                "name": one.name,
                "ready": one.ready,
                "modules": list(one.modules),
                "files": list(one.files),
                "sam": one.sam,
                "remedies": one.remedies(),
            }
            for one in found
        ]
        context.print_json({"folder": str(folder), "segmenters": [relevance, *others]})
        return 0
    rows = [("relevance", "ready", "the retrieval model alone", "")]
    rows += [
        (
            one.name,
            _state(one),
            NEEDS[one.name].about,
            " && ".join(one.remedies()),
        )
        for one in found
    ]
    context.print(*table(("name", "state", "how", "to mend it"), rows), f"Weights: {folder}")
    return 0


def _state(found: Readiness) -> str:
    lacks = [what for what, names in (("packages", found.modules), ("weights", found.files)) if names]
    return f"lacks {' and '.join(lacks)}" if lacks else "ready"


def _fetch(args: argparse.Namespace, context: Context) -> int:
    from engine.errors import UsageError
    from engine.segment.samgeo.fetch import fetch, weights_of
    from engine.segment.samgeo.readiness import NEEDS
    from engine.segment.samgeo.weights import weights_folder

    if args.segmenter not in NEEDS:
        raise UsageError(f"No weights belong to a segmenter {args.segmenter!r}.", f"Known: {', '.join(NEEDS)}.")
    weights = weights_of(args.segmenter, args.sam)
    folder = weights_folder(args.segmenter_weights)
    with context.working():
        files = fetch(weights, folder, context.progress)
    if args.json:
        context.print_json({"segmenter": args.segmenter, "files": [str(file) for file in files]})
    else:
        size = sum(file.stat().st_size for file in files)
        context.print(f"{args.segmenter}: {len(files)} files, {human_bytes(size)}, in {folder}")
    return 0
