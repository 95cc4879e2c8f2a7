"""The page: whole with any part missing, nothing in it that its texts could do, every number beside its method."""

import json
import re
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.corpus.shards import MissingData
from antimatter.evaluate import references
from antimatter.evaluate.references import Reference
from antimatter.report import (
    benchmark_section,
    evaluation_section,
    lineage,
    markup,
    numbers,
    pictures,
    plots_training,
    statistics,
)
from antimatter.report.lineage import Lineage
from antimatter.report.lineage_section import parts as lineage_parts
from antimatter.report.material import Material, gather
from antimatter.report.page import build_page, render
from antimatter.report.training_section import parts as training_parts
from antimatter.report.written_texts import parts as written_parts
from tests.report import projects

VOID = {"br", "hr", "img", "input", "link", "meta", "wbr"}
CHAPTERS = (
    "Text", "What cleaning changed", "Quality", "Duplicates", "Contamination", "Training", "Evaluation", "Benchmarks",
    "What the model writes", "Speed", "Lineage",
)  # fmt: skip
HOSTILE = (
    "<script>alert(1)</script>",
    "</details></table></section><x-evil onclick='a()'>",
    '" onload="a()" \'',
    "<!-- ]]> &amp; &lt;",
    "a\x00b\x1b[2Jc\u2028d\u202ee\u2066f",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "W" * 3000,
    "",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No project at the present folder, no store of experiments."""
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "ANTIMATTER_WORK", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="module")
def quickly():
    """What costs most and is always the same here: versions of libraries, and the two pictures drawn for the page."""
    with pytest.MonkeyPatch.context() as patch:
        found = lineage._versions()
        patch.setattr(lineage, "_versions", lambda: found)
        for name in ("throughput", "time"):
            patch.setattr(plots_training, name, _kept(getattr(plots_training, name)))
        yield


def _kept(draw):
    drawn = {}
    return lambda data: drawn.get(repr(data)) or drawn.setdefault(repr(data), draw(data))


class Reader(HTMLParser):
    """Elements of a page; complains about what is not closed, closed twice, or closed in the wrong order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, text):
        self.text.append(text)


def whole(root: Path, word="word", texts=projects.TEXTS) -> str:
    projects.write(root, projects.parts(), word, texts)
    return build_page(root).read_text(encoding="utf-8")


def test_a_page_of_everything_has_every_chapter_and_links_to_each(tmp_path):
    page = whole(tmp_path)
    read = Reader(page)
    ids = [value for _, name, value in read.attributes if name == "id"]
    assert [markup.anchor(title) for title in CHAPTERS] == [name for name in ids if not name.startswith("source-")]
    links = {value.removeprefix("#") for tag, name, value in read.attributes if (tag, name) == ("a", "href")}
    assert set(map(markup.anchor, CHAPTERS)) <= links and len(ids) == len(set(ids))


@settings(max_examples=12, deadline=None)
@given(st.sets(st.sampled_from(sorted(projects.parts()))))
def test_a_page_is_built_from_any_part_of_what_there_may_be(chosen):
    with tempfile.TemporaryDirectory() as folder:
        page = build_page(projects.write(Path(folder), sorted(chosen))).read_text(encoding="utf-8")
    Reader(page)
    assert ("Guard events" in page) == ("reports/train.json" in chosen)
    assert ("<h2>Benchmarks</h2>" in page) == ("reports/evaluation.json" in chosen)


def test_each_part_that_is_missing_alone_leaves_the_rest(tmp_path):
    for place, name in enumerate(projects.parts()):
        root = projects.write(tmp_path / str(place), [other for other in projects.parts() if other != name])
        assert len(Reader(render(gather(root))).attributes) > 200


@pytest.mark.parametrize("word", HOSTILE)
def test_no_text_of_data_or_user_becomes_a_part_of_the_page(tmp_path, word):
    page = whole(tmp_path, word, (f"{word} one two three", f"{word} one two four"))
    read = Reader(page)
    assert not read.tags & {"script", "x-evil", "img", "iframe", "link", "object", "form"}
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]
    assert not set(page) & set("\x00\x1b\u2028\u2029\u202e\u2066")
    if word:
        assert markup.words(word) in page


