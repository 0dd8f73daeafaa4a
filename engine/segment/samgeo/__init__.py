"""Segmenters that use the package samgeo (segment-geospatial): GroundingDINO with SAM, SAM 3, and SAM prompted by
relevance.

Importing samgeo is slow and has effects, so nothing here imports it before a tile is to be segmented.
"""
