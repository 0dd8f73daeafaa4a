"""What can be installed here, from which lock, and whether it fits the disk."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from qgis_mpsclip.client.interpreter import engine_folder
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install import places
from qgis_mpsclip.install.device import Device, detect_device, macos_version
from qgis_mpsclip.install.device import machine as this_machine
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.locks import Lock, digest, read_locks
from qgis_mpsclip.settings import Settings
from qgis_mpsclip.sizes import size_text

# Python, uv, logs, and what a file system needs for itself.
SPARE_BYTES = 500_000_000
# Bytes on disk for each byte of download: measured for the engine's lock, whose CUDA libraries are packed the least.
_UNPACKED = {"cuda": 1.9, "mps": 2.8, "cpu": 2.8}
_INSTALLED = {"cuda": 7_000_000_000, "mps": 1_500_000_000, "cpu": 2_000_000_000}
_SAME_MACHINE = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Choice:
    """One thing that may be installed on this platform.

    Attributes:
        id: of the lock.
        profile: ``engine``, or ``samgeo`` with the segmenters too.
        accelerator: what PyTorch's build can use: ``cuda``, ``mps`` or ``cpu``; all run on the CPU too.
        label: for a person, translated.
        lock: all packages with hashes.
        torch_lock: another build of PyTorch, installed first; None: the one in ``lock``.
        torch_backend: uv's name of the index of that build.
        download_bytes: about so many; 0 where not known.
        installed_bytes: about so many, estimated where not known.
        recommended: the one that suits this machine; true of one choice.
        cuda: first number of the CUDA that comes along; 0: none, or not known.
    """

    id: str
    profile: str
    accelerator: str
    label: str
    lock: Path
    torch_lock: Path | None
    torch_backend: str | None
    download_bytes: int
    installed_bytes: int
    recommended: bool = False
    cuda: int = 0

    @property
    def lock_digest(self) -> str:
        """What an environment made from this choice carries."""
        return digest(self.lock, self.torch_lock)

    @property
    def engine_src(self) -> Path:
        """The folder of the engine's sources that the lock belongs to."""
        return self.lock.parent.parent


@dataclass(frozen=True)
class InstallOptions:
    """What to install, where to and from where.

    Attributes:
        folder: holds the environments, see :func:`qgis_mpsclip.install.places.environments_folder`.
        wheels: install from this folder alone, without a network.
        base_python: executable that the environment is based on; None: one that uv finds or downloads.
        index_url: package index; empty: uv's or pip's own settings, else PyPI.
        torch_index: index of ``choice.torch_lock``; empty: PyTorch's own.
    """

    choice: Choice
    folder: Path
    wheels: Path | None = None
    base_python: Path | None = None
    index_url: str = ""
    torch_index: str = ""


def requirements_folder() -> Path:
    """The folder of the locks that came with the plugin.

    Raises:
        InstallError: of kind ``locks``: the plugin came without the engine's sources.
    """
    folder = engine_folder()
    if folder is None:
        raise InstallError(tr("The engine's sources are missing."), tr("Install the plugin again."), "locks")
    return folder / "requirements"


def choices(
    requirements: Path | None = None,
    device: Device | None = None,
    platform: str = sys.platform,
    machine: str | None = None,
) -> list[Choice]:
    """What the shipped locks cover on this platform, the recommended one first; empty: nothing.

    Args:
        requirements: folder of the locks; None: the one that came with the plugin.
        device: what this machine has; None: it is looked for, which takes up to a few seconds.
        platform: as ``sys.platform``.
        machine: as ``platform.machine()``; None: this one's.

    Raises:
        InstallError: of kind ``locks``.
    """
    locks = read_locks(requirements or requirements_folder())
    architecture = machine or this_machine()
    covered = [lock for lock in locks.locks if _covers(lock, platform, architecture)]
    if not covered or not _runs_here(locks.macos, platform):
        return []
    device = device or detect_device(platform)
    best = min(covered, key=lambda lock: _unsuited(lock, platform, device))  # the first of equals
    found = [_choice(lock, platform, recommended=lock is best) for lock in covered]
    return sorted(found, key=lambda choice: not choice.recommended)


def options_from_settings(choice: Choice, settings: Settings | None = None) -> InstallOptions:
    """The options of an installation as the settings say.

    Raises:
        InstallError: of kind ``folder``: the setting of the folder cannot be used.
    """
    settings = settings or Settings()
    wheels = settings.wheels_folder.strip()
    return InstallOptions(
        choice,
        places.environments_folder(settings),
        wheels=Path(wheels).expanduser() if wheels else None,
        index_url=settings.package_index.strip(),
        torch_index=settings.torch_index.strip(),
    )


