"""Pairs of documents of which one left for the other, as examples: near the threshold, in the middle, almost equal.

Bounded: a few ledgers of dedup, the ids of the same shards of its input, and the texts of the pairs that are shown.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from antimatter.corpus.shards import read_shard, shard_name
from antimatter.errors import AntiMatterError
from antimatter.report.markup import block, fold, method, words
from antimatter.report.removed_documents import LOOKED_AT, spread, texts
from antimatter.report.word_diff import LONGEST, diff

NEAR = "dedup.near"
MOST_CANDIDATES = 2000
"""Pairs of a ledger among which is chosen."""
_COLUMNS = ["id", "source", "shard", "row", "kept_id", "similarity", "threshold"]


class Pair(NamedTuple):
    """A removed document and the one that it left for."""

    removed: str
    kept: str
    """Ids, 32 hex digits."""
    source: str
    """Of the removed one."""
    similarity: float
    threshold: float
    before: str
    after: str
    """Texts: of the removed one, and of the one that stayed."""


def pairs(root: Path) -> list[Pair]:
    """The least similar pair, one in the middle and the most similar one, of those at hand; less similar ones first."""
    ledgers = sorted((root / "data/deduplicated/removed").glob("shard-*.parquet"))
    documents = root / "data/filtered/documents"
    candidates: list[dict[str, Any]] = []
    for path in spread(ledgers, LOOKED_AT):
        candidates += _candidates(path)
    kept = _places(documents, [path.name for path in spread(ledgers, LOOKED_AT)], candidates)
    found = sorted((row for row in candidates if row["kept_id"] in kept), key=lambda r: (r["similarity"], r["id"]))
    chosen = [found[place] for place in sorted({0, len(found) // 2, len(found) - 1})] if found else []
    sought = [(row["id"], row["shard"], row["row"]) for row in chosen]
    sought += [(row["kept_id"], *kept[row["kept_id"]]) for row in chosen]
    by_id = texts(documents, sought, LONGEST)
    return [
        Pair(
            removed=row["id"].hex(),
            kept=row["kept_id"].hex(),
            source=row["source"],
            similarity=row["similarity"],
            threshold=row["threshold"] or 0.0,
            before=by_id[row["id"]],
            after=by_id[row["kept_id"]],
        )
        for row in chosen
        if row["id"] in by_id and row["kept_id"] in by_id
    ]


def parts(found: Sequence[Pair]) -> list[str]:
    """The pairs with a diff each; the first one open."""
    shown = []
    for place, pair in enumerate(found):
        title = f"Similarity {pair.similarity:.3f}: {pair.source}, {pair.removed[:12]} left for {pair.kept[:12]}"
        body = diff(pair.before, pair.after)
        marked = f'<div class="text small tall" dir="auto">{body or words(pair.before[:400])}</div>'
        same = "" if body else "<p>No word differs: only marks or white space at the ends.</p>"
        shown.append(f"<h4>{words(title)}</h4>{same}{marked}" if place == 0 else fold(title, same, marked))
    if not shown:
        return []
    told = method(
        f"Similarity: exact Jaccard of the two sets of word shingles; at least {found[0].threshold:g} makes a "
        "duplicate. Red stands in the removed document alone, green in the one that stayed. Chosen among the pairs "
        f"of {LOOKED_AT} shards at most: the least similar one, one in the middle, the most similar one."
    )
    return [block("Pairs, word by word", *shown, told)]


def _candidates(ledger: Path) -> list[dict[str, Any]]:
    """Near duplicates of a ledger that are not equal throughout."""
    try:
        table = read_shard(ledger, [*_COLUMNS, "reason"])
    except AntiMatterError:
        return []
    similarity = table.column("similarity")
    is_near = pc.and_(pc.equal(table.column("reason"), NEAR), pc.less(similarity, 1.0))
    rows = table.filter(pc.fill_null(is_near, False)).sort_by([("similarity", "ascending")])
    if rows.num_rows > MOST_CANDIDATES:
        half = MOST_CANDIDATES // 2
        rows = pa.concat_tables([rows.slice(0, half), rows.slice(rows.num_rows - half)])
    return list(rows.select(_COLUMNS).to_pylist())


def _places(
    documents: Path, shards: Sequence[str], candidates: Sequence[dict[str, Any]]
) -> dict[bytes, tuple[int, int]]:
    """(shard, row) of the kept documents that lie in these shards."""
    wanted = pa.array(list({row["kept_id"] for row in candidates if row["kept_id"]}), pa.binary())
    found = {}
    for name in shards if len(wanted) else ():
        number = int(name.removeprefix("shard-").removesuffix(".parquet"))
        try:
            ids = read_shard(documents / shard_name(number), ["id"]).column("id").cast(pa.binary())
        except AntiMatterError:
            continue
        hits = pc.is_in(ids, value_set=wanted).to_numpy()
        for row in hits.nonzero()[0].tolist():
            found[ids[row].as_py()] = (number, row)
    return found
