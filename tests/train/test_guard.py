import doctest
import itertools
import json
import math
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.params.train import Guard
from antimatter.train import interventions, robust
from antimatter.train.guard import (
    BUDGET,
    BUDGET_STEPS,
    LEAST_ACCEPTED,
    LOSS_FLOOR,
    MOST_OVERFLOWS,
    NORM_FLOOR,
    GuardGaveUp,
    Seen,
    SpikeGuard,
    Verdict,
    cursor_of_step,
)
from antimatter.train.robust import Window

FULL, THRESHOLD, OFF = Guard(mode="full"), Guard(mode="threshold"), Guard(mode="off")
BASE, NOISE = 3.2, 0.03


def step_of(guard: SpikeGuard, step: int, loss: float, norm: float = 1.0, scale: float | None = None) -> Verdict:
    """What the device and the loop do with one step."""
    highest_loss, highest_norm = guard.thresholds()
    finite = math.isfinite(loss) and math.isfinite(norm)
    skipped = not finite or loss > highest_loss or norm > highest_norm
    overflow = scale is not None and math.isfinite(loss) and not math.isfinite(norm)
    return guard.observe(Seen(step, loss, norm, overflow, skipped, scale))


def replay(
    guard: SpikeGuard, losses: Iterable[float], norms: Iterable[float] | None = None, first: int = 1
) -> list[str]:
    """The actions of all steps, up to a rollback or stop."""
    actions: list[str] = []
    for step, (loss, norm) in enumerate(zip(losses, norms or itertools.repeat(1.0), strict=False), first):
        actions.append(step_of(guard, step, loss, norm).action)
        if actions[-1] in ("rollback", "stop"):
            break
    return actions


def gaussian(generator: random.Random) -> float:
    return generator.gauss(0, 1)


def heavy_tailed(generator: random.Random) -> float:
    """Student's t with 5 degrees of freedom."""
    return generator.gauss(0, 1) / math.sqrt(sum(generator.gauss(0, 1) ** 2 for _ in range(5)) / 5)


def noisy(
    steps: int, seed: int = 0, base: float = BASE, draw: Callable[[random.Random], float] = gaussian
) -> list[float]:
    generator = random.Random(seed)
    return [base + NOISE * draw(generator) for _ in range(steps)]


def trained(steps: int = 200, guard: Guard = FULL) -> SpikeGuard:
    """A guard that has seen so many clean steps."""
    made = SpikeGuard(guard)
    assert set(replay(made, noisy(steps))) == {"go on"}
    return made


# clean runs


@pytest.mark.parametrize(
    ("mode", "draw", "most_skipped"),
    [("full", gaussian, 0), ("full", heavy_tailed, 20), ("threshold", heavy_tailed, 0)],
)
def test_ten_thousand_clean_steps_go_by_without_a_rollback(mode, draw, most_skipped):
    generator = random.Random(1)
    norms = [math.exp(0.15 * draw(generator)) for _ in range(10_000)]
    actions = replay(SpikeGuard(Guard(mode=mode)), noisy(10_000, 2, draw=draw), norms)
    assert len(actions) == 10_000 and actions.count("skip") <= most_skipped


@pytest.mark.parametrize("seed", range(5))
def test_the_falling_loss_of_a_young_model_is_no_sickness(seed):
    generator = random.Random(seed)
    losses, norms = [], []
    for step in range(1, 2001):
        noise = 0.08 * heavy_tailed(generator)
        losses.append(4.5 + 3.8 * math.exp(-step / 150) + noise)  # 8.3 -> 4.5
        norms.append((0.4 + 4 * math.exp(-step / 30)) * math.exp(0.2 * heavy_tailed(generator)))
    actions = replay(SpikeGuard(FULL), losses, norms)
    assert len(actions) == 2000 and actions.count("skip") <= 4


def test_a_loss_without_noise_allows_the_first_noise_there_is():
    losses = [2.0] * 300 + [2.0 + 0.07, 2.0] * 50
    assert set(replay(SpikeGuard(FULL), losses)) == {"go on"}
    assert replay(SpikeGuard(FULL), [*losses[:300], 2.0 + 0.09])[-1] == "skip"


