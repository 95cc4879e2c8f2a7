"""Train and evaluate as the user starts them: from tokens to a published model, its scores and its texts."""

import hashlib
import io
import json
import shutil
from pathlib import Path

import pytest
import sentencepiece

from antimatter.corpus.reports import read_json
from antimatter.evaluate import evaluation, speed
from antimatter.execution import observer
from antimatter.model import AntiMatter
from antimatter.params.model import Model
from antimatter.params.train import Train
from antimatter.tokenizer import opened, publish
from stages import evaluate, train

PARAMETERS = """
model: {layers: 1, width: 16, heads: 2, feed_forward: 32, context: 16, vocabulary_multiple: 16}
train: {steps: 4, sequence_length: 16, batch_tokens: 64, warmup_steps: 1, log_every: 1, validate_every: 2,
        validation_sequences: 4, save_every: 2, precision: fp32}
evaluate: {prompts: [the cat], max_new_tokens: 5, continued_after: 6, continued_tokens: 8}
"""
WORDS = "the cat sat on a mat and the dog ran to the cat while a bird sang on top of the old mat again and again"


class Recorder(observer.Observer):
    """Keeps what a stage tells its observer."""

    def __init__(self):
        self.points, self.facts, self.figures = [], {}, []

    def metrics(self, values, step):
        self.points.append((step, set(values)))

    def measured(self, content):
        self.figures.append(content)

    def tags(self, tags):
        self.facts |= tags


@pytest.fixture
def recorder(monkeypatch):
    found = Recorder()
    monkeypatch.setattr(observer, "start", lambda *arguments: found)
    return found


@pytest.fixture
def project(tmp_path, write_tokens, monkeypatch):
    """A project with a tokenizer and tokens that belong together."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(WORDS.split()), model_writer=model, vocab_size=20, hard_vocab_limit=False, minloglevel=2,
        model_type="char", pad_id=0, bos_id=1, eos_id=2, unk_id=3,
        control_symbols=["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
    )  # fmt: skip
    tokens = write_tokens([("wiki", [8, 9, 10, 11, 12, 13] * 20), ("code", [14, 15, 16, 17] * 20)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("ANTIMATTER_DEVICE", "cpu")
    monkeypatch.setenv("ANTIMATTER_THREADS", "1")
    Path("data/tokenizer").mkdir(parents=True)
    shutil.move(tokens.folder, "data/tokens")
    Path("data/tokenizer/antimatter.model").write_bytes(model.getvalue())
    publish.publish(Path("data/tokenizer"), "sentencepiece", "antimatter.model", {})
    meta = read_json(Path("data/tokens/meta.json"))
    meta["tokenizer_digest"] = opened.read_meta(Path("data/tokenizer"))["digest"]
    Path("data/tokens/meta.json").write_text(json.dumps(meta))
    Path("data/benchmarks").mkdir()
    Path("data/benchmarks/manifest.json").write_text('{"benchmarks": []}')
    Path("params.yaml").write_text(PARAMETERS)
    return tmp_path


def test_from_tokens_to_scores(project, recorder, monkeypatch, capsys):
    monkeypatch.setattr(speed, "SECONDS_EACH", 0.01)
    train.main()
    origin = read_json(Path("data/model/provenance.json"))
    rest = {name: value for name, value in origin.items() if name != "model_id"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    assert origin["model_id"] == hashlib.sha256(canonical.encode()).hexdigest() == recorder.facts["model_id"]
    assert AntiMatter.from_pretrained("data/model").config.vocabulary_size == 20
    assert {"train.json", "train_loss.csv", "train_validation.csv"} <= {path.name for path in Path("reports").iterdir()}
    assert [step for step, names in recorder.points if "loss" in names] == [1, 2, 3, 4]
    assert [step for step, names in recorder.points if "validation.loss" in names] == [2, 4]
    assert "speed" in recorder.figures[-1]
    assert "second" not in Path("reports/train.json").read_text()

    evaluate.main()
    report = read_json(Path("reports/evaluation.json"))
    assert report["model_id"] == origin["model_id"]
    assert set(report["sources"]) == {"wiki", "code"}
    (sample,) = read_json(Path("data/examples/samples.json"))["samples"]
    assert sample["greedy"].startswith("the cat")
    written = Path("reports/evaluation.json").read_text()
    assert sample["greedy"] not in written
    assert set(report["method"]) == {
        "model", "interval", "by_position", "by_frequency", "baselines", "continuations", "coherence", "tasks",
    }  # fmt: skip
    assert report["continuations"]["documents"] == 2
    assert report["coherence"]["unit"] == "bits per byte"
    assert report["tasks"] == {}
    assert read_json(Path("data/examples/tasks.json"))["tasks"] == []
    assert len(read_json(Path("data/examples/continuations.json"))["continuations"]) == 2
    assert "tokens_per_second" in Path("work/measured/evaluate.json").read_text()
    assert "second" not in json.dumps({name: part for name, part in report.items() if name != "method"})
    out = capsys.readouterr().out
    assert "evaluate: " in out and "bits per byte [" in out and "chance" in out

    examples = {path.name: path.read_bytes() for path in Path("data/examples").iterdir()}
    monkeypatch.setenv("ANTIMATTER_FRESH", "1")
    evaluate.main()
    assert Path("reports/evaluation.json").read_text() == written
    assert {path.name: path.read_bytes() for path in Path("data/examples").iterdir()} == examples


def test_a_factual_task_that_is_not_scored_stops_the_stage_before_it_begins(project):
    Path("params.yaml").write_text(PARAMETERS.replace("prompts: [the cat]", "factual_task: lambada, prompts: [a]"))
    with pytest.raises(evaluation.NoFactualTask, match="tasks to be scored are none"):
        evaluate.main()


def test_tokens_of_another_tokenizer_are_refused(project):
    with open("data/tokenizer/antimatter.model", "ab") as file:
        file.write(b"\x00")
    with pytest.raises(train.TokenizerMismatch, match="dvc repro tokenize"):
        train.provenance(Model(), Train())


def test_the_model_id_changes_with_parameters_and_tokens_alone(project):
    first = train.provenance(Model(), Train())["model_id"]
    assert train.provenance(Model(), Train())["model_id"] == first
    assert train.provenance(Model(), Train(seed=1))["model_id"] != first
    meta = read_json(Path("data/tokens/meta.json"))
    Path("data/tokens/meta.json").write_text(json.dumps({**meta, "digest": "other"}))
    assert train.provenance(Model(), Train())["model_id"] != first