def test_the_page_loads_nothing_and_links_only_where_a_reader_asks(tmp_path):
    page = whole(tmp_path)
    for loading in ("@import", "url(", "src="):
        assert loading not in page
    for tag, name, value in Reader(page).attributes:
        if name in ("href", "xlink:href", "action", "data", "poster", "srcset"):
            assert (tag, name) == ("a", "href") and value.startswith(
                ("#", "http://127.0.0.1:5000/", "https://github.com/")
            )


def test_a_source_that_is_no_repository_is_told_without_a_link():
    from antimatter.report.benchmark_section import _linked

    assert _linked("owner/name, a file") == '<a href="https://github.com/owner/name">owner/name</a>, a file'
    for source in ("A paper, table 3", "javascript:alert(1)/x, y", "a/b/c, d"):
        assert "<a" not in _linked(source)


def test_without_a_summary_the_page_says_what_to_run(tmp_path):
    with pytest.raises(MissingData, match="dvc repro report"):
        build_page(tmp_path)


def test_every_chapter_with_numbers_of_the_model_says_how_they_were_found(tmp_path):
    page = whole(tmp_path)
    sections = dict(re.findall(r'<section id="([^"]+)">(.*?)</section>', page, re.DOTALL))
    for name in ("text", "quality", "contamination", "training", "evaluation", "benchmarks", "speed", "lineage"):
        assert '<p class="method">' in sections[name], name
    for block in re.split(r"<h3>", sections["evaluation"] + sections["benchmarks"] + sections["speed"])[1:]:
        assert '<p class="method">' in block, block[:80]
    assert "unheard_of word" in sections["evaluation"]  # a method that no block asks for is told all the same


def test_scores_stand_with_error_chance_and_what_was_in_the_training_text(tmp_path):
    page = whole(tmp_path)
    for told in ("25.0 % ± 3.0", "29.0 % ± 3.2", "3 of 80", "not sought", "1.063 to 1.123", "GPT-2 Medium"):
        assert told in page
    assert page.index("hellaswag (acc_norm)") < page.index("GPT-2 Medium")


def test_the_removed_document_stands_there_with_its_number_and_the_threshold(tmp_path):
    page = whole(tmp_path)
    assert "words: 9; kept: at least 50" in page
    assert "the quick brown fox jumps over the lazy dog</div>" in page


def test_the_pair_of_duplicates_differs_in_marked_words(tmp_path):
    page = whole(tmp_path)
    assert "Similarity 0.812" in page
    (chapter,) = re.findall(r'<section id="duplicates">(.*?)</section>', page, re.DOTALL)
    assert "the quick <del>brown</del> <ins>red</ins> fox" in chapter


def test_a_run_that_never_went_back_says_so():
    calm, _, stormy = (
        "".join(training_parts(training, {}, {}, [], []))
        for training in ({"rollbacks": 0}, {}, projects.reports("spike")["train"])
    )
    assert "There were none" in calm and "Guard events" in calm
    assert (
        "2 steps were left out" in stormy
        and "There were none" not in stormy
        and '<td class="long">spike</td>' in stormy
    )
    assert not any(training_parts({}, {}, {}, [], []))


def test_texts_of_all_steps_stand_side_by_side_for_each_prompt():
    texts = [{"step": step, "prompt": p, "text": f"{p} {step}"} for step in range(0, 900, 30) for p in ("A", "B")]
    shown = "".join(training_parts({}, {}, {}, [], texts))
    assert shown.count('<div class="steps">') == 2 and shown.count("<h4>") == 16
    assert "step 0<" in shown and "step 870<" in shown


def test_pictures_without_data_are_no_part_of_the_page(tmp_path):
    projects.write(tmp_path, ["reports/evaluation.json"])
    (tmp_path / "reports/loss.svg").write_text(pictures.nothing("Loss", "There is none."))
    (tmp_path / "reports/rate.svg").write_text('<svg class="chart"></svg>')
    assert list(gather(tmp_path).pictures) == ["rate"]


