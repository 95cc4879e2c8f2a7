"""Tokens as people read them: pieces from the binary file, damage found, tokenizers compared on the same texts."""

import re
import shutil
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest

from antimatter.corpus.history import UnknownDocument
from antimatter.corpus.shards import MissingData, read_shard, write_shard
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokenizer.errors import UnfitTokenizer
from antimatter.tokenizer.opened import DamagedTokenizer
from antimatter.tokenizer.publish import publish_trained
from antimatter.tokens import compare, show
from antimatter.tokens.binary import DamagedTokens, TokenizerMismatch
from tests.tokenizer.small_models import small_model
from tests.tokens.token_project import NASTY, SHARDS, build, copy, identity, without

ALL = show.View(limit=0)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(copy(tmp_path / "project"))
    return tmp_path / "project"


@pytest.fixture(scope="session")
def tokenizer():
    return SentencePieceBpe(small_model("code, whitespace pieces"))


def shown(name, view=ALL):
    """The facts, and the lines of the pieces."""
    lines = list(show.document(name, view))
    return lines[: lines.index("")], lines[lines.index("") + 1 :]


def ids_of(tokenizer, text, dtype=np.uint16):
    return np.array(tokenizer.encode(text), dtype=dtype)


def test_the_pieces_without_their_bars_are_the_text(project):
    facts, lines = shown(identity("code", 2))
    text = "\n".join(lines).replace("⏎\n", "\n").replace(show.BAR, "").replace(r"\t", "\t")
    assert text == f"[BOS]{SHARDS['code'][2]}[EOS]"
    assert facts[0] == f"document {identity('code', 2)}"
    assert facts[1:3] == ["  source    code", "  origin    2"]
    assert re.fullmatch(r"(train|validation) +data/tokens/\1/shard-00001\.bin, start [\d,]+, length \d+", facts[3])


def test_the_figures_of_a_document_are_those_of_its_text(project, tokenizer):
    ids, size = ids_of(tokenizer, NASTY), len(NASTY.encode())
    spelt = int(tokenizer.byte_tokens()[ids].sum())
    facts, _ = shown(identity("wiki", 0)[:8])
    assert facts[4].strip() == (
        f"{len(ids)} tokens (2 more around them), {size} bytes: {size / len(ids):.2f} bytes per token; "
        f"{spelt} byte tokens ({100 * spelt / len(ids):.1f} %)"
    )
    assert shown(identity("code", 0))[0][4].strip().startswith("0 tokens (2 more around them), 0 bytes: no bytes per")


def test_what_is_shown_stands_in_the_file_and_is_not_encoded_anew(project):
    digits = identity("wiki", 1)
    rows = {row["id"].hex(): row for row in pq.read_table("data/tokens/documents.parquet").to_pylist()}
    row = rows[digits]
    path = project / f"data/tokens/{row['split']}/shard-00000.bin"
    ids = np.fromfile(path, dtype="<u2")
    ids[row["start"] + 1 : row["start"] + 4] = 8 + np.frombuffer("漢".encode(), dtype=np.uint8)
    ids.tofile(path)
    assert shown(digits)[1][0].startswith("[BOS]│<0xE6>│<0xBC>│<0xA2>(漢)│")


@pytest.mark.parametrize("view", [ALL, show.View(limit=0, with_ids=True)])
def test_no_text_drives_the_terminal(project, view):
    lines = list(show.document(identity("wiki", 0), view))
    assert all(line.isprintable() for line in lines)
    told = "\n".join(lines)
    for hidden in (r"\x1b", r"\u202e", r"\u2028", r"\t"):
        assert hidden in told


def test_with_colours_only_our_own_sequences_reach_the_terminal(project):
    lines = list(show.document(identity("wiki", 0), show.View(limit=0, coloured=True)))
    plain = [re.sub(r"\x1b\[(0|1|38;5;16;48;5;\d+)m", "", line) for line in lines]
    assert all(line.isprintable() for line in plain) and plain != lines
    assert all(line.endswith("\x1b[0m") for line in lines if line.startswith("\x1b"))
    assert show.BAR not in "".join(lines)


def test_neighbouring_pieces_have_different_backgrounds(tokenizer):
    (line,) = show.running(ids_of(tokenizer, "def return class"), tokenizer, coloured=True)
    colours = re.findall(r"\x1b\[38;5;16;48;5;(\d+)m", line)
    assert len(colours) > 2 and all(left != right for left, right in pairwise(colours))


def test_line_breaks_are_shown_and_made(tokenizer):
    lines = list(show.running(ids_of(tokenizer, "def:\n    return\n\nx"), tokenizer, coloured=False))
    assert [line.replace(show.BAR, "") for line in lines] == ["def:⏎", "    return⏎", "⏎", "x"]


