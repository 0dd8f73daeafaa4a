"""The boundary between plugin and engine, and the direction of imports (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# A package may import from its own level and those before it; circles are caught apart.
LEVELS = (
    {"", "errors", "files", "types", "resources", "config"},
    {"raster", "models", "text", "segment", "index", "datasets"},
    {"search"},
    {"train", "evaluate", "demo", "diagnose"},
    {"cli", "server"},
    {"__main__"},
)
LEVEL = {package: level for level, packages in enumerate(LEVELS) for package in packages}


def imported_modules(file: Path) -> list[str]:
    """All absolute module names that a file imports, wherever in it."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def package_of(module: str) -> str:
    """The part of the engine that a module belongs to: ``engine.models.contract`` is in ``models``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (parts[1] in LEVEL or (ROOT / "engine" / parts[1]).is_dir()) else ""


def engine_imports() -> list[tuple[Path, str, str]]:
    """(file, its package, imported package) for each import within the engine."""
    rows = []
    for file in sorted((ROOT / "engine").rglob("*.py")):
        relative = file.relative_to(ROOT / "engine")
        own = relative.parts[0] if len(relative.parts) > 1 else file.stem.replace("__init__", "")
        rows += [(relative, own, package_of(name)) for name in imported_modules(file) if name.split(".")[0] == "engine"]
    return rows


def test_every_engine_package_has_a_level() -> None:
    packages = {
        path.name for path in (ROOT / "engine").iterdir() if path.is_dir() and not path.name.startswith(("_", "."))
    }
    modules = {path.stem.replace("__init__", "") for path in (ROOT / "engine").glob("*.py")}
    assert packages | modules <= LEVEL.keys()


def test_no_engine_import_points_upwards() -> None:
    upwards = [(str(file), target) for file, own, target in engine_imports() if LEVEL[target] > LEVEL[own]]
    assert upwards == []


def test_engine_packages_import_in_no_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for _, own, target in engine_imports():
        if own != target and LEVEL[own] > 0:
            graph[own].add(target)
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_engine_never_imports_qgis() -> None:
    files = [*(ROOT / "engine").rglob("*.py")]
    offenders = {"qgis", "qgis_mpsclip", "PyQt5", "PyQt6", "osgeo"}
    assert [str(f) for f in files if offenders & {name.split(".")[0] for name in imported_modules(f)}] == []


def test_plugin_imports_only_qgis_and_the_standard_library() -> None:
    allowed = {*sys.stdlib_module_names, "qgis", "osgeo", "qgis_mpsclip"}
    files = [*(ROOT / "qgis_mpsclip").rglob("*.py")]
    assert files
    assert {name.split(".")[0] for f in files for name in imported_modules(f)} - allowed == set()


@pytest.mark.parametrize(
    "module",
    ["engine", "engine.models.catalogue", "engine.models.registry", "engine.server.server", "engine.index.listing"],
)
def test_light_modules_do_not_load_torch(module: str) -> None:
    """``mpsclip --help``, ``models list`` and the serving process answer at once."""
    code = f"import sys, {module}; print(sorted({{'torch', 'open_clip', 'huggingface_hub'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
