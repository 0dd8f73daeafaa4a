"""Locks another build of PyTorch: the work behind ``make lock-torch ACCELERATOR=cpu``. For maintainers.

The engine's lock leads to the package index's own builds: CUDA on Linux, MPS on macOS, CPU on Windows. Others are on
PyTorch's index alone. This writes ``requirements/torch-ACCELERATOR.txt`` with torch and torchvision in the versions of
the engine's lock, with hashes, and names it in locks.json; the plugin then offers it. Nothing but these two ever comes
from PyTorch's index: on Linux that leaves the CPU's build, since those for a GPU need further packages of their own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lock_files import PROFILES, REQUIREMENTS, ROOT, TORCH_PACKAGES, entries, pins

PLATFORMS = ("linux", "win32")
BACKEND = re.compile(r"cpu|cu\d{3}")


class TorchLockError(Exception):
    """The lock cannot be made; the text says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("uv", type=Path)
    parser.add_argument("accelerator", help="as uv's --torch-backend: cpu, cu128 ...")
    parser.add_argument("--platforms", nargs="*", choices=PLATFORMS, help="default: linux for cpu, win32 for CUDA")
    parser.add_argument("--index", default="", help="another address with PyTorch's files, such as a mirror's")
    parser.add_argument("--folder", type=Path, default=REQUIREMENTS, help="where the locks are")
    options = parser.parse_args(arguments)
    backend = options.accelerator
    try:
        platforms = platforms_of(backend, options.platforms)
        text = locked(options.uv.absolute(), backend, platforms, options.index, options.folder / PROFILES["engine"])
    except TorchLockError as error:
        print(f"lock-torch: {error}", file=sys.stderr)
        return 1
    lock = options.folder / f"torch-{backend}.txt"
    lock.write_text(f"# torch-backend: {backend}\n# platforms: {' '.join(platforms)}\n{text}", encoding="utf-8")
    print(f"{lock}: {', '.join(f'{name} {version}' for name in TORCH_PACKAGES for version, _ in pins(lock, name))}")
    return 0


def platforms_of(backend: str, asked: Sequence[str] | None) -> Sequence[str]:
    """The platforms that a lock is for: those asked for, else those where the package index has another build.

    Raises:
        TorchLockError: torch and torchvision are not enough there, or there is no such accelerator.
    """
    if not BACKEND.fullmatch(backend):
        raise TorchLockError(
            f"{backend or 'Nothing'} is no accelerator to lock. Say ACCELERATOR=cpu, or cu128 or alike."
        )
    # Wheels for Windows hold CUDA; those for Linux need nvidia-*, cuda-* and triton in versions of their own.
    if backend != "cpu" and "linux" in (asked or ()):
        raise TorchLockError(
            f"{backend} cannot be locked for Linux: there PyTorch needs CUDA's packages too, which a lock of torch and "
            "torchvision leaves out. The engine's lock has CUDA on Linux already; say ACCELERATOR=cpu for a build "
            f"without it, or --platforms win32 for {backend}."
        )
    return asked or (("linux",) if backend == "cpu" else ("win32",))


def locked(uv: Path, backend: str, platforms: Sequence[str], index: str, engine: Path) -> str:
    """The lock's text, from PyTorch's index or the one given and no other.

    Raises:
        TorchLockError: the index cannot be reached, has not these versions, or states no hashes.
    """
    where = " or ".join(f"sys_platform == '{platform}'" for platform in platforms)
    # The lock's own markers, each narrowed to the platforms: one version of PyTorch for each Python.
    wanted = [
        f"{name}=={version} ; ({where})" + (f" and ({marker})" if marker else "")
        for name in TORCH_PACKAGES
        for version, marker in pins(engine, name)
    ]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "torch.in"
        source.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        out = Path(folder) / "torch.txt"
        command = [str(uv), "pip", "compile", "--quiet", "--no-config", "--universal", "--python-version", "3.10"]
        command += ["--no-deps", "--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-python-downloads"]
        command += ["--custom-compile-command", f"make lock-torch ACCELERATOR={backend}"]
        command += ["--default-index", index] if index else ["--torch-backend", backend]
        done = subprocess.run(
            [*command, str(source), "--output-file", str(out)], cwd=ROOT, capture_output=True, encoding="utf-8"
        )
        if done.returncode:
            raise TorchLockError(
                f"PyTorch's files for {backend} were not found.\n{done.stderr.strip()}\n"
                "This needs PyTorch's package index: check that this machine reaches it (HTTPS_PROXY), that PyTorch "
                "builds this accelerator in the versions of requirements/engine.txt, or name a mirror of it: INDEX=URL"
            )
        bare = [name for name, entry in entries(out) if "--hash=sha256:" not in entry]
        if bare:
            raise TorchLockError(
                f"the index states no sha256 of {', '.join(bare)}. Use PyTorch's own, or a full mirror."
            )
        return out.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
