import math

import pytest
import torch
from hypothesis import given
from hypothesis.strategies import floats, integers, lists, sampled_from

from antimatter.errors import AntiMatterError
from antimatter.params.train import Train
from antimatter.train.schedule import ContradictorySettings, Plateau, learning_rate, resolved

SETTINGS = Train(steps=110, warmup_steps=10, learning_rate=0.5, final_learning_rate_fraction=0.2)
fractions = floats(0, 1)


def train(**changes: object) -> Train:
    return Train(**{"steps": 100, "warmup_steps": 10, "learning_rate": 1.0, **changes})


@pytest.mark.parametrize(
    ("step", "rate"),
    [(1, 0.05), (5, 0.25), (10, 0.5), (60, 0.3), (110, 0.1), (35, 0.1 + 0.4 * (1 + 2**-0.5) / 2)],
)
def test_the_rate_of_the_cosine_is_what_a_hand_computes(step, rate):
    assert learning_rate(SETTINGS, step) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("linear", {10: 1.0, 55: 0.55, 100: 0.1}),
        ("wsd", {11: 1.0, 80: 1.0, 90: 0.55, 100: 0.1}),
        ("constant", {11: 1.0, 100: 1.0}),
        ("plateau", {11: 1.0, 100: 1.0}),
    ],
)
def test_the_rate_of_the_other_schedules_is_what_a_hand_computes(schedule, rates):
    settings = train(schedule=schedule, final_learning_rate_fraction=0.1, decay_fraction=0.2)
    assert {step: learning_rate(settings, step) for step in rates} == pytest.approx(rates)
    assert learning_rate(settings, 5) == pytest.approx(0.5)


def test_without_warm_up_the_cosine_starts_at_once():
    settings = Train(steps=100, warmup_steps=0, learning_rate=1.0, final_learning_rate_fraction=0.0)
    assert learning_rate(settings, 50) == pytest.approx(0.5)
    assert learning_rate(settings, 100) == pytest.approx(0.0)


@given(steps=integers(2, 10**6), share=fractions, at=fractions, lowest=fractions)
def test_the_cosine_is_to_the_bit_what_it_has_always_been(steps, share, at, lowest):
    warm, step = int(share * (steps - 1)), 1 + int(at * (steps - 1))
    settings = Train(steps=steps, warmup_steps=warm, learning_rate=3e-4, final_learning_rate_fraction=lowest)
    if step <= warm:
        expected = 3e-4 * step / warm
    else:
        progress = (step - warm) / (steps - warm)
        expected = 3e-4 * (lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * progress)))
    assert learning_rate(settings, step) == expected


@given(
    schedule=sampled_from(["cosine", "linear", "wsd"]), steps=integers(2, 300), warm=integers(0, 299),
    lowest=fractions, decay=fractions,
)  # fmt: skip
def test_the_rate_rises_through_warm_up_never_after_and_ends_at_the_final_fraction(
    schedule, steps, warm, lowest, decay
):
    warm = min(warm, steps - 1)
    settings = train(
        schedule=schedule, steps=steps, warmup_steps=warm, learning_rate=0.7, final_learning_rate_fraction=lowest,
        decay_fraction=decay,
    )  # fmt: skip
    rates = [learning_rate(settings, step) for step in range(1, steps + 1)]
    assert rates[:warm] == sorted(rates[:warm])
    assert all(after <= before * (1 + 1e-12) for before, after in zip(rates[warm:], rates[warm + 1 :], strict=False))
    assert rates[-1] == 0.7 * lowest
    assert max(rates) <= 0.7 * (1 + 1e-12)


@given(percent=integers(1, 100), warm=integers(0, 40))
def test_wsd_is_constant_until_its_last_part_whatever_comes_first(percent, warm):
    settings = train(schedule="wsd", steps=100, warmup_steps=warm, decay_fraction=percent / 100)
    rates = {step: learning_rate(settings, step) for step in range(warm + 1, 101)}
    begin = max(warm, 100 - percent)
    assert all((rate < 1 - 1e-9) == (step > begin) for step, rate in rates.items())


def test_what_a_plateau_lowered_multiplies_the_rate_also_in_warm_up():
    settings = train(schedule="plateau")
    assert learning_rate(settings, 50, lowered=0.25) == 0.25
    assert learning_rate(settings, 5, lowered=0.25) == 0.125


losses = lists(floats(0, 12) | sampled_from([2.0, 2.001, 1.999, math.inf, math.nan]), max_size=60)


