"""``mpsclip index``: encode rasters ahead of searches; list and remove what has been encoded."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from engine.cli.command import Context, add_index_options, add_model_options, human_bytes, table
from engine.config import IndexOptions
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.index.folder import IndexEntry, IndexFolder
    from engine.types import Json

NAME = "index"
HELP = "index rasters ('index RASTER …'), list indexes ('index list') or remove them ('index rm')"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip index``.

    ``list`` and ``rm`` stand where a raster would; a raster of that name is written ``./list``.
    """
    parser.usage = (
        "mpsclip index RASTER [RASTER …] [options]\n"
        "       mpsclip index list [--json]\n"
        "       mpsclip index rm KEY [KEY …] | --raster RASTER | --stale | --all"
    )
    parser.add_argument("targets", metavar="RASTER", nargs="+", help="raster to index; or list; or rm and keys")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    removal = parser.add_argument_group("with rm").add_mutually_exclusive_group()
    removal.add_argument("--raster", metavar="RASTER", help="remove all indexes of a raster")
    removal.add_argument("--stale", action="store_true", help="remove what no search will use again")
    removal.add_argument("--all", action="store_true", help="remove all")
    add_index_options(parser)
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, context: Context) -> int:
    """Indexes, lists or removes."""
    action, *rest = args.targets
    if action == "rm":
        return _remove(args, rest, context)
    if args.raster or args.stale or args.all:
        raise UsageError("--raster, --stale and --all go with 'index rm'.", "See: mpsclip index --help")
    if action == "list" and not rest:
        return _list(args, context)
    return _build(args, context)


def _build(args: argparse.Namespace, context: Context) -> int:
    from engine.cli.options import index_values

    options = IndexOptions.checked(**index_values(args))
    from engine.index.folder import IndexFolder
    from engine.index.listing import built_json
    from engine.models.catalogue import DEFAULT_MODEL
    from engine.models.registry import load_model
    from engine.search.rasters import SearchedRaster, check_rasters, index_rasters, open_sources

    rows: list[Json] = []

    def tell(raster: SearchedRaster) -> None:
        index = raster.index
        rows.append(built_json(raster.source.path, index, folder))
        if not args.json:
            part = "" if len(index.tiles) == len(index.spec.grid) else f" of {len(index.spec.grid)}"
            context.print(
                f"{raster.source.path}: {len(index.tiles)}{part} tiles, {index.encoded} encoded now, {index.reused}"
                f" from before, {index.left_out} without enough data"
            )

    check_rasters(args.targets, options)
    with open_sources(args.targets) as sources, context.working():
        folder = IndexFolder(args.cache)
        model = load_model(args.model or DEFAULT_MODEL, args.device, context.progress)
        index_rasters(sources, model, options, folder, context.progress, context.interrupt.requested, tell)
    if args.json:
        context.print_json({"model": model.identity.model_id, "indexes": rows})
    return 0


def _list(args: argparse.Namespace, context: Context) -> int:
    from engine.index.folder import IndexFolder

    folder = IndexFolder(args.cache)
    if args.json:
        from engine.index.listing import indexes_json

        context.print_json(indexes_json(folder))
        return 0
    entries, free = folder.entries(), folder.free_bytes()
    total = sum(entry.bytes for entry in entries)
    if entries:
        header = ("key", "tiles", "size", "age", "model", "state", "raster")
        context.print(*table(header, [_row(entry) for entry in entries]))
    context.print(f"{len(entries)} indexes, {human_bytes(total)}, in {folder.path}; {human_bytes(free)} free")
    return 0


def _remove(args: argparse.Namespace, keys: list[str], context: Context) -> int:
    from engine.index.folder import IndexFolder

    folder = IndexFolder(args.cache)
    chosen = _chosen(args, keys, folder)
    for entry in chosen:
        folder.remove(entry)
        if not args.json:
            context.print(f"removed {entry.name[:12]}  {entry.record.raster if entry.record else entry.path}")
    freed = sum(entry.bytes for entry in chosen)
    if args.json:
        context.print_json(
            {"removed": [entry.name for entry in chosen], "bytes": freed, "free_bytes": folder.free_bytes()}
        )
    else:
        context.print(f"{human_bytes(freed)} freed; {human_bytes(folder.free_bytes())} free")
    return 0


def _chosen(args: argparse.Namespace, keys: list[str], folder: IndexFolder) -> list[IndexEntry]:
    if bool(keys) == bool(args.raster or args.stale or args.all):
        raise UsageError("'index rm' needs keys, or one of --raster, --stale, --all.", "See: mpsclip index --help")
    if keys:
        return list({entry.name: entry for entry in (folder.find(key) for key in keys)}.values())
    if args.raster:
        found = folder.of_raster(args.raster)
        if not found:
            raise UsageError(f"There is no index of {args.raster}.", "See: mpsclip index list", raster=args.raster)
        return found
    return [entry for entry in folder.entries() if args.all or entry.stale]


def _row(entry: IndexEntry) -> tuple[str, ...]:
    record = entry.record
    done = "?" if entry.done is None else str(entry.done)
    complete = record is not None and entry.done == record.tiles
    state = entry.stale or ("damaged" if entry.done is None else "complete" if complete else "incomplete")
    return (
        entry.name[:12],
        f"{done}/{record.tiles}" if record else "?",
        human_bytes(entry.bytes),
        _age(entry.modified),
        record.model if record else "?",
        state,
        record.raster if record else "?",
    )


def _age(modified: float) -> str:
    seconds = max(0.0, datetime.now(timezone.utc).timestamp() - modified)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
