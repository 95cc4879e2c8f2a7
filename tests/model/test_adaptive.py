"""The head for large vocabularies, against torch's own."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from antimatter.model import AntiMatter, ModelConfig

CONFIG = ModelConfig(
    vocabulary_size=37, layers=1, width=16, heads=2, feed_forward=32, context=12, initial_std=0.3,
    tied_embeddings=False, adaptive_softmax=(5, 20), adaptive_softmax_divisor=2.0,
)  # fmt: skip
COUNTS = np.random.default_rng(0).integers(0, 9, 37)  # with ties


@pytest.fixture
def model() -> AntiMatter:
    made = AntiMatter(CONFIG, seed=5)
    made.adaptive.set_frequencies(COUNTS)
    return made


def hidden_of(rows: int) -> torch.Tensor:
    return torch.randn(rows, 16, generator=torch.Generator().manual_seed(3))


def test_the_most_frequent_entries_are_the_first_class_and_ties_go_by_id(model):
    by_rank = sorted(range(37), key=lambda i: (-COUNTS[i], i))
    assert model.adaptive.rank_V.tolist() == [by_rank.index(i) for i in range(37)]
    assert AntiMatter(CONFIG).adaptive.rank_V.tolist() == list(range(37))


def test_losses_equal_those_of_torch(model):
    hidden, targets = hidden_of(50), torch.arange(50) % 37
    theirs = model.adaptive.softmax(hidden, model.adaptive.rank_V[targets]).output
    assert torch.allclose(model.adaptive.losses(hidden, targets), -theirs, atol=1e-5)


def test_logits_are_log_probabilities_by_id(model):
    hidden, targets = hidden_of(37), torch.arange(37)
    logits = model.adaptive(hidden)
    assert torch.allclose(logits.exp().sum(-1), torch.ones(37), atol=1e-5)
    assert torch.allclose(logits, model.adaptive.softmax.log_prob(hidden)[:, model.adaptive.rank_V], atol=1e-5)
    assert torch.allclose(model.adaptive.losses(hidden, targets), F.cross_entropy(logits, targets, reduction="none"))
    tokens = torch.arange(12)[None]
    assert torch.equal(model(tokens), model.adaptive(model.hidden(tokens)))


def test_every_weight_has_a_gradient_also_where_no_target_falls(model):
    rare = [i for i in range(37) if model.adaptive.rank_V[i] >= 20]
    targets = torch.tensor([i for i in range(37) if i not in rare])
    model.adaptive.losses(hidden_of(len(targets)), targets).sum().backward()
    gradients = {name: p.grad for name, p in model.adaptive.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert gradients["softmax.tail.1.1.weight"].eq(0).all() and gradients["softmax.tail.0.1.weight"].ne(0).any()


def test_an_ignored_target_costs_nothing_and_teaches_nothing(model):
    hidden, targets = hidden_of(37).requires_grad_(), torch.arange(37)
    targets[::3] = -1
    losses = model.adaptive.losses(hidden, targets)
    losses.sum().backward()
    assert losses[::3].eq(0).all() and losses[1::3].gt(0).all()
    assert hidden.grad[::3].eq(0).all() and hidden.grad[1::3].ne(0).any()


def test_losses_are_fp32_under_autocast(model):
    hidden, targets = hidden_of(37), torch.arange(37)
    with torch.autocast("cpu", torch.bfloat16):
        halves = model.adaptive.losses(hidden, targets), model.adaptive(hidden)
    assert {x.dtype for x in halves} == {torch.float32}
    assert torch.allclose(halves[0], model.adaptive.losses(hidden, targets), atol=0.1)
    assert torch.allclose(halves[1].exp().sum(-1), torch.ones(37), atol=1e-5)  # a half-precision softmax misses 1


def test_the_order_of_ids_travels_with_the_weights(model, tmp_path):
    model.save_pretrained(tmp_path)
    back = AntiMatter.from_pretrained(tmp_path)
    assert torch.equal(back.adaptive.rank_V, model.adaptive.rank_V)
    assert back.published_weights()["adaptive.rank_V"].dtype == torch.int64
    assert torch.equal(back(torch.arange(12)[None]), model.eval()(torch.arange(12)[None]))


def test_a_broken_order_of_ids_is_refused(model):
    weights = model.published_weights()
    weights["adaptive.rank_V"] = torch.zeros(37, dtype=torch.int64)
    with pytest.raises(ValueError, match="rank_V is no order"):
        model.load_weights(weights, "memory")
    with pytest.raises(ValueError, match=r"\[36\] counts for a vocabulary of 37"):
        model.adaptive.set_frequencies(COUNTS[1:])


def test_classes_that_the_vocabulary_cannot_fill_are_named():
    assert "must stay below vocabulary_size 20" in "".join(dataclasses.replace(CONFIG, vocabulary_size=20).problems())
    narrow = dataclasses.replace(CONFIG, adaptive_softmax_divisor=8.0)
    assert "leaves class 2 of adaptive_softmax no width of 16" in "".join(narrow.problems())
    assert not list(CONFIG.problems())
