"""From the plugin's zip alone to hits on the map: the work behind ``make prove-install``. Standard library only.

Twice, each time in a fresh QGIS profile with an empty data folder, outside of the checkout and without any MPSCLIP_*
variable: in QGIS's windows on a screen in memory (Install Engine is clicked, a query typed), and in ``qgis_process``,
in a folder whose name has spaces and an umlaut. The engine comes from the package index, as a user's does. Pictures,
the time of each step and what was found lie in the folder afterwards, as ``report.md`` and ``report.json``.

Needs QGIS, Xvfb, git, about 7 GB of disk and a network. uv's cache of this user is used, unless ``--cold`` is given.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from qgis_profile import PLUGIN, ROOT, qgis_environment, qgis_program, screen, write_settings

QUERY = "storage tanks"
DRIVER = "prove_install_in_qgis.py"
# Seconds: most of it is what a slow line takes for some gigabytes.
LIMIT = 5400
SCENE_SIZE = 2048
SMALL_SCENE = 1024
DRAW = (
    "import sys; from pathlib import Path; from engine.demo.scene import write_scene;"
    "print(write_scene(Path(sys.argv[1]), size=int(sys.argv[2])).raster)"
)
# State of the window to picture of the documentation.
DOCUMENTED = {
    "notice": "install-notice.png",
    "dialog": "install-dialog.png",
    "running-packages": "install-progress.png",
    "running-late": "install-progress.png",  # rather this one, where there is one
    "ready": "install-ready.png",
}
# Variables that would lead to an engine or an index that is there already.
KNOWN = ("MPSCLIP_", "QGIS_", "DISPLAY", "WAYLAND_DISPLAY")


class ProofError(Exception):
    """A step did not do what it should; the text says which and what was seen."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--zip", type=Path, help="the plugin's zip (default: built from the checkout)")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir(), "mpsclip-proof"), help="emptied first")
    parser.add_argument("--part", choices=("window", "headless", "both"), default="both")
    parser.add_argument("--raster", type=Path, help="what to search (default: a scene drawn by the new engine)")
    parser.add_argument("--cold", action="store_true", help="with an empty cache of uv: everything is downloaded")
    parser.add_argument("--pictures", action="store_true", help="renew those of the user guide, in docs/images")
    parser.add_argument("--keep", action="store_true", help="leave the environments in place")
    options = parser.parse_args(arguments)
    out: Path = options.out.resolve()
    if out == ROOT or ROOT in out.parents:
        print(f"prove_install: {out} lies in the checkout. Choose another folder with --out.", file=sys.stderr)
        return 2
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    report: dict[str, Any] = {"when": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC", **about_machine()}
    status = 0
    try:
        archive = options.zip or build_zip(out / "plugin.zip")
        report["commit"] = "of the zip given" if options.zip else checkout()
        report["zip_bytes"] = archive.stat().st_size
        if options.part in ("window", "both"):
            report["window"] = in_windows(out / "window", archive, options.raster, options.cold)
            if options.pictures:
                renew_pictures(out / "window", report["window"]["pictures"])
        if options.part in ("headless", "both"):
            report["headless"] = headless(out / "ohne Fenster ü", archive, options.raster, options.cold)
    except ProofError as error:
        report["failed"] = str(error)
        status = 1
    finally:
        if not options.keep:
            for place in out.glob("*/data"):
                shutil.rmtree(place, ignore_errors=True)
    (out / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = as_markdown(report)
    (out / "report.md").write_text(text, encoding="utf-8")
    print(text)
    return status


def build_zip(out: Path) -> Path:
    # Whether there were uncommitted changes stands in the report.
    done = subprocess.run([sys.executable, ROOT / "scripts" / "make_zip.py", "--working-tree", "--out", out])
    if done.returncode:
        raise ProofError("The zip could not be built.")
    return out


def checkout() -> str:
    """What the zip was built from."""
    words = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def about_machine() -> dict[str, Any]:
    """Facts for docs/compatibility.md: no names."""
    version = subprocess.run([qgis_program(), "--version"], capture_output=True, text=True, env=plain_environment())
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "qgis": " ".join(version.stdout.split("\n")[0].split()[:3]),
    }


def plain_environment(**added: str) -> dict[str, str]:
    """This user's variables without those that lead to what is installed already."""
    kept = {name: value for name, value in qgis_environment().items() if not name.startswith(KNOWN)}
    return {**kept, "LC_ALL": "C.UTF-8", **added}


def prepare(folder: Path, archive: Path, cold: bool, enabled: bool) -> dict[str, str]:
    """A fresh profile with the plugin in it; the variables with which QGIS uses it and finds nothing else."""
    profile = folder / "profiles" / "default"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(profile / "python" / "plugins")
    for name in ("QGIS3.ini", "QGIS4.ini"):
        (profile / "QGIS").mkdir(exist_ok=True)
        write_settings(profile / "QGIS" / name, {"PythonPlugins": {PLUGIN: str(enabled).lower()}})
    environment = plain_environment(
        XDG_DATA_HOME=str(folder / "data"), XDG_CACHE_HOME=str(folder / "cache"), XDG_RUNTIME_DIR=str(folder)
    )
    if not cold:
        environment.setdefault(
            "UV_CACHE_DIR", str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "uv"))
        )
    folder.chmod(0o700)  # as Qt wants its runtime folder
    return environment


