"""The filter study as people read it: terminal, page and histograms."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pyarrow as pa
import pytest

from antimatter.filter.study.study import study_project
from antimatter.params.filter import Filter, HandRule, Policy
from antimatter.report import filter_study, filter_table
from antimatter.report.histogram import Strip, histogram
from tests.filter.made_signals import signal_table, write_data
from tests.report import svg_reader
from tests.report.svg_reader import shapes

EVIL = "<script>alert(1)</script>&\"'"
LONG = "a_source_with_a_name_that_somebody_thought_was_a_good_idea"
SETTINGS = Filter(
    policies=(Policy(name="prose", rule_sets=("gopher_quality", "gopher_repetition"), languages=("en",)),)
)


@pytest.fixture
def studied(tmp_path, monkeypatch):
    """The study of two sources, one of which would like to be code."""
    monkeypatch.chdir(tmp_path)
    columns = {"contaminated_set": pa.array([EVIL] + [None] * 299, pa.string())}
    columns["contaminated_matches"] = pa.array([9] + [0] * 299, pa.int32())
    write_data(tmp_path, [signal_table([EVIL] * 300, 0, columns), signal_table([LONG] * 200, 1)])
    thresholds = {"gopher_quality.word_count.low": 20}
    return study_project(SETTINGS, signals=["url_share"], thresholds=thresholds)


def test_the_table_fits_120_columns_and_tells_what_was_tried(studied):
    lines = list(filter_table.lines(studied))
    assert max(map(len, lines)) <= 120
    assert lines[0] == "Tried in place of params.yaml: gopher_quality.word_count.low = 20"
    assert any(re.match(r"  gopher_quality.word_count  >= 20, <= 100,000 +\d+ ", line) for line in lines)
    assert any(line.startswith("url_share") for line in lines)


def test_rules_that_remove_nothing_are_shown_only_when_all_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path, [signal_table(["a"] * 9, 0, {"words": [500] * 9})])
    result = study_project(SETTINGS, every_rule=True)
    assert not any("word_count" in line for line in filter_table.lines(result))
    assert any("word_count" in line for line in filter_table.lines(result, every_rule=True))
    assert "word_count" not in filter_study.page(result)
    assert "word_count" in filter_study.page(result, every_rule=True)


def test_so_far_ends_at_what_all_rules_remove(studied):
    lines = list(filter_table.lines(studied))
    start = next(index for index, line in enumerate(lines) if line.startswith(LONG))
    removed = re.search(r"removed [\d,]+ \((.*?)\)", lines[start + 1])[1]
    last = lines[lines.index("", start) - 1]
    assert re.split(r" {2,}", last)[-2] == removed


def test_the_page_needs_no_network_and_believes_no_name(studied, tmp_path):
    path = filter_study.write_page(studied, tmp_path / "page")
    page = path.read_text(encoding="utf-8")
    for loading in ("src=", "href=", "@import", "url(", "<link", "<script"):
        assert loading not in page
    assert "&lt;script&gt;" in page and LONG in page
    assert path == tmp_path / "page" / "index.html"


def test_the_page_shows_histograms_thresholds_and_texts(studied):
    page = filter_study.page(studied)
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    for picture in pictures:
        ElementTree.fromstring(picture)
    labels = [re.search('aria-label="(.*?)"', picture)[1] for picture in pictures]
    assert labels[0] == "url_share" and {"words", "stop_words", "duplicate_10gram_share"} <= set(labels)
    assert "gopher_quality.word_count &gt;= 20" in page
    assert "Text of row" in page
    assert "by params.yaml" in page


def thresholds_in(picture):
    """The x of the lines that are thresholds."""
    return [float(re.match(r"M(\S+) ", line.get("d"))[1]) for line in shapes(picture, "path", "s-ink")]


def strip(values, counts, failing=None, thresholds=()):
    values = np.array(values, dtype=np.float64)
    failing = np.zeros(len(values), dtype=np.int64) if failing is None else np.array(failing)
    return Strip(name="a < b", values=values, counts=np.array(counts), failing=failing, thresholds=thresholds)


def test_whole_numbers_get_a_bar_each_and_failing_ones_another_colour():
    picture = histogram("stop_words", [strip([0, 1, 2, 8], [1, 2, 30, 5], [1, 2, 0, 0], [2])])
    assert len(shapes(picture, "rect", "second")) == 2
    assert len(shapes(picture, "rect", "accent")) == 2
    (x,) = set(thresholds_in(picture))
    kept = [float(bar.get("x")) for bar in shapes(picture, "rect", "accent")]
    failing = [float(bar.get("x")) + float(bar.get("width")) for bar in shapes(picture, "rect", "second")]
    assert max(failing) <= x <= min(kept)


def test_documents_of_one_bar_that_stay_and_fail_share_it_by_their_number():
    picture = histogram("alphabetic_word_share", [strip([0.75], [4], [1], [0.8])])
    (staying,), (failing,) = (shapes(picture, "rect", style) for style in ("accent", "second"))
    assert float(staying.get("height")) == pytest.approx(3 * float(failing.get("height")), rel=0.01)
    assert staying.get("x") == failing.get("x")


def test_the_page_says_of_a_signal_what_its_rules_remove_to_the_document(tmp_path, monkeypatch):
    """All documents lie on the bounds of two rules, which keep them."""
    monkeypatch.chdir(tmp_path)
    hand = (HandRule(signal="alphabetic_word_share", at_least=0.8, at_most=0.8),)
    settings = Filter(policies=(Policy(name="prose", rule_sets=("gopher_quality",), rules=hand),))
    write_data(tmp_path, [signal_table(["a"] * 40, 0, {"alphabetic_word_share": [0.8] * 40})])
    page = filter_study.page(study_project(settings, signals=["alphabetic_word_share"]))
    picture = next(one for one in re.findall(r"<svg.*?</svg>", page, re.DOTALL) if "alphabetic" in one)
    assert shapes(picture, "rect", "accent") and not shapes(picture, "rect", "second")
    assert not [text.text for text in shapes(picture, "text") if "%" in (text.text or "")]


@pytest.mark.parametrize(
    ("values", "thresholds"),
    [([0.0], []), ([5], [50]), ([0, 1e9], [50, 100_000]), ([-3.5, 2.25], [0]), ([0.25, 0.5], [0.9]), ([7.5], [7.5])],
)
def test_any_values_and_thresholds_stay_inside_the_picture(values, thresholds):
    picture = histogram("any", [strip(values, [1] * len(values), thresholds=thresholds)])
    assert len(thresholds_in(picture)) == len(thresholds)
    svg_reader.is_sound(picture)


def test_outliers_beyond_a_thousandth_do_not_stretch_the_axis():
    values = [*np.linspace(0, 0.2, 100), 40.0]
    picture = histogram("ratio", [strip(values, [100] * 100 + [1])])
    words = svg_reader.words(picture)
    assert "0.2" in words and "40" not in words


def test_without_values_there_is_no_picture():
    assert histogram("none", []) == "" and histogram("none", [strip([], [])]) == ""