def test_a_text_known_by_heart_may_treble_its_small_loss_unless_the_specifications_rule_is_alone():
    losses = [0.02 + 0.01 * (step % 5) for step in range(300)] + [0.2]
    assert replay(SpikeGuard(FULL), losses)[-1] == "skip"
    assert replay(SpikeGuard(THRESHOLD), losses)[-1] == "rollback"


def test_before_64_accepted_steps_only_the_moving_average_judges():
    guard = SpikeGuard(FULL)
    assert set(replay(guard, noisy(LEAST_ACCEPTED - 1))) == {"go on"}
    assert guard.thresholds() == (math.inf, math.inf)
    assert step_of(guard, LEAST_ACCEPTED, BASE + 2).action == "go on"
    assert guard.thresholds() != (math.inf, math.inf)
    assert replay(SpikeGuard(FULL), [BASE, BASE, 10.0])[-1] == "rollback"


def test_a_short_window_judges_as_soon_as_it_is_full():
    guard = SpikeGuard(Guard(window=16))
    replay(guard, noisy(15))
    assert guard.thresholds() == (math.inf, math.inf)
    step_of(guard, 16, BASE)
    assert step_of(guard, 17, BASE + 2).action == "skip"


# spikes


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_spike_is_left_out_and_hides_no_later_one(size, seed):
    losses = noisy(400, seed)
    losses[200] += size
    losses[220] += size / 2 + 0.1  # a window that took the first one in would let this pass
    actions = replay(SpikeGuard(FULL), losses)
    assert [step for step, action in enumerate(actions) if action != "go on"] == [200, 220]


def test_what_is_left_out_changes_no_threshold():
    guard = trained()
    before = guard.thresholds()
    for step, (loss, norm) in enumerate([(4.5, 1.0), (math.nan, 1.0), (BASE, 50.0), (BASE, math.inf)], 201):
        verdict = step_of(guard, step, loss, norm)
        assert verdict.action == "skip" and verdict.reason
        assert guard.thresholds() == before


def test_a_gradient_norm_far_out_of_line_is_left_out():
    generator = random.Random(0)
    norms = [math.exp(0.1 * generator.gauss(0, 1)) for _ in range(200)]
    assert replay(SpikeGuard(FULL), noisy(201), [*norms, 5.0])[-1] == "go on"
    assert replay(SpikeGuard(FULL), noisy(201), [*norms, 10.0])[-1] == "skip"
    assert replay(SpikeGuard(FULL), noisy(201), [*norms, 0.0])[-1] == "go on"


def test_a_loss_that_creeps_up_is_seen_at_once_and_ends_in_a_rollback():
    ramp = [loss + 0.02 * step for step, loss in enumerate(noisy(380, 3), 1)]
    losses = [*noisy(200), *(min(loss, 10.8) for loss in ramp)]
    actions = replay(SpikeGuard(FULL), losses)
    assert actions.index("skip") < 200 + 20 and actions[-1] == "rollback" and len(actions) < 200 + 40
    assert set(replay(SpikeGuard(THRESHOLD), losses)) == {"go on"}  # all 580 steps, up to worse than uniform


def test_a_lasting_shift_is_a_rollback_even_where_no_single_step_is_out_of_line():
    guard = Guard(skip_deviation=1000.0)
    assert set(replay(SpikeGuard(guard), noisy(200) + noisy(100, base=BASE + 0.6))) == {"go on"}
    made = trained(200, guard)
    verdicts = [step_of(made, 201 + k, loss) for k, loss in enumerate(noisy(9, base=BASE + 0.8))]
    assert [v.action for v in verdicts] == ["go on"] * 8 + ["rollback"]  # the ninth of 16 turns their median
    assert "median" in verdicts[-1].reason


def test_a_loss_above_three_times_its_moving_average_is_a_rollback():
    verdict = step_of(trained(), 201, 9.7)
    assert verdict.action == "rollback" and verdict.reason.startswith("loss 9.7 is above 3 x its moving average 3.")
    assert step_of(trained(), 201, 9.5).action == "skip"