def test_byte_tokens_tell_the_character_that_they_complete():
    tokenizer = SentencePieceBpe(small_model("repeats"))
    ids = ids_of(tokenizer, "a漢\n\u0301")
    (first, second) = show.running(ids, tokenizer, coloured=False)
    assert first == "a│<0xE6>│<0xBC>│<0xA2>(漢)│<0x0A>(⏎)"
    assert second == "│<0xCC>│<0x81>(\u25cc\u0301)"
    listed = list(show.listed(ids, tokenizer))
    assert [line.split()[1:] for line in listed[1:4]] == [["<0xE6>"], ["<0xBC>"], ["<0xA2>", "漢"]]


def test_bytes_that_are_no_character_stay_alone(tokenizer):
    ids = np.array([8 + 0xE6, 8 + 0xBC, tokenizer.encode("x")[0], 8 + 0xA2], dtype=np.uint16)
    assert "".join(show.running(ids, tokenizer, coloured=False)) == "<0xE6>│<0xBC>│x│<0xA2>"


def test_with_ids_each_token_has_a_line(project, tokenizer):
    _, lines = shown(identity("wiki", 2), show.View(limit=0, with_ids=True))
    assert [int(line.split()[0]) for line in lines] == [1, *tokenizer.encode(SHARDS["wiki"][2]), 2]
    assert lines[0] == "  1  [BOS]" and lines[-1] == "  2  [EOS]"


def test_a_limit_shows_the_first_tokens_and_says_how_many_are_left(project, tokenizer):
    _, lines = shown(identity("wiki", 2), show.View(limit=5, with_ids=True))
    left = len(tokenizer.encode(SHARDS["wiki"][2])) + 2 - 5
    assert len(lines) == 6 and lines[5] == f"... and {left} more tokens (--limit 0 shows all)"


def test_a_document_split_by_position_is_shown_in_both_parts(tmp_path, monkeypatch):
    text = "def return class self.x if else " * 30
    monkeypatch.chdir(build(tmp_path / "project", {"wiki": [text]}, Tokenize()))
    lines = list(show.document(identity("wiki", 0), ALL))
    assert [line.split()[0] for line in lines if line.startswith(("train", "validation"))] == ["train", "validation"]
    told = "".join(line for line in lines if show.BAR in line or "[BOS]" in line or "[EOS]" in line)
    assert told.replace(show.BAR, "") == f"[BOS]{text}[EOS]"
    assert any("split     inside the document" in line for line in lines)


def test_a_document_removed_for_overlap_says_so(project):
    gone = read_shard(project / "data/tokens/removed/shard-00000.parquet").to_pylist()[0]["id"].hex()
    with pytest.raises(
        show.NotTokenized, match=r"removed \(split.overlap\), because 100.0 % .* more than 50 %"
    ) as error:
        list(show.document(gone, ALL))
    assert f"`antimatter explain {gone}` tells more" in str(error.value)


def test_a_document_that_never_came_says_what_removed_it(project):
    whole = read_shard(project / "data/deduplicated/documents/shard-00000.parquet")
    write_shard(project / "data/filtered/documents/shard-00000.parquet", whole)
    digits = identity("wiki", 5)
    path = project / "data/deduplicated/documents/shard-00000.parquet"
    path.unlink()
    write_shard(path, without(whole, digits))
    index = pq.read_table("data/tokens/documents.parquet")
    pq.write_table(without(index, digits), "data/tokens/documents.parquet")
    with pytest.raises(show.NotTokenized, match=r"unknown to tokenize, .*dvc repro tokenize"):
        list(show.document(digits, ALL))
    with pytest.raises(UnknownDocument, match="no document ffffffff"):
        list(show.document("ffffffff", ALL))
    shutil.rmtree("data/tokens")
    with pytest.raises(show.NotTokenized, match="stage tokenize has not run: run `dvc repro tokenize`"):
        list(show.document(identity("wiki", 0), ALL))


def test_whole_tokens_are_verified_line_by_line(project):
    lines = list(show.verified())
    assert lines[0].startswith("data/tokenizer   trained, ") and "the digest of antimatter.model is right" in lines[0]
    assert lines[1] == "data/tokens      uint16, written with this tokenizer"
    assert [line.split()[0] for line in lines[2:]] == ["train", "validation", "documents"]


def test_damage_is_found_and_says_what_to_run(project):
    path = project / "data/tokens/train/shard-00000.bin"
    ids = np.fromfile(path, dtype="<u2")
    ids[3] = 60_000
    ids.tofile(path)
    with pytest.raises(DamagedTokens, match=r"train/shard-00000.bin.*`dvc repro tokenize`"):
        list(show.verified())


def test_lengths_of_other_pieces_beside_the_tokenizer_are_damage_too(project):
    path = project / "data/tokenizer/token_bytes.bin"
    whole = path.read_bytes()
    for damaged in (whole[:-2], whole[::-1], b""):
        path.write_bytes(damaged)
        with pytest.raises(DamagedTokenizer, match=r"data/tokenizer/token_bytes.bin.*`dvc repro tokenizer`"):
            list(show.verified())
    path.unlink()
    with pytest.raises(MissingData, match="dvc repro tokenizer"):
        list(show.verified())


