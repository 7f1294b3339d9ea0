"""Tables for spreadsheets: RFC 4180, and no text that a spreadsheet program would take for a formula.

Whoever writes a description or a reference may be somebody else than whoever opens the file, and a cell that begins
with an equals sign runs on the reader's machine. Such a text gets an apostrophe in front, which spreadsheets show as
text; a number is left alone, so that it stays one.
"""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

# What begins a formula, the wide forms that some programs take for the same, and what is skipped in front of it.
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")

Cell: TypeAlias = str | int | Decimal | datetime | None


def neutralised(text: str) -> str:
    """The text, with an apostrophe in front when a spreadsheet would take it for a formula."""
    return f"'{text}" if text[:1] in FORMULA_STARTS or text.lstrip()[:1] in FORMULA_STARTS else text


def csv_line(cells: Sequence[Cell]) -> str:
    """One record, ended by CR LF: numbers as plain decimals, times in UTC, None as an empty cell, texts neutralised."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([_shown(cell) for cell in cells])
    return line.getvalue()


def _shown(cell: Cell) -> str:
    if isinstance(cell, str):
        return neutralised(cell)
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return "" if cell is None else str(cell)