def check_disk(
    folder: Path, choice: Choice, uv_cache: Path | None = None, cached: int = 0, present: int = 0, copies: bool = False
) -> None:
    """Whether what is to be installed fits.

    uv unpacks into its cache and links the environment's files to it where both are on one file system; else, or where
    it copies them, both need the space.

    Args:
        uv_cache: None: it is counted with the folder.
        cached: bytes of the choice's packages that are in the cache already.
        present: bytes that the beginning of an environment has already.
        copies: uv copies files even within one file system.

    Raises:
        InstallError: of kind ``disk-full``, with the numbers.
    """
    whole, here = choice.installed_bytes, _device_of(folder)
    there = here if uv_cache is None else _device_of(uv_cache)
    of_cache = max(0, whole - max(cached, present))  # what was put in place is not fetched again
    of_environment = max(0, whole - present) if copies or there != here else 0
    needs = {here: (folder, of_environment + SPARE_BYTES)}
    place, needed = needs.get(there, (uv_cache or folder, 0))
    needs[there] = place, needed + of_cache
    for place, needed in needs.values():
        free = shutil.disk_usage(places.existing_parent(place)).free
        if free < needed:
            raise InstallError(
                tr("{needed} are needed in {folder}, and {free} are free there.").format(
                    needed=size_text(needed), folder=place, free=size_text(free)
                ),
                tr("Free {missing}, or choose a folder on another disk under Settings ▸ Options ▸ MPS-CLIP.").format(
                    missing=size_text(needed - free)
                )
                if place == folder
                else tr(
                    "Free {missing}, or name a folder for uv's cache on another disk in the environment variable"
                    " UV_CACHE_DIR."
                ).format(missing=size_text(needed - free)),
                "disk-full",
            )


def driver_note(choice: Choice, device: Device) -> str:
    """What to know of the graphics card before installing, translated; empty where there is nothing."""
    if choice.accelerator != "cuda" or device.kind != "cuda" or not _is_too_new(choice.cuda, device):
        return ""
    return tr(
        "The driver {driver} of {name} runs CUDA {level}, and this build needs CUDA {needed}: until the driver is"
        " updated, the engine computes on the CPU."
    ).format(driver=device.driver, name=device.name, level=device.cuda_level, needed=choice.cuda)


def _covers(lock: Lock, platform: str, machine: str) -> bool:
    machines = {_architecture(name) for name in lock.machines.get(platform, [])}
    return platform in lock.accelerators and _architecture(machine) in machines


def _runs_here(macos: str, platform: str) -> bool:
    if platform != sys.platform or platform != "darwin":
        return True
    version = _numbers(macos_version())
    return not version or version >= _numbers(macos)  # a version that cannot be told forbids nothing


def _architecture(machine: str) -> str:
    return _SAME_MACHINE.get(machine.lower(), machine.lower())


def _unsuited(lock: Lock, platform: str, device: Device) -> tuple[bool, bool, bool, int]:
    """Sorts locks: the smallest suits the machine best."""
    accelerator = lock.accelerators[platform]
    return (
        lock.profile != "engine",
        accelerator == "cuda" and _is_too_new(lock.cuda, device),
        accelerator != device.kind,
        _installed_bytes(lock, platform),
    )


def _is_too_new(cuda: int, device: Device) -> bool:
    """Whether the driver does not run this CUDA; it runs all of its own first number and of lower ones."""
    return bool(device.cuda_level) and (cuda,) > _numbers(device.cuda_level)[:1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _installed_bytes(lock: Lock, platform: str) -> int:
    """Recorded, else estimated from the download, else from what PyTorch's builds take."""
    download = lock.download_bytes.get(platform)
    if platform in lock.installed_bytes:
        return lock.installed_bytes[platform]
    accelerator = lock.accelerators[platform]
    return _INSTALLED[accelerator] if download is None else int(download * _UNPACKED[accelerator])


def _choice(lock: Lock, platform: str, recommended: bool) -> Choice:
    accelerator = lock.accelerators[platform]
    return Choice(
        lock.id,
        lock.profile,
        accelerator,
        _label(lock.profile, accelerator, lock.cuda),
        lock.file,
        lock.torch_file,
        lock.torch_backend,
        lock.download_bytes.get(platform, 0),
        _installed_bytes(lock, platform),
        recommended,
        lock.cuda if accelerator == "cuda" else 0,
    )


def _label(profile: str, accelerator: str, cuda: int) -> str:
    runs_on = {
        "cuda": tr("NVIDIA graphics card (CUDA {level}) or CPU").format(level=cuda or "").replace(" )", ")"),
        "mps": tr("Apple graphics (MPS) or CPU"),
    }.get(accelerator, tr("CPU only"))
    return tr("{runs_on}, with the SamGeo segmenters").format(runs_on=runs_on) if profile == "samgeo" else runs_on


def _device_of(folder: Path) -> int:
    return places.existing_parent(folder).stat().st_dev  # tells file systems apart on Windows too
