"""The quality classifier: its score against the definition, its training against calculus, its file against damage."""

import hashlib
import itertools
import json
import math
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from antimatter.cli import main
from antimatter.collect.errors import MissingSource
from antimatter.filter import quality, train_quality
from antimatter.filter.quality import FORMAT, Model, WrongModel
from antimatter.filter.train_quality import TooFewExamples
from antimatter.filter.watched import WrongFile
from antimatter.params.filter import WatchedFile
from antimatter.text.words import fold, segment, word_hash, words_of

MASK = 2**64 - 1
SETTINGS = {"ngrams": 2, "buckets": 1 << 12, "l2": 1e-5, "seed": 0}


def words(*texts: str):
    return segment(pa.array(texts, pa.string()))


def model_of(weights: np.ndarray, bias: float = 0.0, ngrams: int = 2) -> Model:
    return Model(weights.astype(np.float32), np.float32(bias), ngrams, {"seed": 0})


def plain_bucket(gram: list[str], bits: int) -> int:
    key = 0
    for word in gram:
        key = (key * 0x9E3779B97F4A7C15 + word_hash(fold(word))) & MASK
        for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            key = (key ^ key >> 33) * multiplier & MASK
        key ^= key >> 33
    return key >> 64 - bits


def plain_buckets(text: str, bits: int, ngrams: int) -> list[int]:
    listed = words_of(text)
    grams = [listed[i : i + n] for i in range(len(listed)) for n in range(1, ngrams + 1) if i + n <= len(listed)]
    return [plain_bucket(gram, bits) for gram in grams]


def sentences(vocabulary: list[str], count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(vocabulary, k=30)) for _ in range(count)]


GOOD = sentences("theorem proof lemma because the of number field ring group".split(), 200, seed=1)
BAD = sentences("click buy now cheap the of offer discount free sale".split(), 120, seed=2)


@given(st.lists(st.text() | st.sampled_from(["", "a b", "The cat, the CAT", "第3章"]), max_size=4), st.integers(1, 4))
def test_the_score_equals_its_definition(texts, ngrams):
    weights = np.random.default_rng(0).normal(0, 3, 1 << 10).astype(np.float32)
    scores = quality.score(words(*texts), model_of(weights, 0.5, ngrams))
    for text, score in zip(texts, scores, strict=True):
        buckets = plain_buckets(text, 10, ngrams)
        total = 0.0
        for bucket in buckets:
            total += float(weights[bucket])
        assert score == pytest.approx(1 / (1 + math.exp(-(0.5 + total / max(1, len(buckets))))), rel=1e-12)
    starts, buckets = quality.features(words(*texts), 1 << 10, ngrams)
    assert buckets.tolist() == [bucket for text in texts for bucket in plain_buckets(text, 10, ngrams)]
    assert np.diff(starts).tolist() == [len(plain_buckets(text, 10, ngrams)) for text in texts]


def test_a_text_without_words_has_the_score_of_the_bias():
    scores = quality.score(words("", " -- ", "a"), model_of(np.ones(1 << 10), bias=1.0))
    assert scores[:2].tolist() == [1 / (1 + math.exp(-1))] * 2 and scores[2] == 1 / (1 + math.exp(-2))


@pytest.mark.parametrize("weight", [1e30, -1e30])
def test_scores_stay_inside_zero_and_one(weight):
    (score,) = quality.score(words("a"), model_of(np.full(1 << 10, weight)))
    assert 0 < score < 1


def test_training_tells_the_classes_apart_and_names_their_words():
    trained = train_quality.train(GOOD, BAD, **SETTINGS)
    assert (trained.good, trained.bad) == (200, 120) and 10 < trained.held_out < 60
    assert trained.accuracy.value == trained.auc.value == 1.0
    assert 0 < trained.accuracy.error < 0.1 and 0 < trained.auc.error < 0.1
    assert {"theorem", "lemma", "ring"} < set(trained.telling_good) and "click" not in trained.telling_good
    assert {"click", "buy", "sale"} < set(trained.telling_bad)
    good, bad, neither = quality.score(words("A Proof of the lemma", "free sale", "the of the"), trained.model)
    assert good > 0.9 and bad < 0.1 and bad < neither < good


def test_many_examples_of_one_class_do_not_move_the_even_chance():
    many = sentences("theorem proof lemma because the of number field ring group".split(), 1000, seed=3)
    trained = train_quality.train(many, BAD, **SETTINGS)
    (score,) = quality.score(words("the of the of the"), trained.model)
    assert 0.2 < score < 0.8


def test_the_same_examples_give_the_same_bytes_and_other_ones_do_not():
    runs = ((GOOD, 0), (GOOD, 0), (GOOD[::-1], 0), (GOOD, 1))
    contents = [quality.pack(train_quality.train(good, BAD, **{**SETTINGS, "seed": seed}).model) for good, seed in runs]
    assert contents[0] == contents[1]
    assert len(set(contents)) == 3


