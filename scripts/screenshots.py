"""Takes the documentation's pictures from a real QGIS on a screen in memory: the work behind ``make screenshots``.

Run it with the engine's Python, which draws the scene. ``--variant`` takes the same pictures of another look into
``build/screenshots``, to be looked at: ``dark`` theme, ``narrow`` dock, ``scaled`` to 200 %.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout's engine, whatever is installed

from PIL import Image
from qgis_profile import ROOT, make_profile, qgis_environment, qgis_program, screen

from engine.demo.scene import write_scene

WORK = ROOT / "build" / "screenshots"
DOCUMENTED = ROOT / "docs" / "images"
PICTURES = ("dock.png", "map.png", "options.png", "algorithm.png")
# Seconds for the whole session: the scene is encoded on the CPU once, the index is kept for the next time.
LIMIT = 1800
LOOKS = {
    "dark": {},
    "narrow": {"MPSCLIP_PICTURES_DOCK": "240"},
    "scaled": {"QT_SCALE_FACTOR": "2"},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variant", choices=tuple(LOOKS), nargs="+", default=[], help="looks, into build/screenshots")
    variants: list[str] = parser.parse_args().variant
    program = qgis_program()
    scene = write_scene(ROOT / "build" / "demo")
    folder = WORK / ("-".join(variants) or "documented")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(WORK / "profile", ignore_errors=True)
    shutil.rmtree(WORK / "project", ignore_errors=True)
    dark = {"UI": {"UITheme": "Night Mapping"}} if "dark" in variants else {}
    profile = make_profile(WORK / "profile", dark)
    code = Path(__file__).resolve().with_name("screenshots_in_qgis.py")
    environment = qgis_environment(
        MPSCLIP_PICTURES=str(folder),
        MPSCLIP_PICTURES_PROJECT=str(WORK / "project" / "demo.qgz"),
        MPSCLIP_PICTURES_RASTER=str(scene.raster),
        MPSCLIP_PICTURES_CHECKOUT=str(ROOT),
        MPSCLIP_CACHE=str(WORK / "cache"),
        LC_ALL="C.UTF-8",
    )
    for variant in variants:
        environment.update(LOOKS[variant])
    for name in PICTURES:
        (folder / name).unlink(missing_ok=True)
    width, height = (3200, 2000) if "scaled" in variants else (1600, 1000)
    with screen(width, height) as display:
        environment["DISPLAY"] = display
        command = [program, *profile, "--code", str(code)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            print(f"screenshots: QGIS did not finish within {LIMIT} s.", file=sys.stderr)
            return 1
    missing = [name for name in PICTURES if not (folder / name).is_file()]
    if missing:
        said = f"{done.stdout}{done.stderr}"
        print(f"screenshots: QGIS ended without {', '.join(missing)}. It said:\n{said}", file=sys.stderr)
        return 1
    for name in PICTURES:
        shrink(folder / name)
        print(folder / name)
    if not variants:
        shutil.copytree(folder, DOCUMENTED, dirs_exist_ok=True)
    return 0


def shrink(file: Path) -> None:
    """No transparency, best compression."""
    with Image.open(file) as picture:
        picture.convert("RGB").save(file, optimize=True)


if __name__ == "__main__":
    raise SystemExit(main())
