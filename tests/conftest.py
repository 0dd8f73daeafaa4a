"""Rules that hold for all tests: shared data, GPU tests, and no trace in the user's folders."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Benchmark data and fixtures that may lie beside a checkout; nothing but tests reads them.
SHARED = ROOT.parent / "shared"
# These need QGIS's Python and have a pytest.ini of their own (CONTRIBUTING.md).
collect_ignore = ["plugin"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared data; a test that asks for it is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip("no folder 'shared' beside the checkout (benchmark data, reference tensors)")
    return SHARED


@pytest.fixture(autouse=True)
def user_data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights and their records go to a folder of the test's own."""
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("MPSCLIP_DATA_DIR", str(folder))
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not any(item.get_closest_marker("gpu") for item in items):
        return
    import torch

    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="no CUDA device")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where the shared data is there, a test that needs it has no excuse: its skip is a failure."""
    report = yield
    needs_shared = "shared_data" in getattr(item, "fixturenames", ())
    if report.skipped and needs_shared and SHARED.is_dir() and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"skipped although {SHARED} is there: {reason}"
    return report
