"""Drawings as SVG text: equal calls give equal bytes, and the picture follows the reader's light or dark theme.

Written by hand instead of with a plotting library: no versions, fonts or dates get into the file, the labels stay
text, and a page can hold the picture inline. Coordinates are pixels, y downwards.
"""

import math
from collections.abc import Sequence
from html import escape

WIDTH = 480
"""Narrow on purpose: on a telephone the letters shrink by a quarter, not by half."""

STYLE = """
.chart text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#24292f}
.chart .title{font-size:14px;font-weight:600}.chart .muted{fill:#65707c}.chart .strong{font-weight:600}
.chart .grid{stroke:#e3e7eb;stroke-width:1}.chart .axis{stroke:#8c959f;stroke-width:1}
.chart .accent{fill:#1f6feb}.chart .pale{fill:#dbe7f8}.chart .second{fill:#bc4c00}.chart .third{fill:#65707c}
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}.chart .thin{stroke-width:1.2;opacity:.55}
.chart .dashed{stroke-dasharray:5 4;stroke-width:1.3}
.chart .s-accent{stroke:#1f6feb}.chart .s-second{stroke:#bc4c00}.chart .s-third{stroke:#65707c}
@media (prefers-color-scheme:dark){
.chart text{fill:#e6edf3}.chart .muted{fill:#9aa5b1}.chart .grid{stroke:#2b323b}.chart .axis{stroke:#6e7681}
.chart .accent{fill:#6cb0ff}.chart .pale{fill:#22344d}.chart .second{fill:#f0883e}.chart .third{fill:#9aa5b1}
.chart .s-accent{stroke:#6cb0ff}.chart .s-second{stroke:#f0883e}.chart .s-third{stroke:#9aa5b1}}
""".replace("\n", "")

_LETTER_WIDTH = 6.6
"""Pixels of an average letter at 12 px: labels are placed by this estimate, with some room."""


class Drawing:
    """Shapes in the order of the calls; later ones lie on top. `style` names classes of the style sheet above."""

    def __init__(self, height: float, title: str, title_shown: bool = True) -> None:
        self.height, self._title = height, title
        self._shapes: list[str] = []
        if title_shown:
            self.text(0, 16, title, "title")

    def text(self, x: float, y: float, words: str, style: str = "", anchor: str = "start") -> None:
        """Words whose baseline begins (start), ends (end) or is centred (middle) at x, y."""
        aligned = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self._shapes.append(f'<text x="{_n(x)}" y="{_n(y)}"{_class(style)}{aligned}>{escape(words)}</text>')

    def bar(self, x: float, y: float, width: float, height: float, style: str) -> None:
        """A filled rectangle."""
        self._shapes.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(0, width))}" height="{_n(height)}" rx="2"{_class(style)}/>'
        )

    def line(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """A line through the points."""
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._shapes.append(f'<polyline points="{path}"{_class(style)}/>')

    def dot(self, x: float, y: float, radius: float, style: str) -> None:
        """A filled circle."""
        self._shapes.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"{_class(style)}/>')

    def render(self, with_style: bool = True) -> str:
        """The file: one shape a line, so that a change shows as a small difference.

        Without its style sheet a picture needs a page that holds STYLE once for all of them.
        """
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {_n(self.height)}" '
            f'role="img" aria-label="{escape(self._title)}">'
        )
        style = [f"<style>{STYLE}</style>"] if with_style else []
        return "\n".join([head, *style, *self._shapes, "</svg>"]) + "\n"


def text_width(words: str) -> float:
    """About how many pixels the words take at 12 px."""
    return len(words) * _LETTER_WIDTH


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) inside [low, high], at most `most` + 1 of them.

    >>> ticks(0, 9.2, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    if high <= low:
        return [low]
    rough = (high - low) / most
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def spread(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions for labels near `heights`, at least `gap` apart, inside [low, high] if there is room; same order.

    >>> spread([10, 12, 40], gap=10, low=0, high=100)
    [10, 20, 40]
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    placed = list(heights)
    for before, index in zip([None, *order], order, strict=False):
        lowest = low if before is None else placed[before] + gap
        placed[index] = max(heights[index], lowest)
    overflow = placed[order[-1]] - high if order else 0
    for index, after in zip(reversed(order), [None, *reversed(order)], strict=False):
        if overflow > 0:
            placed[index] = min(placed[index], high if after is None else placed[after] - gap)
    return placed


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""


def _n(value: float) -> str:
    """At most two decimals, no trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))
