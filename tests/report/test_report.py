"""The summary, the pictures and the page: honest with missing parts, equal bytes for equal reports, no scripts."""

import json

import pytest

from antimatter.corpus.shards import MissingData
from antimatter.report import deduplication, numbers, pictures, statistics
from antimatter.report.page import build_page
from stages import report as stage

EVIL = "<script>alert(1)</script>&\"'"


def flow(documents_in, documents_out, **reasons):
    source = {"documents_in": documents_in, "documents_out": documents_out, "removed": reasons}
    source |= {"bytes_in": documents_in * 1000, "bytes_out": documents_out * 1000}
    return {**source, "sources": {"wiki": source}}


def scores(loss=3.0, tokens=5000):
    return {
        "tokens": tokens, "bytes": 4 * tokens, "loss": loss, "perplexity": 20.1, "bits_per_byte": loss / 2.77,
        "unigram_loss": 6.0, "unigram_bits_per_byte": 2.2, "bigram_loss": 4.0, "bigram_bits_per_byte": 1.4,
        "improvement_over_unigram": 6 - loss, "improvement_over_bigram": 4 - loss,
    }  # fmt: skip


def reports():
    return {
        "collect": {**flow(100, 90, too_short=10), "missing": [{"source": "books", "cause": "no network"}]},
        "clean": flow(90, 90),
        "filter": flow(90, 60, word_count=20, language=10),
        "dedup": flow(60, 55, exact=5),
        "tokenize": {**flow(55, 55), "training_tokens": 1000, "split": "by document"},
        "tokenizer": {"vocabulary_size": 300},
        "train": {"model_id": "m1", "parameters": 123456, "validation": {"last": {"loss": 3.0}}},
        "evaluation": {
            "model_id": "m1",
            "headline": {"loss": 3.0},
            "validation": scores(),
            "sources": {"wiki": scores()},
        },
    }


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose stages up to evaluate have run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("ANTIMATTER_TRACKING", "off")
    (tmp_path / "reports").mkdir()
    for name, content in reports().items():
        (tmp_path / "reports" / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "reports" / "train_loss.csv").write_text("step,tokens,loss\n1,10,9.5\n2,20,6.5\n")
    (tmp_path / "reports" / "train_validation.csv").write_text("step,tokens,loss\n2,20,6.0\n")
    (tmp_path / "params.yaml").write_text("report: {}\n")
    return tmp_path


def published(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "reports").iterdir())}


def test_the_stage_writes_a_summary_metrics_and_every_picture_with_equal_bytes_each_time(project, monkeypatch):
    stage.main()
    first = published(project)
    assert {"summary.json", "metrics.json", *(f"{name}.svg" for name in pictures.NAMES)} <= first.keys()
    monkeypatch.setenv("ANTIMATTER_FRESH", "1")
    stage.main()
    assert published(project) == first


def test_the_stage_runs_on_whatever_reports_there_are(project):
    for name in ("evaluation.json", "train.json", "train_loss.csv", "train_validation.csv", "clean.json"):
        (project / "reports" / name).unlink()
    stage.main()
    summary = json.loads((project / "reports" / "summary.json").read_text())
    assert list(summary["funnel"]) == ["collect", "filter", "dedup", "tokenize"]
    assert sum("does not exist" in warning for warning in summary["warnings"]) == 5
    assert "Run `dvc repro train`" in (project / "reports" / "loss.svg").read_text()
    build_page(project)


def test_without_any_report_the_stage_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("report: {}\n")
    with pytest.raises(MissingData, match="dvc repro"):
        stage.main()
    with pytest.raises(MissingData, match="dvc repro report"):
        build_page(tmp_path)


def test_reasons_beyond_the_top_are_added_up():
    found = statistics.removed(reports(), top=2)
    assert [entry["reason"] for entry in found["reasons"]] == ["word_count", "too_short"]
    assert (found["documents"], found["other_reasons"], found["other_documents"]) == (45, 2, 15)


