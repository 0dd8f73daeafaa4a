"""The dock's help, which needs no network."""

from __future__ import annotations

from qgis_mpsclip.i18n import tr


def help_text() -> str:
    """The page as HTML."""
    sections = (
        (
            tr("Searching"),
            tr(
                "Type in plain words what you look for, such as “tennis courts beside a parking lot”, and press Enter."
                " The raster is cut into tiles, and each tile is compared with your words. The first search of a raster"
                " takes time, later ones take moments: what was computed is kept."
            ),
        ),
        (
            tr("Words"),
            tr(
                "Name what is seen from above: kinds of buildings, roads, fields, water. A minus sign lowers the score"
                " of what follows: “meadow -trees”. The down arrow shows earlier queries."
            ),
        ),
        (
            tr("Where"),
            tr(
                "Search one layer, several, all of them, or files; everywhere, in the current view, in a rectangle"
                " drawn on the map, or in the selected polygons of a layer."
            ),
        ),
        (
            tr("Web maps and databases"),
            tr(
                "Layers that are no files are rendered for the chosen extent before they are searched. Choose a small"
                " extent, and mind the terms of the service."
            ),
        ),
        (
            tr("Tile size"),
            tr(
                "A good tile is about as large as what you look for with its surroundings. Set it under Advanced when"
                " hits are too coarse or show only parts of things."
            ),
        ),
        (
            tr("Keys"),
            tr(
                "Enter: search. Esc: cancel the search, or give up drawing. Ctrl+L: go to the query. Tab: go to the"
                " next field."
            ),
        ),
    )
    return "".join(f"<h3>{title}</h3><p>{text}</p>" for title, text in sections)
