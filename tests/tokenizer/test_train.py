"""Training: fixed ids, equality with what SentencePiece learns from the text itself, errors that name the way out."""

import argparse
import inspect
import json
import random
import re
import subprocess
from io import BytesIO
from pathlib import Path
from pydoc_data.topics import topics

import pytest
import sentencepiece

from antimatter.corpus.shards import file_digest
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer.opened import open_tokenizer
from antimatter.tokenizer.publish import publish_trained
from antimatter.tokenizer.train import (
    FIXED,
    TooLittleText,
    VocabularyTooSmall,
    fixed_settings,
    train,
    write_vocabulary,
)
from antimatter.tokenizer.vocabulary import CONTROL, parse, token_bytes, vocabulary
from antimatter.tokenizer.words import LONGEST, STAND_INS
from tests.tokenizer.conftest import LINES, TEXTS
from tests.tokenizer.plain_words import WHITE, words_file

SPACE = "\u2581"
SCRIPTS = (
    "the and (Жук, лиса) слово слова Ελλάδα αλεπού مرحبا بالعالم، שלום עולם 漢字かな交じり文。日本語、東京都「東京」 "
    "한국어 한국 नमस्ते नमः ไทย naïve café e\u0301a o\u0323\u0302 👩‍👩‍👧 👍🏽 ½² … —“quoted” x₁ 3ª ７７ A1b2 don't "
    "2024-11-21 [PAD] <|user|> <0x0A>x <|end|> ー~"
).split()


def mixture(words, between, seed, count=20_000):
    draw = random.Random(seed)
    return "".join(draw.choice(words) + draw.choice(between) for _ in range(count))


CORPORA = {
    "english": "\n\n".join(topics[name] for name in sorted(topics))[:300_000],
    "code": "\n".join(map(inspect.getsource, (argparse, inspect, subprocess, json))),
    "scripts": mixture(SCRIPTS, [" "] * 6 + ["", "", "  ", "\n", ". ", "\n\n", "\t"], 1),
    "runs of spaces": mixture([*"abcdefgh().,=:7"], ["", "", "", " ", "  ", "   ", " " * 8, "\n    ", "\n", " \n"], 2),
    "random": mixture([*"abcabcab.,:(é漢ж1", " ", "\n", "\t", SPACE], ["", "", " "], 3),
}
"""Texts of some 100 KB to 300 KB."""


def ordinary(sentences, settings, size=None, **more):
    """(piece, score) of what SentencePiece learns from these lines by itself."""
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        vocab_size=size or settings.vocabulary_size,
        **fixed_settings(settings) | {"max_sentence_length": 1_000_000} | more,
    )
    return [(entry.piece, entry.score) for entry in parse(model.getvalue()).pieces]


def learnt(path, texts, settings):
    model = train(words_file(path / "words.tsv", texts, settings), settings, threads=2)
    return [(entry.piece, entry.score) for entry in parse(model).pieces]


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize(("size", "split_digits"), [(450, True), (700, False)])
def test_without_whitespace_pieces_it_is_ordinary_training_on_the_lines(tmp_path, name, size, split_digits):
    settings = Tokenizer(vocabulary_size=size, split_digits=split_digits, whitespace_pieces=False)
    text = CORPORA[name].replace("\t", "[PAD]")  # a tab is in no piece here, as a control symbol is in none
    lines = [line for line in text.split("\n") if line]
    assert learnt(tmp_path, [CORPORA[name]], settings) == ordinary(lines, settings)


def substituted(text):
    """The text after whitespace has become stand-ins, as sentences for ordinary training: it ends one, and begins one
    if it begins with a space."""
    cut = "\ue000"

    def replace(match):
        run = match[0].replace(SPACE, " ")
        if run == " " and match.end() < len(text):
            return run
        return (cut if run[0] == " " else "") + "".join(map(STAND_INS.get, run)) + cut

    return [part for part in re.sub(f"[{WHITE}]+", replace, text).split(cut) if part]


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize(("size", "split_digits"), [(450, True), (700, False)])
def test_whitespace_pieces_are_ordinary_training_on_the_text_with_stand_ins(tmp_path, name, size, split_digits):
    settings = Tokenizer(vocabulary_size=size, split_digits=split_digits)
    stand_ins = [stand_in for text, stand_in in STAND_INS.items() if text in CORPORA[name]]
    required = SPACE + "".join(stand_ins)
    expected = ordinary(substituted(CORPORA[name]), settings, size + 1, required_chars=required)
    back = str.maketrans({STAND_INS[" "]: SPACE, STAND_INS["\n"]: "\n", STAND_INS["\t"]: "\t"})
    pieces = list(dict.fromkeys(piece.translate(back) for piece, _ in expected))
    found = learnt(tmp_path, [CORPORA[name]], settings)
    assert [piece for piece, _ in found] == pieces
    assert [score for _, score in found] == [min(0, FIXED - number) for number in range(size)]
    assert len(set(pieces)) == size
    assert "\n" in pieces and ("\t" in pieces) == ("\t" in CORPORA[name])


