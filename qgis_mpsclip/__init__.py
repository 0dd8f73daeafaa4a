"""The plugin's side of the boundary (docs/architecture.md).

It runs in QGIS's own Python (3.9 and later) and may import PyQGIS, Qt through ``qgis.PyQt``, osgeo and the standard
library. It never imports ``engine``, torch or any package that pip would have to put into QGIS's Python: the engine
runs as a child process in an environment of its own and is spoken to in JSON-RPC 2.0 over its stdin and stdout.
"""
