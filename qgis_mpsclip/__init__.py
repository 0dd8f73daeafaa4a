"""The plugin's side of the boundary (docs/architecture.md).

It runs in QGIS's own Python (3.9 and later) and may import PyQGIS, Qt through ``qgis.PyQt``, osgeo and the standard
library. It never imports ``engine``, torch or any package that pip would have to put into QGIS's Python: the engine
runs as a child process in an environment of its own and is spoken to in JSON-RPC 2.0 over its stdin and stdout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

    from qgis_mpsclip.plugin import MpsClipPlugin


def classFactory(iface: QgisInterface) -> MpsClipPlugin:
    """What QGIS calls to load the plugin; ``qgis_process`` does so too, and only the provider is used there."""
    from qgis_mpsclip.plugin import MpsClipPlugin

    return MpsClipPlugin(iface)