@given(losses=losses, patience=integers(1, 5), factor=floats(0.01, 1), improvement=floats(0, 1), lowest=floats(0, 1))
def test_a_plateau_lowers_as_torch_does(losses, patience, factor, improvement, lowest):
    ours = Plateau(
        Train(
            schedule="plateau", plateau_patience=patience, plateau_factor=factor, plateau_improvement=improvement,
            final_learning_rate_fraction=lowest,
        )
    )  # fmt: skip
    holder = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        holder, factor=min(factor, 0.999999), patience=patience - 1, threshold=improvement, threshold_mode="abs",
        min_lr=lowest, eps=0.0,
    )  # fmt: skip
    for loss in losses:
        ours.validated(loss)
        theirs.step(loss)
        assert ours.factor == pytest.approx(holder.param_groups[0]["lr"], rel=1e-4)
        assert ours.factor >= lowest


@pytest.mark.parametrize("schedule", ["cosine", "wsd", "linear", "constant"])
def test_other_schedules_are_never_lowered(schedule):
    plateau = Plateau(Train(schedule=schedule, plateau_patience=1))
    for _ in range(9):
        plateau.validated(3.0)
    assert plateau.factor == 1.0


@given(losses=losses, at=fractions)
def test_a_plateau_goes_on_from_what_it_saved(losses, at):
    settings = Train(schedule="plateau", plateau_patience=2, plateau_factor=0.7, final_learning_rate_fraction=0.01)
    whole, first, second = (Plateau(settings) for _ in range(3))
    cut = int(at * len(losses))
    for loss in losses:
        whole.validated(loss)
    for loss in losses[:cut]:
        first.validated(loss)
    second.restore(first.state())
    for loss in losses[cut:]:
        second.validated(loss)
    assert second.state() == whole.state()


@given(tokens=integers(1, 10**9), batch=integers(1, 1000))
def test_a_budget_of_tokens_is_rounded_up_to_whole_steps(tokens, batch):
    settings = Train(steps=0, tokens=tokens, batch_tokens=batch * 8, sequence_length=8, warmup_steps=0)
    made = resolved(settings, windows=1)
    assert (made.steps - 1) * batch * 8 < tokens <= made.steps * batch * 8
    assert (made.tokens, made.epochs) == (0, 0.0) and list(made.problems()) == []


@pytest.mark.parametrize(
    ("epochs", "windows", "steps"), [(1.0, 40, 10), (1.0, 41, 11), (2.5, 40, 25), (0.1, 40, 1), (1.1, 40, 11)]
)
def test_a_budget_of_epochs_counts_samples_and_takes_decimals_as_written(epochs, windows, steps):
    settings = Train(steps=0, epochs=epochs, batch_tokens=32, sequence_length=8, warmup_steps=0)
    assert resolved(settings, windows).steps == steps


def test_a_budget_of_steps_is_taken_as_it_is():
    assert resolved(SETTINGS, windows=5) == SETTINGS


def test_all_contradictions_come_at_once_with_the_steps_that_the_budget_makes():
    settings = Train(steps=0, tokens=8000, batch_tokens=800, sequence_length=8, warmup_steps=12, checkpoints_at=(5, 11))
    with pytest.raises(ContradictorySettings) as caught:
        resolved(settings, windows=100)
    assert isinstance(caught.value, AntiMatterError) and isinstance(caught.value, ValueError)
    for part in ("tokens 8000 make 10 steps", "warmup_steps 12", "names step 11"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "windows", "said"),
    [
        ({"steps": 5, "epochs": 1.0}, 10, ["steps 5, tokens 0, epochs 1: one of them must say"]),
        ({"steps": 0}, 10, ["steps 0, tokens 0, epochs 0: one of them"]),
        ({"steps": 0, "epochs": 1.0}, 0, ["shorter than one sample"]),
        ({"steps": 0, "epochs": 1.0, "batch_tokens": 9, "sequence_length": 10}, 10, ["not a multiple"]),
        ({"batch_tokens": 9, "warmup_steps": 2000}, 0, ["not a multiple", "warmup_steps 2000", "shorter"]),
    ],
)
def test_what_contradicts_without_a_budget_is_told_once(changes, windows, said):
    with pytest.raises(ContradictorySettings) as caught:
        resolved(Train(**changes), windows)
    assert all(str(caught.value).count(part) == 1 for part in said)