def test_the_page_begins_with_what_was_made_and_how_good_it_is(tmp_path):
    (told,) = re.findall(r'<p class="lead">(.*?)</p>', whole(tmp_path))
    assert told == (
        "A language model of 123 k parameters, trained from scratch on 1 source of text. Text that it never saw costs "
        "it 1.08 bits per byte, beside 1.40 by counting pairs of tokens and 2.20 by counting tokens: lower is better."
    )


def test_without_benchmarks_their_chapter_says_how_to_ask_for_some(tmp_path):
    projects.write(tmp_path, ["reports/evaluation.json"])
    report = json.loads((tmp_path / "reports/summary.json").read_text())
    report["evaluation"]["tasks"] = {}
    (tmp_path / "reports/summary.json").write_text(json.dumps(report))
    page = build_page(tmp_path).read_text()
    assert "No benchmark was scored" in page and "benchmarks.sources" in page


def test_a_long_method_is_folded_at_the_end_of_a_sentence_and_no_code_is_cut():
    sentences = [
        f"Sentence {n} with `code. And more` in it, and some more words to make it as long as they are."
        for n in range(9)
    ]
    shown = markup.method(*sentences)
    first, rest = re.fullmatch(
        r'<p class="method"><b>Method.</b> (.*)</p><details.*</summary>(.*)</details>', shown
    ).groups()
    assert f"{first} {rest}" == " ".join(sentences).replace("`code. And more`", "<code>code. And more</code>")
    assert first.endswith("are.") and "<details" not in markup.method("Short", "and no stop") == (
        '<p class="method"><b>Method.</b> Short. and no stop.</p>'
    )


def test_figures_of_the_evaluation_stand_in_their_own_columns(tmp_path):
    report = projects.evaluation()
    report["continuations"] |= {"repetition": {"model": 0.5, "text": 0.125}}
    speed = {"prefill": [{"batch": 1, "tokens_per_second": 900.0}], "decode": [{"batch": 1, "tokens_per_second": 70.0,
             "ms_per_token_p50": 14.25, "ms_per_token_p95": 15.5}]}  # fmt: skip
    shown = "".join(evaluation_section.parts(report, {}, {}))
    shown += evaluation_section.speed({"speed": speed, "judge": {"mean": 5.5, "error": 0.25}})
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", shown)]
    assert ["BLEU, of 100", "1.250", "0.500"] in rows and ["repeated 4-grams, share", "0.500", "0.125"] in rows
    assert ["1", "900", "70", "14.25", "15.50"] in rows and ["0", "3", "90", "2.000"] in rows and "5.50 ± 0.25" in shown
    assert "2.900 to 3.100" in shown


def test_published_scores_of_another_metric_say_so_and_the_right_answer_is_marked():
    tasks = {"hellaswag": projects.evaluation()["tasks"]["hellaswag"]}
    rows = {"hellaswag": references.for_task("hellaswag")}
    item = {"task": "t", "query": "q", "choices": ["wrong", "right"], "gold": 1, "chosen": 0, "scores": [-1.0, -2.0]}
    shown = "".join(benchmark_section.parts({"tasks": tasks}, "", {}, {}, rows, [item]))
    assert "<small>acc</small>" in shown  # GPT-Neo's README tells that one alone
    assert '<td>→</td><td class="long">wrong</td>' in shown and '<td>✓</td><td class="long">right</td>' in shown


def test_a_rollback_says_how_many_samples_are_not_read_again_and_the_quiz_has_both_accuracies():
    quiz = [
        {
            "step": "5",
            "tokens": "50",
            "accuracy": "0.5",
            "error": "0.1",
            "accuracy_norm": "0.6",
            "error_norm": "0.2",
            "items": "20",
        }
    ]
    shown = "".join(training_parts(projects.reports()["train"], {}, {}, quiz, []))
    assert '<td class="n">4</td>' in shown and "50.0 % ± 10.0" in shown and "60.0 % ± 20.0" in shown


def test_of_several_published_scores_that_of_our_metric_stands_in_the_table():
    common = {"task": "t", "model": "M", "parameters": 9, "value": 0.5, "error": None, "source": "s", "form": "f"}
    rows = [Reference(metric=metric, shots=shots, **common) for metric, shots in (("acc", 0), ("acc_norm", 10))]
    found = benchmark_section._published({"t": rows}, {"t": "acc_norm"})
    assert found["M", 9]["t"].metric == "acc_norm"