def test_indentation_becomes_pieces_that_sentencepiece_reads_back(tmp_path):
    settings = Tokenizer(vocabulary_size=600)
    text = CORPORA["code"]
    model = train(words_file(tmp_path / "words.tsv", [text], settings), settings, threads=1)
    pieces = {entry["piece"] for entry in vocabulary(model)}
    assert {"\n", "\n" + 4 * SPACE, ":\n" + 8 * SPACE, "\n\n", 2 * SPACE} <= pieces
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    ids, lengths = processor.encode(text), token_bytes(model)
    assert processor.decode(ids) == text
    assert sum(lengths[i] for i in ids) == len(text.encode())


def test_special_symbols_have_their_fixed_ids(model):
    pieces = [entry["piece"] for entry in vocabulary(model)]
    assert pieces[:8] == ["[PAD]", "[BOS]", "[EOS]", "[UNK]", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    assert pieces[8:264] == [f"<0x{byte:02X}>" for byte in range(256)]
    assert len(pieces) == len(set(pieces)) == 400


def test_the_model_is_equal_for_any_number_of_threads_and_any_folder(tmp_path, model):
    words = words_file(tmp_path / "other.tsv", TEXTS, Tokenizer())
    assert train(words, Tokenizer(vocabulary_size=400), threads=3) == model
    assert str(tmp_path).encode() not in model


@pytest.mark.parametrize("texts", [LINES, TEXTS, ["x  =  1\n\ty  = 2\n" * 9]])
@pytest.mark.parametrize("white", [True, False])
def test_too_large_a_vocabulary_is_an_error_that_names_the_largest(tmp_path, texts, white):
    texts = [*texts, "".join(map(chr, range(0x4E00, 0x4E40)))]
    words = words_file(tmp_path / "words.tsv", texts, Tokenizer(whitespace_pieces=white))
    with pytest.raises(TooLittleText, match=r"at most \d+") as caught:
        train(words, Tokenizer(vocabulary_size=5000, whitespace_pieces=white, character_coverage=1.0), threads=1)
    largest = int(re.search(r"at most (\d+)", str(caught.value))[1])
    settings = Tokenizer(vocabulary_size=largest, whitespace_pieces=white, character_coverage=1.0)
    assert len(vocabulary(train(words, settings, threads=1))) == largest
    with pytest.raises(TooLittleText, match=f"at most {largest},"):
        train(words, Tokenizer(vocabulary_size=largest + 1, whitespace_pieces=white, character_coverage=1.0), threads=1)


@pytest.mark.parametrize("white", [True, False])
def test_too_small_a_vocabulary_is_an_error_that_names_the_smallest(tmp_path, white):
    texts = ["x  =  1\n\ty  = 2\n" + "".join(map(chr, range(0x4E00, 0x4E80)))] * 2
    words = words_file(tmp_path / "words.tsv", texts, Tokenizer(whitespace_pieces=white))
    with pytest.raises(VocabularyTooSmall, match=r"at least \d+") as caught:
        train(words, Tokenizer(vocabulary_size=300, whitespace_pieces=white, character_coverage=1.0), threads=1)
    smallest = int(re.search(r"at least (\d+)", str(caught.value))[1])
    characters = set("".join(texts)) - (set() if white else {"\n", "\t"})
    assert smallest == FIXED + len(characters)
    settings = Tokenizer(vocabulary_size=smallest, whitespace_pieces=white, character_coverage=1.0)
    assert {entry["piece"] for entry in vocabulary(train(words, settings, threads=1))[FIXED:]} == {
        character.replace(" ", SPACE) for character in characters
    }


def test_a_text_of_hardly_anything_but_spaces_still_fills_the_vocabulary(tmp_path):
    texts = ["a".join(mixture(" \n\t", ["", " "], seed, 200) for seed in range(100))]
    words = words_file(tmp_path / "words.tsv", texts, Tokenizer())
    assert len(vocabulary(train(words, Tokenizer(vocabulary_size=300, character_coverage=0.98), threads=1))) == 300


@pytest.mark.parametrize(
    ("report", "seen", "raised"),
    [
        ({"sample_share": 1.0, "left_out": 0}, "this corpus", "add text"),
        (
            {"left_out": 7, "kept_words": 957},
            "the list of the 957 most frequent words (tokenizer.max_words is 1,000) of this corpus",
            "raise tokenizer.max_words",
        ),
        (
            {"sample_share": 0.25, "left_out": 0},
            "the sample of this corpus (tokenizer.sample_bytes is 5,000)",
            "raise tokenizer.sample_bytes",
        ),
        (
            {"sample_share": 0.25, "left_out": 7, "kept_words": 957},
            "the list of the 957 most frequent words (tokenizer.max_words is 1,000) of the sample of this corpus "
            "(tokenizer.sample_bytes is 5,000)",
            "raise tokenizer.sample_bytes or tokenizer.max_words",
        ),
    ],
)
def test_settings_that_left_words_out_are_named_where_too_few_are_left(tmp_path, report, seen, raised):
    settings = Tokenizer(vocabulary_size=5000, max_words=1000, sample_bytes=5000)
    words = words_file(tmp_path / "words.tsv", TEXTS, settings)
    message = re.escape(f"but {seen} holds pieces for no more than ") + r"\d+\. Set it to at most \d+, or " + raised
    with pytest.raises(TooLittleText, match=message + r"\.$"):
        train(words, settings, threads=1, report=report)
    few = words_file(tmp_path / "few.tsv", ["a"], settings)
    with pytest.raises(TooLittleText, match=rf"no more than \d+\. {raised.capitalize()}\.$"):
        train(few, settings, threads=1, report=report)


def test_a_sample_without_a_word_is_an_error_that_names_it(tmp_path):
    settings = Tokenizer(sample_bytes=5000)
    words = words_file(tmp_path / "words.tsv", [], settings)
    with pytest.raises(
        TooLittleText, match=r"nothing to train .*5,000\) holds no word\. Raise tokenizer\.sample_bytes"
    ):
        train(words, settings, threads=1, report={"sample_share": 0.25})


def test_an_empty_corpus_is_an_error(tmp_path):
    words = words_file(tmp_path / "words.tsv", ["", ""], Tokenizer())
    with pytest.raises(TooLittleText, match="nothing to train"):
        train(words, Tokenizer(), threads=1)


def test_the_vocabulary_for_people_has_one_line_a_piece(tmp_path):
    settings = Tokenizer(vocabulary_size=340)
    model = train(words_file(tmp_path / "words.tsv", [CORPORA["random"] + "\\"], settings), settings, threads=1)
    write_vocabulary(tmp_path, model)
    assert not (tmp_path / "antimatter.model").exists()
    rows = Path(tmp_path / "antimatter.vocab").read_text(encoding="utf-8").split("\n")
    assert rows[1] == "[BOS]\t0" and rows.pop() == ""
    unescaped = [re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), row.split("\t")[0]) for row in rows]
    assert unescaped == [entry["piece"] for entry in vocabulary(model)]


