"""The engine: search georeferenced imagery in plain words. It never imports ``qgis`` (docs/architecture.md)."""

from engine.resources import project_version

__version__ = project_version()
