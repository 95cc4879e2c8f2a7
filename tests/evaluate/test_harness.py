"""Benchmarks by lm-evaluation-harness: our adapter gives what the harness's own backend gives, and says how."""

import dataclasses
import json
import math
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from antimatter.collect.benchmarks import read_items
from antimatter.corpus.reports import write_json
from antimatter.errors import AntiMatterError
from antimatter.evaluate import harness, local_tasks
from antimatter.evaluate.main_metric import accuracy_of
from antimatter.evaluate.subject import OurModel
from antimatter.export.huggingface import export
from antimatter.params.benchmarks import Benchmark
from antimatter.params.evaluate import Evaluate
from tests.evaluate.models import Told, choice_items, tiny_model

SETS = Path(__file__).parents[3] / "shared" / "data" / "eval"
CLOZE = [
    {"id": str(n), "query": f"the quick brown fox number {n} jumps over the lazy", "choices": [word], "gold": 0}
    for n, word in enumerate(["dog", "fox", "engineer", "dog", "happiness", "dog"])
]
NASTY = ["", " ", "  two", "tail ", "\n", "a\tb", "x [BOS] x", "é 漢字", "👩‍👩‍👧", "<|end|>", "fox\n\n"]
LONG = "lazy dog " * 200
"""More tokens than the context has."""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Several threads, on cores that others use too, wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclasses.dataclass
class Request:
    """As the harness passes them."""

    args: tuple


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def subject(folder):
    return OurModel(folder, name="tiny")


@pytest.fixture(scope="module")
def backend(folder, tmp_path_factory):
    """backend(add_bos_token) -> the harness's own for models of Hugging Face, on our model as a folder of that kind."""
    target = tmp_path_factory.mktemp("exported") / "model"
    export(folder, target)
    with harness._quiet(offline=True):
        from lm_eval.models.huggingface import HFLM

    def open_it(add_bos_token):
        with harness._quiet(offline=True):
            return HFLM(
                pretrained=str(target), device="cpu", dtype="float32", batch_size=16, add_bos_token=add_bos_token
            )

    return open_it


@pytest.fixture(scope="module")
def adapter(subject):
    from antimatter.evaluate.adapter import Adapter

    return Adapter(subject)


