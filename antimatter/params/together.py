"""Contradictions between groups of parameters: what each group alone cannot see.

Loaded by name (params/loader.py), so that it may look at any room without becoming a dependency of every stage.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Where = tuple[str | int, ...]
"""The way to a parameter: ("filter", "policies", 0, "languages")."""
Found = Iterator[tuple[Where, str]]


def contradictions(groups: Mapping[str, Any]) -> Found:
    """(place, what is wrong) for every contradiction; a group that is itself wrong is None and judged by nobody."""
    checks = [
        (sequence_fits_context, ("model", "train")),
        (held_out_dialogues_stay_out, ("collect", "conversations")),
        (policies_name_what_exists, ("filter", "collect")),
    ]
    for check, names in checks:
        chosen = [groups[name] for name in names]
        if all(group is not None for group in chosen):
            yield from check(*chosen)


def sequence_fits_context(model: Any, train: Any) -> Found:
    """A training sample needs a position for each of its tokens."""
    if train.sequence_length > model.context:
        what = f"is {train.sequence_length}, but model.context has only {model.context} positions"
        yield ("train", "sequence_length"), what


def held_out_dialogues_stay_out(collect: Any, conversations: Any) -> Found:
    """What fine-tuning validates on must not be pretraining text."""
    share = conversations.validation_share
    for index, source in enumerate(collect.sources):
        if source.format == "chitchat" and source.held_out_share < share:
            yield (
                ("collect", "sources", index, "held_out_share"),
                f"is {source.held_out_share:g}: pretraining would see dialogues that conversations.validation_share "
                f"({share:g}) keeps for validation",
            )


def policies_name_what_exists(settings: Any, collect: Any) -> Found:
    """Rules, languages and sources that policies name. A source that is not collected may stand here (a profile without
    it), unless it looks like a slip of the pen for one that is."""
    from antimatter.filter.language import known_languages
    from antimatter.filter.rules import RULE_SETS

    languages = known_languages()
    for index, policy in enumerate(settings.policies):
        place: Where = ("filter", "policies", index)
        reasons = [rule.reason for name in policy.rule_sets for rule in RULE_SETS[name]]
        for reason in policy.thresholds:
            if reason not in reasons:
                yield (*place, "thresholds", reason), f"is no rule of policy {policy.name}.{_nearest(reason, reasons)}"
        for language in policy.languages:
            if language not in languages:
                what = f"names {language}, which langdetect does not know: it knows {', '.join(languages)}"
                yield (*place, "languages"), what
    collected = [source.name for source in collect.sources]
    for name in settings.sources:
        hint = _nearest(name, collected, cutoff=0.8)
        if name not in collected and hint:
            yield ("filter", "sources", name), f"is no source of collect.{hint}"


def _nearest(wrong: str, right: Iterable[str], cutoff: float = 0.5) -> str:
    near = difflib.get_close_matches(wrong, [name for name in right if name != wrong], n=1, cutoff=cutoff)
    return f" Did you mean {near[0]}?" if near else ""
