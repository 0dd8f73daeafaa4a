"""Starts QGIS with the plugin and the drawn demo scene, in a profile below ``build/``: the work behind ``make qgis``.

Run it with the engine's Python, which draws the scene. Further arguments go to QGIS.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout's engine, whatever is installed

from qgis_profile import ROOT, make_profile, qgis_environment, qgis_program

from engine.demo.scene import write_scene


def main() -> int:
    program = qgis_program()
    print("Drawing the demo scene, once: about half a minute.", flush=True)
    scene = write_scene(ROOT / "build" / "demo")
    command = [program, *make_profile(ROOT / "build" / "qgis"), *sys.argv[1:], str(scene.raster)]
    return subprocess.run(command, env=qgis_environment()).returncode


if __name__ == "__main__":
    raise SystemExit(main())
