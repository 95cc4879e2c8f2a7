import math

import pytest
import torch
from hypothesis import given
from hypothesis.strategies import integers

from antimatter.train import muon
from antimatter.train.muon import ITERATIONS, QUINTIC, Muon, orthogonal

sizes, seeds = integers(1, 12), integers(0, 2**32)


def matrix(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def after(steps: int, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> list[torch.Tensor]:
    for step in range(steps):
        for i, parameter in enumerate(parameters):
            parameter.grad = matrix(*parameter.shape, seed=100 * step + i)
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


@given(rows=sizes, columns=sizes, seed=seeds)
def test_the_iterations_equal_their_definition_by_singular_values(rows, columns, seed):
    start = matrix(rows, columns, seed)
    left, values, right = torch.linalg.svd(start.double(), full_matrices=False)
    values = values / values.norm()
    for _ in range(ITERATIONS):
        values = sum(q * values**power for q, power in zip(QUINTIC, (1, 3, 5), strict=True))
    defined = left @ values.diag() @ right
    assert torch.allclose(orthogonal(start, torch.float32).double(), defined, atol=1e-3)


def test_singular_values_from_a_hundredth_on_end_near_one():
    left, right = (torch.linalg.qr(matrix(64, 64, seed)).Q for seed in (1, 2))
    values = torch.linspace(0.01, 1, 64)
    values = values * (1 / values.norm())
    assert values.min() > 0.002
    made = torch.linalg.svdvals(orthogonal(left @ values.diag() @ right, torch.float32))
    assert made.min() > 0.3 and made.max() < 1.3
    assert made[:-4].min() > 0.65  # all but the four smallest


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
@pytest.mark.parametrize("shape", [(8, 8), (4, 12), (12, 4)])
def test_steps_equal_those_of_torch(monkeypatch, shape):
    monkeypatch.setattr(muon, "iteration_dtype", lambda device: torch.bfloat16)  # torch always takes it
    ours, theirs = (torch.nn.Parameter(matrix(*shape)) for _ in range(2))
    asked = {"lr": 0.1, "momentum": 0.9, "weight_decay": 2.0}
    (one,) = after(5, Muon([{"params": [ours]}], **asked), [ours])
    (two,) = after(5, torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **asked), [theirs])
    assert torch.allclose(one, two, rtol=1e-5, atol=1e-6)


def test_a_packed_matrix_moves_as_its_parts_would_alone():
    packed = torch.nn.Parameter(matrix(12, 4))
    parts = [torch.nn.Parameter(part.clone()) for part in packed.detach().chunk(3)]
    asked = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.5}
    whole, separate = Muon([{"params": [packed], "parts": 3}], **asked), Muon([{"params": parts}], **asked)
    for seed in range(3):
        packed.grad = matrix(12, 4, seed)
        for part, gradient in zip(parts, packed.grad.chunk(3), strict=True):
            part.grad = gradient
        whole.step()
        separate.step()
    assert torch.equal(packed, torch.cat(parts))


@pytest.mark.parametrize("shape", [(32, 32), (16, 64), (64, 16)])
def test_an_entry_moves_about_a_fifth_of_the_rate_whatever_the_shape(shape):
    parameter = torch.nn.Parameter(torch.zeros(shape))
    (moved,) = after(1, Muon([{"params": [parameter]}], lr=0.5, momentum=0.9, weight_decay=0.1), [parameter])
    assert moved.square().mean().sqrt() == pytest.approx(0.2 * 0.5, rel=0.25)


def test_momentum_and_decay_are_what_a_hand_computes():
    parameter = torch.nn.Parameter(torch.full((1, 1), 3.0))
    optimizer = Muon([{"params": [parameter]}], lr=0.1, momentum=0.9, weight_decay=2.0)
    parameter.grad = torch.ones(1, 1)
    optimizer.step()
    assert optimizer.state[parameter]["momentum"].item() == pytest.approx(0.1)
    direction = orthogonal(torch.ones(1, 1), torch.float32).item()  # a single number: its sign, nearly
    assert parameter.item() == pytest.approx(3 * (1 - 0.1 * 2) - 0.1 * 0.2 * direction, rel=1e-2)


@pytest.mark.parametrize(("shape", "parts"), [((4,), 1), ((2, 2, 2), 1), ((4, 3), 3)])
def test_only_matrices_of_equal_parts_are_taken(shape, parts):
    with pytest.raises(ValueError, match=f"{parts} equal matrices"):
        Muon([{"params": [torch.nn.Parameter(torch.zeros(shape))], "parts": parts}], 0.1, 0.9, 0.0)


def test_a_matrix_without_gradient_stays_and_one_of_zeros_only_decays():
    still, faded = (torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2))
    faded.grad = torch.zeros(2, 2)
    Muon([{"params": [still, faded]}], lr=0.1, momentum=0.9, weight_decay=1.0).step()
    assert torch.equal(still, torch.ones(2, 2))
    assert torch.allclose(faded, torch.full((2, 2), 0.9))
    assert math.isfinite(faded.sum().item())
