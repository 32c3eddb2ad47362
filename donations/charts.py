"""Gifts by hour as a drawing: where the bars, lines and words go. The template only writes them down.

Heights are in pixels; places across are percentages, so that the drawing fills any width without stretching its words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from campaign.moments import hour_of_chart
from donations.queries import HourFigures

HEIGHT = 220  # of the drawing; the bars stand on BASE, the hours are written below it
TOP, BASE = 16, 190
_LINES = 3
_GAP = 0.14  # of an hour's width, on either side of its two bars


@dataclass(frozen=True)
class Line:
    y: float
    amount_minor: int


@dataclass(frozen=True)
class Bars:
    """One hour. x, width in percent of the drawing's width; y, height in pixels."""

    hour: HourFigures
    raised_x: float
    matched_x: float
    middle_x: float
    width: float
    raised_y: float
    raised_height: float
    matched_y: float
    matched_height: float
    label: str
    is_minor: bool


@dataclass(frozen=True)
class HourChart:
    lines: list[Line]
    bars: list[Bars]
    height: int = HEIGHT
    base: int = BASE


def hour_chart(*, hours: Sequence[HourFigures], zone: tzinfo) -> HourChart:
    """Two bars for each hour, raised and matched, on one scale with three round lines."""
    highest = max([max(hour.raised_minor, hour.matched_minor) for hour in hours], default=0)
    step_minor = round_step(highest)
    scale = (BASE - TOP) / (step_minor * _LINES)
    lines = [Line(BASE - step_minor * n * scale, step_minor * n) for n in range(_LINES + 1)]
    across = 100 / max(len(hours), 6)
    return HourChart(
        lines, [_bars(index, hour, across=across, scale=scale, zone=zone) for index, hour in enumerate(hours)]
    )


def round_step(highest_minor: int) -> int:
    """The smallest of 1, 2, 2.5, 5 times a power of ten whole units of which _LINES reach the highest bar."""
    step = 1_000
    while True:
        for factor in (10, 20, 25, 50):
            if step * factor // 10 * _LINES >= highest_minor:
                return step * factor // 10
        step *= 10


def _bars(index: int, hour: HourFigures, *, across: float, scale: float, zone: tzinfo) -> Bars:
    left, width = across * (index + _GAP), across * (0.5 - _GAP)
    raised, matched = _height(hour.raised_minor, scale), _height(hour.matched_minor, scale)
    local = hour.starts_at.astimezone(zone)
    return Bars(
        hour=hour,
        raised_x=left,
        matched_x=across * (index + 0.5),
        middle_x=across * (index + 0.5),
        width=width,
        raised_y=BASE - raised,
        raised_height=raised,
        matched_y=BASE - matched,
        matched_height=matched,
        label=hour_of_chart(local),
        is_minor=local.hour % 3 != 0,
    )


def _height(amount_minor: int, scale: float) -> float:
    """Any money at all can be seen: two pixels at least."""
    return round(max(amount_minor * scale, 2), 1) if amount_minor > 0 else 0
