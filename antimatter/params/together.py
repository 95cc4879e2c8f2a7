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
    share = groups["conversations"].validation_share
    for index, source in enumerate(groups["collect"].sources):
        if source.parser == "chitchat" and source.held_out_share < share:
            yield (
                f"collect.sources[{index}].held_out_share",
                f"is {source.held_out_share:g}: pretraining would see dialogues that conversations.validation_share "
                f"({share:g}) keeps for validation",
            )
