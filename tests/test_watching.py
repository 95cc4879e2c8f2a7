"""What the train stage makes of a run's records: points once, texts, the names of documents."""

import gzip
import hashlib
import json

import pytest

from antimatter import trace_table, watching
from antimatter.errors import AntiMatterError
from antimatter.execution.observer import Observer
from antimatter.model.text import Text
from antimatter.params.train import Quiz
from antimatter.train.quiz import Question
from antimatter.watching import Watcher, measured, numbers_of

ROLLBACK = {"kind": "rollback", "step": 8, "number": 2, "reason": "loss nan", "target_step": 4, "samples": [7, 3]}


class Notes(Observer):
    """Keeps what it sees, in order."""

    def __init__(self):
        self.points, self.tagged, self.texts, self.backs = [], {}, {}, []

    def metrics(self, values, step):
        self.points.append((step, dict(values)))

    def went_back(self, step):
        self.backs.append((step, len(self.points)))

    def tags(self, tags):
        self.tagged |= tags

    def text(self, name, content):
        self.texts[name] = content


def letters(encoded):
    return "".join(map(chr, encoded))  # an id that stands for no text would show


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def watcher(notes, tmp_path, monkeypatch):
    """A watcher whose tokenizer spells: the id of a letter is its code point; 1 begins a text and 2 ends it."""
    text = Text(encode=lambda string: [ord(c) for c in string], decode=letters, bos=1, eos=2, suppress=())
    monkeypatch.setattr(watching.text, "load", lambda folder: text)
    monkeypatch.setattr(trace_table, "post_mortem", lambda samples, length: [f"windows {samples} of {length}"])
    (tmp_path / "training").mkdir()
    return Watcher(notes, tmp_path / "training", tmp_path / "tokenizer", 16)


def train(step, loss=1.0):
    return {"kind": "train", "step": step, "loss": loss}


def test_a_point_is_passed_on_once_under_its_name(watcher, notes):
    for record in (train(1), train(2), train(2), train(1), {"kind": "validation", "step": 2, "loss": 3.0}):
        watcher.metrics(record)
    assert notes.points == [(1, {"loss": 1.0}), (2, {"loss": 1.0}), (2, {"validation.loss": 3.0})]


@pytest.mark.parametrize("kind", ["start", "note", "checkpoint", "sample", "skipped", "interrupted", "given_up"])
def test_records_without_curves_make_no_points(watcher, notes, kind):
    watcher.metrics({"kind": kind, "step": 3, "seconds": 2.0})
    assert notes.points == []


def test_after_a_rollback_the_points_behind_its_target_come_again(watcher, notes):
    for record in (train(4), train(6), ROLLBACK, train(4), train(6, loss=2.0)):
        watcher.metrics(record)
    assert notes.points == [(4, {"loss": 1.0}), (6, {"loss": 1.0}), (6, {"loss": 2.0})]
    assert notes.backs == [(4, 2)]  # told before the first of them


def test_only_numbers_are_points():
    record = {"kind": "train", "step": 3, "loss": 2.5, "tokens": 10, "mfu": None, "text": "a", "of": ["b"]}
    assert numbers_of(record) == {"loss": 2.5, "tokens": 10}
    assert numbers_of(record, "speed.") == {"speed.loss": 2.5, "speed.tokens": 10}


def test_prompts_begin_as_every_text_does(watcher):
    assert watcher.prompts(["ab", ""]) == [[1, 97, 98], [1]]


def test_samples_are_decoded_told_and_kept_from_the_first_to_the_last(watcher, notes, tmp_path, capsys):
    ids = [[1, *b"On", *b"ce", 2, 2], [1, *b"A", *b"b"]]
    watcher.see({"kind": "sample", "step": 5, "ids": ids, "prompt_lengths": [3, 2]})
    watcher.see({"kind": "sample", "step": 10, "ids": [[1, *b"\nOn", 2]], "prompt_lengths": [2]})
    expected = "step 5: **On**ce\n\nstep 5: **A**b\n\nstep 10: **\n**On\n\n"
    assert (tmp_path / "training/samples.md").read_text() == expected
    assert notes.texts == {"samples.md": expected}
    assert capsys.readouterr().err.splitlines() == [
        'train: step 5 writes: "Once"', 'train: step 5 writes: "Ab"', 'train: step 10 writes: "\\nOn"',
    ]  # fmt: skip


def test_samples_come_by_step_and_prompt_without_those_of_a_rollback(watcher):
    def sample(step, *texts):
        return {"kind": "sample", "step": step, "ids": [[1, *text, 2] for text in texts], "prompt_lengths": [2, 2]}

    back = {"kind": "rollback", "step": 9, "number": 1, "target_step": 6}
    records = [sample(5, b"ab", b"xy"), sample(8, b"ac", b"xz"), back, train(8), sample(8, b"ad", b"xw")]
    assert watcher.samples(records) == [
        {"step": 5, "prompt": "a", "text": "ab"}, {"step": 5, "prompt": "x", "text": "xy"},
        {"step": 8, "prompt": "a", "text": "ad"}, {"step": 8, "prompt": "x", "text": "xw"},
    ]  # fmt: skip
    assert watcher.samples([train(8), back]) == []


ITEMS = [
    {"ctx": "Who? ", "endings": ["me", "him"], "label": "1"},
    {"query": "", "choices": ["a", "b", "c"], "gold": 0},
    {"question": "no", "choices": [" ", "b"], "answer": 0},
]


