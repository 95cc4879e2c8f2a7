"""Contradictions between groups of parameters: what each group alone cannot see."""

from collections.abc import Iterator, Mapping
from typing import Any


def contradictions(groups: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(dotted name, what is wrong) for every contradiction; groups by name, each already valid alone."""
    model, train = groups["model"], groups["train"]
    if train.sequence_length > model.context:
        yield (
            "train.sequence_length",
            f"is {train.sequence_length}, but model.context has only {model.context} positions",
        )
