"""Words for places that are made of many different things: an airport is runways, grass, roofs and planes.

Such a place is everything between its parts. What differs within it says nothing of its edge, and a map of relevance
that differs as much within a tile is no reason to outline a part.
"""

from __future__ import annotations

from engine.text.words import singular

# Heads of phrases; compounds are looked up by their last word.
PLACES = frozenset((
    "aerodrome", "airbase", "airfield", "airport", "area", "base", "camp", "campground", "campsite", "campus",
    "cemetery", "center", "centre", "city", "college", "complex", "countryside", "district", "dockyard", "downtown",
    "estate", "farm", "farmland", "garden", "harbor", "harbour", "hospital", "housing", "marina", "market",
    "neighborhood", "neighbourhood", "park", "port", "quarter", "ranch", "region", "resort", "school", "seaport",
    "settlement", "shipyard", "site", "slum", "station", "suburb", "terminal", "town", "university", "village", "yard",
    "zone", "zoo",
))  # fmt: skip


def is_place(keyword: str) -> bool:
    """Whether a keyword names such a place, in singular or plural."""
    words = singular(keyword.lower()).split()
    return bool(words) and words[-1] in PLACES
