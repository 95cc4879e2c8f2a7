import contextlib
import dataclasses
import itertools
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.params.train import Guard
from antimatter.train import interventions
from antimatter.train.interventions import (
    LOWEST_RATE,
    GuardGaveUp,
    Intervention,
    cursor_of_step,
    next_intervention,
    rate_multiplier,
)

FULL = Guard(mode="full", distance=100, skip_beyond=64, most_rollbacks=3)
THRESHOLD = Guard(mode="threshold", most_rollbacks=3)
BATCH = 8


def back(trigger: int, target: int, so_far: tuple[Intervention, ...] = (), guard: Guard = FULL) -> Intervention:
    """The run goes back from `trigger`, with a stable checkpoint of `target` alone."""
    made = next_intervention(guard, so_far, "spike", trigger, [target], BATCH)
    assert made.target_step == target
    return made


@contextlib.contextmanager
def unhurried() -> Iterator[None]:
    """Any number of short ways back is allowed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interventions, "CROWDED_STEPS", -1)
        yield


class PlainRun:
    """The definition: a run that keeps for each step what it read and how fast it learnt, and forgets when it returns.

    Data is skipped by moving one hand along the samples; nothing is ever computed from a list of interventions.
    """

    def __init__(self, guard: Guard, batch: int) -> None:
        self.guard, self.batch = guard, batch
        self.read: dict[int, int] = {}  # step -> first sample
        self.rates: dict[int, float] = {}
        self.hand, self.lowered, self.warming = 0, 1.0, guard.rewarm_steps

    def train_to(self, step: int) -> None:
        for now in range(len(self.read) + 1, step + 1):
            self.read[now], self.hand = self.hand, self.hand + self.batch
            self.warming = min(self.warming + 1, self.guard.rewarm_steps)
            self.rates[now] = self.lowered * (self.warming / self.guard.rewarm_steps if self.guard.rewarm_steps else 1)

    def go_back(self, target: int) -> None:
        if self.guard.mode == "full":
            self.hand += self.guard.skip_beyond * self.batch
        else:
            self.hand = self.read[target + 1]
        for step in [step for step in self.read if step > target]:
            del self.read[step], self.rates[step]
        self.lowered, self.warming = max(1 / 8, self.lowered * self.guard.rate_factor), 0


@given(
    journey=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 300)), max_size=6),
    rest=st.integers(0, 60),
    batch=st.integers(1, 9),
    beyond=st.integers(0, 9),
    rewarm=st.integers(0, 30),
    factor=st.sampled_from([1.0, 0.5, 0.3]),
    mode=st.sampled_from(["full", "threshold"]),
)
def test_cursors_and_rates_are_those_of_a_run_that_really_went_back(journey, rest, batch, beyond, rewarm, factor, mode):
    guard = Guard(
        mode=mode, distance=0, skip_beyond=beyond, rewarm_steps=rewarm, rate_factor=factor, most_rollbacks=100
    )
    run, so_far, step, stable = PlainRun(guard, batch), (), 0, []
    for forward, jump in journey:
        step += forward
        run.train_to(step)
        aimed = step - 1 - jump % step
        with unhurried():
            made = next_intervention(guard, so_far, "spike", step, [s for s in [*stable, aimed] if s <= aimed], batch)
        stable = [s for s in {*stable, aimed} if s <= made.target_step]
        run.go_back(made.target_step)
        so_far, step = (*so_far, made), made.target_step
    run.train_to(step + rest)
    for now, sample in run.read.items():
        assert cursor_of_step(now, batch, so_far) == sample
        assert rate_multiplier(guard, now, so_far) == pytest.approx(run.rates[now], rel=1e-12)


@given(
    lengths=st.lists(st.tuples(st.integers(2, 500), st.integers(1, 400)), min_size=1, max_size=6),
    beyond=st.integers(0, 70),
)
def test_no_sample_of_a_skipped_stretch_is_read_again_and_none_is_read_twice(lengths, beyond):
    guard = Guard(distance=0, skip_beyond=beyond, most_rollbacks=100)
    so_far: tuple[Intervention, ...] = ()
    step = 0
    for forward, way_back in lengths:
        step += forward
        with unhurried():
            made = next_intervention(guard, so_far, "spike", step, [max(0, step - way_back)], BATCH)
        so_far, step = (*so_far, made), made.target_step
    last = so_far[-1]
    starts = [cursor_of_step(now, BATCH, so_far) for now in range(1, last.target_step + 200)]
    assert all(earlier + BATCH <= later for earlier, later in itertools.pairwise(starts))
    assert not any(last.skip_from < start + BATCH and start < last.skip_to for start in starts)


def test_going_back_skips_from_the_checkpoint_to_64_steps_past_the_trigger():
    made = back(trigger=900, target=700)
    assert (made.skip_from, made.skip_to) == (700 * BATCH, (900 + 64) * BATCH)
    assert [cursor_of_step(step, BATCH, [made]) for step in (700, 701, 702)] == [699 * 8, 964 * 8, 965 * 8]


def test_the_specifications_rule_skips_no_data():
    made = back(trigger=900, target=700, guard=THRESHOLD)
    assert made.skip_from == made.skip_to == 700 * BATCH
    assert [cursor_of_step(step, BATCH, [made]) for step in (700, 701, 950)] == [699 * 8, 700 * 8, 949 * 8]


@pytest.mark.parametrize(
    ("stable", "trigger", "target"),
    [
        ([100, 200, 300, 400], 500, 400),  # exactly 100 steps before
        ([400, 300, 200, 100], 499, 300),  # the order on disk does not matter
        ([440, 450], 500, 440),  # none is far enough: the oldest is better than none
        ([], 5000, 0),
        ([], 3, 0),  # the trigger lies nearer to the start than `distance`
        ([600, 500, 300], 500, 300),  # what lies after the trigger is of no use
    ],
)
def test_the_target_is_the_newest_stable_checkpoint_that_is_far_enough(stable, trigger, target):
    assert next_intervention(FULL, (), "spike", trigger, stable, BATCH).target_step == target


def test_what_was_saved_after_the_trigger_itself_is_no_target_even_without_a_distance():
    made = next_intervention(Guard(distance=0), (), "spike", 500, [499, 500], BATCH)
    assert made.target_step == 499


def test_the_specifications_rule_goes_back_to_the_newest_stable_checkpoint_however_near():
    made = next_intervention(THRESHOLD, (), "spike", 500, [400, 449, 500], BATCH)
    assert made.target_step == 449
    again = next_intervention(THRESHOLD, (made,), "spike", 510, [400, 449], BATCH)
    assert again.target_step == 449


def test_the_same_region_again_is_entered_from_an_older_checkpoint():
    first = back(trigger=900, target=800)
    stable = [600, 700, 800, 850]  # 850 was made and found stable on the second way
    same = next_intervention(FULL, (first,), "spike", 1000, stable, BATCH)
    further_on = next_intervention(FULL, (first,), "spike", 1001, stable, BATCH)
    assert (same.target_step, further_on.target_step) == (700, 850)
    before_it = next_intervention(FULL, (first,), "spike", 820, stable, BATCH)
    assert before_it.target_step == 700
    # there is none: the oldest, with less data to come and at a lower rate
    assert next_intervention(FULL, (first,), "spike", 1000, [800, 850], BATCH).target_step == 800


def test_a_second_way_back_skips_what_the_first_one_skipped_too():
    first = back(trigger=900, target=800)
    second = back(trigger=950, target=700, so_far=(first,))
    assert (second.skip_from, second.skip_to) == (700 * BATCH, first.skip_to + (950 - 800 + 64) * BATCH)


def test_the_rate_is_halved_each_time_but_stays_above_an_eighth_after_warming_up_again():
    guard = Guard(most_rollbacks=100, rewarm_steps=100)
    so_far: tuple[Intervention, ...] = ()
    for trigger in range(10_000, 60_000, 10_000):
        so_far = (*so_far, back(trigger, trigger - 200, so_far, guard))
    assert [made.rate for made in so_far] == [0.5, 0.25, LOWEST_RATE, LOWEST_RATE, LOWEST_RATE]
    rates = [rate_multiplier(guard, step, so_far) for step in (9_800, 9_801, 9_850, 9_900, 19_800, 49_850, 90_000)]
    assert rates == [1.0, 0.005, 0.25, 0.5, 0.5, 1 / 16, 1 / 8]


def test_without_re_warm_up_the_lowered_rate_holds_at_once():
    made = back(trigger=900, target=700)
    assert rate_multiplier(Guard(rewarm_steps=0), 701, [made]) == 0.5


def test_the_fourth_time_ends_the_run_and_the_error_tells_all_that_was_tried():
    so_far: tuple[Intervention, ...] = ()
    for trigger in (10_000, 20_000, 30_000):
        so_far = (*so_far, back(trigger, trigger - 200, so_far))
    with pytest.raises(GuardGaveUp) as caught:
        next_intervention(FULL, so_far, "loss nan, not finite twice running", 40_000, [39_000], BATCH)
    told = str(caught.value)
    assert told.startswith("step 40000: loss nan, not finite twice running.")
    assert "went back 3 times already" in told and "train.guard.most_rollbacks" in told
    for made in so_far:
        assert f"at step {made.trigger_step} (spike) back to step {made.target_step}" in told
    assert "train.learning_rate" in told and "antimatter trace --step 40000" in told


def test_a_run_that_may_not_go_back_ends_at_once():
    with pytest.raises(GuardGaveUp, match="most_rollbacks is 0"):
        next_intervention(Guard(most_rollbacks=0), (), "spike", 500, [100], BATCH)


@pytest.mark.parametrize(("trigger", "ends"), [(10_000, True), (11_400, True), (11_401, False)])
def test_a_third_time_within_2000_computed_steps_ends_the_run(trigger, ends):
    first = back(trigger=10_000, target=9_800)
    second = back(trigger=10_000, target=9_600, so_far=(first,))  # 200 steps computed since the first
    third = (FULL, (first, second), "spike", trigger, [9_400], BATCH)  # 1,800 steps after the second: 2,000
    if ends:
        with pytest.raises(GuardGaveUp, match="twice within the last"):
            next_intervention(*third)
    else:
        assert next_intervention(*third).number == 3


def test_a_long_way_back_does_not_count_as_trouble_close_by():
    first = back(trigger=10_000, target=0)
    second = back(trigger=10_000, target=0, so_far=(first,))
    assert next_intervention(FULL, (first, second), "spike", 10_000, [], BATCH).number == 3


def test_an_intervention_survives_json():
    made = back(trigger=900, target=700)
    assert Intervention(**json.loads(json.dumps(dataclasses.asdict(made)))) == made