@pytest.fixture
def quiz(tmp_path):
    """quiz(items, ...) -> parameters that name a file of these items."""

    def write(asked, **changes):
        path = tmp_path / "items.jsonl.gz"
        path.write_bytes(gzip.compress("".join(json.dumps(item) + "\n" for item in asked).encode(), mtime=0))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Quiz(**{"every": 5, "path": str(path), "sha256": digest, **changes})

    return write


def test_questions_are_the_first_items_as_ids(watcher, quiz):
    first, second = watcher.questions(quiz(ITEMS, items=2))
    # white space at the end of the query belongs to the choices; here a letter is a token
    assert first == Question((1, *b"Who?"), (tuple(b"  me"), tuple(b"  him")), (2, 3), 1)
    assert second == Question((1,), (tuple(b" a"), tuple(b" b"), tuple(b" c")), (1, 1, 1), 0)


def test_a_quiz_that_is_off_opens_no_file(watcher, quiz):
    assert watcher.questions(Quiz(path="nowhere.jsonl", sha256="0" * 64)) == []


@pytest.mark.parametrize(
    ("items", "changes", "message"),
    [
        (ITEMS[:2], {"sha256": "0" * 64}, "train.quiz: .*items.jsonl.gz has sha256 .*pins 0000"),
        (ITEMS[:2], {"path": "nowhere.jsonl"}, "train.quiz: there is no file nowhere.jsonl"),
        (ITEMS, {}, "train.quiz: item 3 has a choice without words"),
        ([ITEMS[0], {"query": "a"}], {}, "train.quiz: .*items.jsonl.gz, line 2: no field choices"),
        ([], {}, "train.quiz: .*items.jsonl.gz holds no item"),
    ],
)
def test_items_that_cannot_be_asked_are_an_error_that_says_which(watcher, quiz, items, changes, message):
    with pytest.raises(AntiMatterError, match=message):
        watcher.questions(quiz(items, **changes))


def test_a_quiz_is_a_curve_of_its_own(watcher, notes):
    for step in (5, 5, 10):
        watcher.metrics({"kind": "quiz", "step": step, "accuracy": 0.5, "error": None})
    assert notes.points == [(5, {"quiz.accuracy": 0.5}), (10, {"quiz.accuracy": 0.5})]


def speeds(*rates):
    return [{"kind": "train", "step": 10 * n, "tokens_per_second": rate} for n, rate in enumerate(rates, start=1)]


def test_what_was_measured_holds_speed_over_steps_and_where_time_went():
    speed = {"tokens_per_second": 150.0, "seconds": 9.0, "spent": {"computing": 8.0, "quiz": 1.0}}
    assert measured(speeds(100.0, 200.0), speed) == {
        "tokens_per_second": [[10, 100.0], [20, 200.0]],
        "seconds": {"computing": 8.0, "quiz": 1.0},
        "speed": {"tokens_per_second": 150.0, "seconds": 9.0},
    }


def test_of_a_long_run_points_are_means_over_equally_many_tokens():
    points = measured(speeds(*[100.0, 300.0] * 500), {"spent": {}})["tokens_per_second"]
    assert len(points) == 500 and points[0] == [20, 150.0] and points[-1] == [10_000, 150.0]
    assert len(measured(speeds(*[1.0] * 501), {"spent": {}})["tokens_per_second"]) == 251


def test_a_rollback_is_tagged_and_its_documents_are_named(watcher, notes, capsys):
    watcher.see(ROLLBACK)
    assert notes.tagged == {"rollbacks": "2", "rollback.2": "step 8 -> 4: loss nan"}
    assert notes.backs == [(4, 0)]
    assert capsys.readouterr().err == "windows [7, 3] of 16\n"


def test_a_run_that_was_given_up_is_tagged_with_its_reason(watcher, notes):
    watcher.see({"kind": "given_up", "step": 9, "reason": "nothing helps"})
    assert notes.tagged == {"given_up": "nothing helps"}


def test_after_a_failure_the_post_mortem_names_its_documents(watcher, tmp_path, capsys):
    path = tmp_path / "training/post_mortem.json"
    path.write_text(json.dumps({"reason": "why", "samples": [5, 6]}))
    watcher.after_failure()
    lines = ["windows [5, 6] of 16"]
    assert json.loads(path.read_text()) == {"reason": "why", "samples": [5, 6], "documents": lines}
    assert capsys.readouterr().err.splitlines() == lines


def test_a_failure_without_post_mortem_says_nothing_more(watcher, tmp_path, capsys):
    watcher.after_failure()
    assert not list((tmp_path / "training").iterdir()) and capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [AntiMatterError("no tokens"), OSError("no disk"), ValueError("no numbers")])
def test_documents_that_cannot_be_named_are_told_so_and_hide_no_failure(watcher, monkeypatch, capsys, error):
    def failing(samples, length):
        raise error

    monkeypatch.setattr(trace_table, "post_mortem", failing)
    watcher.see(ROLLBACK)
    assert capsys.readouterr().err == f"the documents of this batch cannot be named: {error}\n"


def test_a_rollback_that_every_start_tells_again_takes_nothing_back_twice(watcher, notes):
    for record in (train(5), ROLLBACK, train(5, 2.0), ROLLBACK, train(5, 2.0)):
        watcher.metrics(record)
    assert notes.points == [(5, {"loss": 1.0}), (5, {"loss": 2.0})]
    assert [step for step, _ in notes.backs] == [4]


def test_each_number_of_a_list_is_a_curve(watcher, notes):
    record = {"kind": "validation", "step": 2, "loss": 3.0, "by_frequency": [1.0, None, 4.0]}
    watcher.metrics(record)
    expected = {"validation.loss": 3.0, "validation.by_frequency.0": 1.0, "validation.by_frequency.2": 4.0}
    assert notes.points == [(2, expected)]
