import pytest
import torch

from antimatter.model import AntiMatter, ModelConfig
from antimatter.params.train import Train
from antimatter.train.optimizer import LossScale, adamw, restore_state, state_by_name

CONFIG = ModelConfig(
    vocabulary_size=37, vocabulary_multiple=16, layers=1, width=16, heads=2, feed_forward=32, context=16
)
SETTINGS = Train(learning_rate=0.01, initial_loss_scale=1024.0)


def with_gradients(value: float = 0.5) -> AntiMatter:
    model = AntiMatter(CONFIG, seed=1)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, value)
    return model


def test_matrices_decay_and_vectors_do_not():
    model = AntiMatter(CONFIG)
    decayed, free = adamw(model, SETTINGS, "cpu").param_groups
    assert decayed["weight_decay"] == 0.1 and all(p.dim() == 2 for p in decayed["params"])
    assert free["weight_decay"] == 0.0 and all(p.dim() == 1 for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))


def test_moments_come_back_by_name_and_continue_to_the_bit():
    model = with_gradients()
    optimizer = adamw(model, SETTINGS, "cpu")
    model.token_embedding.weight.grad[37:] = 0
    optimizer.step()
    state = state_by_name(optimizer, model)
    assert state["token_embedding.weight:exp_avg"].shape == (37, 16)
    twin = with_gradients()
    twin.load_weights(model.published_weights(), "memory")
    other = adamw(twin, SETTINGS, "cpu")
    restore_state(other, twin, state)
    twin.token_embedding.weight.grad[37:] = 0
    for o in (optimizer, other):
        o.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_gradients_are_clipped_to_the_asked_norm_and_the_norm_before_is_told():
    model = with_gradients(2.0)
    size = sum(p.numel() for p in model.parameters())
    scale = LossScale("cpu", SETTINGS, enabled=False)
    norm = scale.step(adamw(model, SETTINGS, "cpu"), list(model.parameters()), 1.0)
    assert norm.item() == pytest.approx(2 * size**0.5, rel=1e-5)
    assert torch.nn.utils.get_total_norm([p.grad for p in model.parameters()]).item() == pytest.approx(1.0, rel=1e-4)


def test_an_overflow_skips_the_step_and_halves_the_scale():
    model = with_gradients()
    before = model.published_weights()
    next(model.parameters()).grad[0] = torch.inf
    scale = LossScale("cpu", SETTINGS, enabled=True)
    scale.current()
    norm = scale.step(adamw(model, SETTINGS, "cpu"), list(model.parameters()), 1.0)
    assert not torch.isfinite(norm)
    assert all(torch.equal(before[n], p) for n, p in model.published_weights().items())
    assert scale.current().item() == 512.0


@pytest.mark.parametrize(("start", "gradient", "expected"), [(1.0, torch.inf, 1.0), (2.0**24, 0.5, 2.0**24)])
def test_the_scale_stays_between_its_bounds(start, gradient, expected):
    scale = LossScale("cpu", SETTINGS, enabled=True)
    scale.restore({"scale": start, "growth_tracker": 1999})
    model = with_gradients(gradient)
    scale.current()
    scale.step(adamw(model, SETTINGS, "cpu"), list(model.parameters()), 1.0)
    assert scale.current().item() == expected


def test_the_scale_and_its_growth_come_back():
    scale = LossScale("cpu", SETTINGS, enabled=True)
    scale.restore({"scale": 256.0, "growth_tracker": 7})
    scale.current()
    assert scale.state() == {"scale": 256.0, "growth_tracker": 7}
    assert LossScale("cpu", SETTINGS, enabled=False).state() == {}
