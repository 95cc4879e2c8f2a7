"""docs/training.md says what the code does, where a machine can tell."""

import dataclasses
from pathlib import Path

import pytest

from antimatter.params.train import Guard, Train
from antimatter.train.stability import KEPT

WORDS = {2: "two", 3: "three", 4: "four"}
TEXT = " ".join((Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Guard) if field.name != "mode"])
def test_the_limits_of_the_guard_are_those_of_its_defaults(name):
    assert f"`{name}` ({getattr(Guard(), name):g}" in TEXT


@pytest.mark.parametrize("schedule", Train.__annotations__["schedule"].__args__)
def test_every_schedule_is_told(schedule):
    assert f"| `{schedule}` |" in TEXT


def test_as_many_stable_checkpoints_are_kept_as_it_says():
    assert f"the newest {WORDS[KEPT]} stable ones" in TEXT
