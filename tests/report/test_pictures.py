"""Every picture of the report: it holds its numbers, no letters overlap, and without data it says what to do."""

import json
import re
import string

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.corpus.ledger import LEDGER
from antimatter.corpus.shards import DamagedShard, write_shard
from antimatter.errors import AntiMatterError
from antimatter.filter.study.distribution import Distribution
from antimatter.params.report import Report
from antimatter.report import (
    deduplication,
    pictures,
    plots_evaluation,
    plots_signals,
    plots_text,
    plots_tokens,
    plots_training,
    signals,
    statistics,
)
from antimatter.report.svg_renderer import text_width
from tests.report import svg_reader

EVIL = "<script>alert(1)</script>&\"'"
NAMES = st.text(string.ascii_letters + string.digits + "_-. 你$<&", min_size=1, max_size=40)
SIZES = st.integers(0, 10**13)


def flow(documents_in=100, documents_out=80, bytes_in=10_000, bytes_out=8_000):
    lost = documents_in - documents_out
    return {
        "documents_in": documents_in, "documents_out": documents_out, "bytes_in": bytes_in, "bytes_out": bytes_out,
        "removed_documents_share": lost / documents_in if documents_in else 0.0,
    }  # fmt: skip


def scores(value=1.7, **more):
    return {
        "bits_per_byte": value, "unigram_bits_per_byte": 2.7, "bigram_bits_per_byte": 1.9,
        "interval": {"bits_per_byte": [value - 0.1, value + 0.1]}, **more,
    }  # fmt: skip


def losses(steps=200):
    return [
        {"step": n, "tokens": 4096.0 * n, "loss": 3 + 6 / n, "learning_rate": 1e-3 / n, "gradient_norm": 1 + 5 / n}
        for n in range(1, steps + 1)
    ]


def event(number=1, step=90):
    return {
        "number": number, "reason": "spike", "trigger_step": step, "target_step": step - 40, "skip_from": 1,
        "skip_to": 9, "rate": 0.5,
    }  # fmt: skip


def distribution(values, removed=()):
    found = Distribution()
    found.add(np.array(values))
    if len(removed):
        found.add(np.array(removed), np.ones(len(removed), dtype=bool))
    return found


def task(value=0.3, error=0.02, chance=0.25, metric="acc_norm"):
    return {"chance": chance, "metrics": {metric: {"value": value, "error": error}}}


@given(counts=st.dictionaries(NAMES, st.tuples(SIZES, SIZES), max_size=6))
@settings(max_examples=6, deadline=None)
def test_the_funnel_is_readable_whatever_the_stages(counts):
    flows = {name: flow(max(pair), min(pair), max(pair), min(pair)) for name, pair in counts.items()}
    drawn = plots_text.funnel(flows)
    svg_reader.is_sound(drawn)
    assert len(svg_reader.shapes(drawn, "rect", "accent")) <= len(flows)


def test_the_funnel_holds_its_numbers():
    drawn = plots_text.funnel({"collect": flow(100, 90), "clean": flow(90, 90)})
    assert "8.00 kB in 90 documents, 10 removed (10.0 %)" in svg_reader.words(drawn)
    assert "8.00 kB in 90 documents" in svg_reader.words(drawn)
    pale, full = (svg_reader.shapes(drawn, "rect", tone)[0] for tone in ("pale", "accent"))
    below = svg_reader.shapes(drawn, "text", "muted")[-1]
    assert full.get("x") == pale.get("x") == below.get("x")
    assert float(full.get("width")) == pytest.approx(0.8 * float(pale.get("width")), abs=0.02)


@given(sizes=st.dictionaries(NAMES, st.lists(SIZES, min_size=3, max_size=3), max_size=12))
@settings(max_examples=6, deadline=None)
def test_the_sources_of_each_stage_make_up_its_bar(sizes):
    stages = ["collect", "filter", "tokenize"]
    flows = {
        name: {stage: {"bytes": size} for stage, size in zip(stages, of_source, strict=True)}
        for name, of_source in sizes.items()
    }
    svg_reader.is_sound(plots_text.sources(flows, stages))


