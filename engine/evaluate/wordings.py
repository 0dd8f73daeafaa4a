"""Queries of the measurements, written down before any model was run on them.

``SCENE_NAMES``: RSICD's 30 scene labels and the words in which a person asks for them.
``DRAWN_SCENE_QUERIES``: twenty wordings for the drawn scene, each with the object kinds that answer it.
"""

from __future__ import annotations

SCENE_NAMES: dict[str, str] = {
    "airport": "airport",
    "bareland": "bare land",
    "baseballfield": "baseball field",
    "beach": "beach",
    "bridge": "bridge",
    "center": "city center",
    "church": "church",
    "commercial": "commercial area",
    "denseresidential": "dense residential area",
    "desert": "desert",
    "farmland": "farmland",
    "forest": "forest",
    "industrial": "industrial area",
    "meadow": "meadow",
    "mediumresidential": "medium residential area",
    "mountain": "mountain",
    "park": "park",
    "parking": "parking lot",
    "playground": "playground",
    "pond": "pond",
    "port": "port",
    "railwaystation": "railway station",
    "resort": "resort",
    "river": "river",
    "school": "school",
    "sparseresidential": "sparse residential area",
    "square": "square",
    "stadium": "stadium",
    "storagetanks": "storage tanks",
    "viaduct": "viaduct",
}

DRAWN_SCENE_QUERIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("airplanes parked at an airport", ("plane", "airport")),
    ("a runway", ("runway",)),
    ("white oil storage tanks", ("storage_tanks", "tank")),
    ("tennis courts", ("tennis_courts", "tennis_court")),
    ("a baseball diamond", ("baseball_field",)),
    ("a big stadium", ("stadium",)),
    ("running track around a football pitch", ("running_track",)),
    ("soccer field", ("football_field", "running_track")),
    ("a river winding through meadows", ("river",)),
    ("bridge over the river", ("bridge",)),
    ("highway interchange with loops", ("interchange",)),
    ("cars in a parking lot", ("parking_lot",)),
    ("crowded neighbourhood of small houses", ("dense_residential",)),
    ("scattered houses among trees", ("sparse_residential",)),
    ("dense green forest", ("forest",)),
    ("fields of crops", ("farmland",)),
    ("a dark pond", ("pond",)),
    ("boats in a harbor", ("harbour", "boat")),
    ("sandy beach with waves", ("beach",)),
    ("trains on railway tracks", ("railway_station",)),
)

# Compounds whose keyword asks for the things in them: what is outlined is held against these.
OUTLINED_AS: dict[str, str] = {"storage_tanks": "tank", "tennis_courts": "tennis_court"}
