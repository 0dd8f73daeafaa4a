"""The dock in which a search is typed and its hits are looked through."""

from qgis_mpsclip.dock.dock import SearchDock

__all__ = ["SearchDock"]
