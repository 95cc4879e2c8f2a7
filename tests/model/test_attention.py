"""What positions see, against the definition: a square of scores with holes."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.model import AntiMatter, ModelConfig
from antimatter.model.attention import RMSNorm, rotate, rotation_at, sight_of

CONFIG = ModelConfig(
    vocabulary_size=37, vocabulary_multiple=16, layers=2, width=16, heads=2, feed_forward=32, context=24,
    initial_std=0.3,
)  # fmt: skip


def made(**options) -> AntiMatter:
    return AntiMatter(dataclasses.replace(CONFIG, **options), seed=5).eval()


def tokens(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 37, (rows, length), generator=torch.Generator().manual_seed(seed))


def scored(model: AntiMatter, hidden: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Attention by its definition; seen [B, T, T] says who sees whom."""
    layer = model.blocks[0].attention
    B, T, _ = hidden.shape
    q, k, v = (x.view(B, T, 2, 8).transpose(1, 2) for x in layer.queries_keys_values(hidden).split(16, -1))
    if layer.query_norm is not None:
        q, k = (x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() for x in (q, k))
        q, k = q * layer.query_norm.weight, k * layer.key_norm.weight
    if model.config.positions == "rope":
        q, k = (turned(x, model.config.rope_base) for x in (q, k))
    scores = (q @ k.transpose(-1, -2) / 8**0.5).masked_fill(~seen[:, None], -torch.inf)
    return layer.projection((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


def turned(x: torch.Tensor, base: float) -> torch.Tensor:
    """RoPE by its definition: pair i of position m, a complex number, times exp(i m base^(-2 i / K))."""
    half = x.shape[-1] // 2
    pairs = torch.complex(x[..., :half].double(), x[..., half:].double())
    angles = torch.arange(x.shape[2]).double()[:, None] * base ** (-torch.arange(half).double() / half)
    pairs = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([pairs.real, pairs.imag], -1).float()


@settings(max_examples=60)
@given(
    T=st.integers(1, 24),
    window=st.integers(0, 24),
    positions=st.sampled_from(["learned", "rope"]),
    qk_norm=st.booleans(),
    cuts=st.none() | st.lists(st.integers(0, 23), max_size=3),
)
def test_attention_equals_its_definition(T, window, positions, qk_norm, cuts):
    model = made(attention_window=window, positions=positions, qk_norm=qk_norm)
    if qk_norm:
        model.blocks[0].attention.query_norm.weight.data = torch.linspace(-1, 2, 8)
    hidden = torch.randn(2, T, 16, generator=torch.Generator().manual_seed(T))
    documents = None
    back = torch.arange(T)[:, None] - torch.arange(T)
    seen = ((back >= 0) & (back < (window or 24))).expand(2, T, T)
    if cuts is not None:
        documents = torch.stack([sum((torch.arange(T) >= cut).long() for cut in [shift, *cuts]) for shift in (3, 0)])
        seen = seen & (documents[:, :, None] == documents[:, None])
    sight = sight_of(torch.zeros(2, T), window or 24, documents)
    rotation = rotation_at(torch.arange(T), 8, 10000.0) if positions == "rope" else None
    assert torch.allclose(model.blocks[0].attention(hidden, sight, rotation), scored(model, hidden, seen), atol=1e-5)


@pytest.mark.parametrize("window", [1, 3, 4, 12, 17])
def test_what_lies_behind_the_window_changes_nothing(window):
    model = dataclasses.replace(CONFIG, attention_window=window, layers=1)
    model = AntiMatter(model, seed=5).eval()
    before = tokens(1, 24)
    after = before.clone()
    after[0, 5] = (after[0, 5] + 1) % 37
    changed = (model(before) != model(after)).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == list(range(5, min(24, 5 + window)))


@pytest.mark.parametrize("options", [{}, {"attention_window": 3}, {"positions": "rope"}])
def test_a_document_reads_as_if_it_stood_alone(options):
    model = made(**options)
    row = tokens(1, 24)
    documents = torch.tensor([[0] * 14 + [1] * 10])
    together = model(row, documents)
    assert torch.allclose(together[:, :14], model(row[:, :14]), atol=1e-5)
    changed = row.clone()
    changed[0, :14] = 3
    assert torch.allclose(together[:, 14:], model(changed, documents)[:, 14:], atol=1e-5)
    assert not torch.allclose(together[:, 14:], model(row)[:, 14:], atol=1e-2)
    if options.get("positions") == "rope":  # only distances count, so the place of a document does not
        assert torch.allclose(together[:, 14:], model(row[:, 14:]), atol=1e-4)


def test_equal_documents_are_no_documents():
    model, row = made(), tokens(2, 24)
    assert torch.allclose(model(row, torch.full((2, 24), 7)), model(row), atol=1e-5)


def test_without_window_and_documents_there_is_no_mask():
    assert sight_of(torch.zeros(2, 24), 24) == (None, 0)
    assert sight_of(torch.zeros(2, 24), 13).mask.shape == (1, 1, 24, 24)
    assert sight_of(torch.zeros(2, 24), 5).mask.shape == (2 * 5, 1, 5, 10)


def test_rope_products_depend_on_the_distance_alone():
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0))

    def product(at: int, to: int) -> torch.Tensor:
        first, second = (rotation_at(torch.tensor([place]), 8, 100.0) for place in (at, to))
        return (rotate(q, first) * rotate(k, second)).sum()

    assert torch.allclose(product(9, 4), product(105, 100), atol=1e-4)
    assert not torch.allclose(product(9, 4), product(9, 5), atol=1e-2)


def test_rms_norm_computes_in_fp32_where_it_gets_halves():
    norm = RMSNorm(64)
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact = x.double() / (x.double().square().mean(-1, keepdim=True) + 1e-5).sqrt()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(norm(x), exact.bfloat16())


@pytest.mark.parametrize("options", [{"norm": "rms", "qk_norm": True, "positions": "rope"}, {"attention_window": 4}])
def test_options_run_and_learn_in_half_precision(options):
    model = made(**options).train()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(tokens(2, 24))
    assert torch.allclose(logits.float(), model(tokens(2, 24)), atol=0.15 * logits.abs().max().item())
    logits.float().logsumexp(-1).sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.dtype == torch.float32 for p in model.parameters())
