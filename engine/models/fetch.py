"""Weights on demand: from the hub at a pinned commit, or from a web address; hash checked, never half a file.

Nothing is sent but the request for the file. ``HF_HUB_OFFLINE`` and ``HF_ENDPOINT`` are respected.
"""

from __future__ import annotations

import io
import os
import shutil
import urllib.request
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from engine.errors import DownloadError
from engine.models.catalogue import HubSource, ModelEntry, UrlSource
from engine.models.download_errors import download_errors
from engine.models.weights import WeightFile, checked, local_file, model_folder, read_record
from engine.types import Progress, ProgressSink, no_progress

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0
_CHUNK = 1 << 20


def fetch_weights(entry: ModelEntry, progress: ProgressSink = no_progress) -> WeightFile:
    """The model's weight file on this machine, fetched if it is not there yet; its hash is checked in either case.

    Args:
        entry: the model.
        progress: receives the stage ``"download"`` in bytes; may raise
            :class:`engine.errors.Cancelled`, after which a hub download goes on where it stopped.

    Raises:
        DownloadError: the file cannot be had; the message says what to fetch by hand and where to put it.
        ModelError: the file is not the one that the catalogue or the first fetch names.
    """
    found = local_file(entry)
    if found is not None:
        return checked(entry, found)
    source = entry.source
    if isinstance(source, HubSource):
        revision, path = _from_hub(entry, source, progress)
    elif isinstance(source, UrlSource):
        revision, path = None, _from_url(entry, source, progress)
    else:
        raise DownloadError(
            f"The packaged model's file {source.file} is missing from this installation.",
            "Install the project again, or train it: mpsclip train packaged",
            model=entry.id,
        )
    try:
        return checked(entry, path, revision)
    except Exception:
        path.unlink(missing_ok=True)  # else the wrong file would be found, and refused, for ever
        raise


def by_hand(entry: ModelEntry) -> str:
    """What to fetch on another machine and where to put it."""
    source, folder = entry.source, model_folder(entry)
    if isinstance(source, HubSource):
        at = f" at revision {source.revision}" if source.revision else ""
        return f"On a machine with a network, fetch {source.filename} of the hub's {source.repo}{at} into {folder}."
    if isinstance(source, UrlSource):
        inside = f" and unpack {source.member} from it" if source.member else ""
        return f"On a machine with a network, fetch {source.url}{inside}, and put {source.filename} into {folder}."
    return "Install the project again."


def _from_hub(entry: ModelEntry, source: HubSource, progress: ProgressSink) -> tuple[str, Path]:
    from huggingface_hub import HfApi, constants, hf_hub_download

    if constants.HF_HUB_OFFLINE:
        raise DownloadError(
            f"Model {entry.id} is not on this machine, and HF_HUB_OFFLINE forbids fetching it.",
            f"Unset HF_HUB_OFFLINE. {by_hand(entry)}",
            model=entry.id,
        )
    endpoint = os.environ.get("HF_ENDPOINT") or None
    recorded = read_record(entry)
    with _errors(entry):
        known = source.revision or (recorded.revision if recorded else None)
        # Asked even where the commit is known: it fails at once, while a download retries an absent hub for long.
        revision = HfApi(endpoint=endpoint).model_info(source.repo, revision=known, timeout=CONNECT_TIMEOUT_S).sha
        if revision is None:
            raise OSError(f"the hub names no commit of {source.repo}")
        path = hf_hub_download(
            source.repo,
            source.filename,
            revision=revision,
            local_dir=model_folder(entry),
            endpoint=endpoint,
            etag_timeout=CONNECT_TIMEOUT_S,
            tqdm_class=_progress_bar(progress),
        )
    return revision, Path(path)


def _from_url(entry: ModelEntry, source: UrlSource, progress: ProgressSink) -> Path:
    target = model_folder(entry) / source.filename
    download = target.with_name(f"{PurePosixPath(source.url).name}.part")
    with _errors(entry):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _download(source.url, download, progress)
            if source.member:
                _unpack_member(download, source.member, target)
            else:
                download.replace(target)
        finally:
            download.unlink(missing_ok=True)
    return target


def _download(url: str, target: Path, progress: ProgressSink) -> None:
    # The catalogue's schema admits https addresses only.
    with urllib.request.urlopen(url, timeout=READ_TIMEOUT_S) as response, target.open("wb") as file:  # nosec B310
        total = int(response.headers.get("Content-Length") or 0)
        done = 0
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            progress(Progress("download", done, total, target.stem))
    if total and done != total:
        raise OSError(f"{url} ended after {done} of {total} bytes")


def _unpack_member(archive: Path, member: str, target: Path) -> None:
    """Unpacks the one file called ``member``; its path in the archive is never used as a path here."""
    with zipfile.ZipFile(archive) as unpacked:
        matches = [info for info in unpacked.infolist() if PurePosixPath(info.filename).name == member]
        if len(matches) != 1:
            raise OSError(f"the archive holds {len(matches)} files called {member}")
        temporary = target.with_name(f"{target.name}.unpacking")
        try:
            with unpacked.open(matches[0]) as compressed, temporary.open("wb") as file:
                shutil.copyfileobj(compressed, file, _CHUNK)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _errors(entry: ModelEntry) -> AbstractContextManager[None]:
    return download_errors(f"Model {entry.id}", by_hand(entry), model=entry.id)


def _progress_bar(progress: ProgressSink) -> type[tqdm[Any]]:
    """A tqdm class that tells the sink instead of drawing."""

    class SinkBar(tqdm):  # type: ignore[type-arg]  # not subscriptable at run time
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)  # huggingface_hub's own bars have it
            super().__init__(*args, **{**kwargs, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            updated = super().update(n)
            progress(Progress("download", int(self.n), int(self.total or 0), self.desc or ""))
            return updated

    return SinkBar
