"""Contradictions between groups of parameters: what each group alone cannot see.

Loaded by name (params/loader.py), so that it may look at any room without becoming a dependency of every stage.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Where = tuple[str | int, ...]
"""The way to a parameter: ("filter", "policies", 0, "languages")."""
Found = Iterator[tuple[Where, str]]


def contradictions(groups: Mapping[str, Any]) -> Found:
    """(place, what is wrong) for every contradiction; a group that is itself wrong is None and judged by nobody."""
    checks: list[tuple[Callable[..., Found], tuple[str, ...]]] = [
        (sequence_fits_context, ("model", "train")),
        (classes_have_no_common_logits, ("model", "train")),
        (held_out_dialogues_stay_out, ("collect", "conversations")),
        (policies_name_what_exists, ("filter", "collect", "clean")),
        (keepers_are_measured, ("dedup", "filter", "collect", "clean")),
        (dropout_needs_merges, ("tokenizer", "tokenize")),
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


def classes_have_no_common_logits(model: Any, train: Any) -> Found:
    """Adaptive softmax never makes all logits, which label smoothing and z-loss need."""
    for name in ("label_smoothing", "z_loss"):
        if model.adaptive_softmax and getattr(train, name):
            yield ("train", name), f"is {getattr(train, name):g}: it needs all logits, model.adaptive_softmax makes few"


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


def policies_name_what_exists(settings: Any, collect: Any, clean: Any) -> Found:
    """Rules, signals, languages and sources that policies name, and what their rules need of clean and filter.

    A source that is not collected may stand here (a profile without it), unless it looks like a slip of the pen for one
    that is. A policy that no source uses needs nothing, but its names are checked.
    """
    from antimatter.filter.language.codes import known_languages
    from antimatter.filter.policies import policy_of, problems_of, rules_of

    detector = settings.language.detector
    languages = known_languages(detector)
    collected = [source.name for source in collect.sources]
    present = _configured(settings, clean)
    for index, policy in enumerate(settings.policies):
        place: Where = ("filter", "policies", index)
        problems = list(problems_of(policy))
        yield from (((*place, *way), what) for way, what in problems)
        for language in policy.languages:
            if language not in languages:
                hint = _nearest(language, languages, cutoff=0.75) or f" It knows {', '.join(languages)}."
                what = f"names {language}, which the detector {detector} does not know.{hint}"
                yield (*place, "languages"), what
        users = [source for source in collected if policy_of(source, settings) == policy.name]
        lacking: dict[str, list[str]] = {}
        for rule in rules_of(policy) if users and not problems else ():
            if rule.needs and rule.needs not in present:
                lacking.setdefault(rule.needs, []).append(rule.reason)
        for need, reasons in lacking.items():
            yield place, _say_lacking(policy.name, users[0], need, reasons)
    for name in settings.sources:
        hint = _nearest(name, collected, cutoff=0.8)
        if name not in collected and hint:
            yield ("filter", "sources", name), f"is no source of collect.{hint}"


def keepers_are_measured(dedup: Any, settings: Any, collect: Any, clean: Any) -> Found:
    """Signals and sources that dedup looks at, and what the signals need of clean and filter. A source that is not
    collected may stand here, unless it looks like a slip of the pen for one that is."""
    from antimatter.filter.policies import NEEDS, NUMBERS

    present = _configured(settings, clean)
    for name in dedup.signals:
        need = NEEDS.get(name, "")
        if name not in NUMBERS:
            hint = _nearest(name, ["length", "source", *NUMBERS])
            yield ("dedup", "keep"), f"names {name}, which is neither length, source nor a signal of filter.{hint}"
        elif need and need not in present:
            yield ("dedup", "keep"), f"names {name}, which filter does not measure: it needs {need}"
    collected = [source.name for source in collect.sources]
    named: list[tuple[Where, tuple[str, ...]]] = [
        (("dedup", "source_priority"), dedup.source_priority),
        (("dedup", "lines", "sources"), dedup.lines.sources),
    ]
    for place, names in named:
        for name in names:
            hint = _nearest(name, collected, cutoff=0.8)
            if name not in collected and hint:
                yield place, f"names {name}, which is no source of collect.{hint}"


def dropout_needs_merges(tokenizer: Any, tokenize: Any) -> Found:
    """BPE dropout is ours, so it needs merges that we make ourselves."""
    if tokenize.dropout and tokenizer.kind in ("huggingface", "gpt2"):
        yield (
            ("tokenize", "dropout"),
            f"is {tokenize.dropout:g}, but tokenizer.kind {tokenizer.kind} has no BPE dropout",
        )


def _configured(settings: Any, clean: Any) -> set[str]:
    """What signals may need (filter.policies.NEEDS) and is there."""
    present = {f"clean.steps: {step}" for step in clean.steps}
    present |= {f"filter.{name}" for name in ("bad_words", "quality_model") if getattr(settings, name).path}
    return present | {f"filter.decontamination.action: {settings.decontamination.action}"}


def _say_lacking(policy: str, source: str, need: str, reasons: list[str]) -> str:
    group, _, step = need.partition(": ")
    repair = f"put {step} into {group}" if step else f"give {group} a path and sha256"
    lacks = f"{group} lacks the step {step}" if step else f"{group} gives no file"
    by_hand = [reason for reason in reasons if reason.startswith("by_hand.")]
    others = [reason for reason in reasons if reason not in by_hand]
    ways = [f"`without: [{', '.join(others)}]`"] if others else []
    ways += [f"delete {', '.join(by_hand)} from its rules"] if by_hand else []
    return (
        f"({policy}, for source {source}) judges {', '.join(reasons)}, but {lacks}: {repair}, "
        f"or take {'them' if len(reasons) > 1 else 'it'} out of the policy: {' and '.join(ways)}"
    )


def _nearest(wrong: str, right: Iterable[str], cutoff: float = 0.5) -> str:
    near = difflib.get_close_matches(wrong, [name for name in right if name != wrong], n=1, cutoff=cutoff)
    return f" Did you mean {near[0]}?" if near else ""
