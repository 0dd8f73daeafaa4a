"""Rasters: opening and identifying them, laying tiles over them, choosing bands, stretching and reading."""
