"""A tiny tokenizer, trained once for all tests of this room."""

import pytest

from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer.encode import Encoder
from antimatter.tokenizer.train import save, train

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


@pytest.fixture(scope="session")
def model():
    return train(iter(LINES), Tokenizer(vocabulary_size=400), threads=1)


@pytest.fixture(scope="session")
def model_path(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    save(folder, model)
    return folder / "antimatter.model"


@pytest.fixture(scope="session")
def encoder(model_path):
    return Encoder(model_path)
