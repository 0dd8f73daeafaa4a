"""Ends long computations of networks early: also within libraries that know nothing of being cancelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from engine.errors import Cancelled
from engine.types import CancelCheck


@contextmanager
def interruptible(cancel: CancelCheck | None) -> Iterator[None]:
    """Before each layer that this thread enters, ``cancel`` is asked; when it says so, Cancelled leaves the network.

    A SAM takes up to a minute for a tile on a CPU, and none of its layers more than a moment.
    """
    if cancel is None:
        yield
        return
    thread = threading.get_ident()

    def ask(_: nn.Module, __: object) -> None:
        if threading.get_ident() == thread and cancel():
            raise Cancelled

    hook = register_module_forward_pre_hook(ask)
    try:
        yield
    finally:
        hook.remove()
