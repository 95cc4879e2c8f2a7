import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.model import AntiMatter, ModelConfig
from antimatter.train import loss
from antimatter.train.loss import LossOf, linear_cross_entropy

CONFIG = ModelConfig(
    vocabulary_size=37, vocabulary_multiple=16, layers=1, width=16, heads=2, feed_forward=32, context=16
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30, deadline=None)
@given(tokens=st.integers(1, 70), vocabulary=st.integers(2, 50), seed=st.integers(0, 9))
def test_the_chunked_loss_equals_its_definition_in_value_and_gradient(tokens, vocabulary, seed):
    targets = torch.randint(0, vocabulary, (tokens,), generator=torch.Generator().manual_seed(seed))
    weights = random(tokens, seed=seed + 3)
    results = []
    for chunked in (True, False):
        hidden = random(tokens, 8, seed=seed).requires_grad_()
        head = random(vocabulary, 8, seed=seed + 1).requires_grad_()
        if chunked:
            losses = linear_cross_entropy(hidden, head, targets)
        else:
            losses = F.cross_entropy(hidden @ head.T, targets, reduction="none")
        (losses * weights).sum().backward()
        results.append((losses, hidden.grad, head.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("chunked", [True, False])
def test_fp16_gradients_under_a_loss_scale_stay_within_one_percent_of_fp32(chunked, monkeypatch):
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 1 << 17)
    hidden, head = random(8192, 32), random(512, 32, seed=1) * 0.02
    targets = torch.randint(0, 256, (8192,), generator=torch.Generator().manual_seed(2))  # half are never targets
    gradients = []
    for half in (False, True):
        h, w = hidden.clone().requires_grad_(), head.clone().requires_grad_()
        with torch.autocast("cpu", torch.float16, enabled=half):
            one_step = linear_cross_entropy(h, w, targets) if chunked else None
            losses = loss.cross_entropy(F.linear(h, w), targets) if one_step is None else one_step
        scale = 32768.0 if half else 1.0
        (losses.sum() / 8192 * scale).backward()
        gradients.append((h.grad / scale, w.grad / scale))
    for exact, rounded in zip(*gradients, strict=True):
        assert (exact - rounded).norm() / exact.norm() < 0.01
    assert (gradients[0][1] - gradients[1][1])[256:].norm() / gradients[0][1][256:].norm() < 0.01


@pytest.mark.parametrize("chunked", [True, False])
def test_padded_ids_receive_no_probability_and_no_gradient(chunked):
    model = AntiMatter(CONFIG, seed=1)
    tokens = torch.arange(32).view(2, 16)
    total = LossOf(model, chunked)(tokens, tokens.roll(1))
    assert total.item() == pytest.approx(32 * math.log(37), rel=0.02)  # a fresh model is uniform over 37, not 48
    total.backward()
    assert model.token_embedding.weight.grad[37:].eq(0).all()


def test_both_ways_to_the_loss_agree_on_a_whole_model():
    tokens = torch.arange(32).view(2, 16)
    totals = []
    for chunked in (True, False):
        model = AntiMatter(CONFIG, seed=1)
        total = LossOf(model, chunked)(tokens, tokens.roll(1))
        total.backward()
        totals.append((total, model.token_embedding.weight.grad, model.blocks[0].attention.projection.weight.grad))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*totals, strict=True))
