"""A picture of the report: a matplotlib figure, 480 pixels wide, that becomes the same SVG text for the same calls.

    @drawing
    def words_by_stage(counts: Mapping[str, int]) -> str:
        picture = Picture("Words by stage", "what this shows, in a line or two", height=100)
        axes = picture.axes(x=80, y=0, width=390, height=80, grid="x")
        axes.barh(...)                      # matplotlib, with colours of antimatter.report.palette
        return picture.render()

No pyplot and no settings of the user's: figures are objects, and `drawing` sets what matplotlib would look up. It is a
library that contributors know; what it lacks (colours that follow the reader's theme, small files that differ little
when little changes) is in svg_renderer.py.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from antimatter.report.palette import colour, style
from antimatter.report.svg_renderer import LETTERS, TITLE, SvgRenderer, text_width
from antimatter.terminal import visible

WIDTH = 480
"""Narrow on purpose: on a telephone the letters shrink by a quarter, not by half."""
EMPTY = "empty"
"""The class of a picture without data."""
MOST_ROWS = 30
"""Rows of a picture, of sources or tasks; the tables hold all of them."""
LINE = 18
"""Pixels from one line of words to the next."""

_SETTINGS: dict[Any, Any] = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"} | {
    "font.size": LETTERS,
    "text.color": colour("ink"),
    "text.parse_math": False,  # a source may be called $a$
    "axes.unicode_minus": True,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.edgecolor": colour("axis"),
    "axes.linewidth": 1.0,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": colour("grid"),
    "grid.linewidth": 1.0,
    "xtick.labelcolor": colour("muted"),
    "ytick.labelcolor": colour("muted"),
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "xtick.major.pad": 8.0,  # a label of the y axis may stand beside the corner
    "ytick.major.pad": 6.0,
    "lines.linewidth": 2.0,
    "lines.markersize": 8.0,
    "lines.markeredgewidth": 0.0,
    "path.simplify": False,
    "patch.linewidth": 0.0,
}
drawing = matplotlib.rc_context(_SETTINGS)
"""Decorator of every function that makes a Picture."""


class Picture:
    """Title, a note that says what is shown, a legend if there is one, and below them `height` pixels for the axes.

    Places are pixels from the left and from the top of that part, downwards.
    """

    def __init__(
        self,
        title: str,
        note: str = "",
        *,
        height: float,
        legend: Sequence[tuple[str, str]] = (),
        title_shown: bool = True,
    ) -> None:
        """legend: names and the names of their colours."""
        self._title = title
        notes = wrapped(note, WIDTH)
        rows = _legend_rows([name for name, _ in legend])
        self.top = (24 if title_shown else 4) + LINE * len(notes) + (22 * len(rows) + 4 if rows else 0)
        self.top += 6 if notes or rows else 0
        self.height = self.top + height
        self.figure = Figure(figsize=(WIDTH / 72, self.height / 72), dpi=72)
        self.figure.patch.set_visible(False)
        y = -self.top
        if title_shown:
            self.figure.text(0, 1 - 17 / self.height, title, size=TITLE, weight="bold", va="baseline")
            y += 24
        for words in notes:
            self.text(0, y + 14, words, "muted")
            y += LINE
        tones = iter(legend)
        for row in rows:
            for name, x in row:
                self.bar(x, y + 6, 11, 11, next(tones)[1])
                self.text(x + 16, y + 16, name)
            y += 22

    def axes(
        self, *, x: float, y: float, width: float, height: float, grid: Literal["", "x", "y", "both"] = ""
    ) -> Axes:
        """Axes in this box; tick labels stand outside of it."""
        below = self.height - self.top - y - height
        axes = self.figure.add_axes((x / WIDTH, below / self.height, width / WIDTH, height / self.height))
        if grid:
            axes.grid(True, axis=grid)
        return axes

    def text(
        self, x: float, y: float, words: str, tone: str = "ink", align: str = "left", *, strong: bool = False
    ) -> None:
        """Words on the baseline y that begin (left), end (right) or have their middle (center) at x."""
        place = (x / WIDTH, 1 - (y + self.top) / self.height)
        weight = "bold" if strong else "normal"
        self.figure.text(*place, words, color=colour(tone), ha=align, va="baseline", weight=weight)

    def bar(self, x: float, y: float, width: float, height: float, tone: str) -> None:
        """A filled rectangle outside of any axes."""
        bottom = 1 - (y + height + self.top) / self.height
        shape = Rectangle((x / WIDTH, bottom), width / WIDTH, height / self.height, color=colour(tone))
        self.figure.add_artist(shape)

    def render(self, *, with_style: bool = True, kind: str = "chart") -> str:
        """The file. Without its style sheet a picture needs a page that holds palette.style() for all of them.

        kind: the class of the picture, `chart` among others.
        """
        renderer = SvgRenderer(WIDTH, self.height)
        self.figure.draw(renderer)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{kind}" viewBox="0 0 {WIDTH} {self.height:.0f}" '
            f'width="{WIDTH}" height="{self.height:.0f}" role="img" aria-label="{escape(self._title)}">'
        )
        sheet = [f"<style>{style(renderer.colours)}</style>"] if with_style else []
        return "\n".join([head, *sheet, *renderer.shapes, "</svg>"]) + "\n"


@drawing
def nothing(title: str, words: str) -> str:
    """A picture without data: what is missing, and what makes it."""
    return Picture(title, words, height=4).render(kind=f"chart {EMPTY}")


def left_out(rows: int) -> str:
    """What a note says of rows beyond MOST_ROWS.

    >>> left_out(30), left_out(34)
    ('', '; 4 more are not drawn')
    """
    return f"; {rows - MOST_ROWS:,} more are not drawn" if rows > MOST_ROWS else ""


def count_axis(axes: Axes, which: Literal["x", "y"], most: int, words: Callable[[float], str]) -> None:
    """At most `most` + 1 round ticks (1, 2 or 5 times a power of ten apart), labelled by `words`."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))


def wrapped(words: str, width: float) -> list[str]:
    """The words in lines of at most this many pixels, broken between words."""
    lines: list[str] = []
    for word in words.split():
        if lines and text_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def fitting(words: str, width: float, *, strong: bool = False) -> str:
    """The words, or as much of them as these pixels hold, with an ellipsis.

    >>> fitting("python_docs", 60)
    'python…'
    """
    words = visible(words)
    if text_width(words, strong=strong) <= width:
        return words
    room = width - text_width("…", strong=strong) - 1e-6  # sums of parts differ in the last digits
    for place, letter in enumerate(words):  # letter by letter: a name may be very long
        room -= text_width(letter, strong=strong)
        if room < 0:
            return words[:place] + "…"
    return words


def column(names: Iterable[str], most: float = 150, *, strong: bool = True) -> float:
    """Pixels for a column of these names on the left of axes, `most` at the most, a gap included."""
    return min(most, max((text_width(name, strong=strong) for name in names), default=0)) + 12


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


def _legend_rows(names: Sequence[str]) -> list[list[tuple[str, float]]]:
    """Names with the x of their key, as many in a row as there is room for."""
    rows: list[list[tuple[str, float]]] = []
    x = WIDTH + 1.0
    for name in names:
        shown = fitting(name, 220)
        needed = 16 + text_width(shown)
        if x + needed > WIDTH:
            rows.append([])
            x = 0.0
        rows[-1].append((shown, x))
        x += needed + 16
    return rows