@pytest.fixture
def benchmarks(tmp_path):
    """benchmarks(choices=[..], cloze=[..]) -> data/benchmarks with these sets."""

    def write(**sets):
        entries = []
        for name, items in sets.items():
            lines = [json.dumps({"name": name, **item}) + "\n" for item in items]
            (tmp_path / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
            kind = "multiple_choice" if len(items[0]["choices"]) > 1 else "cloze"
            entries.append({"name": name, "format": kind, "items": len(items)})
        write_json(tmp_path / "manifest.json", {"benchmarks": entries})
        return tmp_path

    return write


def settings(**changes):
    return Evaluate(**({"local_tasks": ("*",)} | changes))


# --- the same numbers as the harness's own backend ------------------------------------------------------------------


def test_log_likelihoods_and_greedy_marks_equal_those_of_the_harness_s_own_backend(adapter, backend):
    asked = [Request((item["query"], " " + choice)) for item in choice_items(80) for choice in item["choices"]]
    asked += [Request((context, " fox")) for context in NASTY] + [
        Request(("the", " " + text)) for text in NASTY if text
    ]
    greedy = adapter.generate_until([Request(("the quick", {"until": [], "max_gen_toks": 3}))])[0]
    asked.append(Request(("the quick", greedy)))
    with harness._quiet(offline=True):
        theirs = backend(True).loglikelihood(asked)
    ours = adapter.loglikelihood(asked)
    assert [score for score, _ in ours] == pytest.approx([score for score, _ in theirs], abs=1e-4)
    assert [mark for _, mark in ours] == [mark for _, mark in theirs]
    assert {mark for _, mark in ours} == {True, False}


def test_whole_texts_get_one_bos_and_the_log_likelihood_of_the_harness_s_own_backend(adapter, backend):
    asked = [Request((text,)) for text in [*NASTY, LONG, "fox", " ".join(item["query"] for item in choice_items(40))]]
    with harness._quiet(offline=True):
        theirs = backend(False).loglikelihood_rolling(asked)  # with True it would read two BOS
    assert adapter.loglikelihood_rolling(asked) == pytest.approx(theirs, abs=1e-3)


def test_written_texts_equal_those_of_the_harness_s_own_backend(adapter, backend):
    options = [{"until": ["\n"], "max_gen_toks": 9}, {"until": "o", "max_gen_toks": 16}, {"until": []}]
    asked = [Request((item["query"], option)) for item in choice_items(6) for option in options[:2]]
    asked += [Request((LONG, {"until": [], "max_gen_toks": 8}))]
    with harness._quiet(offline=True):
        lm = backend(True)
        theirs = [text for each in asked for text in lm.generate_until([each])]  # alone: its padding shifts positions
    ours = adapter.generate_until(asked)
    assert ours == theirs
    assert any(ours) and "\ufffd" not in "".join(ours)  # of broken bytes the two tokenizers make different marks
    assert isinstance(adapter.generate_until([Request(("the", options[2]))])[0], str)  # 256 tokens, context 192


def test_accuracies_equal_those_of_the_harness_s_own_backend(subject, backend, benchmarks):
    folder = benchmarks(choices=choice_items(64), words=CLOZE)
    ours, _ = harness.run(subject, settings(), folder)
    with harness._quiet(offline=True):
        from lm_eval import evaluator

        tasks = {task.name: local_tasks.task_of(task) for task in local_tasks.read(folder, ["*"])}
        theirs = evaluator.evaluate(backend(True), {"tasks": tasks}, bootstrap_iters=harness.BOOTSTRAP)["results"]
    for name, metric in (("choices", "acc"), ("choices", "acc_norm"), ("words", "acc"), ("words", "perplexity")):
        own = ours[name]["metrics"][metric]
        assert own["value"] == pytest.approx(theirs[name][f"{metric},none"], rel=1e-4)
        assert own["error"] == pytest.approx(theirs[name][f"{metric}_stderr,none"], rel=1e-3)


@pytest.mark.skipif(not SETS.is_dir(), reason="needs items of HellaSwag beside the repository")
def test_on_500_items_of_hellaswag_too(subject, adapter, backend):
    import hashlib

    path = SETS / "hellaswag_val.jsonl.gz"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    items = read_items(Benchmark(name="hellaswag", path=str(path), sha256=digest, format="multiple_choice"))
    items = [item for item in items if max(len(choice.encode()) for choice in item["choices"]) < 190][:500]
    asked = [Request((item["query"], " " + choice)) for item in items for choice in item["choices"]]
    with harness._quiet(offline=True):
        theirs = backend(True).loglikelihood(asked)
    ours = adapter.loglikelihood(asked)
    assert len(items) == 500
    assert [score for score, _ in ours] == pytest.approx([score for score, _ in theirs], abs=1e-3)


def test_a_continuation_longer_than_the_context_counts_whole(adapter):
    """The harness's own backend refuses it; cut short, it would seem more probable than a short one."""
    ((score, _),) = adapter.loglikelihood([Request(("fox", " " + LONG))])
    (whole,) = adapter.loglikelihood_rolling([Request((LONG,))])
    assert score == pytest.approx(whole, rel=0.05)
    assert adapter.loglikelihood([Request(("fox", " " + LONG + LONG))])[0][0] < 1.8 * score


class Merging(Told):
    """Told with one more token, which lies over the border of a context that ends in c, and one letter it ignores."""

    def encode(self, words):
        return [300 if i == 0xFF else i for i in words.replace("#", "").encode().replace(b"c d", b"\xff")]

    def decode(self, ids):
        return super().decode([b for i in ids for b in (b"c d" if i == 300 else (i,))])


def test_a_token_over_the_border_is_paid_for_and_a_choice_without_any_token_is_refused():
    from antimatter.evaluate.adapter import Adapter

    adapter = Adapter(Merging(lambda *_: False))
    assert adapter.loglikelihood([Request(("ab c", " d")), Request(("ab c", " e"))]) == [(-5.0, False), (-10.0, False)]
    with pytest.raises(local_tasks.UnfitItem, match="no token for '#'"):
        adapter.loglikelihood([Request(("ab c", "#"))])


def test_a_context_of_spaces_alone_begins_with_bos_however_long_the_continuation(adapter):
    ((spaced, _), (alone, _)) = adapter.loglikelihood([Request((" ", LONG)), Request(("", " " + LONG))])
    assert spaced == pytest.approx(alone, abs=1e-3)


def test_what_is_longer_than_the_context_loses_its_beginning(subject, adapter):
    ids = subject.encode(LONG)
    assert len(ids) > subject.context
    score, _ = adapter.loglikelihood([Request((LONG.rstrip(), " fox"))])[0]
    last = len(subject.encode(LONG.rstrip() + " fox")) - len(subject.encode(LONG.rstrip()))
    kept = torch.tensor([subject.encode(LONG.rstrip() + " fox")[-subject.context - 1 :]])
    with torch.inference_mode():
        logs = subject.model(kept[:, :-1])[0].log_softmax(-1)
    expected = sum(float(logs[at, kept[0, at + 1]]) for at in range(subject.context - last, subject.context))
    assert score == pytest.approx(expected, abs=1e-4)


class Alphabet(Told):
    """Sees 8 bytes; sure of the next letter of the alphabet, and remembers what it read and how much it wrote."""

    context = 8

    def __init__(self):
        self.read, self.wrote = [], []

    def chosen(self, inputs_BT, targets_BT, chosen_BT):
        self.read += [[i for i in row if i] for row in inputs_BT.tolist()]
        losses_BT = torch.where(targets_BT == inputs_BT + 1, 1.0, 4.0)
        return losses_BT[chosen_BT], (losses_BT == 1.0)[chosen_BT]

    def generate(self, prompts, max_new_tokens, sampling):
        self.wrote += [(self.decode(ids), max_new_tokens) for ids in prompts]
        return [list(b"x") for _ in prompts]


def test_windows_of_a_long_continuation_begin_with_what_stands_before_and_all_of_them_must_be_greedy():
    from antimatter.evaluate.adapter import Adapter

    subject = Alphabet()
    whole = Adapter(subject).loglikelihood([Request(("a", text)) for text in ("bcdefghijklm", "bcdefghijzlm")])
    assert whole == [(-12.0, True), (-18.0, False)]
    assert sorted(map(bytes, subject.read)) == [b"abcdefgh"] * 2 + [b"efghijkl", b"efghijzl"]  # the last one is full
    assert Adapter(subject).loglikelihood([Request(("a", "zbcdefghijkl"))]) == [(-18.0, False)]


@pytest.mark.parametrize(("asked", "room"), [(3, 3), (7, 7), (8, 4), (100, 4)])
def test_a_prompt_leaves_room_for_the_answer_or_for_half_a_context(asked, room):
    from antimatter.evaluate.adapter import Adapter

    subject = Alphabet()
    Adapter(subject).generate_until([Request(("abcdefghijkl", {"until": [], "max_gen_toks": asked}))])
    assert subject.wrote == [("abcdefghijkl"[-(8 - room) :], room)]


def test_queries_are_asked_as_they_are(benchmarks):
    queries = ["Question: why?\n", "{{ id }} and {% x %}", "7", " a  b", ""]
    items = [{**item, "query": query} for item, query in zip(choice_items(5), queries, strict=True)]
    known = {(i["query"], " " + i["choices"][i["gold"]]) for i in items} | {
        ("Question: why?", "\n " + items[0]["choices"][items[0]["gold"]])  # the harness moves spaces over the border
    }
    found, examples = harness.run(Told(lambda *text: text in known), settings(), benchmarks(choices=items))
    assert found["choices"]["metrics"]["acc"]["value"] == 1.0
    assert [example["query"] for example in examples] == queries


def test_options_that_sample_draw_anew_for_every_request_and_others_are_greedy(adapter):
    wild = {"until": [], "max_gen_toks": 6, "do_sample": True, "temperature": 3.0}
    drawn = adapter.generate_until([Request(("fox", wild))] * 40)
    assert len(set(drawn)) == 40
    assert drawn == adapter.generate_until([Request(("fox", wild))] * 40)
    greedy = adapter.generate_until([Request(("fox", {"until": [], "max_gen_toks": 6}))])
    for options in ({"do_sample": False, "temperature": 3.0}, {"do_sample": True, "temperature": 3.0, "top_k": 1}):
        assert adapter.generate_until([Request(("fox", {"until": [], "max_gen_toks": 6} | options))]) == greedy
    assert len(set(adapter.generate_until([Request(("fox", {**wild, "temperature": 1.0}))] * 9))) > 1


# --- what the numbers mean ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("right", "low", "high"), [("gold", 0.95, 1.0), ("wrong", 0.0, 0.05)])
def test_a_model_that_knows_the_answers_gets_them_all_and_one_that_knows_wrong_ones_none(right, low, high, benchmarks):
    items = choice_items(64)
    shift = 0 if right == "gold" else 1
    known = {(i["query"], " " + i["choices"][(i["gold"] + shift) % 4]) for i in items}
    found, _ = harness.run(Told(lambda *text: text in known), settings(), benchmarks(choices=items))
    assert low <= found["choices"]["metrics"]["acc"]["value"] <= high
    assert low <= found["choices"]["metrics"]["acc_norm"]["value"] <= high


def test_a_model_without_opinions_gets_about_what_chance_gives(benchmarks):
    items = [
        {**item, "choices": [f"{word} fox" for word in ("one", "two", "six", "ten")]} for item in choice_items(400)
    ]
    found, _ = harness.run(Told(lambda *_: False), settings(), benchmarks(choices=items))
    accuracy = found["choices"]["metrics"]["acc"]
    assert found["choices"]["chance"] == 0.25
    assert abs(accuracy["value"] - 0.25) < 3 * accuracy["error"]


def test_the_last_word_counts_only_if_all_of_it_was_the_most_probable(benchmarks):
    found, _ = harness.run(Told(lambda before, word: word == " dog"), settings(), benchmarks(words=CLOZE))
    assert found["words"]["metrics"]["acc"]["value"] == 0.5
    losses = [0.01 * 4, 5.0 * 4, 5.0 * 9, 0.01 * 4, 5.0 * 10, 0.01 * 4]
    expected = math.exp(sum(losses) / len(losses))
    assert found["words"]["metrics"]["perplexity"]["value"] == pytest.approx(expected, rel=1e-4)
    assert found["words"]["metrics"]["perplexity"]["error"] > 0
    assert (found["words"]["chance"], found["words"]["kind"]) == (None, "cloze")


@given(st.lists(st.booleans(), min_size=2, max_size=300))
def test_the_error_of_an_accuracy_is_the_binomial_one(marks):
    with harness._quiet(offline=True):
        from lm_eval.api.metrics import mean_stderr
    share = sum(marks) / len(marks)
    assert mean_stderr([float(mark) for mark in marks]) == pytest.approx(
        math.sqrt(share * (1 - share) / (len(marks) - 1)), abs=1e-12
    )


def test_a_score_tells_its_items_its_form_its_chance_and_its_harness(subject, benchmarks):
    items = choice_items(12)
    items[0]["choices"] = items[0]["choices"][:2]
    items[0]["gold"] = 1
    found, examples = harness.run(subject, settings(task_items=3), benchmarks(choices=items))
    told = found["choices"]
    assert told["items"] == 3
    assert told["chance"] == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3, abs=1e-6)
    assert "a space and one choice" in told["form"]
    assert (told["origin"], told["kind"], told["harness"]) == ("local", "multiple_choice", harness.version())
    assert accuracy_of(told) == ("acc_norm", told["metrics"]["acc_norm"])
    assert [len(example["choices"]) for example in examples] == [2, 4, 4]
    json.dumps([found, examples], allow_nan=False)