def test_the_ninth_source_is_one_of_the_others():
    flows = {f"s{n}": {"collect": {"bytes": 100 - n}} for n in range(10)}
    drawn = plots_text.sources(flows, ["collect"])
    assert [word for word in svg_reader.words(drawn) if re.fullmatch(r"s\d|others", word)] == [
        *(f"s{n}" for n in range(8)),
        "others",
    ]
    bar, _ = svg_reader.shapes(drawn, "rect", "others")  # the part, and its key
    first = svg_reader.shapes(drawn, "rect", "series0")[0]
    assert float(bar.get("width")) / float(first.get("width")) == pytest.approx((92 + 91) / 100, abs=0.01)


def test_of_very_many_rows_a_picture_holds_the_largest_and_says_so():
    evaluated = {f"s{n:03d}": scores(1 + n / 100, tokens=n) for n in range(100)}
    ratios = {f"s{n:03d}": {"bytes_per_token": 3.0, "tokens_per_word": 2.0, "bytes": n} for n in range(100)}
    mixes = {f"s{n:03d}": {"en": n} for n in range(100)}
    for drawn in (
        plots_evaluation.bits_per_byte(scores(), evaluated),
        plots_tokens.tokens({"bytes_per_token": 3.5, "tokens_per_word": 1.7}, ratios),
        plots_text.languages(mixes),
    ):
        svg_reader.is_sound(drawn)
        named = {word for word in svg_reader.words(drawn) if re.fullmatch(r"s\d{3}", word)}
        assert named == {f"s{n:03d}" for n in range(70, 100)} and "70 more are not drawn" in " ".join(
            svg_reader.words(drawn)
        )
    drawn = plots_evaluation.tasks({f"s{n:03d}": task() for n in range(40)}, {})
    assert "s029" in svg_reader.words(drawn) and "s030" not in svg_reader.words(drawn) and "10 more" in drawn


def test_very_many_bounds_of_lengths_are_told_in_a_few_lines():
    marks = [plots_signals.Threshold("at_least", float(n), tuple(f"p{k}" for k in range(20))) for n in range(1, 40)]
    drawn = plots_signals.lengths(distribution([5, 9, 50]), marks)
    svg_reader.is_sound(drawn)
    words = " ".join(svg_reader.words(drawn))
    assert (
        "p7, 12 more" in words
        and "and 27 more bounds" in words
        and len(svg_reader.shapes(drawn, "path", "s-ink")) == 39
    )


def test_a_quiz_of_a_single_item_has_no_error_to_draw():
    rows = [{"tokens": 10.0 * n, "accuracy": 1.0, "error": float("nan"), "items": 1} for n in (1, 2)]
    drawn = plots_training.quiz(rows, None)
    svg_reader.is_sound(drawn)
    assert "nan" not in drawn and "accuracy 100 %" in svg_reader.words(drawn)


def test_letters_that_no_file_may_hold_are_written_out():
    drawn = plots_text.funnel({"a\x00\x1b\ud800\u202e": flow()})
    svg_reader.is_sound(drawn)
    assert "a\\x00" in drawn and drawn.encode("utf-8")


@given(mixes=st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers(0, 10**6), max_size=12), max_size=6))
@settings(max_examples=6, deadline=None)
def test_languages_of_any_name_are_readable(mixes):
    svg_reader.is_sound(plots_text.languages(mixes))


@given(
    values=st.lists(st.integers(0, 10**6), min_size=1, max_size=50),
    removed=st.lists(st.integers(0, 10**6), max_size=20),
    bounds=st.lists(st.floats(0, 10**6), max_size=4),
)
@settings(max_examples=6, deadline=None)
def test_lengths_and_thresholds_stay_inside_their_picture(values, removed, bounds):
    marks = [plots_signals.Threshold("at_least", bound, ("prose", "web")) for bound in sorted(set(bounds))]
    drawn = plots_signals.lengths(distribution(values, removed), marks)
    svg_reader.is_sound(drawn)
    assert len(svg_reader.shapes(drawn, "path", "s-ink")) == len(marks)


def test_thresholds_of_equal_value_stand_once_with_all_policies_that_ask_for_them():
    rules = [
        {"signal": "words", "policy": "prose", "at_least": 50, "at_most": 1000},
        {"signal": "words", "policy": "web", "at_least": 50},
        {"signal": "words", "policy": "web", "at_least": 50},
        {"signal": "stop_words", "policy": "web", "at_least": 2},
    ]
    assert plots_signals.thresholds(rules, "words") == [
        ("at_least", 50.0, ("prose", "web")),
        ("at_most", 1000.0, ("prose",)),
    ]


