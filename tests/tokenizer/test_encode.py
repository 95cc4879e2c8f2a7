"""Text to ids: SentencePiece's own, for any text, batch, cache and model; and BPE dropout by its definition."""

import functools
import math
import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.tokenizer import encode
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokenizer.vocabulary import CONTROL, parse
from tests.tokenizer.plain_bpe import SPACE, PlainBpe
from tests.tokenizer.small_models import EXACT, FOREIGN, OURS, UNUSUAL, WORDS, lines, sentences, small_model, train

MERGED = [*OURS, *UNUSUAL]
EVERY = [*MERGED, *FOREIGN]
NASTY = [
    "", " ", "  ", "   ", "\n", "\n\n", "\t", "\t\t", "\r\n", "\r", "\x00", "a\x00b", "\x01\x7f\x80\x9f", "\ufeff",
    "\v\f", "  two  spaces  ", " leading", "trailing ", "line\n", "\n    indented\n\t\ttwice", ")\n    ",
    "x = 1    # y\n", "a \n b", "مرحبا بالعالم", "שלום", "漢字かな交じり文", "東京都", "한국어", "नमस्ते", "ไทย",
    "e\u0301", "\u0301a", "👩‍👩‍👧‍👦", "👍🏽", "\u200b\u200d", "\u202eabc\u202c", "\u2028\u2029\x85",
    "\u00a0\u3000", "\U0010ffff\uffff\ue00a\ue020", "½²…—", SPACE, f"a{SPACE}b", f"{SPACE} {SPACE}", "[PAD]",
    "[BOS]", "[UNK]", "<unk>", "<|end|>", "<|us", "<|x|>", "<0x0A>", "<0xE2", "1234567890", "the quick brown fox",
    " the", "thethethe", "unhappiness", "abababababab", "a" * 70, "baaab" * 30, " " * 65, "\n" * 64, "é" * 40,
    "漢" * 30, "QU" * 40, "http://x.y/z?a=1&b=2",
]  # fmt: skip

any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
nasty_text = st.lists(st.sampled_from(NASTY), max_size=12).map("".join)
repeated_text = st.builds(
    lambda part, times: part * times, st.text("ab \né", min_size=1, max_size=3), st.integers(1, 200)
)


@functools.cache
def encoder(name):
    return SentencePieceBpe(small_model(name))


@functools.cache
def processor(name):
    return sentencepiece.SentencePieceProcessor(model_proto=small_model(name))


@functools.cache
def texts_of(name):
    """Random, nasty, repeated text, and pieces of the vocabulary glued together."""
    pieces = [entry.piece.replace(SPACE, " ") for entry in parse(small_model(name)).pieces]
    glued = st.lists(st.sampled_from(pieces[264:] or pieces), max_size=30).map("".join)
    return st.lists(st.one_of(any_text, nasty_text, repeated_text, glued), min_size=1, max_size=3).map("".join)


def lists_of(encoded):
    """[[ids of a text] ...]"""
    ids, starts = encoded
    assert starts[0] == 0
    assert starts[-1] == len(ids)
    return [ids[first:last].tolist() for first, last in pairwise(starts)]


def encoded_by(name, texts, **options):
    return lists_of(encoder(name).encode_batch(pa.array(texts, pa.large_string()), **options))


def random_words(count, seed, letters="abcdefghijklmnopqrstuvwxyz"):
    draw = random.Random(seed)
    return ["".join(draw.choices(letters, k=draw.randint(3, 12))) for _ in range(count)]


# --- ids ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MERGED)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_the_definition_in_plain_python_is_what_sentencepiece_does(name, data):
    text = data.draw(texts_of(name))[:200]
    assert PlainBpe(small_model(name)).encode(text) == processor(name).encode(text)


@pytest.mark.parametrize("name", EVERY)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_ids_equal_those_of_sentencepiece(name, data):
    texts = data.draw(st.lists(texts_of(name), max_size=4))
    assert encoded_by(name, texts) == processor(name).encode(texts)


@pytest.mark.parametrize("name", EVERY)
def test_ids_of_nasty_texts_equal_those_of_sentencepiece(name):
    texts = NASTY + [left + right for left in NASTY for right in NASTY]
    assert encoded_by(name, texts) == processor(name).encode(texts)


@pytest.mark.parametrize("name", EVERY)
def test_ids_of_ordinary_texts_equal_those_of_sentencepiece(name):
    texts = [text for kind in WORDS for text in sentences(kind)]
    assert encoded_by(name, texts) == processor(name).encode(texts)


def test_the_models_that_training_makes_are_encoded_by_our_kernels_and_others_by_sentencepiece():
    assert [name for name in EVERY if encoder(name).is_cached] == MERGED