@pytest.mark.parametrize(("size", "action"), [(0.25, "go on"), (2.0, "go on"), (6.0, "go on"), (7.0, "rollback")])
def test_the_specifications_rule_alone_sees_nothing_below_three_times_the_loss(size, action):
    assert step_of(trained(200, THRESHOLD), 201, BASE + size).action == action


# figures that are not finite


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_one_lost_loss_is_left_out_and_a_second_one_running_is_a_rollback(lost):
    guard = trained()
    assert step_of(guard, 201, lost, math.nan).action == "skip"
    assert step_of(guard, 202, BASE).action == "go on"
    assert step_of(guard, 203, lost, math.nan).action == "skip"
    assert step_of(guard, 204, lost, math.nan).action == "rollback"


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_the_specifications_rule_does_not_let_a_lost_loss_pass_as_not_greater(lost):
    assert step_of(trained(200, THRESHOLD), 201, lost, math.nan).action == "rollback"
    assert step_of(SpikeGuard(THRESHOLD), 1, lost, math.nan).action == "rollback"


@pytest.mark.parametrize(
    ("loss", "norm", "scale", "action"),
    [
        (math.nan, math.nan, None, "stop"),
        (math.inf, 1.0, 1024.0, "stop"),
        (BASE, math.inf, None, "stop"),
        (BASE, math.inf, 1024.0, "skip"),
        (1000.0, 1000.0, None, "go on"),
    ],
)
def test_with_the_guard_off_a_figure_that_is_not_finite_ends_the_run_unless_fp16_overflowed(loss, norm, scale, action):
    assert step_of(trained(200, OFF), 201, loss, norm, scale).action == action


def test_a_lost_gradient_without_fp16_is_left_out():
    for guard in (FULL, THRESHOLD):
        assert step_of(trained(200, guard), 201, BASE, math.nan).action == "skip"


# fp16


@pytest.mark.parametrize(("guard", "end"), [(FULL, "rollback"), (THRESHOLD, "stop"), (OFF, "stop")])
def test_twenty_overflows_in_a_row_are_more_than_the_scaler_can_mend(guard, end):
    made = trained(200, guard)
    overflows = [step_of(made, 201 + k, BASE, math.inf, 2.0**15).action for k in range(MOST_OVERFLOWS - 1)]
    assert set(overflows) == {"skip"}
    assert step_of(made, 220, BASE, 1.0, 2.0**15).action == "go on"
    overflows = [step_of(made, 221 + k, BASE, math.inf, 2.0**15).action for k in range(MOST_OVERFLOWS)]
    assert overflows == ["skip"] * (MOST_OVERFLOWS - 1) + [end]


@pytest.mark.parametrize("guard", [FULL, THRESHOLD, OFF])
def test_finding_the_first_scale_may_take_more_than_twenty_overflows(guard):
    made = SpikeGuard(guard)
    for step in range(1, 24):
        assert step_of(made, step, 10.8, math.inf, 2.0 ** (25 - step)) == ("skip", "fp16 overflow")
    assert step_of(made, 24, 10.8, 3.0, 2.0).action == "go on"


@pytest.mark.parametrize(("guard", "end"), [(FULL, "rollback"), (THRESHOLD, "stop"), (OFF, "stop")])
def test_a_first_scale_that_is_never_found_ends_at_the_lowest_one(guard, end):
    made = SpikeGuard(guard)
    actions = [step_of(made, step, 10.8, math.inf, 1.0).action for step in range(1, MOST_OVERFLOWS + 1)]
    assert actions == ["skip"] * (MOST_OVERFLOWS - 1) + [end]


@pytest.mark.parametrize(("guard", "end"), [(FULL, "rollback"), (THRESHOLD, "stop"), (OFF, "stop")])
def test_a_scale_below_one_is_beyond_mending(guard, end):
    assert step_of(trained(200, guard), 201, BASE, math.inf, 0.5).action == end


def test_overflows_use_up_no_budget():
    made = trained()
    for step in range(201, 401):
        action = step_of(made, step, BASE, math.inf if step % 2 else 1.0, 2.0**15).action
        assert action == ("skip" if step % 2 else "go on")


# the budget