def test_the_panels_of_quality_show_kept_and_removed_and_the_thresholds():
    found = {name: distribution([0.1, 0.2, 0.9], [0.5, 0.95]) for name in ("a_share", "b_share", "c_share")}
    rules = [{"signal": "b_share", "policy": "prose", "at_most": 0.7}]
    drawn = plots_signals.quality(found, rules)
    svg_reader.is_sound(drawn)
    words = svg_reader.words(drawn)
    assert {"a share", "b share", "c share", "keeps <= 0.7"} <= set(words) and words.count("no rule judges it") == 2
    assert len(svg_reader.shapes(drawn, "path", "s-ink")) == 1
    assert len(svg_reader.shapes(drawn, "rect", "accent")) == 1 + 9  # the key, and three bars a panel
    assert len(svg_reader.shapes(drawn, "rect", "second")) == 1 + 6


@pytest.mark.parametrize("curve", [[(1, 1)], [(1, 10), (2, 10)], [(1, 10**9), (300, 5), (10**6, 1)], [(1, 7), (9, 7)]])
@pytest.mark.parametrize("half", [0, 1, 300, 10**6])
def test_the_curve_of_frequencies_stays_inside_its_picture(curve, half):
    drawn = plots_tokens.vocabulary(curve, half)
    svg_reader.is_sound(drawn)
    assert any("make half" in word for word in svg_reader.words(drawn)) == bool(half)


@given(ratios=st.dictionaries(NAMES, st.floats(0, 9), max_size=6))
@settings(max_examples=6, deadline=None)
def test_the_fit_to_any_sources_is_readable(ratios):
    figures = {name: {"bytes_per_token": value, "tokens_per_word": value} for name, value in ratios.items()}
    svg_reader.is_sound(plots_tokens.tokens({"bytes_per_token": 3.5, "tokens_per_word": 1.7}, figures))


def test_the_loss_stands_beside_what_counting_achieves():
    drawn = plots_training.loss([(n, 9 / (1 + n)) for n in range(5000)], [(100, 4.0), (4999, 2.0)], 6.0, 4.0)
    svg_reader.is_sound(drawn)
    assert {"validation 2.00", "bigram 4.00", "unigram 6.00"} <= set(svg_reader.words(drawn))
    assert max(path.get("d").count("L") for path in svg_reader.shapes(drawn, "path")) < plots_training.MOST_POINTS


@given(
    training=st.lists(st.floats(0.001, 1000), max_size=20),
    validation=st.lists(st.floats(0.001, 1000), max_size=5),
    levels=st.tuples(*[st.none() | st.floats(0.01, 20)] * 2),
)
@settings(max_examples=6, deadline=None)
def test_any_losses_are_readable(training, validation, levels):
    curves = [[(float(n), value) for n, value in enumerate(values, 1)] for values in (training, validation)]
    svg_reader.is_sound(plots_training.loss(*curves, *levels))


def test_a_step_without_a_loss_is_left_out_of_the_curve():
    drawn = plots_training.loss([(1, 5.0), (2, float("nan")), (3, 4.0)], [], None, None)
    assert "nan" not in drawn and "training 4.50" in svg_reader.words(drawn)


def test_guard_events_are_told_and_marked_where_they_happened():
    drawn = plots_training.rate(losses(), [event(1, 50), event(2, 100)], 3)
    svg_reader.is_sound(drawn)
    words = svg_reader.words(drawn)
    assert "1: spike at step 50, back to 10, rate x 0.5" in words and "2" in words
    lines = [path.get("d") for path in svg_reader.shapes(drawn, "path", "s-second")]
    places = sorted({float(re.match(r"M(\S+) ", line)[1]) for line in lines})
    start, end = (66.0, 480 - 14.0)
    assert places[0] == pytest.approx(start + (end - start) * 50 / 200, abs=0.1)  # where it was noticed
    assert len(lines) == 4 and (places[1] - 66) == pytest.approx(2 * (places[0] - 66), abs=0.1)
    assert "3 steps were skipped" in " ".join(words)
    assert "no rollback" in " ".join(svg_reader.words(plots_training.rate(losses(), [], 0)))


def test_steps_without_a_finite_gradient_are_dots():
    rows = losses(20)
    rows[9]["gradient_norm"] = float("inf")
    drawn = plots_training.rate(rows, [], 1)
    svg_reader.is_sound(drawn)
    assert len(svg_reader.shapes(drawn, "circle", "second")) == 1
    assert "1 step was skipped, dots are" in " ".join(svg_reader.words(drawn))


