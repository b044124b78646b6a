"""Markdown tables."""

from collections.abc import Sequence
from typing import Literal

Verdict = Literal["met", "missed"] | None


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table with columns of even width, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(headings, *rows, strict=True)]
    numeric = [
        bool(rows) and all(_starts_as_number(row[index]) for row in rows)
        for index in range(len(headings))
    ]
    rule = [
        "-" * (max(width, 2) - 1) + (":" if right else "-")
        for width, right in zip(widths, numeric, strict=True)
    ]
    return "\n".join(_line(row, widths, numeric) for row in (headings, rule, *rows))


def verdict(value: float, target: float | None) -> Verdict:
    """Tell whether a value meets what it should not exceed, as precisely as it is shown."""
    if target is None:
        return None
    return "met" if round(value, 2) <= target else "missed"


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    ]
    return f"| {' | '.join(padded)} |"


def _starts_as_number(cell: str) -> bool:
    return cell[:1].isdigit() or not cell
