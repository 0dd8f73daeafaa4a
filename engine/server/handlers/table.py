"""The methods that the worker does."""

from __future__ import annotations

from engine.server.handlers import index, models, search
from engine.server.work import Handler

HANDLERS: dict[str, Handler] = {
    "models.fetch": models.fetch,
    "index.build": index.build,
    "index.remove": index.remove,
    "search": search.search,
    "batch": search.batch,
}