def test_what_the_model_wrote_stands_under_its_own_name():
    shown = "".join(written_parts({}, [{"source": "s", "beginning": "b", "model": "MINE", "text": "TRUE"}]))
    assert shown.index(">the model<") < shown.index("MINE") < shown.index(">the true text<") < shown.index("TRUE")


def test_samples_of_a_prompt_stand_in_the_order_of_their_steps():
    shown = "".join(training_parts({}, {}, {}, [], [{"step": s, "prompt": "A", "text": "A"} for s in (90, 0, 30)]))
    assert re.findall(r"step (\d+)<", shown) == ["0", "30", "90"]


def test_parameters_that_differ_from_the_demo_come_first(tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/demo.yaml").write_text("train:\n  steps: 1000\n  seed: 1\n")
    (tmp_path / "params.yaml").write_text("train:\n  steps: 5\n  seed: 1\n  precision: fp32\n")
    projects.write(tmp_path, [])
    found = gather(tmp_path).lineage
    assert found.differences == (("train.steps", "1000", "5"), ("train.precision", "its default", "fp32"))
    page = render(Material(lineage=found))
    assert page.index("train.steps") < page.index("The whole params.yaml") < page.index("seed: 1")


def test_a_tree_that_differs_from_its_commit_is_pointed_out():
    clean = "".join(lineage_parts(Lineage(commit="abc"), "", {}))
    changed = "".join(lineage_parts(Lineage(commit="abc", changed_files=("a.py",)), "", {}))
    assert "is that of the commit" in clean and "a.py" not in clean
    assert "1 tracked file differs" in changed and "a.py" in changed


def test_digests_of_the_artifacts_are_those_of_the_lock(tmp_path):
    page = whole(tmp_path)
    assert "<code>data/raw</code><small>xword</small></td><td><code>ab</code></td>" in page


def test_equal_material_gives_equal_bytes(tmp_path):
    assert whole(tmp_path / "a") == whole(tmp_path / "b")


def test_the_few_numbers_for_dvc_fit_into_a_line_of_a_terminal():
    found = statistics.metrics(statistics.summary(projects.reports(), 12))
    assert found == {
        "hellaswag": 0.29, "word": 0.29, "documents": 55, "tokens": 1000, "parameters": 123456, "loss": 3.0,
        "perplexity": 20.1, "bits_per_byte": 1.083032, "margin": 0.03,
    }  # fmt: skip
    own = [name for name in found if name not in ("hellaswag", "word")]
    assert len("reports/metrics.json") + sum(4 + max(8, len(name)) for name in own) <= 120
    assert statistics.metrics(statistics.summary({}, 12)) == {}


def test_a_task_of_the_name_of_a_number_does_not_take_its_place():
    report = projects.reports()
    report["evaluation"]["tasks"] = {"loss": {"metrics": {"acc": {"value": 0.5}}}}
    assert statistics.metrics(statistics.summary(report, 12))["loss"] == 3.0


@given(st.sets(st.sampled_from(sorted(projects.reports()))))
def test_the_numbers_for_dvc_need_no_report_in_particular(names):
    chosen = {name: report for name, report in projects.reports().items() if name in names}
    found = statistics.metrics(statistics.summary(chosen, 12))
    assert ("parameters" in found) == ("train" in names) and ("hellaswag" in found) == ("evaluation" in names)


def test_numbers_of_a_task_are_written_with_their_error():
    from antimatter.report.benchmark_section import value_and_error

    assert value_and_error("acc", {"value": 0.31234, "error": 0.005}) == "31.2 % ± 0.5"
    assert value_and_error("perplexity", {"value": 21304.2, "error": 1503.7}) == "21,304 ± 1,504"
    assert value_and_error("acc", {"value": None}) == "" and numbers.percent(0.25) == "25.0 %"


def test_a_picture_stands_in_the_page_without_what_only_a_file_may_hold():
    drawn = markup.picture('<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg viewBox="0 0 1 1"></svg>\n')
    assert drawn == '<figure><svg viewBox="0 0 1 1"></svg></figure>'
    assert markup.picture("") == markup.picture("no picture") == ""