def test_an_example_shows_what_the_model_chose_and_what_is_right(benchmarks):
    items = choice_items(8)
    known = {(i["query"], " " + i["choices"][(i["gold"] + 1) % 4]) for i in items}
    _, examples = harness.run(Told(lambda *text: text in known), settings(), benchmarks(choices=items))
    assert len(examples) == harness.SHOWN
    for example, item in zip(examples, items, strict=False):
        assert (example["query"], example["choices"], example["gold"]) == (item["query"], item["choices"], item["gold"])
        assert example["chosen"] == (item["gold"] + 1) % 4
        assert example["scores"][example["chosen"]] == max(example["scores"])


def test_batches_of_any_composition_give_the_same_numbers(adapter, monkeypatch):
    asked = [Request((item["query"], " " + choice)) for item in choice_items(10) for choice in item["choices"]]
    together = adapter.loglikelihood(asked)
    random.Random(1).shuffle(order := list(range(len(asked))))
    monkeypatch.setattr("antimatter.evaluate.adapter.PASS_TOKENS", 40)
    apart = adapter.loglikelihood([asked[number] for number in order])
    assert [together[number][0] for number in order] == pytest.approx([score for score, _ in apart], abs=1e-4)


def hub_tasks(rows, **configs):
    """Tasks of the harness as its hub would give them, from these rows."""
    with harness._quiet(offline=True):
        import datasets
        from lm_eval.api.task import ConfigurableTask
    split = datasets.Dataset.from_list(rows)
    common = {"custom_dataset": lambda **_: {"test": split}, "test_split": "test", "num_fewshot": 0}
    return {name: ConfigurableTask(config={"task": name, **common, **config}) for name, config in configs.items()}


