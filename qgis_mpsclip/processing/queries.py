"""Lists of queries: typed in, or read from a text or CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr

COLUMN = "query"
_DELIMITERS = ",;\t"


def collect_queries(typed: Iterable[str], file: str) -> list[str]:
    """The queries of both, each once, in order; a text given in several lines is one query a line.

    Args:
        file: ``.csv`` with a column ``query``, or any other text with one query a line; empty: none.

    Raises:
        MpsClipError: the file cannot be read, or there is no query at all.
    """
    lines = [line for text in typed for line in str(text).splitlines()]
    lines += _from_file(Path(file)) if file else []
    queries = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not queries:
        raise MpsClipError(
            tr("There is no query."), tr("Type at least one, or choose a text or CSV file that has some.")
        )
    return queries


def _from_file(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MpsClipError(
            tr("{file} cannot be read: {reason}.").format(file=file, reason=error.strerror or error),
            tr("Check its path and permissions."),
        ) from error
    except UnicodeDecodeError as error:
        raise MpsClipError(
            tr("{file} is not in the encoding UTF-8.").format(file=file), tr("Save it as UTF-8 text.")
        ) from error
    return _from_csv(file, text) if file.suffix.lower() == ".csv" else text.splitlines()


def _from_csv(file: Path, text: str) -> list[str]:
    header = text.partition("\n")[0]
    # The sniffer of the csv module takes letters for delimiters where a file has one column.
    delimiter = max(_DELIMITERS, key=header.count)
    rows = csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter)
    columns = {str(name).strip().lower(): name for name in rows.fieldnames or ()}
    if COLUMN not in columns:
        raise MpsClipError(
            tr("{file} has no column “{column}”; it has: {columns}.").format(
                file=file, column=COLUMN, columns=", ".join(columns) or "-"
            ),
            tr("Name the column of the queries so in the first line."),
        )
    try:
        return [row[columns[COLUMN]] or "" for row in rows]
    except csv.Error as error:
        raise MpsClipError(
            tr("{file} is not a CSV file that can be read: {reason}.").format(file=file, reason=error),
            tr("Save it as CSV with one query a row."),
        ) from error
