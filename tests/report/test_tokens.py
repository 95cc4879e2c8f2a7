"""The part of the page about tokens, its two pictures, and what the summary keeps of them."""

import json
import re

import numpy as np
import pytest

from antimatter.report import plots_tokens, statistics, tokens
from antimatter.report.page import build_page
from antimatter.tokenizer.encode import SentencePieceBpe
from stages import report as stage
from tests.report import svg_reader
from tests.tokenizer.small_models import small_model
from tests.tokens.token_project import copy

EVIL = "<script>alert(1)</script>&\"'"


def ratios(bytes_per_token=3.5, **more):
    return {"bytes_per_token": bytes_per_token, "tokens_per_word": 1.75, "byte_token_share": 0.004, **more}


def fit(bytes_per_token=3.5, size=20_000):
    return ratios(bytes_per_token, bytes=size)


def report(**more):
    use = {
        "entries": 4088,
        "used": 3939,
        "used_share": 0.9636,
        "used_100_times": 3764,
        "entries_for_half_the_tokens": 165,
    }
    return {
        **ratios(), "bytes_in": 5000, "fit": {"code": fit(2.2), "wiki": fit(3.1)}, "vocabulary": use,
        "fit_by_language": {"en": fit(), "da": fit(1.4)}, "dropout": 0.0, "training_bytes_per_token": 3.25, **more,
    }  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project after tokenize, with a summary."""
    monkeypatch.chdir(copy(tmp_path / "project"))
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    monkeypatch.setenv("ANTIMATTER_TRACKING", "off")
    (tmp_path / "project/params.yaml").write_text("report: {}\n")
    return tmp_path / "project"


def html(parts):
    return "".join(parts)


def rows(page):
    """The rows of all tables, heads left out, as lists of words."""
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(<td.*?)</tr>", page)]


def test_the_page_shows_how_the_stages_tokenizer_fits(project):
    stage.main()
    page = build_page(project).read_text()
    measured = json.loads((project / "reports/tokenize.json").read_text())
    for name in ("wiki", "code"):
        figures = measured["fit"][name]
        expected = [name, f"{figures['bytes_per_token']:.2f}", f"{figures['tokens_per_word']:.2f}"]
        assert expected in [row[:3] for row in rows(page)]
    for title in ("<h2>Tokens</h2>", "The vocabulary", "The longest pieces in use", "The rarest pieces in use"):
        assert title in page
    assert page.count("How often the entries of the vocabulary are used") == 2


def test_the_stage_writes_both_pictures_with_equal_bytes_each_time(project, monkeypatch):
    stage.main()
    first = {
        name: (project / "reports" / name).read_bytes() for name in ("tokens.svg", "vocabulary.svg", "summary.json")
    }
    monkeypatch.setenv("ANTIMATTER_FRESH", "1")
    stage.main()
    assert first == {name: (project / "reports" / name).read_bytes() for name in first}


def test_without_the_data_the_page_keeps_what_the_reports_say(project):
    stage.main()
    (project / "data/tokenizer/antimatter.model").write_bytes(b"damaged")
    page = build_page(project).read_text()
    assert "The vocabulary" in page and "longest pieces" not in page and "byte tokens never used" not in page
    (project / "reports/tokenize.json").unlink()
    (project / "reports/tokens.svg").unlink()
    (project / "reports/vocabulary.svg").unlink()
    assert "<h2>Tokens</h2>" not in build_page(project).read_text()


def test_the_summary_keeps_the_ratios_and_the_bytes_per_token_of_each_source():
    kept = statistics.tokenized(report())
    assert kept == {
        **ratios(), "used_share": 0.9636, "bytes_per_token_of": {"wiki": 3.1, "code": 2.2}, "dropout": 0.0,
        "training_bytes_per_token": 3.25,
    }  # fmt: skip
    assert statistics.tokenized({}) == {}


def test_languages_are_shown_by_their_bytes():
    def shown(languages):
        page = html(tokens.parts({}, report(fit={}, fit_by_language=languages), {}, None))
        return [row[0] for row in rows(page) if len(row) == 5 and row[0] != "all"]

    many = {f"l{n:02d}": fit(size=10_000 + n) for n in range(30)}
    assert shown(many) == [f"l{n:02d}" for n in range(29, -1, -1)]  # each has more than a hundredth
    assert shown(many | {"en": fit(size=10**8)}) == ["en", *(f"l{n}" for n in range(29, 22, -1))]


def test_a_language_of_hardly_any_text_is_not_shown():
    languages = {"en": fit(), "da": fit(size=9_999)}
    page = html(tokens.parts({}, report(fit_by_language=languages), {}, None))
    assert "<td>en</td>" in page and "<td>da</td>" not in page


def test_sources_stand_in_the_table_in_the_order_of_the_picture():
    sources = {"code": fit(2.2), "wiki": fit(3.1), "a": fit(2.2)}
    page = html(tokens.parts({}, report(fit=sources, fit_by_language={}), {}, None))
    assert [row[0] for row in rows(page) if len(row) == 5] == ["all", "wiki", "a", "code"]
    words = svg_reader.words(plots_tokens.tokens(ratios(), sources))
    assert [word for word in words if word in ("all", *sources)] == ["all", "wiki", "a", "code"]


def test_the_use_of_the_vocabulary_counts_byte_tokens_apart():
    pieces = tokens.Pieces(longest=[], rarest=[], byte_tokens=256, unused_byte_tokens=40)
    told = {row[0]: row[1] for row in rows(html(tokens.parts({}, report(), {}, pieces))) if len(row) == 2}
    assert told == {
        "ordinary entries: neither special nor byte tokens": "4,088",
        "used in the training text": "3,939",
        "share that is used": "96.4 %",
        "never used": "149",
        "used 100 times or more": "3,764",
        "entries that make up half of all ordinary tokens": "165",
        "byte tokens never used": "40 of 256",
    }


def test_with_dropout_the_page_says_what_the_figures_are_without():
    told = html(tokens.parts({}, report(dropout=0.1), {}, None))
    assert "These figures, and those by language, are without dropout." in told
    assert "with BPE dropout 0.1: as it lies on disk a token of it stands for 3.25 bytes" in told
    assert "dropout" not in html(tokens.parts({}, report(), {}, None))


def test_single_pieces_are_those_that_the_training_text_uses():
    tokenizer = SentencePieceBpe(small_model("code, whitespace pieces"))
    counts = np.zeros(tokenizer.size, dtype=np.int64)
    counts[1], counts[8 + 0x41] = 99, 5
    pieces = tokenizer.pieces()
    longest = max(range(264, tokenizer.size), key=lambda i: len(pieces[i]))
    short = next(i for i in range(264, tokenizer.size) if len(pieces[i]) == 1)
    counts[longest], counts[short] = 7, 3
    found = tokens.ranked(tokenizer, counts)
    assert found.longest == [(pieces[longest], 7), (pieces[short], 3)]
    assert found.rarest == [(pieces[short], 3), (pieces[longest], 7)]
    assert (found.byte_tokens, found.unused_byte_tokens) == (256, 255)


def test_pieces_are_readable_and_escaped():
    assert tokens.readable(" the") == "␣the"
    assert tokens.readable("\n\t\x1b") == r"⏎\t\x1b"
    assert tokens.readable(20 * "=") == "=×20"
    pieces = tokens.Pieces(longest=[(EVIL, 2)], rarest=[(EVIL, 1)], byte_tokens=256, unused_byte_tokens=0)
    evil = report(fit={EVIL: fit()}, fit_by_language={EVIL: fit()})
    page = html(tokens.parts({}, evil, {}, pieces))
    assert "<script" not in page and page.count("&lt;script&gt;") == 4


def test_one_line_tells_what_the_vocabulary_was_learned_from():
    facts = {
        "occurrences": 5_123_456, "distinct_words": 23_456, "kept_words": 9_123, "fewest_occurrences": 2,
        "left_out_share": 0.0123, "sample_share": 1,
    }  # fmt: skip
    told = html(tokens.parts(facts, {}, {}, None))
    assert told == (
        '<p class="small soft">The vocabulary was learned from 5.12 M words, 23,456 of them different (all of the text)'
        "; the 9,123 that occur 2 times or more were used, 1.2 % of all words left out.</p>"
    )
    facts |= {"kept_words": 23_456, "sample_share": 0.25}
    assert html(tokens.parts(facts, {}, {}, None)).endswith("23,456 of them different (25.0 % of the text).</p>")
    assert html(tokens.parts({"vocabulary_size": 400}, {}, {}, None)) == ""


def test_the_picture_of_the_fit_names_every_source_and_its_numbers():
    sources = {"wiki": ratios(3.1), EVIL: ratios(2.2), "a_source_with_a_very_long_name": ratios(0)}
    drawn = plots_tokens.tokens(ratios(), sources)
    words = svg_reader.words(drawn)
    assert {"all", "wiki", "3.50", "3.10", "2.20", "0.00"} <= set(words)
    assert "<script" not in drawn
    cut = next(word for word in words if word.endswith("…") and EVIL.startswith(word[:-1]))
    places = [words.index(name) for name in ("all", "wiki", cut)]
    assert places == sorted(places)