def test_the_eleventh_update_left_out_of_a_thousand_steps_is_a_rollback():
    losses = noisy(1300)
    for k in range(BUDGET + 1):
        losses[200 + 90 * k] += 1.0
    actions = replay(SpikeGuard(FULL), losses)
    assert len(actions) == 200 + 90 * BUDGET + 1 and actions[-1] == "rollback" and actions.count("skip") == BUDGET


def test_a_spike_every_hundred_steps_stays_within_the_budget():
    losses = noisy(5000)
    for k in range(200, 5000, BUDGET_STEPS // BUDGET):
        losses[k] += 1.0
    actions = replay(SpikeGuard(FULL), losses)
    assert len(actions) == 5000 and actions.count("skip") == 48


def test_a_run_that_went_back_has_a_new_budget():
    made = trained()
    for step in range(201, 201 + BUDGET):
        assert step_of(made, step, BASE + 0.5).action == "skip"
    at_target = made.state()
    assert step_of(made, 211, BASE + 0.5).action == "rollback"
    assert made.go_back("spike", 411, [210], batch=8).target_step == 210
    made.restore(at_target)
    for step in range(211, 211 + BUDGET):
        assert step_of(made, step, BASE + 0.5).action == "skip"
    assert step_of(made, 221, BASE + 0.5).action == "rollback"


# stable checkpoints


def stable_at(guard: SpikeGuard, saved: int, steps: Sequence[tuple[float, float]]) -> int | None:
    """The first step at which a checkpoint of `saved` is stable."""
    for now, (loss, norm) in enumerate(steps, saved + 1):
        step_of(guard, now, loss, norm, 1024.0)
        if guard.stable(saved, now):
            return now
    return None


def test_a_checkpoint_is_stable_after_fifty_healthy_steps():
    healthy = [(BASE, 1.0)] * 100
    assert stable_at(trained(), 200, healthy) == 250
    assert stable_at(trained(), 200, [(BASE, math.inf), *healthy]) == 251  # an overflow counts for nothing
    assert stable_at(trained(), 200, [(BASE + 5 * NOISE, 1.0), *healthy]) == 251  # nor does a loss a bit out of line
    assert stable_at(trained(), 200, [(BASE, 2.5), *healthy]) == 251  # or a norm
    assert stable_at(trained(200, Guard(healthy_steps=3)), 200, healthy) == 203


@pytest.mark.parametrize("sick", [(BASE + 1.0, 1.0), (math.nan, math.nan), (BASE, 20.0)])
def test_a_checkpoint_is_never_stable_if_a_sick_step_comes_before_its_fiftieth_healthy_one(sick):
    made = trained()
    assert stable_at(made, 200, [(BASE, 1.0)] * 49 + [sick] + [(BASE, 1.0)] * 100) is None
    assert made.stable(250, 350)  # saved right after the sick update was left out
    assert not made.stable(249, 350)
    assert not made.stable(301, 350)


def test_nothing_is_stable_that_nobody_could_judge():
    assert stable_at(SpikeGuard(FULL), 0, [(BASE, 1.0)] * 200) == LEAST_ACCEPTED + 50


# going back, in a run that is played


class Played:
    """A run whose losses follow from what it reads: some samples are bad, and an update made from them does harm.

    poison: what a bad batch adds to its own loss; lasting: what an update made from one adds to all later losses.
    """

    def __init__(self, guard: Guard, bad: set[int], poison: float, lasting: float, save_every: int = 100) -> None:
        self.settings, self.bad, self.poison, self.lasting, self.save_every = guard, bad, poison, lasting, save_every
        self.guard, self.step, self.harm = SpikeGuard(guard), 0, 0.0
        self.checkpoints: dict[int, tuple[float, str]] = {}
        self.stable: list[int] = []
        self.read: dict[int, int] = {}

    def train(self, steps: int) -> None:
        while self.step < steps:
            self.step += 1
            cursor = cursor_of_step(self.step, 1, self.guard.interventions)
            self.read[self.step] = cursor
            noise = NOISE * random.Random(cursor).gauss(0, 1)
            loss = BASE + self.harm + noise + (self.poison if cursor in self.bad else 0.0)
            applied = loss <= self.guard.thresholds()[0]
            verdict = step_of(self.guard, self.step, loss)
            if applied and cursor in self.bad:
                self.harm += self.lasting
            if verdict.action == "rollback":
                self.return_to(verdict.reason)
            elif self.step % self.save_every == 0:
                self.checkpoints[self.step] = (self.harm, json.dumps(self.guard.state()))
            fresh = [s for s in self.checkpoints if s not in self.stable and self.guard.stable(s, self.step)]
            self.stable += fresh

    def return_to(self, reason: str) -> None:
        target = self.guard.go_back(reason, self.step, self.stable, batch=1).target_step
        self.checkpoints = {s: c for s, c in self.checkpoints.items() if s <= target}
        self.stable = [s for s in self.stable if s <= target]
        if target:
            self.harm, state = self.checkpoints[target]
            self.guard.restore(json.loads(state))
        else:
            self.harm, self.guard = 0.0, SpikeGuard(self.settings, self.guard.interventions)
        self.step = target

    def way_back(self) -> Iterator[tuple[int, int]]:
        return ((made.trigger_step, made.target_step) for made in self.guard.interventions)


def test_a_single_bad_batch_costs_one_update_and_no_way_back():
    played = Played(FULL, bad={700}, poison=2.0, lasting=2.0)
    played.train(1000)
    assert not played.guard.interventions and played.harm == 0.0


def test_a_bad_stretch_of_data_is_left_behind():
    played = Played(FULL, bad=set(range(700, 760)), poison=1.0, lasting=0.5)
    played.train(1500)
    assert list(played.way_back()) == [(709, 600)]  # the median of 16 turns with the ninth
    assert played.harm == 0.0 and not played.bad & set(played.read.values()) - set(range(700, 710))


def test_the_specifications_rule_alone_reads_the_same_bad_stretch_until_it_gives_up():
    played = Played(THRESHOLD, bad={750}, poison=10.0, lasting=0.0)
    with pytest.raises(GuardGaveUp, match=r"back to step 700, with the same data, learning rate x 0\.25"):
        played.train(1500)
    assert list(played.way_back()) == [(751, 700), (751, 700)]


def test_a_bad_stretch_longer_than_what_is_skipped_is_met_again_from_an_older_checkpoint():
    played = Played(FULL, bad=set(range(700, 800)), poison=1.0, lasting=0.5)
    played.train(1500)
    assert list(played.way_back()) == [(709, 600), (609, 500)]
    assert played.harm == 0.0 and played.guard.interventions[1].rate == 0.25


def test_a_save_right_before_a_spike_is_not_where_the_run_returns_to():
    played = Played(Guard(distance=0), bad=set(range(710, 760)), poison=8.0, lasting=0.0)
    played.train(1500)
    assert list(played.way_back()) == [(711, 600)]  # 700 had not proved sound


def test_a_spike_before_the_first_stable_checkpoint_starts_the_run_anew_on_other_data():
    played = Played(FULL, bad=set(range(50, 90)), poison=8.0, lasting=2.0)
    played.train(600)
    assert list(played.way_back()) == [(51, 0)]
    assert played.read[1] == 51 + FULL.skip_beyond and not played.bad & set(played.read.values()) - {50}


def test_a_spike_while_the_rate_warms_up_again_leads_further_back_and_a_third_one_ends_the_run():
    played = Played(FULL, bad={*range(700, 720), *range(800, 2000)}, poison=8.0, lasting=0.0)
    with pytest.raises(GuardGaveUp, match="went back twice within the last"):
        played.train(1500)
    assert [target for _, target in played.way_back()] == [600, 500]


def test_a_killed_run_goes_on_with_its_interventions_and_the_verdicts_of_the_checkpoint():
    played = Played(FULL, bad=set(range(700, 760)), poison=1.0, lasting=0.5)
    played.train(900)
    resumed = Played(FULL, played.bad, played.poison, played.lasting)
    resumed.guard = SpikeGuard(FULL, played.guard.interventions)
    resumed.step, resumed.harm = 600, played.checkpoints[600][0]
    resumed.guard.restore(json.loads(played.checkpoints[600][1]))
    resumed.train(900)
    assert resumed.guard.state() == played.guard.state()
    assert {step: played.read[step] for step in resumed.read} == resumed.read


def test_the_error_after_a_stop_says_what_happened_and_what_to_do():
    guard = trained(200, OFF)
    verdict = step_of(guard, 201, math.nan, math.nan)
    told = str(guard.gave_up(verdict.reason, 201))
    assert told.startswith("step 201: loss nan, gradient norm nan: not finite.")
    assert "train.guard.mode off" in told and "train.learning_rate" in told


# state and definitions


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 150), mode=st.sampled_from(["full", "threshold", "off"]))
def test_a_guard_restored_at_any_step_gives_the_same_verdicts_as_one_never_stopped(seed, cut, mode):
    generator, parameters = random.Random(seed), Guard(mode=mode, window=16, healthy_steps=5)
    sick = generator.choice([0.02, 0.2])
    guard, other = SpikeGuard(parameters), SpikeGuard(parameters)
    for step in range(1, 151):
        loss, norm = (
            generator.choice([math.nan, math.inf, 3.8, 20.0])
            if generator.random() < sick
            else generator.gauss(3.2, 0.03)
            for _ in range(2)
        )
        scale = generator.choice([None, 1024.0])
        if step >= cut:
            assert other.thresholds() == guard.thresholds()
            assert step_of(other, step, loss, norm, scale) == step_of(guard, step, loss, norm, scale)
            assert [other.stable(s, step) for s in range(step)] == [guard.stable(s, step) for s in range(step)]
        else:
            step_of(guard, step, loss, norm, scale)
            if step == cut - 1:
                other = SpikeGuard(parameters)
                other.restore(json.loads(json.dumps(guard.state(), allow_nan=False)))
                assert other.state() == guard.state()
    assert other.state() == guard.state()


