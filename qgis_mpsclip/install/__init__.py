"""Installation of the engine: an environment of its own, made by uv from the locks that come with the plugin.

Nothing here touches QGIS's own Python. The environment holds what the engine depends on; the engine's sources come with
the plugin, so an environment is outdated only when the lock has changed.
"""