MEAN = {"aggregation": "mean", "higher_is_better": True}
ROWS = [{"text": f"fox {n} saw a dog", "right": n % 2, "one": f"the fox {n}", "two": f"a dog {n}"} for n in range(4)]


def test_tasks_of_the_hub_whose_choices_stand_in_front_show_them_and_which_one_is_right(tmp_path, monkeypatch):
    choice = {"output_type": "multiple_choice", "metric_list": [{"metric": "acc", **MEAN}]}
    found = hub_tasks(
        ROWS,
        before=choice | {"doc_to_text": lambda row: row["right"], "doc_to_target": "ran away",
                         "doc_to_choice": lambda row: [row["one"], row["two"]]},
        ratio=choice | {"doc_to_text": "text", "doc_to_choice": "{{[one, two]}}",
                        "doc_to_target": lambda row: (row["one"], row["two"])[row["right"]],
                        "metric_list": [{"metric": "acc", **MEAN}, {"metric": "acc_mutual_info", **MEAN}]},
        own=choice | {"doc_to_text": "text", "doc_to_choice": "{{[one, two]}}", "doc_to_target": "right",
                      "process_results": lambda row, scores: {"acc": 0.75}},
        several=choice | {"doc_to_text": "text", "doc_to_choice": "{{[one, two]}}",
                          "doc_to_target": lambda row: [row["right"]]},
    )  # fmt: skip
    monkeypatch.setattr(harness, "_from_hub", lambda *_: found)
    told = Told(lambda before, text: before.endswith(("the fox 0", "the fox 1", "the fox 2", "the fox 3")))
    tasks, examples = harness.run(told, settings(tasks=("before",)), tmp_path)
    assert {name: task["chance"] for name, task in tasks.items()} == {
        "before": 0.5, "ratio": 0.5, "own": None, "several": None
    }  # fmt: skip
    assert tasks["before"]["metrics"]["acc"]["value"] == 0.5
    shown = [example for example in examples if example["task"] == "before"]
    assert [example["query"] for example in shown] == ["… ran away"] * 4
    assert [example["choices"] for example in shown] == [[row["one"], row["two"]] for row in ROWS]
    assert [(example["gold"], example["chosen"]) for example in shown] == [(0, 0), (1, 0), (0, 0), (1, 0)]
    for name in ("ratio", "own", "several"):
        shown = [example for example in examples if example["task"] == name]
        assert [example["gold"] for example in shown] == [0, 1, 0, 1]
        assert {len(example["choices"]) for example in shown} == {len(example["scores"]) for example in shown} == {2}