def test_texts_of_the_same_words_count_once_in_a_class_and_never_stand_on_both_sides_of_the_split():
    trained = train_quality.train(GOOD, BAD, **SETTINGS)
    ways = (str, str.upper, lambda text: f"({text})!", lambda text: text.replace(" ", "\n\n"))
    copied = train_quality.train([way(text) for way in ways for text in GOOD], BAD, **SETTINGS)
    assert (copied.good, copied.copies, trained.copies) == (200, 600, 0)
    assert (copied.held_out, copied.accuracy, copied.auc) == (trained.held_out, trained.accuracy, trained.auc)
    assert np.array_equal(copied.model.weights, trained.model.weights)


def test_random_labels_cannot_be_told_however_often_a_text_stands_in_other_writing():
    texts = sentences([f"w{i}" for i in range(300)], 400, seed=5)
    written = [[f"{text}.", text.upper(), f"“{text}”", f" {text}\n"] for text in texts]
    good, bad = (list(itertools.chain.from_iterable(part)) for part in (written[:200], written[200:]))
    trained = train_quality.train(good, bad, **SETTINGS)
    assert abs(trained.auc.value - 0.5) < 4 * trained.auc.error


def test_a_saved_model_is_the_same_model(tmp_path):
    trained = train_quality.train(GOOD, BAD, **SETTINGS)
    file = saved(tmp_path, trained.model)
    loaded = quality.load(file)
    assert np.array_equal(loaded.weights, trained.model.weights) and loaded.bias == trained.model.bias
    assert (loaded.ngrams, loaded.provenance) == (2, trained.model.provenance)
    assert set(loaded.provenance) == {"seed", "l2", "good", "bad", "versions"}
    texts = words(*GOOD[:5], *BAD[:5], "")
    assert quality.score(texts, loaded).tolist() == quality.score(texts, trained.model).tolist()


def saved(folder, model: Model) -> WatchedFile:
    path = folder / "model.safetensors"
    digest = quality.save(model, path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    return WatchedFile(path=str(path), sha256=digest)


def test_another_file_than_the_pinned_one_is_refused(tmp_path):
    file = saved(tmp_path, model_of(np.zeros(1 << 10)))
    quality.save(model_of(np.ones(1 << 10)), tmp_path / "model.safetensors")
    with pytest.raises(WrongFile, match=rf"filter\.quality_model: .* params.yaml says {file.sha256}"):
        quality.load(file)


def forged(about: dict, **tensors: np.ndarray) -> bytes:
    """A model file whose metadata or tensors are other ones."""
    content = quality.pack(model_of(np.zeros(1 << 10)))
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    known = json.loads(header["__metadata__"][FORMAT]) | about
    whole = {"weights": np.zeros(1 << 10, np.float32), "bias": np.zeros(1, np.float32), **tensors}
    return safetensors.numpy.save(whole, {FORMAT: json.dumps(known)})


def about(text: str) -> bytes:
    """A model file with any text for metadata."""
    tensors = {"weights": np.zeros(1 << 10, np.float32), "bias": np.zeros(1, np.float32)}
    return safetensors.numpy.save(tensors, {FORMAT: text})


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is no quality model"),
        (b"\xff" * 100, "is no quality model"),
        (safetensors.numpy.save({"weights": np.zeros(4, np.float32)}), "is no quality model"),
        (lambda: forged({"buckets": 1 << 11}), "no finite float32 weights for the 2048 buckets"),
        (lambda: forged({"buckets": 1000}, weights=np.zeros(1000, np.float32)), "no finite float32 weights"),
        (lambda: forged({"ngrams": 0}), "no finite float32 weights"),
        (lambda: forged({"buckets": "many"}), "no finite float32 weights"),
        (lambda: forged({}, weights=np.zeros(1 << 10)), "no finite float32 weights"),
        (lambda: forged({}, weights=np.full(1 << 10, np.nan, np.float32)), "no finite float32 weights"),
        (lambda: forged({}, bias=np.zeros(2, np.float32)), "no finite float32 weights"),
        (lambda: forged({"words": "0"}), "hashes words differently"),
        (lambda: forged({"words": []}), "hashes words differently"),
        (lambda: forged({"ngrams": 2.0}), "no finite float32 weights"),
        (lambda: forged({"ngrams": True}), "no finite float32 weights"),
        (lambda: forged({"buckets": 1024.0}), "no finite float32 weights"),
        (lambda: forged({"buckets": [1024]}), "no finite float32 weights"),
        *((about(text), "is no quality model") for text in ("[1]", "null", '"x"', "5", "[" * 100_000, "{")),
    ],
)
def test_what_is_no_usable_model_is_a_message(content, message):
    with pytest.raises(WrongModel, match=message):
        quality.parse(content() if callable(content) else content, "model.safetensors")
    assert quality.parse(forged({}), "model.safetensors").ngrams == 2