@pytest.mark.parametrize("norms", [[1.0], [0.0, 1.0], [3.0, 3.0], [1e-9, 1e9], [2.2, 2.3]])
def test_gradient_norms_of_any_range_have_an_axis(norms):
    rows = [{"step": n, "tokens": 10 * n, "learning_rate": 0.1, "gradient_norm": x} for n, x in enumerate(norms, 1)]
    svg_reader.is_sound(plots_training.rate(rows, [], 0))


@pytest.mark.parametrize("chance", [None, 0.0, 0.25, 1.0])
def test_the_quiz_stands_beside_chance(chance):
    rows = [{"tokens": 1e6 * n, "accuracy": 0.2 + 0.02 * n, "error": 0.02, "items": 500} for n in range(1, 6)]
    drawn = plots_training.quiz(rows, chance)
    svg_reader.is_sound(drawn)
    assert "accuracy 30.0 %" in svg_reader.words(drawn) and "500 items" in " ".join(svg_reader.words(drawn))
    assert any(word.startswith("chance") for word in svg_reader.words(drawn)) == (chance is not None)


def test_speed_and_time_are_drawn_for_the_page():
    speed = plots_training.throughput([(n, 9000.0 + n) for n in range(1, 1001)])
    spent = plots_training.time({"computing": 300.0, "validation": 100.0, "writing_samples": 0.5})
    for drawn in (speed, spent, plots_training.throughput([]), plots_training.time({})):
        svg_reader.is_sound(drawn)
    words = svg_reader.words(spent)
    assert words.index("computing") < words.index("validation") < words.index("writing samples")
    assert "5 min 00 s, 74.9 %" in words


@given(
    values=st.lists(st.floats(0.01, 8), min_size=1, max_size=6),
    width=st.floats(0, 1),
    names=st.lists(NAMES, min_size=6),
)
@settings(max_examples=6, deadline=None)
def test_bits_per_byte_of_any_sources_are_readable(values, width, names):
    rows = {
        name: scores(value, interval={"bits_per_byte": [max(0, value - width), value + width]})
        for name, value in zip(names, values, strict=False)
    }
    svg_reader.is_sound(plots_evaluation.bits_per_byte(scores(), rows))


def test_an_interval_is_as_long_as_it_says():
    drawn = plots_evaluation.bits_per_byte(scores(2.0), {"wiki": scores(1.0)})
    words = {text.text: float(text.get("x")) for text in svg_reader.shapes(drawn, "text")}
    unit = words["1"] - words["0"]
    for line in svg_reader.shapes(drawn, "path", "s-accent"):
        start, end = map(float, re.match(r"M(\S+) \S+L(\S+) ", line.get("d")).groups())
        assert end - start == pytest.approx(0.2 * unit, abs=0.1)


def test_another_tokenizer_has_no_baselines_to_draw():
    drawn = plots_evaluation.bits_per_byte({"bits_per_byte": 1.5}, {"wiki": {"bits_per_byte": 1.6}})
    svg_reader.is_sound(drawn)
    assert "unigram" not in svg_reader.words(drawn) and "interval" not in " ".join(svg_reader.words(drawn))


def test_a_class_without_targets_stays_empty():
    classes = [{"class": n, "loss": None if n == 3 else 2.0 + n} for n in range(10)]
    drawn = plots_evaluation.frequency(classes)
    svg_reader.is_sound(drawn)
    assert len(svg_reader.shapes(drawn, "rect", "accent")) == 9


@pytest.mark.parametrize("context", [1, 2, 256, 8192, 131_072])
def test_positions_of_any_context_are_readable(context):
    places, start = [], 1
    while start <= context:
        end = min(context, 2 ** (start - 1).bit_length())
        places.append({"from": start, "to": end, "tokens": 9, "loss": 7.0 - 0.1 * len(places)})
        start = end + 1
    drawn = plots_evaluation.position(places)
    svg_reader.is_sound(drawn)
    assert len(svg_reader.shapes(drawn, "circle")) == len(places)


def test_positions_are_as_far_apart_as_their_logarithms():
    places = [{"from": n, "to": n, "tokens": 9, "loss": 5.0} for n in (1, 2, 16)]
    first, second, third = [float(c.get("cx")) for c in svg_reader.shapes(plots_evaluation.position(places), "circle")]
    assert third - second == pytest.approx(3 * (second - first), abs=0.1)