def test_warnings_say_what_makes_the_numbers_doubtful():
    doubtful = reports()
    doubtful["tokenize"]["split"] = "by position inside documents"
    doubtful["evaluation"] |= {"model_id": "m2", "unscored_sources": ["rare"]}
    doubtful["evaluation"]["sources"] = {"wiki": scores(loss=4.5, tokens=10)}
    found = " ".join(statistics.warnings(doubtful))
    for words in ("split by position", "another model", "fewer than 2000 tokens", "rare", "the bigram): wiki"):
        assert words in found
    assert not [warning for warning in statistics.warnings(reports()) if "does not exist" not in warning]


def test_what_the_guard_did_is_a_warning():
    report = reports()
    report["train"] |= {"skipped_steps": 3, "rollbacks": 1}
    found = " ".join(statistics.warnings(report))
    assert "skipped 3 steps" in found and "earlier step once" in found
    report["train"] |= {"rollbacks": 2}
    assert "earlier step 2 times" in " ".join(statistics.warnings(report))


def test_the_share_of_a_stage_is_of_the_documents_that_it_read():
    assert statistics.summary(reports(), 12)["funnel"]["filter"]["removed_documents_share"] == round(30 / 90, 6)


def test_a_source_that_loses_nothing_to_a_rule_does_not_stand_beside_it():
    report = filter_report()
    report["rules"][0]["sources"]["books"]["failed"] = 0
    assert list(statistics.filtered(report)["rules"][0]["sources"]) == ["web", "wiki"]


def test_every_text_on_the_page_is_escaped(project):
    content = reports()
    content["collect"]["missing"] = [{"source": EVIL, "cause": EVIL, "advice": EVIL}]
    content["filter"]["removed"] = {EVIL: 3}
    content["filter"]["sources"] = {EVIL: content["filter"]["sources"]["wiki"]}
    content["evaluation"] |= {"sources": {EVIL: scores()}, "method": {"model": EVIL}, "unscored_sources": [EVIL]}
    content["train"] |= {"model_id": EVIL, "precision": EVIL}
    for name, report in content.items():
        (project / "reports" / f"{name}.json").write_text(json.dumps(report))
    (project / "data" / "examples").mkdir(parents=True)
    sample = {"prompt": EVIL, "greedy": EVIL + EVIL, "sampled": EVIL}
    (project / "data/examples/samples.json").write_text(json.dumps({"sampling": {EVIL: EVIL}, "samples": [sample]}))
    stage.main()
    page = build_page(project).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_loads_nothing_from_elsewhere(project):
    stage.main()
    page = build_page(project).read_text()
    for loading in ("src=", 'href="http://w', 'href="/', "@import", "url(", "<link", "<script"):
        assert loading not in page


def test_times_and_texts_are_shown_if_they_are_there(project):
    stage.main()
    assert "What the model writes" not in build_page(project).read_text()
    (project / "data" / "examples").mkdir(parents=True)
    sample = {"prompt": "Once", "greedy": "Once upon", "sampled": "Once more"}
    (project / "data/examples/samples.json").write_text(json.dumps({"sampling": {}, "samples": [sample]}))
    (project / "work/runs/clean.json").write_text(json.dumps({"seconds": 75.2, "workers": 2, "peak_bytes_self": 3e8}))
    page = build_page(project).read_text()
    assert "<b>Once</b> upon" in page
    assert "1 min 15 s" in page and "300 MB" in page


@pytest.mark.parametrize(
    ("function", "value", "words"),
    [
        (numbers.count, 12345, "12,345"),
        (numbers.count, 867456, "867 k"),
        (numbers.count, 355_871_744, "356 M"),
        (numbers.size, 20_400_000, "20.4 MB"),
        (numbers.percent, 0.00001, "< 0.1 %"),
        (numbers.duration, 200, "3 min 20 s"),
    ],
)
def test_numbers_are_written_for_people(function, value, words):
    assert function(value) == words