def in_windows(folder: Path, archive: Path, raster: Path | None, cold: bool) -> dict[str, Any]:
    """QGIS itself, driven from within by :data:`DRIVER`."""
    environment = prepare(folder, archive, cold, enabled=True)
    driver = folder / DRIVER
    shutil.copyfile(Path(__file__).resolve().with_name(DRIVER), driver)
    found = folder / "found.json"
    environment |= {
        "PROOF_FOLDER": str(folder),
        "PROOF_QUERY": QUERY,
        "PROOF_RASTER": str(raster.resolve()) if raster else "",
        "PROOF_DRAW": DRAW,
        "PROOF_SCENE_SIZE": str(SCENE_SIZE),
        "PROOF_LIMIT": str(LIMIT),
        "PROOF_STARTED": str(time.time()),
    }
    command = [
        qgis_program(),
        "--profiles-path",
        str(folder),
        "--profile",
        "default",
        "--nologo",
        "--code",
        str(driver),
    ]
    with screen(1500, 950) as display, (folder / "qgis.log").open("w", encoding="utf-8") as log:
        environment["DISPLAY"] = display
        try:
            subprocess.run(command, env=environment, cwd=folder, stdout=log, stderr=log, timeout=2 * LIMIT)
        except subprocess.TimeoutExpired as error:
            raise ProofError(f"QGIS did not end within {2 * LIMIT} s.") from error
    if not found.is_file():
        raise ProofError(f"QGIS ended without a report; it said: {(folder / 'qgis.log').read_text()[-2000:]}")
    result: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    if "error" in result:
        raise ProofError(f"In QGIS's windows: {result['error']}")
    return result


def renew_pictures(folder: Path, names: Sequence[str]) -> None:
    """Copies the last picture of each of :data:`DOCUMENTED` to the documentation."""
    for state, documented in DOCUMENTED.items():
        for name in names:
            if name.partition("-")[2] == f"{state}.png":
                shutil.copyfile(folder / name, ROOT / "docs" / "images" / documented)


def headless(folder: Path, archive: Path, raster: Path | None, cold: bool) -> dict[str, Any]:
    """``qgis_process``: it says what to do, does it, and finds hits."""
    environment = prepare(folder, archive, cold, enabled=False) | {
        "QGIS_CUSTOM_CONFIG_PATH": str(folder),
        "QT_QPA_PLATFORM": "offscreen",
    }
    steps: dict[str, float] = {}

    def timed(step: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        start = time.monotonic()
        result = do()
        steps[step] = round(time.monotonic() - start, 1)
        return result

    process = QgisProcess(folder, environment)
    process.call("plugins", "enable", PLUGIN)
    before = timed("enginestatus, before", lambda: process.algorithm("enginestatus"))
    if before["READY"] or "installengine" not in before["MESSAGE"]:
        raise ProofError(f"enginestatus does not say what to do: {before}")
    installed = timed("installengine", lambda: process.algorithm("installengine", OUTPUT_REPORT=folder / "doctor.md"))
    timed("installengine, again", lambda: process.algorithm("installengine"))
    after = timed("enginestatus, after", lambda: process.algorithm("enginestatus"))
    if not after["READY"]:
        raise ProofError(f"After the installation enginestatus says: {after['MESSAGE']}")
    image = raster or timed("scene drawn", lambda: {"raster": draw(folder, installed["PYTHON"])})["raster"]
    hits = folder / "hits.gpkg"
    search = {"INPUT": image, "QUERY": QUERY, "HITS": hits}
    found = timed("searchimagery, first", lambda: process.algorithm("searchimagery", **search))
    again = {**search, "HITS": folder / "again.gpkg"}
    timed("searchimagery, indexed", lambda: process.algorithm("searchimagery", **again))
    if not found["HIT_COUNT"]:
        raise ProofError(f"searchimagery found no hits: {found}")
    return {"seconds": steps, "message_before": before["MESSAGE"], "hits": found["HIT_COUNT"]}


class QgisProcess:
    """``qgis_process`` with a profile of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def algorithm(self, name: str, **values: object) -> dict[str, Any]:
        """Runs an algorithm of the plugin; its results."""
        given = [f"--{key}={value}" for key, value in values.items()]
        results: dict[str, Any] = json.loads(self.call("run", f"mpsclip:{name}", "--json", *given))["results"]
        return results

    def call(self, *words: str) -> str:
        done = subprocess.run(
            ["qgis_process", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        with (self.folder / "qgis_process.log").open("a", encoding="utf-8") as log:
            log.write(f"$ qgis_process {' '.join(words)}\n{done.stdout}\n{done.stderr}\n")
        if done.returncode:
            raise ProofError(f"qgis_process {' '.join(words[:2])} failed: {done.stdout[-500:]} {done.stderr[-1500:]}")
        return done.stdout


def draw(folder: Path, python: str) -> str:
    """The scene, drawn by the engine that was just installed."""
    sources = folder / "profiles" / "default" / "python" / "plugins" / PLUGIN / "engine_src"
    command = [python, "-c", DRAW, str(folder / "scene"), str(SMALL_SCENE)]
    done = subprocess.run(command, cwd=sources, env=plain_environment(), capture_output=True, text=True)
    if done.returncode:
        raise ProofError(f"The scene could not be drawn: {done.stderr[-1500:]}")
    return done.stdout.strip()


def as_markdown(report: dict[str, Any]) -> str:
    lines = ["# From the zip to hits on the map", ""]
    lines += [f"- {key}: {value}" for key, value in report.items() if not isinstance(value, dict)]
    for part in ("window", "headless"):
        if part in report:
            lines += ["", f"## {part}", "", "| step | s |", "|---|---|"]
            lines += [f"| {step} | {seconds} |" for step, seconds in report[part]["seconds"].items()]
            lines += [""]
            lines += [f"- {key}: {value}" for key, value in report[part].items() if key != "seconds"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
