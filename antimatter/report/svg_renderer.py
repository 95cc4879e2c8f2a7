"""What matplotlib draws, as SVG text of ours: a shape a line, labels as text, colours as classes of our palette.

matplotlib's own SVG backend writes fixed colours, ids that collide when a page holds several pictures, a style rule for
every element of that page, and a line for every point; this renderer writes none of them. Nothing in its text depends
on the machine, the day or the fonts that are installed: labels are measured with the font that matplotlib carries.
"""

from functools import cache
from html import escape
from pathlib import Path as FilePath
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.colors import to_hex
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Transform

from antimatter.report import palette
from antimatter.terminal import visible

LETTERS, TITLE = 13, 15
"""Pixels of a label and of a title: the two sizes of the style sheet."""


class SvgRenderer(RendererBase):
    """Collects `shapes` (SVG elements) and the `colours` they use; give it to Figure.draw. One pixel is one point."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__()
        self.width, self.height = width, height
        self.shapes: list[str] = []
        self.colours: set[str] = set()

    def flipy(self) -> bool:
        """Texts are placed from the top, as in SVG."""
        return True

    def get_canvas_width_height(self) -> tuple[float, float]:
        """Pixels."""
        return self.width, self.height

    def points_to_pixels(self, points: Any) -> Any:
        """Figures are made with 72 dots per inch."""
        return points

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: Any) -> tuple[float, float, float]:
        """Pixels, by the font that matplotlib carries."""
        size = float(prop.get_size_in_points())
        return text_width(s, size=size, strong=_is_strong(prop)), size, 0.22 * size

    def draw_path(self, gc: GraphicsContextBase, path: Path, transform: Transform, rgbFace: Any = None) -> None:
        """A bar if the path is an upright rectangle, else a line or an area. Lines are cut off at the axes."""
        placed = self._placed(transform)
        bar = _rectangle(path, placed)
        fill = self._fill(rgbFace)
        if bar is not None and fill:
            x, y, width, height = bar
            if min(width, height) >= 0.005:  # else it is rounded away
                self.shapes.append(f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"{fill}/>')
            return
        cut = None
        if rgbFace is None and (box := gc.get_clip_rectangle()) is not None:
            cut = (box.x0, self.height - box.y1, box.x1, self.height - box.y0)
        data = _path_data(path.cleaned(transform=placed, remove_nans=True, clip=cut))
        stroke = fill or self._stroke(gc)
        if data and stroke:
            self.shapes.append(f'<path d="{data}"{stroke}/>')

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Path,
        marker_trans: Transform,
        path: Path,
        trans: Transform,
        rgbFace: Any = None,
    ) -> None:
        """Round ones are circles."""
        if marker_path is not Path.unit_circle():
            super().draw_markers(gc, marker_path, marker_trans, path, trans, rgbFace)
            return
        radius = abs(marker_trans.get_matrix()[0, 0])  # type: ignore[attr-defined]
        for x, y in np.asarray(self._placed(trans).transform(path.vertices)):
            if np.isfinite([x, y]).all():
                self.shapes.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"{self._fill(rgbFace)}/>')

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        """Words whose anchor is where the figure put it, so that a narrower font of the reader keeps them in place.

        Raises: ValueError for turned words: none of our pictures has them, they are hard to read.
        """
        if angle:
            raise ValueError(f"{s!r} is turned by {angle} degrees: write words level")
        anchor = ""
        if mtext is not None:
            x = float(mtext.get_transform().transform(mtext.get_unitless_position())[0])
            anchor = {"right": ' text-anchor="end"', "center": ' text-anchor="middle"'}.get(mtext.get_ha(), "")
        name = self._name(gc.get_rgb())
        weight = "title" if prop.get_size_in_points() == TITLE else "strong" if _is_strong(prop) else ""
        classes = f"{name} {weight}".rstrip()
        self.shapes.append(f'<text x="{_n(x)}" y="{_n(y)}" class="{classes}"{anchor}>{escape(visible(s))}</text>')

    def _placed(self, transform: Transform) -> Transform:
        return transform + Affine2D().scale(1, -1).translate(0, self.height)

    def _name(self, rgb: Any) -> str:
        name = palette.name_of(to_hex(rgb[:3]))
        self.colours.add(name)
        return name

    def _fill(self, face: Any) -> str:
        if face is None or (len(face) == 4 and face[3] == 0):
            return ""
        faint = f' opacity="{_n(face[3])}"' if len(face) == 4 and face[3] < 1 else ""
        return f' class="{self._name(face)}"{faint}'

    def _stroke(self, gc: GraphicsContextBase) -> str:
        width, rgb = gc.get_linewidth(), gc.get_rgb()
        if not width or rgb[3] == 0:
            return ""
        pattern = gc.get_dashes()[1]
        dashes = f' stroke-dasharray="{_numbers(pattern)}"' if pattern is not None else ""
        faint = f' opacity="{_n(rgb[3])}"' if rgb[3] < 1 else ""
        wide = f' stroke-width="{_n(width)}"' if width != 1 else ""
        return f' class="s-{self._name(rgb)}"{wide}{dashes}{faint}'


def text_width(words: str, *, size: float = LETTERS, strong: bool = False) -> float:
    """Pixels that the words take in DejaVu Sans, which is wider than what most readers have."""
    return size * sum(_advance(letter, strong) for letter in visible(words))


@cache
def _advance(letter: str, strong: bool) -> float:
    """Width of a letter as a share of the font's size; a square for what the font does not have."""
    font = _font(strong)
    if not font.get_char_index(ord(letter)):
        return 1.0
    return float(font.load_char(ord(letter), flags=LoadFlags.NO_SCALE).horiAdvance) / font.units_per_EM


@cache
def _font(strong: bool) -> FT2Font:
    name = "DejaVuSans-Bold.ttf" if strong else "DejaVuSans.ttf"
    return FT2Font(str(FilePath(matplotlib.get_data_path()) / "fonts" / "ttf" / name))


def _is_strong(prop: FontProperties) -> bool:
    return prop.get_weight() in ("bold", 700)


def _rectangle(path: Path, transform: Transform) -> tuple[float, float, float, float] | None:
    """x, y, width, height if the path is an upright rectangle."""
    codes = [] if path.codes is None else np.asarray(path.codes).tolist()
    if codes != [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]:
        return None
    corners = np.asarray(transform.transform(path.vertices))[:4]
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    if not all(x in (left, right) and y in (top, bottom) for x, y in corners.tolist()):
        return None
    return float(left), float(top), float(right - left), float(bottom - top)


def _path_data(path: Path) -> str:
    """M10 20L30 40L50 60Z"""
    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
    parts = []
    for values, code in path.iter_segments(simplify=False, curves=True):
        if code == Path.STOP:
            break
        parts.append(letters[code] + ("" if code == Path.CLOSEPOLY else _numbers(values)))
    return "".join(parts)


def _numbers(values: Any) -> str:
    return " ".join(_n(float(value)) for value in values)


def _n(value: float) -> str:
    """At most two decimals, no trailing zeros, no minus before 0."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
