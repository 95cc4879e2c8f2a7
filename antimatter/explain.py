"""What `antimatter explain` prints: a document's whole life, a line a fact."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from antimatter.corpus import copies, history
from antimatter.corpus.shards import shard_name
from antimatter.dedup.duplicates import what_lines_did
from antimatter.terminal import visible
from antimatter.tokens.binary import bin_name

TOKENS = Path("data/tokens")


def life_of(name: str) -> Iterator[str]:
    """What happened to a document, stage by stage, a line each.

    name    as in corpus.history.life

    Raises: UnknownDocument, MissingData.
    """
    identity, events = history.life(name)
    yield f"document {identity.hex()}"
    for key in ("source", "origin"):
        known = [event.facts[key] for event in events if key in event.facts]
        if known:
            yield f"  {key:<9} {visible(known[0], exactly=True)}"
    before = place = None
    for event in events:
        if event.verdict == "not run":
            yield f"{event.stage:<10} has not run"
        elif event.verdict == "absent":
            yield f"{event.stage:<10} does not know it: made from other input (see `dvc status`)"
        else:
            yield f"{event.stage:<10} {event.verdict:<9} {event.place}"
            for line in _facts(event.facts, before, (place, event.place)):
                yield f"             {line}"
            if {"split", "shard"} <= event.facts.keys():
                yield f"             {TOKENS / bin_name(event.facts['split'], event.facts['shard'])}"
            if event.stage == "dedup":
                for line in _duplicates_of(identity, event.facts):
                    yield f"             {line}"
            before = event.facts.get("text", before)
        place = event.place
    if (events[-1].stage, events[-1].verdict) == ("tokenize", "kept"):
        yield f"             antimatter tokens show {identity.hex()} shows its pieces"


def _duplicates_of(identity: bytes, facts: dict[str, Any]) -> list[str]:
    """What a kept document stands for, which of its lines were cut, and the command that shows duplicates beside each
    other."""
    standing, is_kept = copies.standing(identity), "reason" not in facts
    others = standing.stands_for - 1 if standing and is_kept else 0
    lines = [f"stands_for {others + 1:,} documents: {others:,} left for it"] if others > 0 else []
    lines += what_lines_did(standing, facts)
    if standing and is_kept and standing.cluster_size > 1:
        lines.append(_cluster(standing.cluster, standing.cluster_size))
    if others > 0 or "kept_id" in facts:
        lines.append(f"antimatter duplicates {identity.hex()} shows both texts")
    return lines


def _cluster(identity: bytes, size: int) -> str:
    return f"cluster {identity.hex()} of {size:,} documents"


_NUMBERS = ("value", "similarity", "threshold", "containment", "estimated_similarity", "bands")
_TOLD = ("source", "origin", "text", "reason", "metadata", "cluster", "cluster_size", "shard", "row")


def _facts(facts: dict[str, Any], before: str | None, places: Sequence[str | None]) -> list[str]:
    """What is worth a line of its own in one event; the text only where it changed, shard and row of the stage's input
    only where neither of the places, that in the input and that in the output, says them."""
    lines = []
    if "reason" in facts:
        numbers = [f"{key} {facts[key]:g}" for key in _NUMBERS if key in facts and not _is_idle(key, facts)]
        lines.append("  ".join([f"reason {visible(facts['reason'], exactly=True)}", *numbers]))
    lines += _position(facts, [place for place in places if place])
    if "cluster_size" in facts:
        lines.append(_cluster(facts["cluster"], facts["cluster_size"]))
    for key, value in facts.items():
        if key in _TOLD or key in _NUMBERS or value == []:
            continue
        shown = value.hex() if isinstance(value, bytes) and len(value) == 16 else value
        shown = ", ".join(map(str, shown)) if isinstance(shown, list) else str(shown)
        lines.append(f"{key} {visible(shown, exactly=True)}")
    text = facts.get("text")
    if text is not None:
        size = len(text.encode())
        lines.append(f"{size:,} bytes" + (" as before" if text == before else f": {_excerpt(text)}"))
    return lines


def _is_idle(key: str, facts: dict[str, Any]) -> bool:
    """Whether a number says nothing: a value that is the similarity, a threshold that exact copies need not reach."""
    if key == "value":
        return bool(facts[key] == facts.get("similarity"))
    return key == "threshold" and facts["reason"] == "dedup.exact"


def _position(facts: dict[str, Any], places: Sequence[str]) -> list[str]:
    words = {"shard": f"/{shard_name(facts.get('shard', 0))},", "row": f", row {facts.get('row')},"}
    told = [f"{place}," for place in places]
    return [f"{key} {facts[key]}" for key in words if key in facts and not any(words[key] in place for place in told)]


def _excerpt(text: str, characters: int = 200) -> str:
    """The beginning of a text on one line."""
    return visible(text[:characters], exactly=True) + (" ..." if len(text) > characters else "")
