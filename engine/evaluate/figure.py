"""What the pictures of reports share: a figure without a window, and its file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import MissingDependencyError

INK = "#1c2733"
FAINT = "#5b6875"


def need_matplotlib() -> None:
    """Raises:
    MissingDependencyError: pictures cannot be drawn here.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"Pictures need the package {error.name}.", "Install it with: pip install 'mpsclip[train]'."
        ) from error


@contextmanager
def picture(file: Path, width: float, height: float) -> Iterator[Any]:
    """A matplotlib figure of ``width`` x ``height`` inches, written to ``file`` as PNG when the block ends.

    Raises:
        MissingDependencyError: without matplotlib.
    """
    need_matplotlib()
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    style |= {"axes.edgecolor": FAINT, "font.size": 9}
    # No software version in the file: equal content gives equal bytes.
    with rc_context(style):
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        figure.savefig(file, format="png", metadata={"Software": None})
