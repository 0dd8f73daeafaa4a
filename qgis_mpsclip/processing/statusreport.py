"""The report of ``mpsclip:enginestatus`` for people."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.sizes import size_text


def status_html(report: dict[str, Any]) -> str:
    """A page with the state of the engine.

    Args:
        report: ``ready``, ``message``, ``plugin``, ``qgis``, ``python``, and the answer to ``status`` as ``engine``.
    """
    facts = report["engine"]
    rows: list[tuple[str, Any]] = [
        (tr("Plugin"), report["plugin"]),
        (tr("QGIS"), report["qgis"]),
        (tr("Python of the engine"), report["python"]),
    ]
    if report["ready"]:
        rows += [
            (tr("Engine"), facts.get("engine")),
            (tr("Version of its Python"), facts.get("python")),
            (tr("Devices"), ", ".join(f"{one['id']} ({one['name']})" for one in facts.get("devices", ()))),
            (tr("Default device"), facts.get("device")),
            (tr("Default model"), facts.get("default_model")),
            (
                tr("Index"),
                tr("{size} in {folder}").format(size=size_text(facts.get("cache_bytes")), folder=facts.get("cache")),
            ),
            (tr("Free space"), size_text(facts.get("free_bytes"))),
        ]
    parts = [
        "<!DOCTYPE html><html><head><meta charset='utf-8'></head><body>",
        f"<h1>{escape(tr('MPS-CLIP: state of the search engine'))}</h1>",
        f"<p>{escape(tr('The search engine works.') if report['ready'] else report['message'])}</p>",
        _table(rows),
    ]
    if report["ready"]:
        parts += [f"<h2>{escape(tr('Segmenters'))}</h2>", _table(map(_segmenter, facts.get("segmenters", ())))]
        parts += [f"<h2>{escape(tr('Packages'))}</h2>", _table(sorted(facts.get("packages", {}).items()))]
    return "\n".join([*parts, "</body></html>\n"])


def _segmenter(one: dict[str, Any]) -> tuple[str, str]:
    state = tr("ready") if one.get("ready") else tr("not ready")
    return str(one.get("id")), ": ".join(part for part in (state, str(one.get("note") or "")) if part)


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    cells = (f"<tr><td>{escape(str(name))}</td><td>{escape(str(value))}</td></tr>" for name, value in rows)
    return "<table>" + "".join(cells) + "</table>"
