"""Documents that really left, as examples beside each reason: who they were, what was measured, how they begin.

    data/filtered/removed/shard-00002.parquet     id, reason, value, threshold, shard and row in the stage's input
    data/cleaned/documents/shard-00002.parquet    the text at that row

Bounded: a few ledgers of each stage, and a row group of text for each document that is shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from antimatter.corpus.history import STAGES
from antimatter.corpus.shards import read_shard
from antimatter.errors import AntiMatterError
from antimatter.filter.study import borderline
from antimatter.report import numbers

LOOKED_AT = 12
"""Ledgers of a stage that are read, evenly from first to last."""
EACH = 2
"""Examples of a reason, of different sources if there are such."""
CHARACTERS = 420
"""Of the beginning of a text."""
_COLUMNS = ["id", "source", "reason", "value", "threshold", "shard", "row", "kept_id", "also_failed", "detail"]
_INPUT = dict(zip(list(STAGES)[1:], STAGES.values(), strict=False))
"""Stage -> the dataset that it read; collect read what lies outside, in any form."""
_BOUNDS = {"at_least": "at least", "more_than": "more than", "at_most": "at most", "less_than": "less than"}


class Example(NamedTuple):
    """One removed document."""

    id: str
    """32 hex digits."""
    source: str
    verdict: str
    """What was measured, and what would have been asked."""
    text: str | None
    """Its beginning; None where no dataset holds it."""
    is_whole: bool


def examples(
    root: Path, reasons: Iterable[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], list[Example]]:
    """(stage, reason) -> up to EACH documents; reasons of which the ledgers at hand hold none are left out.

    reasons    of the summary: stage and reason of each
    rules      reports/filter.json: the signal of each rule and its bounds
    """
    wanted: dict[str, set[str]] = {}
    for entry in reasons:
        wanted.setdefault(entry["stage"], set()).add(entry["reason"])
    found: dict[tuple[str, str], list[Example]] = {}
    for stage, names in wanted.items():
        if stage not in STAGES:
            continue
        chosen = _chosen(root / STAGES[stage] / "removed", names)
        rows = [row for of_reason in chosen.values() for row in of_reason]
        texts = _texts(root / _INPUT[stage] / "documents", rows) if stage in _INPUT else {}
        for reason, of_reason in chosen.items():
            found[stage, reason] = [_example(row, texts, rules) for row in of_reason]
    return found


def spread(paths: Sequence[Path], most: int) -> list[Path]:
    """At most so many of the paths, evenly from the first to the last.

    >>> [path.name for path in spread([Path(str(n)) for n in range(9)], 3)]
    ['0', '4', '8']
    """
    if len(paths) <= most:
        return list(paths)
    return [paths[place * (len(paths) - 1) // (most - 1)] for place in range(most)]


def _chosen(ledgers: Path, reasons: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Rows of the ledgers: of each reason the first document of each source, then further ones."""
    pools: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for path in spread(sorted(ledgers.glob("shard-*.parquet")), LOOKED_AT):
        for row in _first_of_each(path, reasons):
            of_source = pools.setdefault(row["reason"], {}).setdefault(row["source"], [])
            if len(of_source) < EACH:
                of_source.append(row)
    return {
        reason: sorted((row for rows in pool.values() for row in rows), key=_turn(pool))[:EACH]
        for reason, pool in sorted(pools.items())
    }


def _turn(pool: Mapping[str, list[dict[str, Any]]]) -> Any:
    """Sorts the first document of every source before the second ones."""
    turns = {row["id"]: turn for rows in pool.values() for turn, row in enumerate(rows)}
    return lambda row: (turns[row["id"]], row["source"], row["id"])


def _first_of_each(path: Path, reasons: set[str]) -> list[dict[str, Any]]:
    """Up to EACH rows of every pair of reason and source in one ledger; none of a ledger that cannot be read."""
    try:
        table = read_shard(path, _COLUMNS)
    except AntiMatterError:
        return []
    seen: dict[tuple[str, str], int] = {}
    rows = []
    pairs = zip(table.column("reason").to_pylist(), table.column("source").to_pylist(), strict=True)
    for place, (reason, source) in enumerate(pairs):
        if reason in reasons and seen.get((reason, source), 0) < EACH:
            seen[reason, source] = seen.get((reason, source), 0) + 1
            rows.append(place)
    return list(table.take(pa.array(rows, pa.int64())).to_pylist())


