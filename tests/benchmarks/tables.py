"""Figures as aligned tables, which read well in a terminal and in Markdown."""

from collections.abc import Sequence


def show(title: str, *, heads: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Print one table: the first column to the left, figures to the right; notes are lines under it."""
    lines = [list(heads), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    rule = ["-" * widths[0], *["-" * (width - 1) + ":" for width in widths[1:]]]
    print(f"\n{title}\n")
    for line in (lines[0], rule, *lines[1:]):
        figures = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        cells = [line[0].ljust(widths[0]), *figures]
        print(f"| {' | '.join(cells)} |")
    if notes:
        print()
    for note in notes:
        print(note)


def ms(value: float) -> str:
    return f"{value:.2f} ms"


def rate(value: float) -> str:
    return f"{value:,.0f}/s"
