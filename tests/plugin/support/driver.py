"""Runs inside a real QGIS that has loaded the plugin from its zip; writes what it found, as JSON, and ends QGIS.

Environment: MPSCLIP_TEST_REPORT, the file to write; MPSCLIP_TEST_SCENE, a raster to search.
"""

import json
import os
import time
import traceback
from pathlib import Path

import qgis.utils
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QTimer

PLUGIN = "qgis_mpsclip"
REPORT = Path(os.environ["MPSCLIP_TEST_REPORT"])


def look(found):
    found["active"] = PLUGIN in qgis.utils.active_plugins
    import qgis_mpsclip
    from qgis_mpsclip.client.blocking import BlockingEngine
    from qgis_mpsclip.client.interpreter import find_interpreter

    found["package"] = qgis_mpsclip.__file__
    found["engine_folder"] = str(find_interpreter().cwd)
    found["icon"] = qgis.utils.pluginMetadata(PLUGIN, "icon")
    provider = QgsApplication.processingRegistry().providerById("mpsclip")
    found["algorithms"] = sorted(algorithm.id() for algorithm in provider.algorithms())
    scene, out = os.environ["MPSCLIP_TEST_SCENE"], REPORT.parent / "hits.gpkg"
    options = {"tile": "256px", "top": 3, "refine": 0}
    with BlockingEngine() as engine:
        found["version"] = engine.request("status", {})["engine"]
        asked = {"query": "a harbour", "rasters": [scene], "out": str(out), "overwrite": False, "options": options}
        found["hits"] = len(engine.request("search", asked)["hits"])
    found["layers_written"] = out.stat().st_size > 0
    found["unloaded"] = qgis.utils.unloadPlugin(PLUGIN)
    found["provider_after_unload"] = QgsApplication.processingRegistry().providerById("mpsclip") is not None


def run():
    found = {}
    try:
        look(found)
    except Exception:
        found["error"] = traceback.format_exc()
    part = REPORT.with_suffix(".part")
    part.write_text(json.dumps(found), encoding="utf-8")
    part.replace(REPORT)
    time.sleep(0.2)
    os._exit(0)  # without QGIS's questions about unsaved projects


# QGIS runs this file before its windows are up.
QTimer.singleShot(1000, run)
