"""Which checkpoints a run may go back to: the candidate proves itself, or not; the others are apart and few."""

import itertools

from antimatter.params.train import Guard
from antimatter.train.guard import Intervention, Seen, SpikeGuard
from antimatter.train.stability import KEPT, Stability

SETTINGS = Guard(window=16, healthy_steps=5, distance=10)


def walk(stability, guard, steps, save_every, sick=()):
    """Steps one after the other, a save each save_every. Returns {step at which it was promoted: checkpoint}."""
    promoted = {}
    for step in steps:
        bad = step in sick
        guard.observe(Seen(step=step, loss=3.0, norm=1e9 if bad else 1.0, overflow=False, skipped=bad, scale=None))
        found = stability.promoted(step, guard)
        if found is not None:
            promoted[step] = found
        if step % save_every == 0:
            stability.saved(step, regular=True, guard=guard)
    return promoted


def test_a_candidate_becomes_stable_after_its_healthy_steps_and_the_next_is_apart():
    promoted = walk(Stability(), SpikeGuard(SETTINGS), range(1, 81), save_every=3)
    steps = sorted(promoted.values())
    assert all(now >= step + SETTINGS.healthy_steps for now, step in promoted.items())
    assert len(steps) > 3 and all(b - a >= SETTINGS.distance for a, b in itertools.pairwise(steps))


def test_a_sick_step_rules_the_candidate_out_and_the_next_save_takes_its_place():
    stability = Stability()
    promoted = walk(stability, SpikeGuard(SETTINGS), range(1, 60), save_every=20, sick=(42,))
    assert 40 not in promoted.values() and stability.candidate is None
    walk(stability, SpikeGuard(SETTINGS), range(60, 61), save_every=20)
    assert stability.candidate == 60


def test_the_newest_are_kept_and_one_before_the_last_target():
    guard, stability = SpikeGuard(SETTINGS), Stability()
    walk(stability, guard, range(1, 101), save_every=10)
    newest = stability.stable
    assert len(newest) == KEPT
    target = newest[1]
    back = SpikeGuard(SETTINGS, [Intervention(1, "spike", 100, target, 0, 0, 0.5)])
    stability.went_back(target)
    walk(stability, back, range(target + 1, target + 150), save_every=10)
    assert stability.stable[0] == newest[0] and len(stability.stable) == KEPT + 1


def test_what_is_saved_because_of_a_stop_or_without_a_guard_is_no_candidate():
    stability = Stability()
    stability.saved(7, regular=False, guard=SpikeGuard(SETTINGS))
    stability.saved(8, regular=True, guard=SpikeGuard(Guard(mode="off")))
    assert stability.candidate is None and stability.needed() == ()


def test_the_state_comes_back():
    stability, other = Stability(), Stability()
    walk(stability, SpikeGuard(SETTINGS), range(1, 52), save_every=10)
    other.restore(stability.state())
    assert (other.stable, other.candidate, other.needed()) == (
        stability.stable, stability.candidate, stability.needed(),
    )  # fmt: skip
    assert stability.candidate in stability.needed()
