"""A tiny tokenizer, trained once for all tests of this room."""

import pytest

from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokenizer.train import train
from tests.tokenizer.plain_words import words_file

LINES = [
    f"the {adjective} {noun} {verb} in the {place} number {n}"
    for n, (adjective, noun, verb, place) in enumerate(
        (a, b, c, d)
        for a in ("quick", "lazy", "bright", "hidden")
        for b in ("fox", "dog", "river", "engine")
        for c in ("jumps", "sleeps", "turns", "waits")
        for d in ("garden", "station", "valley", "library")
    )
]


TEXTS = ["\n".join(LINES[start : start + 4]) for start in range(0, len(LINES), 4)]


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    settings = Tokenizer(vocabulary_size=400)
    words = words_file(tmp_path_factory.mktemp("words") / "words.tsv", TEXTS, settings)
    return train(words, settings, threads=1)


@pytest.fixture(scope="session")
def model_path(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "antimatter.model").write_bytes(model)
    return folder / "antimatter.model"


@pytest.fixture(scope="session")
def encoder(model):
    return SentencePieceBpe(model)
