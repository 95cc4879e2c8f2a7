"""antimatter tokens: show, verify, compare."""

import hashlib
import shutil
import sys
import types

import numpy as np
import pytest

from antimatter.cli import main
from antimatter.tokenizer.publish import publish
from tests.tokenizer.small_models import small_model
from tests.tokens.token_project import copy, identity


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project after tokenize."""
    monkeypatch.chdir(copy(tmp_path / "project"))
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    return tmp_path / "project"


def test_a_document_is_shown_with_bars_where_there_is_no_terminal(project, capsys):
    assert main(["tokens", "show", identity("code", 2)[:10]]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"document {identity('code', 2)}\n") and "[BOS]│" in out and "\x1b" not in out


def test_a_terminal_gets_colours_unless_they_are_not_wanted(project, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for arguments, variable, is_coloured in ([], "", True), (["--no-color"], "", False), ([], "1", False):
        monkeypatch.setenv("NO_COLOR", variable)
        assert main(["tokens", "show", identity("code", 2), *arguments]) == 0
        assert ("\x1b[" in capsys.readouterr().out) == is_coloured


def test_ids_and_a_limit_can_be_asked_for(project, capsys):
    assert main(["tokens", "show", identity("code", 2), "--ids", "--limit", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4] == "  1  [BOS]" and lines[-1].endswith("more tokens (--limit 0 shows all)")


def test_an_unknown_document_is_a_message(project, capsys):
    assert main(["tokens", "show", "ffffffffff"]) == 1
    assert capsys.readouterr().err.startswith("error: no document ffffffffff in data/deduplicated, data/tokens")


def test_whole_tokens_are_verified(project, capsys):
    assert main(["tokens", "verify"]) == 0
    out = capsys.readouterr().out
    assert out.count(": digests and ids are right\n") == 2 and "the counts of tokens are right" in out


def test_damaged_tokens_end_with_status_1_and_the_advice(project, capsys):
    path = project / "data/tokens/validation/shard-00000.bin"
    ids = np.fromfile(path, dtype="<u2")
    ids[1] += 1
    ids.tofile(path)
    assert main(["tokens", "verify"]) == 1
    error = capsys.readouterr().err
    assert "validation/shard-00000.bin is not what was written" in error and "`dvc repro tokenize`" in error


def test_without_tokens_the_command_names_the_stage_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in (["verify"], ["compare", "data/tokenizer"], ["compare", "gpt2"]):
        assert main(["tokens", *command]) == 1
        assert "dvc repro tokenizer" in capsys.readouterr().err


def test_before_anything_is_downloaded_the_tokens_must_be_there(project, capsys, monkeypatch):
    shutil.rmtree("data/tokens")
    monkeypatch.setattr("antimatter.tokenizer.gpt2.fetch", lambda *_: pytest.fail("a download"))
    assert main(["tokens", "compare", "gpt2"]) == 1
    assert "data/tokens has no meta.json" in capsys.readouterr().err


def checked(capsys):
    """The rows that `antimatter check` prints of the model."""
    assert main(["check"]) == 0
    return {line[:22].strip(): line[22:].strip() for line in capsys.readouterr().out.splitlines()}


def test_check_knows_the_vocabulary_of_a_file_once_the_stage_has_taken_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    model = small_model("english")
    group = f"tokenizer:\n  kind: sentencepiece\n  file: a.model\n  sha256: {hashlib.sha256(model).hexdigest()}\n"
    (tmp_path / "params.yaml").write_text(group)
    rows = checked(capsys)
    assert rows["tokens"].startswith("vocabulary known once stage tokenizer has run, context ")
    assert rows["parameters"] == "known then too" and "tying embeddings" not in rows
    blocks = rows["without embeddings"]
    folder = tmp_path / "data/tokenizer"
    folder.mkdir(parents=True)
    (folder / "antimatter.model").write_bytes(model)
    size = publish(folder, "sentencepiece", "antimatter.model", {"lossless": True}).size
    rows = checked(capsys)
    assert rows["tokens"].startswith(f"vocabulary {size:,}, context ") and rows["without embeddings"] == blocks
    assert int(rows["parameters"].replace(",", "")) > int(blocks.replace(",", ""))


def test_explain_names_the_file_of_the_tokens_and_the_command_that_shows_them(project, capsys):
    assert main(["explain", identity("code", 2)]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert any(
        line in lines for line in ("data/tokens/train/shard-00001.bin", "data/tokens/validation/shard-00001.bin")
    )
    assert lines[-1] == f"antimatter tokens show {identity('code', 2)} shows its pieces"


def test_another_tokenizer_is_compared_source_by_source(project, capsys):
    assert main(["tokens", "compare", "data/tokenizer", "--documents", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == [
        "ours", "other", "text", "bytes", "source", "all", "code", "wiki",
    ]  # fmt: skip


def test_a_missing_library_names_the_extra_to_install(project, capsys, monkeypatch):
    for module, other in (("tiktoken", "gpt2"), ("tokenizers", "data/tokenizer/tokenizer.json")):
        monkeypatch.setitem(sys.modules, module, None)
        assert main(["tokens", "compare", other]) == 1
        assert f"pip install 'antimatter[{module}]'" in capsys.readouterr().err


def test_without_a_network_gpt2_says_where_its_files_belong(project, capsys, monkeypatch):
    def fail(name):
        raise OSError("no network")

    library = types.ModuleType("tiktoken")
    library.get_encoding = fail
    monkeypatch.setitem(sys.modules, "tiktoken", library)
    assert main(["tokens", "compare", "gpt2"]) == 1
    error = capsys.readouterr().err
    assert "no network" in error and str(project / "work/downloads/tiktoken") in error


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["show", "abcdef", "--limit", "-1"], "-1 is no number of tokens: expected 0 or more"),
        (["compare", "gpt2", "--documents", "0"], "0 is no number of documents: expected 1 or more"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_a_wrong_command_line_is_told(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["tokens", *arguments])
    assert stop.value.code == 2 and words in capsys.readouterr().err