def test_chance_and_published_scores_lie_where_their_values_are():
    drawn = plots_evaluation.tasks({"a": task(0.5, 0.1, 0.25)}, {"M": {"a": 0.75}})
    (dot,) = svg_reader.shapes(drawn, "circle", "accent")
    (chance,) = svg_reader.shapes(drawn, "path", "s-muted")
    (model,) = [path for tone in ("s-series1",) for path in svg_reader.shapes(drawn, "path", tone)]
    middle = float(dot.get("cx"))
    left, right = (float(re.match(r"M(\S+) ", line.get("d"))[1]) for line in (chance, model))
    assert middle - left == pytest.approx(right - middle, abs=0.1) and left < middle


def test_a_task_stands_beside_chance_and_published_models_of_the_same_metric():
    found = {"hellaswag": task(), "own": task(chance=None), "wikitext": task(metric="perplexity")}
    drawn = plots_evaluation.tasks(found, pictures.published(found))
    svg_reader.is_sound(drawn)
    words = svg_reader.words(drawn)
    assert "30.0 ± 2.0" in words and "own" in words and "wikitext" not in words
    assert len(svg_reader.shapes(drawn, "path", "s-muted")) == 1
    models = pictures.published(found)
    assert models and all(set(scores) == {"hellaswag"} for scores in models.values())
    assert next(iter(models)) in words
    assert pictures.published({"hellaswag": task(metric="perplexity")}) == {}


@given(found=st.dictionaries(NAMES, st.tuples(*[st.floats(0, 1)] * 2), max_size=5), models=st.lists(NAMES, max_size=8))
@settings(max_examples=6, deadline=None)
def test_any_tasks_and_models_are_readable(found, models):
    tasks = {name: task(value, error) for name, (value, error) in found.items()}
    svg_reader.is_sound(plots_evaluation.tasks(tasks, {model: dict.fromkeys(tasks, 0.5) for model in models}))


@pytest.mark.parametrize("similarities", [{"0.20": 3, "0.80": 27}, {"1.00": 2}, {}])
def test_the_curve_of_dedup_is_readable(similarities):
    curve = {"0.50": 0.0533, "0.60": 0.2111, "0.70": 0.5645, "0.80": 0.9235, "1.00": 1.0}
    drawn = deduplication.s_curve(curve, similarities)
    svg_reader.is_sound(drawn)
    assert {"21.1 %", "56.5 %", "92.3 %"} <= set(svg_reader.words(drawn))


def test_a_long_curve_is_averaged_to_its_last_point():
    points = plots_training.thinned([(float(x), float(x)) for x in range(1, 10_001)])
    assert len(points) == plots_training.MOST_POINTS and points[-1][0] == 10_000
    assert sum(y for _, y in points) / len(points) == pytest.approx(5000, rel=0.01)


def test_without_any_data_every_picture_says_what_makes_it():
    drawn = pictures.draw({}, {}, {}, {})
    assert tuple(drawn) == pictures.NAMES
    for picture in drawn.values():
        svg_reader.is_sound(picture)
        assert re.search(
            r"`dvc repro \w+`|`dvc repro`|train\.quiz|evaluate\.tasks", " ".join(svg_reader.words(picture))
        )


def everything():
    """What a project has whose every part was asked for; names that would like to be code."""
    reports = {
        "filter": {
            **flow(), "sources": {EVIL: flow()}, "languages": {EVIL: {"en": 9, EVIL: 1}},
            "rules": [{"reason": EVIL, "signal": "words", "policy": EVIL, "at_least": 50, "failed": 1, "alone": 1,
                       "first": 1, "sources": {}}],
        },
        "tokenize": {**flow(), "fit": {EVIL: {"bytes_per_token": 3.0, "tokens_per_word": 2.0}}, "bytes_per_token": 3.0,
                     "tokens_per_word": 2.0, "vocabulary": {"entries_for_half_the_tokens": 3}},
        "train": {"interventions": [event() | {"reason": EVIL}], "skipped_steps": 2, "quiz": {"items": 9}},
        "evaluation": {
            "validation": scores(unigram_loss=6.0, bigram_loss=4.0), "sources": {EVIL: scores()},
            "by_position": [{"from": 1, "to": 1, "loss": 5.0}, {"from": 2, "to": 2, "loss": 4.0}],
            "by_frequency": [{"class": n, "loss": 1.0 + n} for n in range(10)],
            "tasks": {EVIL: task(), "hellaswag": task()},
        },
    }  # fmt: skip
    quiz = [{"step": 1, "tokens": 10.0, "accuracy": 0.3, "error": 0.1, "items": 9}]
    tables = {"train_loss": losses(), "train_validation": losses(3), "train_quiz": quiz}
    tables["tokenize_frequency"] = [{"rank": 1, "occurrences": 9}, {"rank": 7, "occurrences": 1}]
    found = {"words": distribution([9, 99], [3]), "stop_words": distribution([1, 2], [0])}
    summary = {name: statistics._flow(reports[name]) for name in ("filter", "tokenize")}
    sources = {EVIL: {name: {"documents": 1, "bytes": 9} for name in summary}}
    return {"funnel": summary, "sources": sources}, reports, tables, found