def test_lengths_of_other_pieces_are_damage_too(project):
    path = project / "data/tokens/token_bytes.bin"
    np.fromfile(path, dtype="<u2")[::-1].tofile(path)
    with pytest.raises(DamagedTokens, match=r"token_bytes.bin does not hold the bytes of the tokenizer's pieces"):
        list(show.verified())


def test_another_tokenizer_than_the_tokens_were_written_with_is_told(project):
    publish_trained(project / "data/tokenizer", small_model("english"))
    for command in (show.verified(), show.document(identity("wiki", 0), ALL)):
        with pytest.raises(TokenizerMismatch, match="dvc repro tokenize"):
            list(command)
    (project / "data/tokenizer/antimatter.model").write_bytes(b"other")
    with pytest.raises(DamagedTokenizer):
        list(show.verified())


def compared(other, cache, **more):
    """Lines by their first word; the numbers of the table as they stand."""
    return {line.split()[0]: line.split()[1:] for line in compare.table(str(other), cache, **more) if line.strip()}


def test_a_tokenizer_compared_with_itself_spells_alike(project, tmp_path):
    for other in ("data/tokenizer", "data/tokenizer/antimatter.model", "data/tokenizer/tokenizer.json"):
        rows = compared(other, tmp_path)
        for name in ("all", "wiki", "code"):
            documents, *numbers = [word for word in rows[name] if word != "%"]
            assert int(documents) > 0 and numbers[::2] == numbers[1::2]


def test_the_comparison_measures_the_held_out_texts(project, tmp_path, tokenizer):
    (project / "other.model").write_bytes(small_model("repeats"))
    other = SentencePieceBpe(small_model("repeats"))
    index = pq.read_table("data/tokens/documents.parquet").to_pylist()
    texts = [SHARDS[row["source"]][int(row["origin"])] for row in index if row["split"] == "validation"]
    rows = compared("other.model", tmp_path)
    size = sum(len(text.encode()) for text in texts)
    expected = [f"{size / sum(len(side.encode(text)) for text in texts):.2f}" for side in (tokenizer, other)]
    assert rows["all"][:3] == [str(len(texts)), *expected]
    assert rows["text"][:2] == [str(len(texts)), "held-out"]


def test_of_a_corpus_split_by_position_whole_documents_are_compared(tmp_path, monkeypatch):
    texts = ["def return class self.x if else " * 30, "the quick brown fox " * 20]
    monkeypatch.chdir(build(tmp_path / "project", {"wiki": texts}, Tokenize()))
    (line,) = (line for line in compare.table("data/tokenizer", tmp_path) if line.startswith("text"))
    size = sum(map(len, texts))
    told = f"2 whole documents, at most 200 of a source: {size:,} bytes; only their ends are held out"
    assert line == f"text       {told}"


def test_at_most_so_many_documents_of_each_source_are_compared(project, tmp_path):
    rows = compared("data/tokenizer", tmp_path, most=1)
    assert (rows["all"][0], rows["wiki"][0], rows["code"][0]) == ("2", "1", "1")


def test_texts_that_the_other_one_does_not_give_back_are_counted(project, tmp_path):
    (project / "lossy.model").write_bytes(small_model("no byte fallback"))
    lines = list(compare.table("lossy.model", tmp_path))
    assert re.match(r"the other one does not give \d+ of the \d+ documents back as they were", lines[-1])


def test_what_cannot_be_compared_says_why(project, tmp_path):
    (project / "broken.model").write_bytes(b"\xff\xfe no model")
    for name, error, words in (
        ("nowhere.model", compare.UnknownTokenizer, "nowhere.model does not exist: give gpt2, "),
        ("data", compare.UnknownTokenizer, "data exists, but is none of these: give gpt2, "),
        ("broken.model", UnfitTokenizer, "broken.model is no SentencePiece model"),
        ("data/tokens", DamagedTokenizer, "has format"),
    ):
        with pytest.raises(error, match=words):
            compare.open_other(name, tmp_path)


def test_texts_of_another_corpus_are_not_compared(project, tmp_path):
    path = project / "data/deduplicated/documents/shard-00000.parquet"
    held_out = pq.read_table("data/tokens/documents.parquet", filters=[("split", "==", "validation")]).to_pylist()
    digits = next(row["id"].hex() for row in held_out if row["source"] == "wiki")
    rest = without(read_shard(path), digits)
    path.unlink()
    write_shard(path, rest)
    with pytest.raises(compare.OtherDocuments, match="lacks 1 documents of data/tokens"):
        list(compare.table("data/tokenizer", tmp_path))
    shutil.rmtree("data/deduplicated")
    with pytest.raises(MissingData, match="dvc repro dedup"):
        list(compare.table("data/tokenizer", tmp_path))