def test_tasks_of_the_hub_that_score_whole_texts_or_read_what_is_written_are_shown_too(subject, tmp_path, monkeypatch):
    found = hub_tasks(
        ROWS,
        rolling={"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "text",
                 "metric_list": [{"metric": "bits_per_byte"}]},
        written={"output_type": "generate_until", "doc_to_text": "text", "doc_to_target": "one",
                 "generation_kwargs": {"until": ["\n"], "max_gen_toks": 3},
                 "metric_list": [{"metric": "exact_match", **MEAN}]},
    )  # fmt: skip
    monkeypatch.setattr(harness, "_from_hub", lambda *_: found)
    tasks, examples = harness.run(subject, settings(tasks=("rolling",)), tmp_path)
    assert (tasks["rolling"]["kind"], tasks["rolling"]["chance"], tasks["rolling"]["items"]) == ("other", None, 4)
    size = sum(len(row["text"]) for row in ROWS)
    nats = -sum(example["scores"][0] for example in examples if example["task"] == "rolling")
    assert tasks["rolling"]["metrics"]["bits_per_byte"]["value"] == pytest.approx(nats / size / math.log(2), abs=1e-5)
    assert [example["query"] for example in examples if example["task"] == "written"] == [row["text"] for row in ROWS]
    assert all(isinstance(example["written"], str) for example in examples if example["task"] == "written")
    json.dumps([tasks, examples], allow_nan=False)


