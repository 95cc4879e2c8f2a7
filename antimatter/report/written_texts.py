"""The part of the page that the model wrote: to prompts, and beside the true continuation of held-out documents."""

from collections.abc import Mapping, Sequence
from typing import Any

from antimatter.report.markup import block, fold, method, quoted, words
from antimatter.report.training_section import continued

SHOWN_PAIRS = 3
"""Continuations in sight; the others are folded away."""


def parts(samples: Mapping[str, Any], continuations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Texts; none for what is not there."""
    return [_samples(samples), _continuations(continuations)]


def _samples(samples: Mapping[str, Any]) -> str:
    shown = []
    for sample in samples.get("samples") or []:
        prompt = str(sample["prompt"])
        columns = "".join(
            f'<div><h4>{kind}</h4><div class="text" dir="auto">{continued(prompt, sample[kind])}</div></div>'
            for kind in ("greedy", "sampled")
            if kind in sample
        )
        shown.append(f'<div class="pair">{columns}</div>')
    if not shown:
        return ""
    settings = ", ".join(f"{name} {value}" for name, value in (samples.get("sampling") or {}).items())
    return block(
        "To the prompts of evaluate.prompts",
        *shown,
        method(
            "In colour what the model was given. Greedy: always the most probable token.",
            f"Sampled with {settings}." if settings else "",
        ),
    )


def _continuations(found: Sequence[Mapping[str, Any]]) -> str:
    shown = []
    for one in found:
        beginning = str(one.get("beginning", ""))
        columns = "".join(
            f"<div><h4>{title}</h4>{quoted(one.get(side, ''), small=True)}</div>"
            for title, side in (("the model", "model"), ("the true text", "text"))
        )
        source = f'<p class="small soft">{words(one.get("source", ""))}</p>'
        given = f'<div class="text small" dir="auto"><b>{words(beginning)}</b></div>'
        shown.append(f'{source}{given}<div class="pair">{columns}</div>')
    if not shown:
        return ""
    more = shown[SHOWN_PAIRS:]
    return block(
        "Beside the true text of held-out documents",
        *shown[:SHOWN_PAIRS],
        fold(f"{len(more)} more", *more) if more else "",
        method("In colour the beginning that the model saw; it went on greedily."),
    )