def test_the_page_shows_a_few_edits_of_each_step_and_escapes_them(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/summary.json").write_text("{}")
    (tmp_path / "data/cleaned/examples").mkdir(parents=True)
    pairs = [
        {
            "step": "ftfy",
            "source": source,
            "id": "00",
            "before": f"<b>{source} sch\u00c3\u00b6n\u2028",
            "after": "sch\u00f6n",
        }
        for source in ("one", "one", "two", "three")
    ]
    lines = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    (tmp_path / "data/cleaned/examples/clean.jsonl").write_text(lines, encoding="utf-8")
    html = build_page(tmp_path).read_text(encoding="utf-8")
    assert "What cleaning changed" in html and "&lt;b&gt;one sch" in html and "&lt;b&gt;two sch" in html
    assert "<b>one" not in html and "three sch" not in html


def filter_report():
    """What filter reports of two policies that share a rule."""
    rule = {"reason": "gopher_quality.word_count", "signal": "words", "at_least": 50, "source": "a paper"}
    one = {"policy": "prose", "failed": 30, "alone": 20, "first": 25}
    two = {"policy": "short", "failed": 3, "alone": 1, "first": 2}
    return {
        **flow(1000, 960),
        "policies": {"books": "prose", "wiki": "short", "web": "prose"},
        "sources": {
            name: {"documents_in": size, "documents_out": size, "bytes_out": size}
            for name, size in (("books", 100), ("wiki", 300), ("web", 600))
        },
        "rules": [
            {**rule, **one, "sources": {name: {"failed": 15, "alone": 10, "first": 12} for name in ("books", "web")}},
            {**rule, **two, "sources": {"wiki": {"failed": 3, "alone": 1, "first": 2}}},
            {**rule, "reason": "idle", "policy": "prose", "failed": 0, "alone": 0, "first": 0, "sources": {}},
        ],
        "languages": {"wiki": {"en": 200, "fr": 60, EVIL: 20, "de": 10, "es": 6, "undetermined": 4}},
        "language": {"detector": "cascade", "documents": 1000, "arbitrated": 50},
        "decontamination": {
            "action": "remove",
            "sets": [{"name": "quiz", "items": 1200, "sought": 1100, "matched_items": 2, "removed_documents": 7}],
        },
    }


def test_a_rule_of_several_policies_is_one_rule_judged_on_the_sources_that_were_asked():
    found = statistics.filtered(filter_report())
    (rule,) = found["rules"]
    assert (rule["judged"], rule["failed"], rule["alone"], rule["first"]) == (1000, 33, 21, 27)
    assert list(rule["sources"].items()) == [("books", 0.15), ("web", 0.025), ("wiki", 0.01)]
    assert found["languages"]["wiki"] == {"en": 200, "fr": 60, EVIL: 20, "de": 10, "others": 10}
    assert statistics.filtered({}) == statistics.filtered(flow(2, 1)) == {}


def test_the_page_tells_what_rules_removed_which_languages_there_are_and_what_was_contaminated(project):
    (project / "reports/filter.json").write_text(json.dumps(filter_report()))
    stage.main()
    page = build_page(project).read_text()
    for words in ("What each rule removes", "books 15.0 %, web 2.5 %, 1 more", "3.3 %", "en 66.7 %",
                  "not sure of 5.0 % of the documents", "quiz", "1,100"):  # fmt: skip
        assert words in page
    assert "idle" not in page and "<script" not in page
    (project / "reports/filter.json").write_text(json.dumps(reports()["filter"]))
    stage.main()
    assert "What each rule removes" not in build_page(project).read_text()


def dedup_report():
    """What dedup reports."""
    top = {"cluster": "ab" * 16, "size": 9, "removed": 8, "sources": {"one": 1, "two": 2, "three": 3, EVIL: 3}}
    return {
        **flow(100, 80, near=20),
        "scheme": EVIL,
        "found_at_similarity": {"0.50": 0.0533, "0.60": 0.2111, "0.70": 0.5645, "0.80": 0.9235, "1.00": 1.0},
        "candidates": {"documents": 95, "compared": 30, "left_out": 7, "buckets_over_cap": 1},
        "similarities": {"0.20": 3, "0.80": 27},
        "estimate_error": {"mean": -0.0003, "mean_absolute": 0.0312},
        "hottest_buckets": [{"kept_documents": 4321, "one_of_them": "cd" * 16}],
        "clusters": {"count": 5, "largest": 9, "sizes": {"2": 4, "8-15": 1}, "top": [top]},
        "between_sources": [{"removed_from": f"a{n}", "kept_in": "b", "documents": 100 - n} for n in range(14)],
        "templated_sources": [{"source": EVIL, "documents": 50, "met": 30, "share": 0.6}],
        "lines": {
            "units_compared": 12,
            "share": 0.25,
            "by_source": {EVIL: {"units": 99, "units_removed": 77}},
            "frequent": [{"times": 31, "document": "cd" * 16, "unit": 6}],
        },
        "repeated_spans": {"words": 50, "frequent": [{"times": 41, "document": "ef" * 16, "word": 8123}]},
    }


def test_the_page_tells_what_dedup_found(project):
    (project / "reports/dedup.json").write_text(json.dumps(dedup_report()))
    stage.main()
    page = build_page(project).read_text()
    assert "<script" not in page and page.count("&lt;script&gt;") >= 3
    for words in (
        "<h2>Duplicates</h2>", "92.3 %", "pairs compared exactly", "7 comparisons were left out", "0.0312",
        "1 more", "2 other pairs of sources", ">175<", "60.0 %", ">4,321<", f">{'cd' * 6}<",
        "Repeated lines", "0.25", ">77<",
    ):  # fmt: skip
        assert words in page


def test_the_figures_of_dedup_say_what_they_count():
    page = "".join(deduplication.parts(statistics.deduplicated(dedup_report())))
    for words in (
        "mean absolute error of the signatures&#x27; estimate",
        "buckets that hold more kept documents than this cap",
        "units compared: those of min_words words and more", "units, of any length",
    ):  # fmt: skip
        assert words in page


def test_documents_of_dedup_are_named_by_twelve_digits_that_its_commands_take():
    page = "".join(deduplication.parts(statistics.deduplicated(dedup_report())))
    for digits in ("ab" * 6, "cd" * 6, "ef" * 6):
        assert f"<code>{digits}</code>" in page
    for number in ("31", "41", "6", "8,123"):
        assert f'<td class="n">{number}</td>' in page


def test_what_is_not_as_dedup_writes_it_is_left_out_of_its_tables():
    report = dedup_report() | {"lines": {"units_compared": 12, "frequent": ["x"]}, "repeated_spans": {"frequent": 3}}
    assert "Repeated lines" in "".join(deduplication.parts(statistics.deduplicated(report)))


def test_similarities_become_bars_of_equal_width():
    assert deduplication._bins({"0.90": 3, "0.95": 2, "1.00": 4})[0] == [(0.9, 3), (0.95, 6)]
    assert deduplication._bins({"1.00": 4, "0.50": 0})[0] == [(0.95, 4)]


@pytest.mark.parametrize("name", [name for name in dedup_report() if name not in flow(1, 1)])
def test_a_part_that_the_report_of_dedup_lacks_is_left_out_of_the_page(name):
    whole = deduplication.parts(statistics.deduplicated(dedup_report()))
    without = deduplication.parts(statistics.deduplicated({k: v for k, v in dedup_report().items() if k != name}))
    assert whole != without and sum(map(bool, whole)) - sum(map(bool, without)) in (0, 1, 2)


def test_the_page_shows_what_an_earlier_version_reported_of_dedup():
    earlier = {**flow(9, 8, exact=1), "pairs_compared": 3, "clusters": 1, "largest_cluster": 2, "scheme": "affine64"}
    assert not any(deduplication.parts(statistics.deduplicated(earlier)))
    earlier["found_at_similarity"] = {"0.50": 0.1, "1.00": 1.0}
    assert "affine64" in "".join(deduplication.parts(statistics.deduplicated(earlier)))
    assert not any(deduplication.parts({}))


def test_who_left_stands_before_whom_it_left_for():
    shown = deduplication._between([{"removed_from": "gone", "kept_in": "here", "documents": 3}])
    assert shown.index("gone") < shown.index("here")