@pytest.mark.parametrize("name", ["english", "repeats"])
@pytest.mark.parametrize("letters", ["a", "ab", "etaoin", "漢"])
def test_a_word_of_two_million_characters_is_encoded_like_any_other(name, letters):
    word = "".join(random.Random(3).choices(letters, k=2_000_000))
    assert encoder(name).encode(word) == processor(name).encode(word)


@pytest.mark.parametrize("name", EVERY)
def test_control_symbols_never_come_from_text(name):
    symbols = {
        entry.piece: number
        for number, entry in enumerate(parse(small_model(name)).pieces)
        if entry.type == entry.CONTROL
    }
    ids = encoder(name).encode(" ".join([*symbols, *"".join(symbols)]))
    assert len(symbols) >= 7
    assert not set(ids) & set(symbols.values())


# --- batches and cache --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["code, whitespace pieces", "unigram"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_sliced_arrays_of_both_types_are_read_where_they_begin(name, kind):
    texts = sentences("code", 50)
    array = pa.array(["", *texts, "漢"], kind)
    for first, length in ((0, 52), (1, 50), (7, 1), (51, 1), (3, 0), (52, 0)):
        part = array.slice(first, length)
        assert lists_of(encoder(name).encode_batch(part)) == processor(name).encode(part.to_pylist())


@pytest.mark.parametrize("name", ["english", "unigram"])
def test_an_empty_batch_and_empty_texts_have_no_ids(name):
    for texts in ([], [""], ["", "", ""]):
        encoded = encoder(name).encode_batch(pa.array(texts, pa.string()))
        assert encoded.ids.tolist() == []
        assert encoded.starts.tolist() == [0] * (len(texts) + 1)
        assert (encoded.ids.dtype, encoded.starts.dtype) == (np.uint32, np.int64)
    assert encoder(name).encode("") == []


@pytest.mark.parametrize("name", ["english", "unigram"])
def test_nulls_and_other_types_are_refused(name):
    with pytest.raises(ValueError, match="null"):
        encoder(name).encode_batch(pa.array(["a", None]))
    with pytest.raises(TypeError, match="string"):
        encoder(name).encode_batch(pa.array([1]))


def test_many_batches_in_a_row_give_what_each_gives_alone():
    name = "many scripts"
    one = SentencePieceBpe(small_model(name))
    for seed in range(30):
        texts = random.Random(seed).sample([text for kind in WORDS for text in sentences(kind, 200)], 40)
        texts += [*random_words(20, seed), random_words(1, seed)[0] * 200]
        assert lists_of(one.encode_batch(pa.array(texts))) == processor(name).encode(texts)


def test_a_cache_that_must_be_emptied_often_changes_no_id():
    name = "every pair of letters"
    texts = [" ".join(random_words(1000, seed)) for seed in range(300)]  # more distinct words than fit at first
    expected = processor(name).encode(texts)
    for memory in (0, 1, 3_000_000):
        one = SentencePieceBpe(small_model(name), cache_bytes=memory)
        assert lists_of(one.encode_batch(pa.array(texts))) == expected
        assert lists_of(one.encode_batch(pa.array(texts[::-1]))) == expected[::-1]


def test_one_text_with_more_words_than_the_cache_may_hold_is_encoded():
    name = "every pair of letters"
    text = " ".join(random_words(300_000, 5))
    assert SentencePieceBpe(small_model(name), cache_bytes=0).encode(text) == processor(name).encode(text)


def test_words_that_come_back_are_remembered_once():
    words = random_words(50, 3)
    one = SentencePieceBpe(small_model("every pair of letters"))
    for seed in range(10):
        one.encode_batch(pa.array([" ".join(random.Random(seed).choices(words, k=1000)) for _ in range(10)]))
    assert 50 <= len(one._dictionary) <= 100  # with a space in front, or without


def test_the_memory_for_words_stays_below_its_limit():
    texts = [" ".join(random_words(1000, seed)) for seed in range(300)]
    model = small_model("every pair of letters")
    unlimited, limited = (SentencePieceBpe(model, cache_bytes=size) for size in (10**9, 10_000_000))
    for one in (unlimited, limited):
        one.encode_batch(pa.array(texts))
    assert limited._dictionary.memory <= 10_000_000 < unlimited._dictionary.memory


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_slices_of_a_batch_of_any_size_join(size, monkeypatch):
    monkeypatch.setattr(encode, "_SLICE_BYTES", size)
    texts = ["", *sentences("scripts", 100), "", "x" * 5000]
    assert encoded_by("many scripts", texts) == processor("many scripts").encode(texts)