def test_with_all_data_every_picture_is_drawn_small_and_believes_no_name():
    drawn, absent = pictures.draw(*everything()), pictures.draw({}, {}, {}, {})
    for name, picture in drawn.items():
        assert picture != absent[name], name
        assert "<script" not in picture and len(picture) < 60_000
        svg_reader.is_sound(picture)


@pytest.fixture
def judged(tmp_path):
    """Signals of two shards, five documents each, of which the ledger removes the first and the last."""
    for shard in range(2):
        ids = [bytes([shard, row]) + bytes(14) for row in range(5)]
        table = {"id": pa.array(ids, pa.binary(16)), "source": ["a"] * 5, "words": pa.array([1, 2, 3, 4, 5 + shard])}
        table |= {"share": pa.array([0.1, 0.2, None, 0.4, 0.5])}
        write_shard(tmp_path / f"signals/shard-{shard:05d}.parquet", pa.table(table))
        gone = [
            {"id": ids[row], "source": "a", "stage": "filter", "reason": "r", "shard": shard, "row": row,
             "also_failed": []}
            for row in (0, 4)
        ]  # fmt: skip
        write_shard(tmp_path / f"removed/shard-{shard:05d}.parquet", pa.Table.from_pylist(gone, LEDGER))
    return tmp_path


def test_documents_of_the_ledger_count_as_removed_all_others_as_kept(judged):
    found = signals.distributions(judged / "signals", judged / "removed", ["words", "share"])
    values, counts = found["words"].values()
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {1: 2, 2: 2, 3: 2, 4: 2, 5: 1, 6: 1}
    assert dict(zip(values.tolist(), found["words"].failing().tolist(), strict=True)) == {
        1: 2, 2: 0, 3: 0, 4: 0, 5: 1, 6: 1,
    }  # fmt: skip
    assert (found["share"].documents, found["share"].failed) == (8, 4)  # no value: not counted


@pytest.mark.parametrize(("name", "advice"), [("word", "Did you mean words"), ("source", "There are words, share")])
def test_a_signal_that_was_not_measured_is_named_with_the_nearest(judged, name, advice):
    with pytest.raises(AntiMatterError, match=f"holds no numbers called {name}. {advice}"):
        signals.distributions(judged / "signals", judged / "removed", [name])


def test_a_ledger_of_other_documents_is_refused(judged):
    row = {"id": bytes(16), "source": "a", "stage": "filter", "reason": "r", "shard": 0, "row": 99, "also_failed": []}
    write_shard(judged / "removed/shard-00000.parquet", pa.Table.from_pylist([row], LEDGER))
    with pytest.raises(DamagedShard, match="dvc repro filter"):
        signals.distributions(judged / "signals", judged / "removed", ["words"])


def test_more_signals_than_a_picture_holds_are_refused():
    assert list(Report().problems()) == []
    assert "12 at the most" in next(Report(signals=tuple(f"s{n}" for n in range(13))).problems())
    assert "twice" in next(Report(signals=("a", "a")).problems())


def test_the_measure_of_overlap_finds_what_overlaps():
    """The oracle of this file: two words on one place are no sound picture."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 40">'
    text = '<text x="{}" y="20" class="ink">words</text>'
    with pytest.raises(AssertionError, match="lies on"):
        svg_reader.is_sound(head + text.format(10) + text.format(20) + "</svg>")
    with pytest.raises(AssertionError, match="cut off"):
        svg_reader.is_sound(head + text.format(470) + "</svg>")
    svg_reader.is_sound(head + text.format(10) + text.format(11 + text_width("words")) + "</svg>")
    json.dumps(svg_reader.words(head + "</svg>"))
