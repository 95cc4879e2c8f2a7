"""The stage around the engine: what it publishes of a run that was asked and that wrote on the way."""

import hashlib
import io
import json
import string
from pathlib import Path

import pytest
import sentencepiece

from antimatter.corpus.reports import read_json
from antimatter.execution import observer
from antimatter.tokenizer import opened, publish
from antimatter.train import Interrupted
from antimatter.train.journal import read_csv, read_records
from antimatter.train.launch import Outcome
from stages import train as stage

LETTERS = string.ascii_letters + string.digits
PARAMETERS = """
model: {layers: 1, width: 16, heads: 2, feed_forward: 32, context: 16, vocabulary_multiple: 16}
train:
  {steps: 12, sequence_length: 16, batch_tokens: 128, learning_rate: 3.0e-3, warmup_steps: 2, precision: fp32,
   log_every: 1, validate_every: 5, validation_sequences: 4, save_every: 4, %s}
"""
ASKED = "samples: {every: 4, prompts: [ab, cd], tokens: 3}, quiz: {every: 3, path: q.jsonl, sha256: %s, items: 2}"
ITEMS = [{"query": "ab", "choices": ["c", "de"], "gold": 0}] * 3


class Notes(observer.Observer):
    """Counts how often a name becomes a metric of its own."""

    def __init__(self):
        self.named, self.told = [], []

    def metrics(self, values, step):
        self.named += values

    def measured(self, content):
        self.told.append(content)


@pytest.fixture
def notes(monkeypatch):
    found = Notes()
    monkeypatch.setattr(observer, "start", lambda *arguments: found)
    return found


@pytest.fixture
def project(tmp_path, write_tokens, monkeypatch, notes):
    """project(name, parameters) makes a folder to work in: tokens and a tokenizer of 40 letters that match."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([LETTERS, LETTERS[:20]]), model_writer=model, vocab_size=40, model_type="char", pad_id=0,
        bos_id=1, eos_id=2, unk_id=3, minloglevel=2,
        control_symbols=["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
    )  # fmt: skip

    def make(name, parameters):
        folder = tmp_path / name
        (folder / "data/tokenizer").mkdir(parents=True)
        write_tokens(name=f"{name}/data/tokens")
        monkeypatch.chdir(folder)
        for variable, value in (("DVC_ROOT", str(folder)), ("ANTIMATTER_DEVICE", "cpu"), ("ANTIMATTER_THREADS", "1")):
            monkeypatch.setenv(variable, value)
        Path("data/tokenizer/antimatter.model").write_bytes(model.getvalue())
        publish.publish(Path("data/tokenizer"), "sentencepiece", "antimatter.model", {})
        meta = read_json(Path("data/tokens/meta.json"))
        meta["tokenizer_digest"] = opened.read_meta(Path("data/tokenizer"))["digest"]
        Path("data/tokens/meta.json").write_text(json.dumps(meta))
        Path("params.yaml").write_text(PARAMETERS % parameters)
        return folder

    return make


@pytest.fixture
def stops(monkeypatch, train_here):
    """stops(step, ...): the coming starts of the engine, in this process, stop at these steps; None: at the end."""

    def begin(*steps):
        coming = list(steps)

        def launch(job, on_record):
            finished = train_here(job, stop_at=coming.pop(0))
            for record in read_records(Path(job.work) / "records.jsonl"):
                on_record(record)
            if not finished:
                raise Interrupted("stopped")
            summary, speed = (read_json(Path(job.work) / name) for name in ("summary.json", "speed.json"))
            return Outcome(Path(job.work), summary, speed)

        monkeypatch.setattr(stage, "launch", launch)

    return begin


def asked():
    content = "".join(json.dumps(item) + "\n" for item in ITEMS)
    return content, ASKED % hashlib.sha256(content.encode()).hexdigest()


def published(folder):
    names = ("data/model/samples.json", "data/model/model.safetensors", "reports/train_quiz.csv", "reports/train.json")
    return {name: (folder / name).read_bytes() for name in names}


def test_samples_and_marks_are_published_with_the_same_bytes_after_a_stop(project, stops):
    content, parameters = asked()
    undisturbed = project("undisturbed", parameters)
    Path("q.jsonl").write_text(content)
    stops(None)
    stage.main()
    stopped = project("stopped", parameters)
    Path("q.jsonl").write_text(content)
    stops(5, 9, None)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            stage.main()
    stage.main()
    assert published(stopped) == published(undisturbed)
    samples = read_json(Path("data/model/samples.json"))
    assert [(each["step"], each["prompt"]) for each in samples] == [(s, p) for s in (4, 8, 12) for p in ("ab", "cd")]
    assert all(each["text"].startswith(each["prompt"]) and len(each["text"]) > 2 for each in samples)
    assert [row["step"] for row in read_csv(Path("reports/train_quiz.csv"))] == [3, 6, 9, 12]
    assert read_json(Path("reports/train.json"))["quiz"]["items"] == 2


def test_what_nobody_asked_for_is_not_published_but_for_an_empty_table_that_dvc_expects(project, stops):
    project("plain", "seed: 1")
    stops(None)
    stage.main()
    assert not Path("data/model/samples.json").exists()
    assert read_csv(Path("reports/train_quiz.csv")) == []
    assert "quiz" not in read_json(Path("reports/train.json"))


def test_what_was_measured_is_kept_and_told_once_and_no_report_holds_it(project, stops, notes):
    folder = project("measured", "seed: 1")
    stops(None)
    stage.main()
    found = read_json(folder / "work/measured/train.json")
    assert [step for step, _ in found["tokens_per_second"]] == list(range(1, 13))
    assert {"computing", "waiting_for_data", "validation", "checkpoints"} <= found["seconds"].keys()
    assert sum(found["seconds"].values()) == pytest.approx(found["speed"]["seconds"], abs=0.1)
    assert notes.told == [found]
    assert not [name for name in notes.named if name.startswith("speed")]
    assert "second" not in Path("reports/train.json").read_text()


def test_a_wrong_digest_is_told_before_training_begins(project, monkeypatch):
    content, parameters = asked()
    project("wrong", parameters)
    Path("q.jsonl").write_text(content + "\n")
    monkeypatch.setattr(stage, "launch", lambda *arguments: pytest.fail("it began"))
    with pytest.raises(Exception, match=r"train.quiz: q.jsonl has sha256"):
        stage.main()