def test_keyed_choices_do_not_depend_on_slices(monkeypatch):
    texts, keys = sentences("english", 100), np.arange(100, dtype=np.uint64)
    whole = encoded_by("english", texts, dropout=0.3, keys=keys)
    monkeypatch.setattr(encode, "_SLICE_BYTES", 100)
    assert encoded_by("english", texts, dropout=0.3, keys=keys) == whole


# --- the vocabulary -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_decoding_gives_what_sentencepiece_gives(name, data):
    ids = data.draw(st.lists(st.integers(0, encoder(name).size - 1), max_size=30))
    assert encoder(name).decode(ids) == processor(name).decode(ids)
    assert encoder(name).decode(np.array(ids, dtype=np.uint16)) == processor(name).decode(ids)


@pytest.mark.parametrize("name", OURS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_text_comes_back_and_the_bytes_of_its_tokens_add_up(name, data):
    text = data.draw(texts_of(name)).replace(SPACE, " ")
    ids = encoder(name).encode(text)
    assert encoder(name).decode(ids) == text
    assert int(encoder(name).token_bytes()[ids].sum()) == len(text.encode())


@pytest.mark.parametrize("name", EVERY)
def test_size_specials_and_markers_are_those_of_the_model(name):
    entries = parse(small_model(name)).pieces
    place = {entry.piece: number for number, entry in enumerate(entries)}
    assert encoder(name).size == len(entries)
    assert encoder(name).specials == {"pad": 0, "bos": 1, "eos": 2, "unk": 3}
    assert encoder(name).markers == {marker: place[marker] for marker in CONTROL}


@pytest.mark.parametrize("name", OURS)
def test_pieces_read_as_text_and_byte_tokens_are_told_apart(name):
    pieces, single = encoder(name).pieces(), encoder(name).byte_tokens()
    lengths = encoder(name).token_bytes()
    assert pieces[:9] == ["[PAD]", "[BOS]", "[EOS]", "[UNK]", *CONTROL, "<0x00>"]
    assert np.flatnonzero(single).tolist() == list(range(8, 264))
    assert len(pieces) == len(single) == len(lengths) == encoder(name).size
    assert lengths[:8].tolist() == [0] * 8
    assert set(lengths[8:264].tolist()) == {1}
    assert [len(piece.encode()) for piece in pieces[264:]] == lengths[264:].tolist()
    assert all(encoder(name).decode([number]) == pieces[number] for number in range(264, len(pieces)))


# --- dropout ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
@settings(deadline=None, max_examples=40)
@given(data=st.data(), dropout=st.floats(0.01, 0.9), seed=st.integers(0, 2**64 - 1))
def test_with_dropout_a_text_still_comes_back(name, data, dropout, seed):
    texts = [text.replace(SPACE, " ") for text in data.draw(st.lists(texts_of(name), min_size=1, max_size=3))]
    keys = np.full(len(texts), seed, dtype=np.uint64)
    found = encoded_by(name, texts, dropout=dropout, keys=keys)
    assert [encoder(name).decode(ids) for ids in found] == texts


@pytest.mark.parametrize("name", OURS)
def test_dropout_of_zero_is_plain_encoding(name):
    texts = sentences("code", 100)
    keys = np.arange(len(texts), dtype=np.uint64)
    assert encoded_by(name, texts, dropout=0.0, keys=keys) == encoded_by(name, texts)


@pytest.mark.parametrize("name", ["english", "code, whitespace pieces"])
def test_the_same_key_gives_the_same_ids_whatever_the_batch(name):
    texts = [*sentences("code", 100), "unhappiness" * 1000, "x" * 9000]
    keys = np.random.default_rng(1).integers(0, 2**64, len(texts), dtype=np.uint64)
    together = encoded_by(name, texts, dropout=0.2, keys=keys)
    backwards = encoded_by(name, texts[::-1], dropout=0.2, keys=keys[::-1].copy())
    assert together == backwards[::-1]
    fresh = SentencePieceBpe(small_model(name), cache_bytes=0)
    for place, text in enumerate(texts):
        alone = lists_of(fresh.encode_batch(pa.array([text]), dropout=0.2, keys=keys[place : place + 1]))
        assert alone == [together[place]]
    others = encoded_by(name, texts, dropout=0.2, keys=keys + np.uint64(1))
    assert sum(left != right for left, right in zip(others, together, strict=True)) > len(texts) // 2


def test_encoding_with_dropout_leaves_the_memory_of_plain_encoding_alone():
    texts = sentences("english", 100)
    one = SentencePieceBpe(small_model("english"))
    one.encode_batch(pa.array(texts), dropout=0.5, keys=np.arange(100, dtype=np.uint64))
    assert lists_of(one.encode_batch(pa.array(texts))) == processor("english").encode(texts)


@pytest.mark.parametrize("name", OURS)
def test_more_dropout_makes_more_tokens(name):
    texts = sentences("english", 200)
    keys = np.arange(len(texts), dtype=np.uint64)
    shares = (0.0, 0.1, 0.3, 0.6, 0.9)
    counts = [sum(map(len, encoded_by(name, texts, dropout=share, keys=keys))) for share in shares]
    assert counts == sorted(set(counts))


def test_dropout_is_refused_for_a_model_that_sentencepiece_encodes():
    with pytest.raises(ValueError, match="dropout"):
        encoded_by("unigram", ["a"], dropout=0.1, keys=np.zeros(1, dtype=np.uint64))


DRAWS = 20_000


def frequencies_agree(left, right):
    """Two samples of DRAWS: every frequency within five standard errors, so 1 in 10^6 comparisons fails by chance."""
    for outcome in sorted(set(left) | set(right), key=str):
        share = (left[outcome] + right[outcome]) / (2 * DRAWS)
        error = math.sqrt(2 * share * (1 - share) / DRAWS)
        assert abs(left[outcome] - right[outcome]) / DRAWS <= 5 * error + 3 / DRAWS, outcome
    return True


@pytest.mark.parametrize("dropout", [0.1, 0.5])
@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("english", " unhappiness"),
        ("english", " fox  état"),
        ("repeats", " abababaaab"),
        ("code, whitespace pieces", ")\n\t\t"),
    ],
)
def test_segmentations_come_as_often_as_in_a_simulation(name, word, dropout):
    plain, draw = PlainBpe(small_model(name)), random.Random(11)
    simulated = Counter(tuple(plain.encode(word, dropout, draw)) for _ in range(DRAWS))
    found = encoded_by(name, [word] * DRAWS, dropout=dropout, keys=np.arange(DRAWS, dtype=np.uint64))
    assert len(simulated) > 3
    assert frequencies_agree(simulated, Counter(map(tuple, found)))


