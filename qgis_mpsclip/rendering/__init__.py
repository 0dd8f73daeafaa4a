"""From layers of the project to rasters that the engine can open."""
