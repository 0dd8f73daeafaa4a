"""The files of weights of the SamGeo segmenters: which there are, where they lie, and what identifies them.

All lie in one folder, whether fetched or put there by hand::

    sam_vit_b_01ec64.pth, sam_vit_l_0b3195.pth, sam_vit_h_4b8939.pth     SAM, any of them
    groundingdino_swinb_cogcoor.pth, bert-base-uncased/                  GroundingDINO and its tokenizer
    sam3/                                                                SAM 3, as its hub repository
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.models.weights import data_folder

FOLDER_VARIABLE = "MPSCLIP_SEGMENTER_WEIGHTS"
_PROBE = 1 << 20


@dataclass(frozen=True, slots=True)
class WebFile:
    """One file at a web address; ``path`` below the folder of weights, ``size`` in bytes, ``sha256`` hex."""

    path: str
    url: str
    size: int
    sha256: str

    @property
    def needed(self) -> tuple[str, ...]:
        return (self.path,)


@dataclass(frozen=True, slots=True)
class HubFiles:
    """Files of a hub repository at one commit.

    Attributes:
        path: where they go, below the folder of weights; empty: into that folder.
        patterns: which files of the repository.
        needed: what must be there, below the folder of weights, for the model to load.
        size: of what is fetched, bytes, about.
        gated: whether the repository asks for a licence to be accepted first.
    """

    path: str
    repo: str
    revision: str
    patterns: tuple[str, ...]
    needed: tuple[str, ...]
    size: int
    sha256: str = ""
    gated: bool = False


Weights = WebFile | HubFiles

_SAM_ADDRESS = "https://dl.fbaipublicfiles.com/segment_anything/"
SAM: dict[str, WebFile] = {
    kind: WebFile(name, f"{_SAM_ADDRESS}{name}", size, sha256)
    for kind, name, size, sha256 in (
        ("vit_b", "sam_vit_b_01ec64.pth", 375_042_383,
         "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),  # pragma: allowlist secret
        ("vit_l", "sam_vit_l_0b3195.pth", 1_249_524_607,
         "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),  # pragma: allowlist secret
        ("vit_h", "sam_vit_h_4b8939.pth", 2_564_550_879,
         "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),  # pragma: allowlist secret
    )
}  # fmt: skip

DINO = HubFiles(
    path="",
    repo="ShilongLiu/GroundingDINO",
    revision="a94c9b567a2a374598f05c584e96798a170c56fb",  # pragma: allowlist secret
    patterns=("groundingdino_swinb_cogcoor.pth",),
    needed=("groundingdino_swinb_cogcoor.pth",),
    size=938_057_991,
    sha256="46270f7a822e6906b655b729c90613e48929d0f2bb8b9b76fd10a856f3ac6ab7",  # pragma: allowlist secret
)
# GroundingDINO's file holds the weights of its BERT too: only BERT's settings and vocabulary are wanted.
BERT = HubFiles(
    path="bert-base-uncased",
    repo="google-bert/bert-base-uncased",
    revision="86b5e0934494bd15c9632b12f734a8a67f723594",  # pragma: allowlist secret
    patterns=("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"),
    needed=("bert-base-uncased/config.json", "bert-base-uncased/tokenizer.json"),
    size=700_000,
)
SAM3 = HubFiles(
    path="sam3",
    repo="facebook/sam3",
    revision="3c879f39826c281e95690f02c7821c4de09afae7",  # pragma: allowlist secret
    patterns=("*.json", "*.txt", "model*.safetensors"),
    needed=("sam3/config.json", "sam3/model.safetensors", "sam3/tokenizer.json"),
    size=3_450_000_000,
    gated=True,
)

DINO_SETTINGS = "groundingdino.json"
"""Where it lies beside the weights, its entries replace those of GroundingDINO's Swin-B configuration."""


def weights_folder(chosen: Path | None = None) -> Path:
    """``chosen``, else the environment variable MPSCLIP_SEGMENTER_WEIGHTS, else ``segmenters`` in the data folder."""
    if chosen is not None:
        return chosen.expanduser()
    variable = os.environ.get(FOLDER_VARIABLE)
    return Path(variable).expanduser() if variable else data_folder() / "segmenters"


def missing_files(weights: Weights, folder: Path) -> list[str]:
    """Of what the weights need, the files (below ``folder``) that are not there."""
    return [name for name in weights.needed if not (folder / name).is_file()]


def sam_in(folder: Path, preference: Iterable[str]) -> str | None:
    """The first kind of SAM, in order of preference, whose file is in the folder."""
    return next((kind for kind in preference if not missing_files(SAM[kind], folder)), None)


def fingerprint(*paths: Path) -> str:
    """16 hex digits for the names, sizes, first and last mebibytes of files: enough to notice other weights, without
    reading gigabytes at each start.
    """
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as file:
            digest.update(file.read(_PROBE))
            file.seek(max(0, size - _PROBE))
            digest.update(file.read(_PROBE))
    return digest.hexdigest()[:16]
