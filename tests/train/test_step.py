"""One optimizer step by itself: what is applied, what the device leaves out, what the host learns of it."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from antimatter.params.train import Balance
from antimatter.train.step import Fetched

DYNAMIC = Balance(mode="dynamic")
RATE = 1e-2


@pytest.fixture
def run(make_job, new_training):
    """run(...) -> a run whose first update was made, so that its optimizer has moments to keep or to lose."""

    def make(work="work", **changes):
        training = new_training(make_job(work, **{"micro_batch": 2, **changes}))
        one_step(training, 1)
        return training

    return make


def one_step(training, step, highest_loss=math.inf, highest_norm=math.inf, weights=None, stop=False, spoil=None):
    stepper = training.stepper
    sums = stepper.forward_backward(step, 8 * (step - 1), weights, stop)
    if spoil:
        spoil(training, sums)
    return Fetched(step, stepper.update(sums, RATE, highest_loss, highest_norm), sums).read()


def held(training):
    """All that an update may change, copied."""
    weights = {name: parameter.detach().clone() for name, parameter in training.model.named_parameters()}
    return weights | {name: tensor.clone() for name, tensor in training.optimizer.state().items()}


def equal(before, after):
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def gradients(training, step, weights=None):
    sums = training.stepper.forward_backward(step, 8 * (step - 1), weights, False)
    found = {name: p.grad.clone() for name, p in training.model.named_parameters()}
    training.stepper.discard()
    return found, sums


def first_gradient(value):
    def spoil(training, sums):
        next(iter(training.model.parameters())).grad[0, 0] = value

    return spoil


def lost_loss(training, sums):
    sums[1] = torch.nan


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize(
    "reason",
    [
        {"highest_loss": 0.1},
        {"highest_norm": 1e-6},
        {"spoil": lost_loss},
        {"spoil": first_gradient(torch.nan)},
        {"spoil": first_gradient(torch.inf)},
    ],
    ids=["loss above its threshold", "norm above its threshold", "loss nan", "gradient nan", "gradient inf"],
)
def test_an_update_that_is_left_out_changes_no_bit_of_weights_and_moments(run, optimizer, reason):
    training = run(optimizer=optimizer)
    before = held(training)
    assert one_step(training, 2, **reason).skipped
    assert equal(before, held(training))
    assert not one_step(training, 3).skipped  # and nothing of it is left in the next one
    assert all(bool(tensor.isfinite().all()) for tensor in held(training).values())


def test_a_step_exactly_at_its_thresholds_is_applied(run):
    first, second = run("first"), run("second")
    seen = one_step(first, 2)
    before = held(second)
    assert not one_step(second, 2, highest_loss=seen.loss, highest_norm=seen.norm).skipped
    assert equal(held(first), held(second)) and not equal(before, held(second))


def test_the_figures_are_those_of_the_plain_loss_and_of_the_gradient_before_clipping(run):
    training = run(label_smoothing=0.2, z_loss=1e-2, gradient_clip=1e-3)
    inputs, targets = (torch.cat(rows) for rows in zip(*training.loader.rows(8), strict=True))
    with torch.no_grad():
        loss = F.cross_entropy(training.model(inputs).flatten(0, 1), targets.flatten().long()).item()
    found, _ = gradients(training, 2)
    norm = torch.stack([gradient.norm() for gradient in found.values()]).norm().item()
    seen = one_step(training, 2)
    assert seen.step == 2
    assert seen.loss == pytest.approx(loss, rel=1e-4)
    assert seen.norm == pytest.approx(norm, rel=1e-4) and seen.norm > 1e-3
    assert (seen.scale, seen.skipped, seen.stop) == (1.0, False, False)


def test_clipping_shrinks_what_is_applied(run):
    """AdamW's first moment holds a tenth of each gradient."""
    training = run(gradient_clip=1e-3)
    before = held(training)
    one_step(training, 2)
    after = held(training)
    names = [name for name in after if name.endswith(":exp_avg")]
    norm = torch.stack([(after[name] - 0.9 * before[name]).norm() * 10 for name in names]).norm().item()
    assert norm == pytest.approx(1e-3, rel=1e-2)


def test_a_request_to_stop_travels_with_the_figures(run):
    assert one_step(run(), 2, stop=True).stop


def test_an_overflow_in_fp16_is_left_out_and_halves_the_scale(run):
    training = run(precision="fp16", initial_loss_scale=1024.0)
    before = held(training)
    seen = one_step(training, 2, spoil=first_gradient(torch.inf))
    assert seen.skipped and math.isfinite(seen.loss) and seen.scale == 1024.0
    assert equal(before, held(training))
    assert training.scale.current().item() == 512.0
    assert one_step(training, 3).scale == 512.0


def test_balancing_keeps_the_size_of_a_step(run):
    """Weights that are all 3 make three times the sum, and the same gradient as weights that are all 1."""
    plain, tripled = run("plain", token_balance=DYNAMIC), run("tripled", token_balance=DYNAMIC)
    one, three = (np.full(40, weight, dtype=np.float32) for weight in (1.0, 3.0))
    seen = [one_step(plain, 2, weights=one), one_step(tripled, 2, weights=three)]
    assert seen[0].loss == pytest.approx(seen[1].loss) and seen[0].norm == pytest.approx(seen[1].norm, rel=1e-4)
    expected, found = held(plain), held(tripled)
    moments = [name for name in expected if name.endswith((":exp_avg", ":exp_avg_sq"))]
    assert moments and all(torch.allclose(expected[n], found[n], rtol=1e-3, atol=1e-8) for n in moments)


def test_targets_are_counted_with_balancing_that_follows_them(run):
    training = run(token_balance=DYNAMIC)
    training.counts_V.zero_()
    targets = torch.cat([targets.flatten() for _, targets in training.loader.rows(8)])
    training.stepper.forward_backward(2, 8, None, False)
    training.stepper.discard()  # what is not taken is not counted
    one_step(training, 2)
    assert torch.equal(training.counts_V, torch.bincount(targets.long(), minlength=40))


def test_dropout_depends_on_seed_step_and_micro_batch_and_on_no_draw_before(run):
    training = run(dropout=0.5)
    found, _ = gradients(training, 2)
    torch.manual_seed(99)
    again, _ = gradients(training, 2)
    assert all(torch.equal(found[name], again[name]) for name in found)
    rows = [training.loader.rows(8)[0]] * 2  # the same sequences twice, and then the same step twice

    def nats(step):
        training.loader.rows = lambda cursor: rows[:1]
        return training.stepper.forward_backward(step, 8, None, False)[1].item()

    training.model.eval()  # as after a sample or a validation: the step turns dropout on by itself
    once = nats(2)
    training.loader.rows = lambda cursor: rows
    twice = training.stepper.forward_backward(2, 8, None, False)[1].item()
    assert twice != pytest.approx(2 * once, rel=1e-6)  # the second micro-batch drops others
    assert nats(3) != pytest.approx(once, rel=1e-6)  # so does another step
    training.stepper.discard()


def test_gradients_that_are_discarded_are_not_in_the_next_update(run):
    first, second = run("first"), run("second")
    first.stepper.forward_backward(2, 8, None, False)
    first.stepper.discard()
    one_step(first, 2)
    one_step(second, 2)
    assert equal(held(first), held(second))