def test_a_class_without_words_is_a_message_that_says_what_to_do():
    for good, bad, name in ((GOOD, [], "bad"), (["", "--"], BAD, "good"), (GOOD[:1], BAD, "good")):
        with pytest.raises(TooFewExamples, match=rf"the {name} examples hold .* give at least 100"):
            train_quality.train(good, bad, **SETTINGS)


def test_texts_without_words_are_left_out():
    trained = train_quality.train([*GOOD, "", "!?"], BAD, **SETTINGS)
    assert trained.good == 200


def test_the_gradient_is_the_derivative_and_the_minimum_has_none():
    texts = words(*GOOD[:6], *BAD[:6])
    starts, grams = quality.features(texts, 1 << 10, 2)
    sides = np.repeat([1.0, -1.0], 6)
    shares = np.array([0.1] * 5 + [0.0] + [0.05] * 6)

    def function(point):
        return train_quality._objective(point, starts, grams, sides, shares, 1e-3)

    point = np.random.default_rng(0).normal(0, 5, (1 << 10) + 1)
    value, gradient = function(point)
    logits = [point[-1] + point[grams[starts[d] : starts[d + 1]]].mean() for d in range(12)]
    loss = sum(share * math.log1p(math.exp(-side * z)) for share, side, z in zip(shares, sides, logits, strict=True))
    assert value == pytest.approx(loss + 1e-3 / 2 * (point[:-1] ** 2).sum())
    for place in (0, int(grams[0]), int(grams[-1]), 1 << 10):
        nudge = np.zeros_like(point)
        nudge[place] = 1e-5
        slope = (function(point + nudge)[0] - function(point - nudge)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, abs=1e-7)
    best = train_quality.minimize(function, np.zeros_like(point))
    assert np.linalg.norm(function(best)[1]) <= 2e-3 * np.linalg.norm(function(np.zeros_like(point))[1])
    assert function(best)[0] < value


def test_a_function_that_is_least_where_it_starts_stays_there():
    start = np.zeros(3)
    assert train_quality.minimize(lambda point: (float(point @ point), 2 * point), start).tolist() == [0, 0, 0]
    found = train_quality.minimize(lambda point: (float((point - 7) @ (point - 7)), 2 * (point - 7)), start)
    assert found == pytest.approx([7, 7, 7], abs=0.1)


SCORES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12).map(np.array)


@given(SCORES, SCORES)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(good, bad):
    pairs = [(g > b) + (g == b) / 2 for g in good for b in bad]
    area = train_quality.area_under_curve(good, bad)
    assert area.value == pytest.approx(sum(pairs) / len(pairs)) and 0 < area.error < 0.5
    accuracy = train_quality.balanced_accuracy(good, bad)
    assert accuracy.value == pytest.approx(((good > 0).mean() + (bad < 0).mean()) / 2) and 0 < accuracy.error < 0.5


def test_the_error_of_a_perfect_area_shrinks_with_the_sample():
    errors = [train_quality.area_under_curve(np.ones(size), -np.ones(size)).error for size in (1, 10, 100, 1000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] == pytest.approx(0.7 / 100, rel=0.1)  # about 1 / (n sqrt(2))
    half = train_quality.area_under_curve(np.arange(1000.0), np.arange(1000.0))
    assert half.error == pytest.approx(math.sqrt(1 / 12 * 2 / 1000), rel=0.01)


@pytest.mark.parametrize("output, message", [("models", "is a folder"), ("good.txt/model", "good.txt is no folder")])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path, monkeypatch, capsys, output, message
):
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    Path("good.txt").write_text("a text")
    assert main(["train-quality", "good.txt", "good.txt", "--output", output]) == 1
    captured = capsys.readouterr()
    assert f"--output {output}" in captured.err and message in captured.err and captured.out == ""


def test_examples_are_read_from_text_files_json_lines_and_parquet(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\ntext")
    (tmp_path / "b.jsonl").write_text('{"text": "two"}\n{"text": "three\\ud800"}\nbroken\n')
    pq.write_table(pa.table({"text": ["four", "five"]}), tmp_path / "c.parquet")
    (tmp_path / "d.pdf").write_bytes(b"%PDF")
    examples = train_quality.read_examples(str(tmp_path))
    assert examples.texts == ["one\n\ntext", "two", "three\ufffd", "four", "five"]
    assert (examples.unread, examples.ignored) == (1, {".pdf": 1})
    assert train_quality.read_examples(str(tmp_path / "a.txt")).texts == ["one\n\ntext"]
    with pytest.raises(MissingSource, match="there is no folder or file"):
        train_quality.read_examples(str(tmp_path / "none"))
