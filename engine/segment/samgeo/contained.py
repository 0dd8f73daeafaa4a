"""samgeo without its side effects: prints, package installations, silenced warnings, quietened libraries.

Standard output belongs to results and to the frames of the RPC, and no package may be installed behind a user's back.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from types import ModuleType
from typing import Any, NoReturn

from engine.errors import MissingDependencyError


@contextmanager
def contained() -> Iterator[None]:
    """Everything printed goes to standard error; warnings' filters are as before afterwards, and so are the messages
    and progress bars of transformers.
    """
    with ExitStack() as stack:
        stack.enter_context(_stdout_to_stderr())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(_quiet_transformers())
        yield


def samgeo_module(name: str) -> ModuleType:
    """Imports a module of samgeo, such as ``"samgeo.text_sam"``; to be called within :func:`contained`.

    Raises:
        MissingDependencyError: the module would have installed a package.
    """
    common: Any = importlib.import_module("samgeo.common")
    common.install_package = _refuse_to_install
    return importlib.import_module(name)


def _refuse_to_install(package: object) -> NoReturn:
    raise MissingDependencyError(
        f"samgeo misses the package {package}, and nothing is installed without being asked for.",
        "Install the extra again; 'mpsclip segmenters list' says how.",
        package=str(package),
    )


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Descriptor 1 (libraries in C, child processes) as well as ``sys.stdout``."""
    sys.stdout.flush()
    sys.stderr.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        os.dup2(real, 1)
        os.close(real)


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
