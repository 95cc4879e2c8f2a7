import pytest
import torch

from antimatter.model import AntiMatter, ModelConfig
from antimatter.params.train import Train
from antimatter.train.loss_scale import LossScale
from antimatter.train.optimizer import Optimizer

CONFIG = ModelConfig(
    vocabulary_size=37, vocabulary_multiple=16, layers=1, width=16, heads=2, feed_forward=32, context=16
)
SETTINGS = Train(learning_rate=0.01, initial_loss_scale=1024.0)
MUON = Train(learning_rate=0.01, initial_loss_scale=1024.0, optimizer="muon")
TABLE, MATRIX = "token_embedding.weight", "blocks.0.attention.projection.weight"
"""The first belongs to AdamW in every run, the second to Muon where there is one."""


def with_gradients(value: float = 0.5) -> AntiMatter:
    model = AntiMatter(CONFIG, seed=1)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, value)
    return model


def one_step(model: AntiMatter, settings: Train, scale: LossScale, refused: bool = False) -> torch.Tensor:
    """As the loop does it. refused: something else than a gradient says that the step shall not count."""
    optimizer, parameters = Optimizer(model, settings, "cpu"), list(model.parameters())
    norm = scale.unscale(optimizer, parameters)
    scale.clip(parameters, norm, 1.0)
    optimizer.step(0.01, (~torch.isfinite(norm) | torch.tensor(refused)).float())
    scale.update()
    return norm


def test_gradients_are_clipped_to_the_asked_norm_and_the_norm_before_is_told():
    model = with_gradients(2.0)
    size = sum(p.numel() for p in model.parameters())
    norm = one_step(model, SETTINGS, LossScale("cpu", SETTINGS, enabled=False))
    assert norm.item() == pytest.approx(2 * size**0.5, rel=1e-5)
    assert torch.nn.utils.get_total_norm([p.grad for p in model.parameters()]).item() == pytest.approx(1.0, rel=1e-4)


def test_no_limit_leaves_gradients_as_they_are():
    model = with_gradients(2.0)
    LossScale("cpu", SETTINGS, enabled=False).clip(list(model.parameters()), torch.tensor(1e9), 0.0)
    assert all((p.grad == 2.0).all() for p in model.parameters())


@pytest.mark.parametrize("settings", [SETTINGS, MUON], ids=["adamw", "muon"])
def test_the_scale_is_taken_out_once_and_leaves_no_trace(settings):
    scaled, plain = with_gradients(0.5 * 1024), with_gradients(0.5)
    norms = (
        one_step(scaled, settings, LossScale("cpu", settings, enabled=True)),
        one_step(plain, settings, LossScale("cpu", settings, enabled=False)),
    )
    assert torch.equal(*norms)
    assert all(torch.equal(a, b) for a, b in zip(scaled.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize("settings", [SETTINGS, MUON], ids=["adamw", "muon"])
@pytest.mark.parametrize("overflown", [{TABLE}, {MATRIX}, {TABLE, MATRIX}])
def test_an_overflow_anywhere_skips_the_whole_step_and_halves_the_scale_once(settings, overflown):
    model = with_gradients()
    before = model.published_weights()
    before = {name: tensor.clone() for name, tensor in before.items()}
    for name in overflown:
        model.get_parameter(name).grad[0] = torch.inf
    scale = LossScale("cpu", settings, enabled=True)
    assert not torch.isfinite(one_step(model, settings, scale))
    assert all(torch.equal(before[n], p) for n, p in model.published_weights().items())
    assert scale.current().item() == 512.0


def test_a_step_refused_for_another_reason_leaves_the_scale_and_counts_for_its_growth():
    scale = LossScale("cpu", SETTINGS, enabled=True)
    one_step(with_gradients(), SETTINGS, scale, refused=True)
    assert scale.state() == {"scale": 1024.0, "growth_tracker": 1}


@pytest.mark.parametrize(
    ("start", "gradient", "expected"),
    [(1.0, torch.inf, 1.0), (2.0**24, 0.5, 2.0**24), (2.0**10, torch.nan, 2.0**9), (2.0**10, 0.5, 2.0**11)],
)
def test_the_scale_moves_by_two_between_its_bounds(start, gradient, expected):
    scale = LossScale("cpu", SETTINGS, enabled=True)
    scale.restore({"scale": start, "growth_tracker": 1999})
    one_step(with_gradients(gradient), SETTINGS, scale)
    assert scale.current().item() == expected


@pytest.mark.parametrize(("saved", "asked", "expected"), [(65536.0, 32768.0, 32768.0), (256.0, 32768.0, 256.0)])
def test_going_back_lowers_a_high_scale_never_raises_one_and_counts_anew(saved, asked, expected):
    scale = LossScale("cpu", SETTINGS, enabled=True)
    scale.restore({"scale": saved, "growth_tracker": 1999})
    scale.lower(asked)
    assert scale.current().item() == expected
    assert scale.state() == {"scale": expected, "growth_tracker": 0}


def test_the_scale_and_its_growth_come_back():
    scale = LossScale("cpu", SETTINGS, enabled=True)
    scale.restore({"scale": 256.0, "growth_tracker": 7})
    assert scale.state() == {"scale": 256.0, "growth_tracker": 7}


def test_without_fp16_there_is_no_scale():
    scale = LossScale("cpu", SETTINGS, enabled=False)
    scale.lower(1.0)
    scale.restore({})
    scale.update()
    assert scale.state() == {} and scale.current().item() == 1.0
