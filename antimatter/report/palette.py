"""The colours of our pictures: names with a tone for light and one for dark pages, and the style sheet made of them."""

from collections.abc import Iterable

COLOURS = {
    "ink": ("#24292f", "#e6edf3"),
    "muted": ("#65707c", "#9aa5b1"),
    "grid": ("#e3e7eb", "#2b323b"),
    "axis": ("#8c959f", "#6e7681"),
    "accent": ("#1f6feb", "#6cb0ff"),
    "second": ("#bc4c00", "#f0883e"),
    "pale": ("#dbe7f8", "#22344d"),
    "series0": ("#2f7de1", "#58a6ff"),
    "series1": ("#d9730d", "#f0a04b"),
    "series2": ("#2a9d6f", "#4cc38a"),
    "series3": ("#8e5bd6", "#b48ef0"),
    "series4": ("#c8397f", "#f07eb2"),
    "series5": ("#a58a00", "#d9bd3c"),
    "series6": ("#1797b5", "#4fc9e0"),
    "series7": ("#7a4b2b", "#c08e69"),
    "others": ("#b8c0c8", "#545d68"),
}
"""Name -> tone on light and on dark paper. A figure is drawn with the light tones (`colour`); the renderer turns each
back into its name, so no two may be equal."""
SERIES = tuple(name for name in COLOURS if name.startswith("series"))
"""For parts of a whole, in this order: neighbours differ in lightness as well as in hue."""
PAPER = ("#ffffff", "#0f141a")

_NAMES = {light: name for name, (light, _) in COLOURS.items()}
_TEXT = '.chart text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}'
_SHAPES = (
    ".chart .title{font-size:15px;font-weight:600}.chart .strong{font-weight:600}"
    ".chart path{fill:none;stroke-linejoin:round}"
)


def colour(name: str) -> str:
    """The light tone: what matplotlib is told."""
    return COLOURS[name][0]


def name_of(tone: str) -> str:
    """The name of a light tone.

    Raises: ValueError for any other colour: it would not follow the reader's theme.
    """
    if tone not in _NAMES:
        raise ValueError(f"{tone} is no colour of the palette: use palette.colour(NAME), NAME of {', '.join(COLOURS)}")
    return _NAMES[tone]


def style(names: Iterable[str] = tuple(COLOURS)) -> str:
    """The style sheet of pictures that use these colours: all of it stands below .chart, so it reaches nothing else of
    a page. A picture that is a file of its own gets a ground; inside a page it is transparent."""
    used = [name for name in COLOURS if name in set(names)]
    light, dark = ("".join(_rules(name, tone) for name in used) for tone in (0, 1))
    return (
        f"svg.chart:root{{background:{PAPER[0]}}}{_TEXT}{_SHAPES}{light}"
        f"@media (prefers-color-scheme:dark){{svg.chart:root{{background:{PAPER[1]}}}{dark}}}"
    )


def _rules(name: str, tone: int) -> str:
    return f".chart .{name}{{fill:{COLOURS[name][tone]}}}.chart .s-{name}{{stroke:{COLOURS[name][tone]}}}"
