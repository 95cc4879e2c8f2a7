import math

import pytest
import torch
import torch.nn.functional as F

from antimatter.model import AntiMatter, ModelConfig
from antimatter.train.peers import Peers
from antimatter.train.tokens import open_tokens
from antimatter.train.validation import score, validate

CONFIG = ModelConfig(vocabulary_size=40, layers=1, width=16, heads=2, feed_forward=32, context=16, dropout=0.5)


def test_bits_per_byte_and_perplexity_are_what_a_hand_computes():
    # 6 targets at 12 bits together; 4 of them are text: 10 bits for 20 bytes
    result = score(12 * math.log(2), 6, 10 * math.log(2), 20)
    assert result.loss == pytest.approx(2 * math.log(2))
    assert result.perplexity == pytest.approx(4.0)
    assert result.bits_per_byte == pytest.approx(0.5)
    assert score(3.0, 3, 0.0, 0).bits_per_byte is None


def test_a_validation_counts_each_target_once_and_leaves_controls_out_of_the_bytes(write_tokens):
    tokens = open_tokens(write_tokens(validation=[torch.tensor([1, 9, 10, 2, 1, 11, 12, 13, 2]).numpy()]))
    model = AntiMatter(CONFIG, seed=1)
    result = validate(model, tokens, 8, 4, 1, "fp32", Peers())
    model.eval()
    nats = []
    for window in ([1, 9, 10, 2, 1], [1, 11, 12, 13, 2]):
        logits = model(torch.tensor([window[:-1]]))[0]
        nats += F.cross_entropy(logits, torch.tensor(window[1:]), reduction="none").tolist()
    text = [n for n, target in zip(nats, [9, 10, 2, 1, 11, 12, 13, 2], strict=True) if target >= 8]
    assert result.loss == pytest.approx(sum(nats) / 8, rel=1e-5)
    assert result.bits_per_byte == pytest.approx(sum(text) / (math.log(2) * 2 * 5), rel=1e-5)


def test_validation_touches_neither_random_numbers_nor_the_mode_of_the_model(write_tokens):
    model, state = AntiMatter(CONFIG, seed=1), torch.get_rng_state()
    tokens = open_tokens(write_tokens())
    first = validate(model, tokens, 9, 16, 4, "fp32", Peers())
    assert validate(model, tokens, 9, 16, 4, "fp32", Peers()) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training


def test_ranks_together_give_what_one_process_gives(write_tokens, monkeypatch):
    model, tokens = AntiMatter(CONFIG, seed=1), open_tokens(write_tokens())
    whole = validate(model, tokens, 9, 16, 4, "fp32", Peers())
    shares = []
    for rank in range(3):
        peers = Peers()
        peers.rank, peers.world = rank, 3
        peers.sum = lambda values: shares.append(values) or values
        validate(model, tokens, 9, 16, 2, "fp32", peers)
    together = score(*map(sum, zip(*shares, strict=True)))
    assert together.loss == pytest.approx(whole.loss)
    assert together.bits_per_byte == pytest.approx(whole.bits_per_byte)
