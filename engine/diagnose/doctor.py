"""All checks in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.diagnose.child import LIMIT_SECONDS, Job, run_jobs
from engine.diagnose.finding import Finding
from engine.diagnose.profiles import AUTO, packages_of
from engine.diagnose.worker import look

_FACTS = (
    ("mpsclip", "engine.diagnose.facts:look_at_project"),
    ("system", "engine.diagnose.facts:look_at_system"),
    ("environment", "engine.diagnose.facts:look_at_environment"),
    ("variables", "engine.diagnose.facts:look_at_variables"),
)


def examine(
    cache: Path | None = None, device: str = "auto", profile: str = AUTO, limit: float = LIMIT_SECONDS
) -> Iterator[Finding]:
    """Every finding, as it comes; some twenty seconds in all, minutes where a disk is slow.

    Args:
        cache: folder of indexes; None: the user's.
        device: which the model is tried on, as a search's ``--device``.
        profile: what was installed, of :data:`engine.diagnose.profiles.CHOICES`; ``auto``: what is found.
        limit: seconds for one check.
    """
    for check, function in _FACTS:
        yield look(check, function, ())
    yield from run_jobs(jobs(cache, device, profile), limit)


def jobs(cache: Path | None, device: str, profile: str = AUTO) -> list[Job]:
    """The checks that load packages, for :func:`engine.diagnose.child.run_jobs`."""
    probes = "engine.diagnose.probes"
    packages = "engine.diagnose.packages"
    return [
        ("packages", f"{packages}:look_at_lock", profile),
        *((name, f"{packages}:look_at_package", name) for name in packages_of(profile)),
        ("GDAL", f"{probes}:look_at_gdal"),
        ("coordinates", f"{probes}:look_at_coordinates"),
        ("devices", f"{probes}:look_at_devices", device),
        ("index folder", f"{probes}:look_at_index_folder", str(cache) if cache else ""),
        ("default model", f"{probes}:look_at_model", device),
    ]
