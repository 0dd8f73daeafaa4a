"""Words for places that are made of many different things: an airport is runways, grass, roofs and planes.

Such a place is everything between its parts. What differs within it says nothing of its edge, and a map of relevance
that differs as much within a tile is no reason to outline a part.
"""

from __future__ import annotations

from engine.text.words import singular

# Heads of phrases; compounds are looked up by their last word.
PLACES = frozenset((
    "aerodrome", "airbase", "airfield", "airport", "area", "base", "camp", "campground", "campsite", "campus",
    "cemetery", "city", "college", "complex", "countryside", "district", "dockyard", "downtown", "estate", "farm",
    "farmland", "garden", "harbor", "harbour", "hospital", "housing", "marina", "market", "neighborhood",
    "neighbourhood", "park", "port", "quarter", "ranch", "region", "resort", "school", "seaport", "settlement",
    "shipyard", "site", "slum", "station", "suburb", "terminal", "town", "university", "village", "yard", "zone",
    "zoo",
))  # fmt: skip
NO_PLACES = frozenset((
    "car park", "lorry park", "fuel farm", "solar farm", "tank farm", "wind farm", "filling station", "gas station",
    "petrol station",
))  # fmt: skip
# Before "area": it is of one thing.
SURFACES = frozenset(("bare", "forest", "grass", "grassy", "green", "sandy", "snowy", "water", "wooded"))


def is_place(keyword: str) -> bool:
    """Whether a keyword names such a place, in singular or plural."""
    words = singular(keyword.lower()).split()
    if words[-1:] == ["residential"] or words[-2:] == ["residential", "house"]:  # they ask for the district
        return True
    if not words or words[-1] not in PLACES or " ".join(words[-2:]) in NO_PLACES:
        return False
    return not (words[-1] == "area" and len(words) > 1 and words[-2] in SURFACES)
