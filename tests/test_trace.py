"""antimatter trace: from a step to its documents."""

import dataclasses
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from antimatter import trace, trace_table
from antimatter.cli import main
from antimatter.params.loader import to_plain
from antimatter.params.train import Train
from antimatter.terminal import columns
from antimatter.tokenizer.opened import open_tokenizer
from antimatter.tokens.binary import TokenizerMismatch
from antimatter.train.data import samples_at, window_count
from antimatter.train.interventions import Intervention
from antimatter.train.tokens import TokensError, open_tokens
from tests.tokens.token_project import copy

TRAIN = Train(seed=5, steps=40, sequence_length=16, batch_tokens=64, warmup_steps=2)
BACK = Intervention(1, "spike\x1b[2J", trigger_step=30, target_step=20, skip_from=80, skip_to=200, rate=0.5)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project after train, but for the weights."""
    folder = copy(tmp_path / "project")
    monkeypatch.chdir(folder)
    meta = json.loads(Path("data/tokens/meta.json").read_text())
    write_model({"train": to_plain(TRAIN)}, meta["digest"])
    shutil.copytree("data/tokenizer", "data/model/tokenizer")
    return folder


def write_model(parameters, digest, interventions=None):
    Path("data/model").mkdir(exist_ok=True)
    origin = {"parameters": parameters, "inputs": {"data/tokens": digest}}
    Path("data/model/provenance.json").write_text(json.dumps(origin))
    if interventions is not None:
        told = {"steps": 40, "interventions": [dataclasses.asdict(each) for each in interventions]}
        Path("data/model/training.json").write_text(json.dumps(told))


def owners():
    """(id, place inside the document) of every training token, from the shards one after the other."""
    table = pq.read_table("data/tokens/documents.parquet").to_pylist()
    meta = json.loads(Path("data/tokens/meta.json").read_text())
    found = []
    for shard, told in enumerate(meta["splits"]["train"]["shards"]):
        of_shard = [None] * told["tokens"]
        for row in table:
            if (row["split"], row["shard"]) == ("train", shard):
                of_shard[row["start"] : row["start"] + row["length"]] = [(row["id"], i) for i in range(row["length"])]
        found += of_shard
    return found


@pytest.mark.parametrize("step", [1, 2, 17, 40])
def test_the_documents_of_a_step_are_the_owners_of_the_tokens_that_it_read(project, step):
    split, owner = open_tokens("data/tokens").train, owners()
    samples = samples_at(5, (step - 1) * 4, 4, window_count(split, 16)).tolist()
    batch = trace.documents_in(step)
    assert [window.number for window in batch.windows] == samples
    for window, sample in zip(batch.windows, samples, strict=True):
        told = [(piece.id, place) for piece in window.pieces for place in range(piece.start, piece.end)]
        assert told == owner[sample * 16 : sample * 16 + 17]
        assert sum(map(window.share, window.pieces)) == pytest.approx(1)


def test_all_windows_of_an_epoch_know_their_documents_with_their_names(project):
    tokens, owner = open_tokens("data/tokens"), owners()
    names = {
        row["id"]: (row["source"], row["origin"]) for row in pq.read_table("data/tokens/documents.parquet").to_pylist()
    }
    lengths = Counter(identity for identity, _ in owner)
    count = window_count(tokens.train, 7)
    for window in trace.windows_at([(0, number) for number in range(count)], 7, tokens):
        told = [(piece.id, place) for piece in window.pieces for place in range(piece.start, piece.end)]
        assert told == owner[window.start : window.end]
        assert all((piece.source, piece.origin) == names[piece.id] for piece in window.pieces)
        assert all(piece.length == lengths[piece.id] and piece.start < piece.end for piece in window.pieces)


def test_one_sequence_is_the_one_that_the_whole_batch_has_at_its_place(project):
    (alone,) = trace.documents_in(7, 2).windows
    assert alone == trace.documents_in(7).windows[2] and alone.place == 2


def test_after_going_back_a_step_reads_beyond_the_skipped_data_and_tells_what_was_undone(project):
    digest = json.loads(Path("data/tokens/meta.json").read_text())["digest"]
    write_model({"train": to_plain(TRAIN)}, digest, [BACK])
    assert [trace.documents_in(step).cursor for step in (20, 21, 31)] == [76, 200, 240]
    assert [trace.documents_in(step).undone for step in (20, 21, 30, 31)] == [(), ((80, BACK),), ((116, BACK),), ()]
    told = "\n".join(trace_table.lines(trace.documents_in(21)))
    assert "computed before on samples 80 to 83, and undone: 1. at step 30 (spike\\x1b[2J) back to step 20" in told


def test_the_table_fits_its_width_and_escapes_what_would_drive_a_terminal(project):
    path = Path("data/tokens/documents.parquet")
    table = pq.read_table(path)
    names = [f"漢字/{'ordner/' * 20}\x1b[2J{i}.txt" for i in range(len(table))]
    pq.write_table(table.set_column(2, table.schema.field("origin"), [names]), path)
    for width in (80, 100, 140):
        lines = list(trace_table.lines(trace.documents_in(3), width, with_text=True))
        assert max(map(columns, lines)) == width
        assert "\x1b" not in "".join(lines) and any("漢字/" in line and "…" in line for line in lines)


def test_the_sources_of_a_step_add_up(project):
    batch = trace.documents_in(9)
    tokens = Counter()
    for window in batch.windows:
        for piece in window.pieces:
            tokens[piece.source] += piece.end - piece.start
    lines = [line.split() for line in trace_table.lines(batch)]
    told = {line[0]: int(line[2].replace(",", "")) for line in lines[-6:] if line and line[-1] == "%"}
    assert told == dict(tokens) | ({"all": 68} if len(tokens) > 1 else {})
    assert sum(tokens.values()) == 68


def test_the_text_is_what_the_tokenizer_makes_of_each_piece(project, capsys):
    parted = [n for n in range(1, 41) if any(len(window.pieces) > 1 for window in trace.documents_in(n).windows)]
    assert main(["trace", "--step", str(parted[0]), "--text", "--json"]) == 0
    sequences = json.loads(capsys.readouterr().out)["sequences"]
    tokenizer = open_tokenizer(Path("data/tokenizer"))
    for sequence in sequences:
        ids = open_tokens("data/tokens").train.read(sequence["start"], 17).tolist()
        for piece in sequence["documents"]:
            count = piece["end"] - piece["start"]
            assert piece["text"] == tokenizer.decode(ids[:count])
            ids = ids[count:]
        assert ids == []


def test_the_text_is_broken_at_the_width_and_escaped_too(project, monkeypatch):
    monkeypatch.setattr(trace_table.Texts, "of", lambda *_: "漢\x1b[2J" * 99 + "\n\tdef")
    for width in (80, 100):
        lines = list(trace_table.lines(trace.documents_in(3, 0), width, with_text=True))
        told = [line for line in lines if "│" in line]
        assert width - 1 <= max(map(columns, told)) <= width and "\x1b" not in "".join(lines)
        assert any(line.endswith("│     def") for line in told)


def test_text_of_another_tokenizer_is_refused(project):
    path = Path("data/model/tokenizer/meta.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"digest": "0123"}))
    with pytest.raises(TokenizerMismatch, match=r"data/model/tokenizer is 0123: .*`dvc repro tokenize`"):
        list(trace_table.lines(trace.documents_in(3), with_text=True))


def test_the_command_prints_the_table(project, capsys):
    assert main(["trace", "--step", "4"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("step 4 of 40, as data/model has it\nsamples 12 to 15 since the start, epoch 1 of ")
    assert out.count("sequence ") == 4 and "\nsource " in out


def test_without_a_model_params_yaml_can_be_followed(project, capsys):
    expected = [window.number for window in trace.documents_in(4).windows]
    shutil.rmtree("data/model")
    assert main(["trace", "--step", "4"]) == 1
    assert "no model has been trained" in (said := capsys.readouterr().err) and "--params" in said
    demo = YAML().load(Path(__file__).parents[1] / "profiles/demo.yaml")
    demo["train"] |= {"seed": 5, "steps": 40, "sequence_length": 16, "batch_tokens": 64, "warmup_steps": 2}
    with open("params.yaml", "w") as file:
        YAML().dump(demo, file)
    assert main(["trace", "--step", "4", "--params", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [sequence["window"] for sequence in told["sequences"]] == expected
    assert (told["told_by"], told["steps"]) == ("params.yaml", 40)


def test_a_model_of_other_tokens_is_refused_with_the_commands_that_help(project):
    write_model({"train": to_plain(TRAIN)}, "0123")
    with pytest.raises(trace.NotTraceable, match=r"trained on tokens 0123, but data/tokens is now .*`dvc repro train`"):
        trace.documents_in(1)


def test_a_model_of_another_version_is_refused_by_what_it_lacks(project):
    digest = json.loads(Path("data/tokens/meta.json").read_text())["digest"]
    old = {name: value for name, value in to_plain(TRAIN).items() if name != "batch_tokens"} | {"batch_sequences": 4}
    write_model({"train": old}, digest)
    with pytest.raises(
        trace.NotTraceable, match=r"another version: its parameters lack train\.batch_tokens\. .*--params"
    ):
        trace.documents_in(1)
    write_model({"train": to_plain(TRAIN)}, digest)
    Path("data/model/training.json").write_text('{"interventions": [{"step": 3}]}')
    with pytest.raises(trace.NotTraceable, match=r"training\.json was written by another version"):
        trace.documents_in(1)


@pytest.mark.parametrize(("step", "sequence", "said"), [(0, None, "steps 1 to 40"), (41, None, "steps 1 to 40"),
                                                        (1, 4, "from 0 to 3"), (1, -1, "from 0 to 3")])  # fmt: skip
def test_steps_and_sequences_that_were_not_trained_are_refused(project, step, sequence, said):
    with pytest.raises(trace.NotTraceable, match=said):
        trace.documents_in(step, sequence)


def test_tokens_that_belong_to_no_document_are_an_error(project):
    path = Path("data/tokens/documents.parquet")
    table = pq.read_table(path)
    pq.write_table(table.filter(np.arange(len(table)) != 3), path)
    tokens = open_tokens("data/tokens")
    with pytest.raises(TokensError, match=r"does not say whose the tokens .*`dvc repro tokenize`"):
        list(trace.windows_at([(0, n) for n in range(window_count(tokens.train, 16))], 16, tokens))


def test_a_post_mortem_names_the_documents_of_the_first_windows(project):
    lines = trace_table.post_mortem([7, 3, 5], 16, most=2)
    assert [line for line in lines if line.startswith("window")] == [
        "window 7, tokens 112 to 128 of the training split",
        "window 3, tokens 48 to 64 of the training split",
    ]
    assert lines[-1] == "... and 1 more windows"
    identity, place = owners()[112]
    assert identity.hex()[:12] in lines[1] and (f"{place} to" in lines[1] or "all" in lines[1])
