"""Going back: what lies on disk about it, so that a kill at any moment loses no decision.

    interventions.json    every time the run went back, written before anything else happens

A checkpoint knows how many interventions it has lived through. One that lies after the target of an intervention it
does not know was taken on the way to the spike: it is never used again.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from antimatter.model.files import write_text
from antimatter.train import checkpoint
from antimatter.train.guard import Intervention

FILE = "interventions.json"


def read_interventions(work: Path) -> tuple[Intervention, ...]:
    """In the order in which they happened."""
    path = work / FILE
    if not path.exists():
        return ()
    return tuple(Intervention(**fields) for fields in json.loads(path.read_text(encoding="utf-8")))


def write_interventions(work: Path, interventions: Sequence[Intervention]) -> None:
    """Whole or not at all, on disk when this returns."""
    write_text(work / FILE, json.dumps(as_json(interventions), indent=2) + "\n")


def as_json(interventions: Sequence[Intervention]) -> list[dict[str, Any]]:
    """For JSON."""
    return [dataclasses.asdict(intervention) for intervention in interventions]


def newest_current(work: Path, say: Callable[[str], None]) -> checkpoint.Checkpoint | None:
    """What a run in `work` goes on from: the newest whole checkpoint that no intervention has undone."""
    interventions = read_interventions(work)

    def current(saved: checkpoint.Checkpoint) -> bool:
        return is_current(saved.state["step"], len(saved.state["interventions"]), interventions)

    return checkpoint.newest(work / "checkpoints", say, current)


def is_current(step: int, known: int, interventions: Sequence[Intervention]) -> bool:
    """Whether a checkpoint of `step` that knows the first `known` interventions is not undone by a later one."""
    return all(step <= later.target_step for later in interventions[known:])
