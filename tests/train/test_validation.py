import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from antimatter.model import AntiMatter, ModelConfig
from antimatter.train.frequency import frequency_classes
from antimatter.train.loss import LossOf
from antimatter.train.peers import Peers
from antimatter.train.tokens import open_tokens
from antimatter.train.validation import score, validate

CONFIG = ModelConfig(vocabulary_size=40, layers=1, width=16, heads=2, feed_forward=32, context=16, dropout=0.5)
TWO_WINDOWS = [1, 9, 10, 2, 1, 11, 12, 13, 2]


def validated(model, tokens, *shape, peers=None, classes=None, loss=None):
    """validate with (sequences, length, micro_batch) as `shape`."""
    return validate(loss or LossOf(model, True), model, tokens, *shape, "fp32", peers or Peers(), classes)


def test_bits_per_byte_and_perplexity_are_what_a_hand_computes():
    # 6 targets at 12 bits together; 4 of them are text: 10 bits for 20 bytes
    result = score([12 * math.log(2), 6, 10 * math.log(2), 20])
    assert result.loss == pytest.approx(2 * math.log(2))
    assert result.perplexity == pytest.approx(4.0)
    assert result.bits_per_byte == pytest.approx(0.5)
    assert score([3.0, 3, 0.0, 0]).bits_per_byte is None


def nats_of_two_windows(model):
    """-ln p of the eight targets of TWO_WINDOWS, cut into windows of 4."""
    nats = []
    model.eval()
    for window in (TWO_WINDOWS[:5], TWO_WINDOWS[4:]):
        logits = model(torch.tensor([window[:-1]]))[0]
        nats += F.cross_entropy(logits, torch.tensor(window[1:]), reduction="none").tolist()
    return nats


@pytest.mark.parametrize("micro_batch", [1, 2, 5])
def test_a_validation_counts_each_target_once_and_leaves_controls_out_of_the_bytes(write_tokens, micro_batch):
    tokens = open_tokens(write_tokens(validation=[np.array(TWO_WINDOWS)]))
    model = AntiMatter(CONFIG, seed=1)
    result = validated(model, tokens, 8, 4, micro_batch)
    nats = nats_of_two_windows(model)
    text = [n for n, target in zip(nats, TWO_WINDOWS[1:], strict=True) if target >= 8]
    assert result.loss == pytest.approx(sum(nats) / 8, rel=1e-5)
    assert result.bits_per_byte == pytest.approx(sum(text) / (math.log(2) * 2 * 5), rel=1e-5)
    assert result.by_frequency == ()


def test_a_score_by_frequency_is_the_mean_of_each_class_and_none_where_no_target_fell(write_tokens):
    tokens = open_tokens(write_tokens(validation=[np.array(TWO_WINDOWS)]))
    model = AntiMatter(CONFIG, seed=1)
    counts = np.zeros(40, dtype=np.int64)
    counts[[2, 1, 9]] = 50, 31, 19  # classes 0, 5, 8; all others 9
    result = validated(model, tokens, 8, 4, 2, classes=frequency_classes(counts))
    by_target = list(zip(nats_of_two_windows(model), TWO_WINDOWS[1:], strict=True))
    expected = [None] * 10
    for place, members in ((0, [2]), (5, [1]), (8, [9]), (9, [10, 11, 12, 13])):
        expected[place] = pytest.approx(np.mean([n for n, target in by_target if target in members]), rel=1e-5)
    assert list(result.by_frequency) == expected


def test_smoothing_and_z_loss_are_not_in_a_score(write_tokens):
    model, tokens = AntiMatter(CONFIG, seed=1), open_tokens(write_tokens())
    strange = validated(model, tokens, 9, 16, 4, loss=LossOf(model, True, label_smoothing=0.5, z_loss=1.0))
    assert strange == validated(model, tokens, 9, 16, 4)


@pytest.mark.parametrize("training", [True, False])
def test_validation_touches_neither_random_numbers_nor_the_mode_of_the_model(write_tokens, training):
    model, state = AntiMatter(CONFIG, seed=1), torch.get_rng_state()
    tokens, loss = open_tokens(write_tokens()), LossOf(model, True).train(training)
    first = validated(model, tokens, 9, 16, 4, loss=loss)
    assert validated(model, tokens, 9, 16, 4, loss=loss) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training == loss.training == training


@pytest.mark.parametrize("world", [3, 20])
def test_ranks_together_give_what_one_process_gives_in_equally_many_passes_of_one_shape(write_tokens, world):
    model, tokens = AntiMatter(CONFIG, seed=1), open_tokens(write_tokens())
    classes = frequency_classes(np.arange(40))
    whole = validated(model, tokens, 10, 16, 4, classes=classes)
    shares, shapes = [], []
    for rank in range(world):
        peers, loss, passes = Peers(), LossOf(model, True), []
        peers.rank, peers.world = rank, world
        peers.sum = lambda values: shares.append(values) or [1.0] * len(values)
        loss.register_forward_pre_hook(lambda _, inputs, passes=passes: passes.append(inputs[0].shape))
        validated(model, tokens, 10, 16, 3, peers=peers, classes=classes, loss=loss)
        shapes.append(passes)
    assert all(passes == shapes[0] and len(set(passes)) == 1 for passes in shapes)  # what shares a model out must agree
    together = score([sum(values) for values in zip(*shares, strict=True)])
    assert together.loss == pytest.approx(whole.loss)
    assert together.bits_per_byte == pytest.approx(whole.bits_per_byte)
    assert together.by_frequency == pytest.approx(whole.by_frequency)
