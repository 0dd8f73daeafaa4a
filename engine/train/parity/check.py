"""Parity of any kind of reference file."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import UsageError
from engine.models.checkpoint import StateDict
from engine.train.parity import mps_clip, prior_pae
from engine.train.parity.fixture import Fixture, max_abs_difference, read_fixture
from engine.types import Json

# What computes the expected tensors of a fixture, by the kind that its JSON names.
KINDS: dict[str, Callable[[Fixture], StateDict]] = {
    "mps_clip": mps_clip.compute,
    "prior_pae": prior_pae.compute,
}


def check(prefix: str) -> tuple[Json, StateDict]:
    """Computes every output and loss of a fixture and compares them with the file's.

    Args:
        prefix: path of the three files without their endings.

    Returns:
        ``{"fixture": name, "max_abs_difference": {name of an output or loss: value}}``, and what was computed.

    Raises:
        UsageError: a file does not exist, or the kind is unknown.
        ModelError: a file cannot be read or the three do not fit together.
    """
    fixture = read_fixture(prefix)
    compute = KINDS.get(fixture.kind)
    if compute is None:
        raise UsageError(
            f"{prefix}.json is of the kind {fixture.description.get('kind')!r}.",
            f"Known kinds: {', '.join(KINDS)}.",
            kind=fixture.kind,
        )
    computed = compute(fixture)
    return {"fixture": fixture.name, "max_abs_difference": max_abs_difference(fixture, computed)}, computed
