"""What the worker says when it is ready: the devices of this machine."""

from __future__ import annotations

import logging

from engine.server.logs import LOCAL_ONLY
from engine.server.messages import traceback_of
from engine.types import Json

_log = logging.getLogger(__name__)


def describe_machine() -> Json:
    """Devices for ``device``, the best as default; loads PyTorch. One that does not load is told as a problem, since
    ``status`` is what is asked when something is wrong.
    """
    try:
        return {**_devices(), "problems": []}
    except Exception as error:  # a broken installation may raise anything
        _log.error("PyTorch does not load:\n%s", traceback_of(error), extra=LOCAL_ONLY)
        problem = f"PyTorch does not load ({type(error).__name__}: {error}). Install the engine again."
        return {"devices": [], "device": None, "problems": [" ".join(problem.split())]}


def _devices() -> Json:
    import torch

    from engine.models.registry import resolve_device

    found = [{"id": "cpu", "name": f"CPU ({torch.get_num_threads()} threads)"}]
    if torch.cuda.is_available():
        found += [
            {"id": f"cuda:{number}", "name": torch.cuda.get_device_name(number)}
            for number in range(torch.cuda.device_count())
        ]
    if torch.backends.mps.is_available():
        found.append({"id": "mps", "name": "Apple GPU"})
    best = resolve_device()
    return {"devices": found, "device": f"cuda:{best.index or 0}" if best.type == "cuda" else best.type}
