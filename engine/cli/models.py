"""``mpsclip models``: which models there are; fetch one ahead of its use."""

from __future__ import annotations

import argparse

from engine.cli.command import Context, human_bytes, table

NAME = "models"
HELP = "list models, or fetch one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds ``models list`` and ``models fetch``."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, parser_class=type(parser))
    listing = actions.add_parser("list", help="all models of the catalogue")
    listing.add_argument("--json", action="store_true", help="print the list as one JSON object")
    listing.set_defaults(run=_list)
    fetch = actions.add_parser("fetch", help="fetch a model's weights and check them")
    fetch.add_argument("model", metavar="ID", help="a model of 'mpsclip models list'")
    fetch.add_argument("--json", action="store_true", help="print the result as one JSON object")
    fetch.set_defaults(run=_fetch)


def _list(args: argparse.Namespace, context: Context) -> int:
    from engine.models.catalogue import DEFAULT_MODEL, catalogue
    from engine.models.listing import models_json
    from engine.models.weights import local_file

    if args.json:
        context.print_json(models_json())
        return 0
    entries = [(entry, local_file(entry)) for entry in catalogue().models]
    rows = [
        (
            f"{entry.id}{' *' if entry.id == DEFAULT_MODEL else ''}",
            human_bytes(entry.size_mb * 1e6) if entry.size_mb else "",
            "here" if file else "to fetch",
            entry.licence or "not stated",
            entry.title,
        )
        for entry, file in entries
    ]
    context.print(*table(("id", "size", "weights", "licence", "title"), rows), "* default")
    return 0


def _fetch(args: argparse.Namespace, context: Context) -> int:
    from engine.models.catalogue import catalogue
    from engine.models.fetch import fetch_weights

    entry = catalogue().get(args.model)
    with context.working():
        weights = fetch_weights(entry, context.progress)
    if args.json:
        context.print_json({"model": entry.id, "file": str(weights.path), "sha256": weights.sha256})
    else:
        context.print(f"{entry.id}: {weights.path} (sha256 {weights.sha256})")
    return 0
