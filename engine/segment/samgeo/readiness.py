"""What each SamGeo segmenter needs, and whether it is here: found out without importing any of it."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError, MissingDependencyError, ModelError, UsageError
from engine.resources import project_root
from engine.segment.samgeo.weights import (
    BERT,
    DINO,
    SAM,
    SAM3,
    HubFiles,
    Weights,
    missing_files,
    sam_in,
    weights_folder,
)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a segmenter needs.

    Attributes:
        extra: of this project, that brings its packages.
        modules: that must be there.
        weights: that must be there.
        sam: kinds of SAM, one of which must be there; the first that is, is used, and the first is what is fetched.
        about: for people, half a line.
    """

    extra: str
    modules: tuple[str, ...]
    weights: tuple[Weights, ...]
    sam: tuple[str, ...]
    about: str


_SAMGEO = ("samgeo", "segment_anything", "transformers")
NEEDS: dict[str, Needs] = {
    "samgeo3": Needs("samgeo", _SAMGEO, (SAM3,), (), "SAM 3, prompted with each keyword"),
    # The paper's kind of SAM first.
    "langsam": Needs(
        "langsam",
        (*_SAMGEO, "groundingdino"),
        (DINO, BERT),
        ("vit_h", "vit_l", "vit_b"),
        "GroundingDINO finds each keyword, SAM outlines it",
    ),
    # The smallest first: the boxes are no better than relevance is.
    "relevance+sam": Needs(
        "samgeo", _SAMGEO, (), ("vit_b", "vit_l", "vit_h"), "relevance finds each keyword, SAM outlines it"
    ),
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a segmenter lacks: modules, and files below ``folder``; and the kind of SAM it uses."""

    name: str
    folder: Path
    modules: tuple[str, ...]
    files: tuple[str, ...]
    sam: str | None

    @property
    def ready(self) -> bool:
        return not self.modules and not self.files

    def remedies(self) -> list[str]:
        """The commands that mend it, in their order."""
        return [
            *([install_command(NEEDS[self.name].extra)] if self.modules else []),
            *([fetch_command(self.name, self.folder)] if self.files else []),
        ]

    def error(self) -> EngineError:
        """What to raise if the segmenter was asked for by name."""
        lacks = []
        if self.modules:
            lacks.append(f"the packages {', '.join(self.modules)}")
        if self.files:
            lacks.append(f"the weights {', '.join(self.files)} in {self.folder}")
        kind = MissingDependencyError if self.modules else ModelError
        return kind(
            f"Segmenter {self.name} lacks {' and '.join(lacks)}.",
            f"Run: {' && '.join(self.remedies())}{licence_note(self)} Or choose the segmenter relevance.",
            segmenter=self.name,
            modules=list(self.modules),
            files=list(self.files),
            folder=str(self.folder),
        )


def readiness(name: str, weights: Path | None = None) -> Readiness:
    """What segmenter ``name`` lacks.

    Args:
        name: a key of :data:`NEEDS`.
        weights: the folder of weights; None: the usual one.

    Raises:
        UsageError: a folder was chosen that does not exist.
    """
    folder = weights_folder(weights)
    if weights is not None and not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder}.",
            f"Fetch weights into it: {fetch_command(name, folder)}",
            segmenter_weights=str(folder),
        )
    needs = NEEDS[name]
    modules = tuple(module for module in needs.modules if not _installed(module))
    files = [file for part in needs.weights for file in missing_files(part, folder)]
    sam = sam_in(folder, needs.sam)
    if needs.sam and sam is None:
        files.append(SAM[needs.sam[0]].path)
    return Readiness(name, folder, modules, tuple(files), sam)


def install_command(extra: str) -> str:
    """The command that installs an extra into this environment: locked versions in a checkout, else pip."""
    root = project_root()
    if (root / "Makefile").is_file() and (root / "requirements" / "samgeo.txt").is_file():
        return f"make -C {shlex.quote(str(root))} setup PROFILE=samgeo"
    return f"{shlex.quote(sys.executable)} -m pip install 'mpsclip[{extra}]'"


def fetch_command(name: str, folder: Path) -> str:
    """The command that fetches the weights of a segmenter."""
    into = [] if folder == weights_folder() else ["--segmenter-weights", str(folder)]
    return shlex.join(["mpsclip", "segmenters", "fetch", name, *into])


def licence_note(found: Readiness) -> str:
    """What has to be done by hand before the weights may be fetched."""
    gated = [part.repo for part in NEEDS[found.name].weights if isinstance(part, HubFiles) and part.gated]
    if not gated or not found.files:
        return "."
    return f" (accept the licence of {gated[0]} on huggingface.co first, and log in: hf auth login)."


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
