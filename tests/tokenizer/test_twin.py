"""tokenizer.json of a SentencePiece model: the same ids in Hugging Face's tokenizers, for every text."""

import functools
import itertools
import json
import random

import pytest
import sentencepiece
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.errors import AntiMatterError
from antimatter.tokenizer.twin import NoTwin, tokenizer_json
from antimatter.tokenizer.vocabulary import parse
from tests.tokenizer.plain_bpe import SPACE, PlainBpe
from tests.tokenizer.small_models import FOREIGN, OURS, UNUSUAL, WORDS, edited, sentences, small_model

SYMBOLS = ["[PAD]", "[BOS]", "[EOS]", "[UNK]", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
PARTS = [
    " ", "  ", "    ", "\n", "\n\n", "\n    ", ")\n", "\t", "\t\t", "\r\n", "\x00", "\x7f", "\ufeff", "the",
    " the", "un", "happiness", "aaa", "ab", "ba", "b", "é", "e\u0301", "漢字", "مرحبا", "👩‍👩‍👧", "\U0010ffff",
    "1234", "<0x0A>", "<0x", "[", "BOS", "<|", "|>", "a" * 50, "ab" * 20, SPACE, *SYMBOLS,
]  # fmt: skip

nasty_text = st.lists(st.sampled_from(PARTS), max_size=25).map("".join)
any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@functools.cache
def processor(name):
    return sentencepiece.SentencePieceProcessor(model_proto=small_model(name))


@functools.cache
def twin(name):
    """Reads no special symbols from text."""
    made = tokenizers.Tokenizer.from_str(tokenizer_json(small_model(name)))
    made.encode_special_tokens = True
    return made


@functools.cache
def twin_that_reads_symbols(name):
    return tokenizers.Tokenizer.from_str(tokenizer_json(small_model(name)))


def glued(name):
    pieces = [entry.piece.replace(SPACE, " ") for entry in parse(small_model(name)).pieces[264:]]
    return st.lists(st.sampled_from(pieces), max_size=30).map("".join)


def ids(twin, text):
    return twin.encode(text, add_special_tokens=False).ids


# --- the same ids -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_ids_and_text_equal_those_of_sentencepiece(name, data):
    text = data.draw(st.one_of(nasty_text, any_text, glued(name)))
    expected = processor(name).encode(text)
    assert ids(twin(name), text) == expected
    assert twin(name).decode(expected) == processor(name).decode(expected) == text.replace(SPACE, " ")
    if not any(symbol in text for symbol in SYMBOLS):
        assert ids(twin_that_reads_symbols(name), text) == expected


@pytest.mark.parametrize("name", OURS)
def test_ids_of_ordinary_texts_equal_those_of_sentencepiece(name):
    texts = [text for kind in WORDS for text in sentences(kind)]
    assert [found.ids for found in twin(name).encode_batch(texts, add_special_tokens=False)] == processor(name).encode(
        texts
    )


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_a_piece_that_comes_about_in_several_ways_merges_from_the_left(seed):
    """Vocabularies of overlapping pieces in any order: here each cut of a piece has a rank, there they are equal."""
    draw = random.Random(seed)
    learned = ["a", "b"]
    for _ in range(draw.randint(3, 14)):
        piece = draw.choice(learned) + draw.choice(learned)
        learned += [piece] if piece not in learned and len(piece) < 9 else []
    longer = learned[2:]
    if draw.random() < 0.5:
        draw.shuffle(longer)
    model = with_pieces(longer)
    texts = ["".join(letters) for size in range(2, 8) for letters in itertools.product("ab", repeat=size)]
    texts += ["".join(draw.choices("ab", k=draw.randint(8, 30))) for _ in range(50)] + [
        "a" * size for size in range(8, 30)
    ]
    read = tokenizers.Tokenizer.from_str(tokenizer_json(model))
    expected = sentencepiece.SentencePieceProcessor(model_proto=model).encode(texts)
    assert [found.ids for found in read.encode_batch(texts, add_special_tokens=False)] == expected


def with_pieces(longer):
    """The model "repeats" with these pieces in place of its own longer ones."""

    def change(proto):
        kind = type(proto.pieces[0])
        single = [entry for entry in proto.pieces if entry.type != entry.NORMAL or len(entry.piece) == 1]
        entries = [kind.FromString(entry.SerializeToString()) for entry in single]
        entries += [kind(piece=piece, score=-float(place), type=kind.NORMAL) for place, piece in enumerate(longer)]
        for entry in entries:
            if entry.type == entry.NORMAL and len(entry.piece) == 1:
                entry.score = -1000.0
        del proto.pieces[:]
        proto.pieces.extend(entries)

    return edited(small_model("repeats"), change)


def test_a_long_text_is_encoded_like_a_short_one():
    text = "".join(random.Random(2).choices([*WORDS["code"].split(), " ", "\n", "    "], k=50_000))
    assert ids(twin("code, whitespace pieces"), text) == processor("code, whitespace pieces").encode(text)


# --- frames and symbols -------------------------------------------------------------------------------------------


def test_byte_tokens_may_stand_anywhere():
    for text in ("\x00", "état 漢", "\U0010ffff"):
        assert ids(twin("bytes backwards"), text) == processor("bytes backwards").encode(text)


@pytest.mark.parametrize("name", OURS)
def test_a_text_begins_with_bos_unless_asked_otherwise(name):
    text = "the quick fox\n"
    assert twin(name).encode(text).ids == [1, *processor(name).encode(text)]
    assert twin(name).encode(text, "a").ids == [1, *processor(name).encode(text), *processor(name).encode("a")]


@pytest.mark.parametrize("name", OURS)
def test_symbols_have_their_ids_and_are_read_from_text_only_by_leave(name):
    reads = twin_that_reads_symbols(name)
    assert reads.get_vocab_size() == processor(name).get_piece_size()
    for symbol in SYMBOLS:
        number = processor(name).piece_to_id(symbol)
        assert reads.token_to_id(symbol) == number
        assert ids(reads, f"the{symbol} fox") == [
            *processor(name).encode("the"),
            number,
            *processor(name).encode(" fox"),
        ]
        assert number not in ids(twin(name), f"the{symbol} fox")
        assert reads.decode([number, *processor(name).encode("the")]) == "the"


def test_of_broken_utf8_the_library_replaces_all_neighbouring_bytes_and_sentencepiece_the_broken_ones():
    broken = [8 + 0xE6, 8 + 0xBC, 8 + 0x41]
    assert twin("english").decode(broken) == "\ufffd" * 3
    assert processor("english").decode(broken) == "\ufffd\ufffdA"


# --- the file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_the_merges_are_all_cuts_of_all_pieces_by_falling_score(name):
    written = json.loads(tokenizer_json(small_model(name)))["model"]["merges"]
    scores = PlainBpe(small_model(name)).scores
    cuts = {(p[:k], p[k:]) for p in scores for k in range(1, len(p)) if p[:k] in scores and p[k:] in scores}
    assert {tuple(pair) for pair in written} == cuts
    assert len(written) == len(cuts)
    assert [scores[left + right] for left, right in written] == sorted((scores[a + b] for a, b in cuts), reverse=True)


def test_the_file_is_equal_for_equal_models_and_read_and_written_alike_by_its_own_library():
    model = small_model("code, whitespace pieces")
    assert tokenizer_json(model) == tokenizer_json(model)
    again = tokenizers.Tokenizer.from_str(tokenizer_json(model)).to_str()
    assert json.loads(again) == json.loads(tokenizer_json(model))


@pytest.mark.parametrize(
    ("name", "reason"),
    {
        "no byte fallback": "no byte fallback",
        "dummy prefix": "space in front",
        "extra spaces removed": "normalizes",
        "nmt_nfkc": "normalizes",
        "nmt_nfkc, spaces kept": "normalizes",
        "spaces as they are": r"U\+2581",
        "no piece for a space": "without being one",
        "unigram": "not BPE",
        "user-defined symbols": "user-defined",
        "unused pieces": "unused",
        "equal scores": "same score",
        "letters without a piece": "without being one",
    }.items(),
)
def test_a_model_that_cannot_be_followed_is_refused_with_the_reason(name, reason):
    assert name in FOREIGN | UNUSUAL
    with pytest.raises(NoTwin, match=reason) as raised:
        tokenizer_json(small_model(name))
    assert isinstance(raised.value, AntiMatterError)
    assert "SentencePiece" in str(raised.value)


def test_all_reasons_are_told_at_once():
    with pytest.raises(NoTwin, match=r"normalizes.*space in front"):
        tokenizer_json(small_model("nmt_nfkc"))
