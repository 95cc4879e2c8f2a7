"""The tokenizer: fixed ids, exact round trips, equal bytes on every machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer.encode import Encoder
from antimatter.tokenizer.train import TooLittleText, cut_line, sample_lines, save, train
from antimatter.tokenizer.vocabulary import token_bytes, vocabulary
from tests.documents import write_documents
from tests.tokenizer.conftest import LINES

NASTY = [
    "", " ", "\n", "\t", "  two  spaces  ", "line\r\nend", "\x00\x01", "مرحبا بالعالم", "漢字かな交じり文", "👩‍👩‍👧‍👦",
    "e\u0301", "http://x.y/z?a=1&b=2", "def f(x):\n\treturn x ** 2", "[PAD] [BOS] [EOS] [UNK] <unk> <0x0A>",
    "<|user|> hi <|end|>", "<|us", "1234567890", "\ufeff", "a" * 300,
]  # fmt: skip


def test_special_symbols_have_their_fixed_ids(model):
    pieces = [entry["piece"] for entry in vocabulary(model)]
    assert pieces[:8] == ["[PAD]", "[BOS]", "[EOS]", "[UNK]", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    assert pieces[8:264] == [f"<0x{byte:02X}>" for byte in range(256)]


def test_the_model_is_equal_for_any_number_of_threads(model):
    assert train(iter(LINES), Tokenizer(vocabulary_size=400), threads=3) == model


@pytest.mark.parametrize("text", NASTY)
def test_a_nasty_text_comes_back_unchanged_and_its_bytes_add_up(encoder, model, text):
    ids = encoder.encode(text)
    assert encoder.decode(ids) == text
    assert sum(token_bytes(model)[i] for i in ids) == len(text.encode())
    assert all(i >= 8 for i in ids), "control symbols are never read from text"


@given(st.text(alphabet=st.characters(exclude_characters="\u2581", exclude_categories=["Cs"])))
def test_any_text_comes_back_unchanged(encoder, text):
    assert encoder.decode(encoder.encode(text)) == text


def test_too_little_text_is_an_error_that_says_what_to_do():
    with pytest.raises(TooLittleText, match=r"tokenizer\.vocabulary_size"):
        train(["a b c"], Tokenizer(vocabulary_size=5000), threads=1)


def test_long_lines_are_cut_at_spaces_and_nothing_is_lost():
    line = "word " * 10_000
    parts = list(cut_line(line))
    assert "".join(parts) == line
    assert all(len(part.encode()) <= 16_384 for part in parts)
    assert "".join(cut_line("é" * 40_000)) == "é" * 40_000


def test_the_sample_depends_on_the_documents_alone(tmp_path):
    texts = [f"text number {n}" for n in range(200)]
    write_documents(tmp_path / "a", [texts])
    chosen = list(sample_lines([tmp_path / "a/shard-00000.parquet"], 0.3))
    assert 30 <= len(chosen) <= 90
    assert list(sample_lines([tmp_path / "a/shard-00000.parquet"], 1.0)) == texts


def test_saving_writes_model_and_readable_vocabulary(tmp_path, model):
    save(tmp_path, model)
    assert Encoder(tmp_path / "antimatter.model").size == 400
    assert (tmp_path / "antimatter.vocab").read_text(encoding="utf-8").splitlines()[1].split("\t")[0] == "[BOS]"
