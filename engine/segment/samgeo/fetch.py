"""Weights of the SamGeo segmenters on demand: pinned commits and hashes, never half a file."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from engine.errors import DownloadError, ModelError, UsageError
from engine.models.download_errors import download_errors
from engine.models.weights import file_sha256
from engine.segment.samgeo.readiness import NEEDS
from engine.segment.samgeo.weights import SAM, HubFiles, WebFile, Weights, missing_files
from engine.types import Progress, ProgressSink, no_progress

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0
_CHUNK = 1 << 20


def weights_of(name: str, sam: str | None = None) -> list[Weights]:
    """What segmenter ``name`` needs, with SAM of kind ``sam`` (None: the kind it prefers).

    Raises:
        UsageError: the segmenter does not use SAM of that kind.
    """
    needs = NEEDS[name]
    if sam is not None and sam not in needs.sam:
        offered = f"one of {', '.join(needs.sam)}" if needs.sam else "none"
        raise UsageError(f"Segmenter {name} cannot use --sam {sam}.", f"It takes {offered}.", sam=sam)
    kinds = [sam] if sam else list(needs.sam[:1])
    return [*needs.weights, *(SAM[kind] for kind in kinds)]


def fetch(weights: Sequence[Weights], folder: Path, progress: ProgressSink = no_progress) -> list[Path]:
    """Brings the weights into the folder; what is there already is left alone. Returns the files.

    Raises:
        DownloadError: they cannot be had; the message says what to put where by hand.
        ModelError: a file is not the one that was published.
        Cancelled: raised by the sink.
    """
    for part in weights:
        if not missing_files(part, folder):
            continue
        with _errors(part, folder):
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(part, WebFile):
                _from_web(part, folder / part.path, progress)
            else:
                _from_hub(part, folder / part.path, progress)
        lacking = missing_files(part, folder)
        if lacking:
            raise DownloadError(
                f"{part.repo if isinstance(part, HubFiles) else part.url} did not hold {', '.join(lacking)}.",
                _by_hand(part, folder),
                files=lacking,
            )
        if part.sha256:
            _check(folder / part.needed[0], part.sha256)
    return [folder / name for part in weights for name in part.needed]


def _from_web(part: WebFile, target: Path, progress: ProgressSink) -> None:
    unfinished = target.with_name(f"{target.name}.part")
    try:
        # The addresses stand in engine.segment.samgeo.weights, all of them https.
        with urllib.request.urlopen(part.url, timeout=READ_TIMEOUT_S) as response, unfinished.open("wb") as file:  # nosec B310
            done = 0
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(Progress("download", done, part.size, target.name))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _from_hub(part: HubFiles, target: Path, progress: ProgressSink) -> None:
    from huggingface_hub import HfApi, constants, hf_hub_download

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE forbids it")
    endpoint = os.environ.get("HF_ENDPOINT") or None
    # Asked first, because it fails at once where a download retries an absent hub for long.
    names = HfApi(endpoint=endpoint).model_info(part.repo, revision=part.revision, timeout=CONNECT_TIMEOUT_S).siblings
    wanted = [
        sibling.rfilename
        for sibling in names or []
        if any(Path(sibling.rfilename).match(pattern) for pattern in part.patterns) and "/" not in sibling.rfilename
    ]
    for done, name in enumerate(wanted):
        progress(Progress("download", done, len(wanted), name))
        hf_hub_download(
            part.repo,
            name,
            revision=part.revision,
            local_dir=target,
            endpoint=endpoint,
            etag_timeout=CONNECT_TIMEOUT_S,
        )
    progress(Progress("download", len(wanted), len(wanted), part.repo))


def _check(path: Path, sha256: str) -> None:
    found = file_sha256(path)
    if found != sha256:
        path.unlink()  # else the wrong file would be taken for the right one from now on
        raise ModelError(
            f"{path.name} is not the file that was published: its sha256 is {found}, not {sha256}.",
            "It was deleted. Fetch it again; behind a proxy, see that it passes the file unchanged.",
            path=str(path),
            sha256=found,
        )


def _by_hand(part: Weights, folder: Path) -> str:
    if isinstance(part, WebFile):
        return f"On a machine with a network, fetch {part.url} and put it into {folder}."
    licence = " Accept its licence on huggingface.co and log in first: hf auth login." if part.gated else ""
    return (
        f"On a machine with a network, run: hf download {part.repo} --revision {part.revision} "
        f"{' '.join(f'--include {pattern!r}' for pattern in part.patterns)} --local-dir {folder / part.path}.{licence}"
    )


def _errors(part: Weights, folder: Path) -> AbstractContextManager[None]:
    name = part.repo if isinstance(part, HubFiles) else part.path
    return download_errors(name, _by_hand(part, folder), source=name)
