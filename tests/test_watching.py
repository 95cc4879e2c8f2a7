"""What the train stage makes of a run's records: points once, texts, the names of documents."""

import json

import pytest

from antimatter import trace_table, watching
from antimatter.errors import AntiMatterError
from antimatter.execution.observer import Observer
from antimatter.model.text import Text
from antimatter.watching import Watcher, numbers_of

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