def test_two_words_of_a_text_are_segmented_independently():
    word = " unhappiness"
    found = encoded_by("english", [word + "|" + word] * DRAWS, dropout=0.3, keys=np.arange(DRAWS, dtype=np.uint64))
    (bar,) = encoder("english").encode("|")[-1:]
    pairs = [(tuple(ids[: ids.index(bar)]), tuple(ids[ids.index(bar) + 1 :])) for ids in found]
    lefts, rights = (Counter(side) for side in zip(*pairs, strict=True))
    assert frequencies_agree(lefts, rights)
    together = Counter(pairs)
    independent = Counter({(a, b): lefts[a] * rights[b] / DRAWS for a in lefts for b in rights})
    assert frequencies_agree(together, independent)


def test_segmentations_come_as_often_as_in_sentencepiece():
    """SentencePiece draws from a stream of its own, so only frequencies can be compared."""
    word = " unhappiness"
    sentencepiece.set_random_generator_seed(5)
    sampled = Counter(
        tuple(processor("english").encode(word, enable_sampling=True, alpha=0.2, nbest_size=-1)) for _ in range(DRAWS)
    )
    found = encoded_by("english", [word] * DRAWS, dropout=0.2, keys=np.arange(DRAWS, dtype=np.uint64))
    assert frequencies_agree(sampled, Counter(map(tuple, found)))


def test_symbols_that_a_user_defined_have_their_bytes():
    encoder = SentencePieceBpe(train(lines("english"), 420, user_defined_symbols=["\n", "  "], **EXACT))
    text = "the cat\n  sat\n\n"
    ids = encoder.encode(text)
    assert int(encoder.token_bytes()[ids].sum()) == len(text)
    assert [encoder.pieces()[i] for i in ids if encoder.pieces()[i] in ("\n", "  ")] == ["\n", "  ", "\n", "\n"]


@pytest.mark.parametrize("broken", [b"abc\xf0", b"\xf7\xbf\xbf\xbf" * 50, b"\xe6\xbc", b"\xc3"])
def test_broken_utf8_reaches_into_no_other_text(broken):
    encoder = SentencePieceBpe(small_model("english"))
    offsets = pa.py_buffer(np.array([0, len(broken), len(broken) + 7], dtype=np.int32))
    texts = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(broken + b"the cat"))
    encoded = encoder.encode_batch(texts)
    assert encoded.ids[encoded.starts[1] :].tolist() == encoder.encode("the cat")
    assert encoder.token_bytes()[encoded.ids[: encoded.starts[1]]].sum() == len(broken)