def _texts(documents: Path, rows: Sequence[Mapping[str, Any]]) -> dict[bytes, str]:
    return texts(documents, [(row["id"], row["shard"], row["row"]) for row in rows], CHARACTERS + 1)


def texts(documents: Path, places: Sequence[tuple[bytes, int, int]], characters: int) -> dict[bytes, str]:
    """The beginnings of documents by id, from (id, shard, row); those that are no longer there are left out."""
    sought = [borderline.Example(0.0, identity, "", shard, row, ()) for identity, shard, row in places]
    try:
        return borderline.excerpts(documents, sought, characters)
    except (AntiMatterError, pa.ArrowException, OSError, IndexError):  # absent, damaged, or written anew since
        return {}


def _example(row: Mapping[str, Any], found: Mapping[bytes, str], rules: Sequence[Mapping[str, Any]]) -> Example:
    text = found.get(row["id"])
    return Example(
        id=row["id"].hex(),
        source=row["source"],
        verdict=verdict(row, rules),
        text=None if text is None else text[:CHARACTERS],
        is_whole=text is not None and len(text) <= CHARACTERS,
    )


def verdict(row: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> str:
    """A row of a ledger in words.

    >>> rule = {"reason": "gopher_quality.word_count", "signal": "words", "at_least": 30}
    >>> verdict({"reason": "gopher_quality.word_count", "value": 27.0, "threshold": 30.0}, [rule])
    'words: 27; kept: at least 30'
    """
    reason, value, threshold = row["reason"], row.get("value"), row.get("threshold")
    other = f"{row['kept_id'].hex()[:12]}" if row.get("kept_id") else ""
    told = _of_reason(reason, value, threshold, other) or _of_rule(reason, value, threshold, rules)
    if row.get("detail"):
        told = f"{row['detail']}; {told}" if told else str(row["detail"])
    if row.get("also_failed"):
        more = len(row["also_failed"])
        told += f"; {more} other rule{'s' if more > 1 else ''} would have removed it too"
    return told.removeprefix("; ")


def _of_reason(reason: str, value: float | None, threshold: float | None, other: str) -> str:
    """Reasons whose numbers have a meaning of their own."""
    if reason == "collect.budget":
        return "beyond max_documents or max_bytes of its source"
    if reason == "dedup.exact":
        return f"the same words as {other}, which stayed"
    if value is None or threshold is None:
        return ""
    if reason in ("collect.too_short", "collect.empty"):
        return f"{value:,.0f} characters; kept: at least {threshold:,.0f}"
    if reason == "dedup.near":
        return f"Jaccard similarity {value:.3f} to {other}, which stayed; a duplicate: at least {threshold:g}"
    if reason == "split.overlap":
        share = numbers.percent(value)
        return (
            f"{share} of its n-grams of tokens stand in the training text; kept: at most {numbers.percent(threshold)}"
        )
    return ""


def _of_rule(reason: str, value: float | None, threshold: float | None, rules: Sequence[Mapping[str, Any]]) -> str:
    """What the rule of this name measured, and the bound that was crossed."""
    if value is None:
        return ""
    if reason.startswith("language."):
        return f"the detector's confidence: {value:.2f}" + (f"; asked: {threshold:g}" if threshold is not None else "")
    own = [rule for rule in rules if rule.get("reason") == reason]
    signal = str(own[0]["signal"]).replace("_", " ") if own else "value"
    told = f"{signal}: {value:,.4g}"
    if threshold is None:
        return told
    bound = next((name for rule in own for name in _BOUNDS if rule.get(name) == threshold), "")
    return f"{told}; kept: {_BOUNDS[bound]} {threshold:g}" if bound else f"{told}; threshold: {threshold:g}"