# --- what is asked for ----------------------------------------------------------------------------------------------


def test_nothing_asked_for_is_nothing_found_and_the_harness_is_not_imported(tmp_path, subject):
    assert harness.run(subject, settings(), tmp_path) == ({}, [])  # no benchmarks at all
    script = (
        "import sys; from pathlib import Path; from antimatter.evaluate import harness;"
        "from antimatter.params.evaluate import Evaluate;"
        "assert harness.run(None, Evaluate(), Path('nowhere')) == ({}, []);"
        "sys.exit('lm_eval' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[2]).returncode == 0


def test_all_sets_one_set_and_some_items(benchmarks):
    folder = benchmarks(choices=choice_items(5), words=CLOZE)
    assert [task.name for task in local_tasks.read(folder, ["*"])] == ["choices", "words"]
    assert [task.name for task in local_tasks.read(folder, ["words"])] == ["words"]
    assert [len(task.items) for task in local_tasks.read(folder, ["*"], most=2)] == [2, 2]


@pytest.mark.parametrize(
    ("names", "said"),
    [(("word",), "Did you mean words?"), (("zzz",), "There are choices, words")],
)
def test_an_unknown_set_is_refused_with_the_nearest_one(names, said, benchmarks, subject):
    with pytest.raises(local_tasks.UnknownTask, match=said):
        harness.run(subject, settings(local_tasks=names), benchmarks(choices=choice_items(2), words=CLOZE))


def test_an_unknown_task_of_the_hub_is_refused_with_the_nearest_ones(subject, tmp_path):
    with pytest.raises(local_tasks.UnknownTask, match=r"no task hellaswga.*hellaswag"):
        harness.run(subject, settings(tasks=("hellaswga",)), tmp_path)


def test_without_a_network_a_task_of_the_hub_names_the_way_that_works(subject, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no network here")

    import datasets

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(harness.UnreachableTask, match=r"piqa were not fetched.*evaluate.local_tasks"):
        harness.run(subject, settings(tasks=("piqa",)), tmp_path)


def test_an_empty_choice_is_refused_by_its_line(subject, benchmarks):
    items = choice_items(3)
    items[1]["choices"][2] = " "
    with pytest.raises(local_tasks.UnfitItem, match=r"choices.jsonl, line 2: a choice is empty"):
        harness.run(subject, settings(), benchmarks(choices=items))


def test_without_the_extra_the_error_names_the_command(subject, benchmarks, monkeypatch):
    monkeypatch.setattr(harness.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AntiMatterError, match=r"pip install -e '\.\[eval\]'"):
        harness.run(subject, settings(), benchmarks(choices=choice_items(2)))


def test_local_sets_touch_neither_the_network_nor_the_home_folder(subject, benchmarks, monkeypatch, tmp_path, capfd):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    before = dict(os.environ)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    harness.run(subject, settings(), benchmarks(choices=choice_items(2), words=CLOZE))
    assert list(home.rglob("*")) == []
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("benchmarks ")  # our progress; of the harness nothing
    assert {**os.environ, "HOME": before["HOME"]} == before