@settings(deadline=None, max_examples=60)
@given(
    losses=st.lists(st.floats(0, 20), min_size=16, max_size=60),
    norms=st.lists(st.floats(1e-3, 1e3), min_size=60, max_size=60),
)
def test_the_thresholds_are_median_plus_eight_robust_deviations_of_what_was_accepted(losses, norms):
    guard = SpikeGuard(Guard(window=16, spike_multiple=1000.0, lasting_shift=100.0))
    accepted: list[tuple[float, float]] = []
    for step, (loss, norm) in enumerate(zip(losses, norms, strict=False), 1):
        if step_of(guard, step, loss, norm).action == "go on":
            accepted.append((loss, math.log(norm)))
        if len(accepted) < 16:
            continue
        limits = []
        for values, floor in zip(zip(*accepted[-16:], strict=True), (LOSS_FLOOR, NORM_FLOOR), strict=True):
            middle = statistics.median(values)
            spread = 1.4826 * statistics.median(abs(value - middle) for value in values)
            limits.append(middle + 8 * max(spread, floor))
        assert guard.thresholds() == pytest.approx((limits[0], math.exp(limits[1])), rel=1e-9)


@given(
    values=st.lists(st.one_of(st.floats(-1e3, 1e3), st.integers(-3, 3).map(float)), min_size=1, max_size=60),
    size=st.integers(1, 40),
)
def test_a_window_has_the_median_and_the_spread_of_its_definition(values, size):
    window = Window(size)
    for value in values:
        window.push(value)
    last = values[-size:]
    middle = statistics.median(last)
    assert window.values() == last and len(window) == len(last)
    assert window.median() == pytest.approx(middle, abs=1e-9)
    assert window.spread() == pytest.approx(1.4826 * statistics.median(abs(x - middle) for x in last), abs=1e-9)


def test_norms_of_any_size_are_judged():
    for norm in (0.0, 5e-324, 1e-300, 1e300):
        guard = SpikeGuard(Guard(window=16, skip_deviation=1000.0))
        assert set(replay(guard, [BASE] * 40, [norm, 1.0] * 20)) == {"go on"}
        assert guard.thresholds()[1] > 1.0


def test_the_examples_are_true():
    for module in (interventions, robust):
        assert doctest.testmod(module).failed == 0 < doctest.testmod(module).attempted
