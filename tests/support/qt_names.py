"""Which names of Qt a plugin's sources use, and which of them PyQt6 does not have."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

WRAPPER = "qgis.PyQt."
IN_BOTH = frozenset({"QAction", "QShortcut"})
"""What QGIS offers in QtWidgets and in QtGui, wherever Qt has it (QGIS's pull request 55658)."""


def missing_in_qt6(source: str, file: Path) -> list[str]:
    """``file:line name`` of each class, enumeration and member that PyQt6 does not have where the source looks for it.

    Imports that a fallback for ``ImportError`` follows, and the fallback, are one choice: one of them must do. Names
    are followed from the classes that a file imports; methods of objects are not.
    """
    tree = ast.parse(source)
    found: dict[str, Any] = {}
    missing = []
    choices = [node for node in ast.walk(tree) if isinstance(node, ast.Try) and _catches_import_error(node)]
    of_choices = {id(i) for choice in choices for i in ast.walk(choice)}
    for choice in choices:
        ways = [choice.body, *(handler.body for handler in choice.handlers)]
        failed = [_resolve(way, found) for way in ways]
        if all(failed):
            missing += failed[0]
    missing += _resolve([node for node in ast.walk(tree) if id(node) not in of_choices], found)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (chain := _chain(node)) and chain[0] in found:
            value = found[chain[0]]
            for depth, name in enumerate(chain[1:], 2):
                if not hasattr(value, name):
                    missing.append((node.lineno, ".".join(chain[:depth])))
                    break
                value = getattr(value, name)
    return [f"{file}:{line} {name}" for line, name in sorted(set(missing))]


def _catches_import_error(node: ast.Try) -> bool:
    return any(isinstance(handler.type, ast.Name) and handler.type.id == "ImportError" for handler in node.handlers)


def _resolve(nodes: list[ast.stmt] | list[ast.AST], found: dict[str, Any]) -> list[tuple[int, str]]:
    """Puts what is imported from QGIS's wrapper into ``found``; the rest is returned with its line."""
    missing = []
    for node, module, alias in _imports(nodes):
        if hasattr(module, alias.name):
            found[alias.asname or alias.name] = getattr(module, alias.name)
        elif alias.name not in IN_BOTH:
            missing.append((node.lineno, f"{node.module}.{alias.name}"))
    return missing


def _imports(nodes: list[ast.stmt] | list[ast.AST]) -> Iterator[tuple[ast.ImportFrom, ModuleType, ast.alias]]:
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(WRAPPER):
            module = import_module(f"PyQt6.{str(node.module).removeprefix(WRAPPER)}")
            for alias in node.names:
                yield node, module, alias


def _chain(node: ast.expr) -> list[str]:
    """``a.b.c`` as its parts; empty where it does not begin with a name."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = _chain(node.value)
        return [*before, node.attr] if before else []
    return []
