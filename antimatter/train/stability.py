"""Which checkpoints a run may go back to: those that have proved sound, apart from one another.

    save -> candidate, one at a time -> stable, after `healthy_steps` healthy steps -> forgotten, when newer ones are

Decided from steps alone: every process of a run, and every start of it, comes to the same list, whenever the writer
got to the disk. The marks on disk are for people, and for retention.
"""

from collections.abc import Sequence
from typing import Any

from antimatter.train.guard import Intervention, SpikeGuard

KEPT = 3
"""Stable checkpoints that are kept, the newest."""


class Stability:
    """The candidate and the stable checkpoints of one run, by step."""

    def __init__(self) -> None:
        self.stable: list[int] = []
        self.candidate: int | None = None

    def saved(self, step: int, regular: bool, guard: SpikeGuard) -> None:
        """Take note of a save. regular: it was due; one that is there because somebody stopped the run shall not
        change where a rollback goes."""
        # apart: to go back again means to go back further
        far = not self.stable or step >= self.stable[-1] + guard.settings.distance
        if self.candidate is None and far and regular and guard.settings.mode != "off":
            self.candidate = step

    def promoted(self, now: int, guard: SpikeGuard) -> int | None:
        """The step of the checkpoint that has become stable with step `now`, if one has."""
        candidate = self.candidate
        if candidate is None:
            return None
        if guard.stable(candidate, now):
            self.stable = _kept([*self.stable, candidate], guard.interventions)
            self.candidate = None
            return candidate
        if guard.last_sick > candidate:
            self.candidate = None
        return None

    def went_back(self, step: int) -> None:
        """The run is at a stable checkpoint again, or at the beginning (0)."""
        self.candidate = None
        if step and step not in self.stable:
            self.stable.append(step)

    def needed(self) -> tuple[int, ...]:
        """The checkpoints that must not be removed."""
        return (*self.stable, *([] if self.candidate is None else [self.candidate]))

    def state(self) -> dict[str, Any]:
        """For JSON."""
        return {"stable": list(self.stable), "candidate": self.candidate}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of state."""
        self.stable, self.candidate = list(state["stable"]), state["candidate"]


def _kept(stable: list[int], interventions: Sequence[Intervention]) -> list[int]:
    """The newest, and one before the last target: the way from there may lead into the same trouble."""
    older = [step for step in stable if interventions and step < interventions[-1].target_step]
    return sorted({*stable[-KEPT:], *older[-1:]})
