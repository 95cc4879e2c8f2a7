"""How a matplotlib figure becomes SVG text: equal bytes, our colours alone, nothing that leaks into a page."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.report import figure, palette
from antimatter.report.figure import Picture, drawing, fitting, nothing, spread, wrapped
from antimatter.report.svg_renderer import text_width
from antimatter.terminal import visible
from tests.report import svg_reader

ROOT = Path(__file__).resolve().parents[2]
EVIL = "<script>alert(1)</script>&\"'"


@drawing
def example(title="An example", colour="accent", **line):
    """A picture with a line, a bar, a dot, a grid and words."""
    picture = Picture(title, "a note", height=100, legend=[("one", "series0"), ("two", "others")])
    axes = picture.axes(x=40, y=0, width=400, height=80, grid="y")
    axes.plot([0, 1, 2], [3, 1, 2], color=palette.colour(colour), **line)
    axes.bar([0.5], [1], color=palette.colour("pale"))
    axes.plot(1, 1, "o", color=palette.colour("second"))
    picture.text(480, 60, "words", "muted", "right", strong=True)
    return picture.render()


def test_two_processes_with_other_hash_seeds_and_settings_of_matplotlib_draw_equal_bytes_without_pyplot(tmp_path):
    (tmp_path / "matplotlibrc").write_text("font.size: 31\nlines.linewidth: 9\naxes.grid: True\nfigure.dpi: 200\n")
    program = (
        "import sys; from tests.report.test_figure import example; sys.stdout.write(example()); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    drawn = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), **more},
            cwd=tmp_path, check=True, capture_output=True, text=True,
        ).stdout
        for seed, more in (("1", {}), ("2", {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}))
    ]  # fmt: skip
    assert drawn[0] == drawn[1] == example()


def test_drawing_leaves_the_settings_of_matplotlib_as_they_were():
    before = dict(matplotlib.rcParams)
    example()
    assert dict(matplotlib.rcParams) == before


def test_nothing_of_a_picture_reaches_the_page_around_it():
    """No ids that could stand twice, no links, every rule below .chart, no colour but those of the style sheet."""
    drawn = example()
    shapes = re.sub(r"<style>.*?</style>", "", drawn)
    assert not re.search(r"\bid=|href|url\(|style=|#[0-9a-f]{3}|<metadata|<script", shapes)
    rules = re.findall(r"([^{}]+)\{", re.search("<style>(.*?)</style>", drawn)[1])
    assert rules and all(rule.startswith((".chart ", "svg.chart:root", "@media (prefers-color")) for rule in rules)


def test_every_colour_has_a_tone_for_dark_pages_and_both_can_be_read():
    def luminance(tone):
        parts = [int(tone[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one, other):
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    assert len({light for light, _ in palette.COLOURS.values()}) == len(palette.COLOURS)
    for name in ("ink", "muted", "accent", "second"):  # words are written in these
        for tone, paper in zip(palette.COLOURS[name], palette.PAPER, strict=True):
            assert contrast(tone, paper) >= 4.5, (name, paper)
    for name in palette.SERIES:
        for tone, paper in zip(palette.COLOURS[name], palette.PAPER, strict=True):
            assert contrast(tone, paper) >= 2.5, (name, paper)


def test_the_style_sheet_holds_the_colours_that_are_used_and_no_others():
    sheet = re.search("<style>(.*?)</style>", example())[1]
    used = {name for name in palette.COLOURS if f".chart .{name}{{" in sheet}
    assert used == {"ink", "muted", "grid", "axis", "accent", "second", "pale", "series0", "others"}


def test_a_colour_outside_the_palette_is_refused():
    with pytest.raises(ValueError, match="no colour of the palette"):
        drawing(lambda: _render_with("#123456"))()


def _render_with(tone):
    picture = Picture("t", height=20)
    picture.axes(x=0, y=0, width=100, height=20).plot([0, 1], [0, 1], color=tone)
    return picture.render()


@drawing
def _with_turned_words():
    picture = Picture("t", height=20)
    picture.figure.text(0.5, 0.5, "turned", rotation=90)
    return picture.render()


def test_turned_words_are_refused():
    with pytest.raises(ValueError, match="write words level"):
        _with_turned_words()


def test_shapes_are_what_they_look_like():
    drawn = example(linestyle=(0, (4, 3)), alpha=0.5)
    (bar,) = svg_reader.shapes(drawn, "rect", "pale")
    assert float(bar.get("width")) > 0 and bar.get("stroke") is None
    (dot,) = svg_reader.shapes(drawn, "circle", "second")
    assert dot.get("r") == "4"
    (line,) = svg_reader.shapes(drawn, "path", "s-accent")
    assert line.get("stroke-width") == "2" and line.get("opacity") == "0.5" and line.get("stroke-dasharray") == "8 6"
    assert line.get("d").count("L") == 2
    assert all(len(re.findall("<(?:path|rect|circle|text)", row)) <= 1 for row in drawn.splitlines())


def test_a_point_that_is_no_number_parts_a_line():
    @drawing
    def parted():
        picture = Picture("t", height=20)
        axes = picture.axes(x=0, y=0, width=100, height=20)
        axes.plot([0, 1, 2, 3, 4], [0, 1, float("nan"), 1, 0], color=palette.colour("accent"))
        return picture.render()

    (line,) = svg_reader.shapes(parted(), "path", "s-accent")
    assert line.get("d").count("M") == 2 and "nan" not in parted()


def test_titles_notes_and_names_are_escaped_and_dollars_are_dollars():
    @drawing
    def named():
        picture = Picture(EVIL, EVIL, height=20, legend=[(EVIL, "series0"), (r"\$x^2", "series1")])
        return picture.render()

    assert "<script" not in named()
    assert svg_reader.words(named()).count(EVIL) == 3 and r"\$x^2" in svg_reader.words(named())


def test_a_picture_without_data_says_what_makes_it():
    drawn = nothing("Accuracy on tasks", "No task was scored. " * 8)
    svg_reader.is_sound(drawn)
    assert svg_reader.words(drawn)[0] == "Accuracy on tasks"
    assert " ".join(svg_reader.words(drawn)[1:]) == ("No task was scored. " * 8).strip()


@given(words=st.text(max_size=60), width=st.floats(20, 480), strong=st.booleans())
def test_words_that_are_cut_fit_and_begin_alike(words, width, strong):
    cut = fitting(words, width, strong=strong)
    assert text_width(cut, strong=strong) <= width
    shown = visible(words)
    assert cut == shown or (cut.endswith("…") and shown.startswith(cut[:-1]))


@given(words=st.lists(st.text("abcdefgh", min_size=1, max_size=12), max_size=40), width=st.floats(160, 480))
def test_wrapped_words_fit_and_none_is_lost(words, width):
    lines = wrapped(" ".join(words), width)
    assert [word for line in lines for word in line.split()] == words
    assert all(text_width(line) <= width for line in lines)


@given(heights=st.lists(st.floats(-50, 300), max_size=8))
def test_labels_keep_apart_inside_and_in_order(heights):
    placed = spread(heights, 16, 0, 200)
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    gaps = [placed[after] - placed[before] for before, after in pairwise(order)]
    assert all(gap >= 16 - 1e-9 for gap in gaps)
    assert all(-1e-9 <= place <= 200 + 1e-9 for place in placed)


def test_labels_with_room_stay_where_they_are():
    assert spread([95, 96, 97], 10, 0, 100) == [80, 90, 100]
    assert spread([50, 20], 10, 0, 100) == [50, 20]
    assert spread([], 10, 0, 100) == []


def test_the_width_of_words_is_that_of_the_font_of_matplotlib():
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    for words in ("documents", "WWWW", "iiii", "1,234.5 MB"):
        drawn = TextPath((0, 0), words, size=13, prop=FontProperties(family="DejaVu Sans")).get_extents().width
        assert text_width(words) == pytest.approx(drawn, abs=2.5)
    assert text_width("你好") == 2 * 13  # not in the font: squares
    assert figure.LETTERS == 13
