"""The rows of the comparison: which parts of the papers' systems each has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.models.compact.system_parts import SystemParts

BLOCKS, G2A, MPR, TRIPLET = "blocks", "g2a", "mpr", "triplet"
SPATIAL, TEMPORAL, ATTRIBUTION = "spatial", "temporal", "attribution"
DAPN, OSFCM = "dapn", "osfcm"
LABELS = {
    G2A: "G²A",
    MPR: "MPR",
    TRIPLET: "triplet",
    SPATIAL: "Spatial-PAE",
    TEMPORAL: "Temporal-PAE",
    ATTRIBUTION: "attribution",
    DAPN: "DAPN",
    OSFCM: "OSFCM",
}
VIEWS = 4
START, PLAIN, BEST = "start", "plain", "best"


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        name: of its files, and what ``--rows`` takes.
        label: in words.
        parts: of BLOCKS, G2A, MPR, TRIPLET, SPATIAL, TEMPORAL, ATTRIBUTION, DAPN, OSFCM those that it has.
        against: the row that its val mR is compared with.
        without: in an ablation, the part that was left out of ``against``.
    """

    name: str
    label: str
    parts: frozenset[str]
    against: str = PLAIN
    without: str | None = None


SYSTEMS = {
    "mps-clip": ("MPS-CLIP", (BLOCKS, G2A, MPR, TRIPLET)),
    "prior-clip": ("PriorCLIP", (SPATIAL, TEMPORAL, ATTRIBUTION)),
    "osdpm": ("OSDPM", (DAPN, OSFCM)),
}
OSDPM, UNCLUSTERED = "osdpm", f"osdpm-no-{OSFCM}"  # their overlaps say what the clustering does
MAIN = (
    Row(PLAIN, "plain backbone", frozenset()),
    *(Row(name, f"+ {label}", frozenset(parts)) for name, (label, parts) in SYSTEMS.items()),
)
ABLATIONS = tuple(
    Row(f"{name}-no-{part}", f"{label}, {LABELS[part]} off", frozenset(parts) - {part}, name, part)
    for name, (label, parts) in SYSTEMS.items()
    for part in parts
    if part != BLOCKS
)
ROWS = (*MAIN, *ABLATIONS)
NAMES = (*(row.name for row in ROWS), BEST)


def combination(parts: Iterable[str]) -> Row:
    """The row of the best combination; G²A brings the token blocks that carry it."""
    found = frozenset(parts)
    if G2A in found:
        found |= {BLOCKS}
    named = ", ".join(label for part, label in LABELS.items() if part in found) or "nothing"
    return Row(BEST, f"best combination ({named})", found)


def system_parts(parts: frozenset[str], scenes: int) -> SystemParts:
    """What the network of a row has; the other parts are terms of its loss."""
    return SystemParts(
        token_blocks=int(BLOCKS in parts),
        adapter_bottleneck=64 if G2A in parts else 0,
        text_blocks=int(G2A in parts),
        views=VIEWS if MPR in parts else 0,
        spatial_pae=SPATIAL in parts,
        temporal_pae=TEMPORAL in parts,
        scenes=scenes if SPATIAL in parts else 0,
        dapn=DAPN in parts,
    )
