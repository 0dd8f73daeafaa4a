"""``index.build`` and ``index.remove``."""

from __future__ import annotations

from engine.config import IndexOptions
from engine.errors import UsageError
from engine.index.folder import IndexEntry, IndexFolder
from engine.server.params import IndexBuildParams, IndexRemoveParams, checked_options
from engine.server.work import Work
from engine.types import Json


def build(given: Json, work: Work) -> Json:
    """Encodes rasters ahead of searches.

    Raises:
        EngineError: see :func:`engine.search.rasters.index_rasters`.
    """
    from engine.index.listing import built_json
    from engine.search.rasters import SearchedRaster, check_rasters, index_rasters, open_sources

    params = IndexBuildParams.model_validate(given)
    options = checked_options(IndexOptions, params.options)
    folder = IndexFolder(work.cache)
    rows: list[Json] = []

    def tell(raster: SearchedRaster) -> None:
        rows.append(built_json(raster.source.path, raster.index, folder))

    check_rasters(params.rasters, options)  # what is wrong is told before a model is loaded
    model = work.models.model(params.model, params.device, work.progress)
    with open_sources(params.rasters) as sources:
        index_rasters(sources, model, options, folder, work.progress, work.cancelled, tell)
    return {"model": model.identity.model_id, "indexes": rows}


def remove(given: Json, work: Work) -> Json:
    """Removes indexes.

    Raises:
        UsageError: none or several of keys, raster, stale and all are given; a key fits no index or several; the raster
            has none.
        IndexStoreError: files cannot be deleted.
    """
    params = IndexRemoveParams.model_validate(given)
    folder = IndexFolder(work.cache)
    chosen = _chosen(params, folder)
    for entry in chosen:
        folder.remove(entry)
    return {
        "removed": [entry.name for entry in chosen],
        "bytes": sum(entry.bytes for entry in chosen),
        "free_bytes": folder.free_bytes(),
    }


def _chosen(params: IndexRemoveParams, folder: IndexFolder) -> list[IndexEntry]:
    if sum(map(bool, (params.keys, params.raster, params.stale, params.all))) != 1:
        raise UsageError("It is not said which indexes to remove.", "Give one of: keys, raster, stale, all.")
    if params.keys:
        return list({entry.name: entry for entry in map(folder.find, params.keys)}.values())
    if params.raster:
        found = folder.of_raster(params.raster)
        if not found:
            raise UsageError(f"There is no index of {params.raster}.", "index.list has them.", raster=params.raster)
        return found
    return [entry for entry in folder.entries() if params.all or entry.stale]