@pytest.mark.parametrize("text", ["\n".join(LINES), "x  =  1\n\ty  = 2\n" * 9 + "\n".join(LINES)])
def test_the_model_tells_the_size_that_it_has(tmp_path, text):
    """In the second text runs of spaces occur, so SentencePiece was told to make one entry more."""
    settings = Tokenizer(vocabulary_size=350)
    model = parse(train(words_file(tmp_path / "words.tsv", [text], settings), settings, threads=1))
    assert model.trainer_spec.vocab_size == len(model.pieces) == 350


@pytest.mark.parametrize("white", [True, False])
def test_the_longest_word_is_learnt_from(tmp_path, white):
    settings = Tokenizer(vocabulary_size=400, whitespace_pieces=white)
    path = words_file(tmp_path / "words.tsv", ["\n".join(LINES), "zq" * (LONGEST // 2)], settings)
    assert max(len(line.split(b"\t")[0]) for line in path.read_bytes().splitlines()) == LONGEST
    assert {"zq", "zqzq", "zqzqzqzq"} <= {entry["piece"] for entry in vocabulary(train(path, settings, threads=1))}


def test_a_published_tokenizer_is_described_and_opens_as_what_it_is(tmp_path, model):
    published = publish_trained(tmp_path, model)
    assert (tmp_path / "antimatter.model").read_bytes() == model
    assert json.loads((tmp_path / "meta.json").read_text(encoding="utf-8")) == {
        "format": 1,
        "kind": "trained",
        "file": "antimatter.model",
        "digest": file_digest(tmp_path / "antimatter.model"),
        "vocabulary_size": 400,
        "specials": {"pad": 0, "bos": 1, "eos": 2, "unk": 3},
        "markers": dict(zip(CONTROL, range(4, 8), strict=True)),
        "lossless": True,
    }
    lengths = (tmp_path / "token_bytes.bin").read_bytes()
    assert len(lengths) == 2 * 400
    assert [int.from_bytes(lengths[at : at + 2], "little") for at in range(0, 800, 2)] == token_bytes(model)
    assert open_tokenizer(tmp_path).kind == published.kind == "trained"
    names = {"antimatter.model", "antimatter.vocab", "tokenizer.json", "token_bytes.bin", "meta.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
