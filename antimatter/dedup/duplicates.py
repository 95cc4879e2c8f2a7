"""What `antimatter duplicates` prints: the largest clusters, what left for a document, two documents side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from antimatter.corpus import copies
from antimatter.corpus.copies import Document, NotCompared, Removal, Standing
from antimatter.dedup import side_by_side
from antimatter.params.dedup import Dedup
from antimatter.terminal import visible

LISTED = 20
"""Clusters, or documents that left for another, unless all are asked for."""
LONGEST = 20_000_000
"""Characters of a text that is shown side by side as it is; that takes about 50 times its size in memory."""
PART = 2_000_000
"""Characters that are shown of each text if one of them is longer; a tenth lies before their first difference."""
EXACT, LINES = "dedup.exact", "dedup.lines"
"""Reasons that need words of their own: no threshold, and no document that it left for."""
_MISSING = f"(not in {copies.TEXTS.parent})"


@dataclass(frozen=True, kw_only=True)
class View:
    """How texts are shown: columns of the terminal, equal lines around a change (None: the whole texts), colours."""

    width: int
    context: int | None = side_by_side.CONTEXT
    coloured: bool = False


def overview(every: bool = False, verdicts: Path = copies.VERDICTS) -> Iterator[str]:
    """The largest clusters, a line each."""
    found = copies.clusters(verdicts)
    shown = found if every else found[:LISTED]
    if not found:
        yield "no document is the duplicate of another"
        return
    places = copies.places([cluster.id for cluster in shown])
    yield f"{'best ranked document':<32} {'documents':>10} {'removed':>10}   source:origin"
    for cluster in shown:
        others = f"   ({len(cluster.sources)} sources)" if len(cluster.sources) > 1 else ""
        place = visible(places.get(cluster.id, _MISSING), exactly=True)
        yield f"{cluster.id.hex()} {cluster.size:>10,} {cluster.removed:>10,}   {place}{others}"
    yield ""
    yield _more(len(found) - len(shown), "clusters") + "antimatter duplicates ID shows what left for a document."


def of_document(name: str, view: View, every: bool = False, verdicts: Path = copies.VERDICTS) -> Iterator[str]:
    """A removed document beside the one that it left for; of a kept one what left for it, and the least similar one
    beside it.

    Raises: UnknownDocument, MissingData, NotCompared (never reached dedup, or removed for itself).
    """
    identity = copies.identify(name, verdicts)
    removal = copies.removal(identity, verdicts)
    if removal is None:
        left = copies.left_for(identity, verdicts)
        if not left:
            yield _alone(identity, verdicts)
            return
        yield from _listed(identity, left, every)
        removal = left[0]
    if removal.reason == LINES:
        yield f"dedup removed {identity.hex()}, which left for no other document:"
        yield from what_lines_did(copies.standing(identity, verdicts), vars(removal))
        return
    if removal.kept_id is None:
        raise NotCompared(
            f"document {identity.hex()} was removed for itself, not for another one ({removal.reason}). "
            f"`antimatter explain {identity.hex()}` tells more."
        )
    removed, kept = _texts([removal.id, removal.kept_id])
    yield from _header([("removed", removed), ("left for", kept)])
    yield from _verdict(removal)
    yield from _side_by_side(removed, kept, ("removed", "kept"), view)


def of_pair(name: str, other: str, settings: Dedup, view: View, verdicts: Path = copies.VERDICTS) -> Iterator[str]:
    """Any two documents that reached dedup, compared now; the verdict if one left for the other, which then stands on
    the left.

    Raises: UnknownDocument, MissingData, NotCompared (never reached dedup, or both names are those of one document).
    """
    left, right = copies.identify(name, verdicts), copies.identify(other, verdicts)
    if left == right:
        raise NotCompared(f"{name} and {other} are one document, {left.hex()}: name another one behind --with.")
    verdict = _between(left, right, verdicts)
    if verdict and verdict.id == right:
        left, right = right, left
    documents = first, second = _texts([left, right])
    titles = ("removed", "left for") if verdict else ("left", "right")
    yield from _header(list(zip(titles, documents, strict=True)))
    if verdict:
        yield from _verdict(verdict)
    else:
        yield _row("similarity", _similarity(first.text, second.text, settings))
        for title, identity in zip(titles, (left, right), strict=True):
            yield _row(title, _fate(identity, verdicts))
    yield from _side_by_side(first, second, ("removed", "kept") if verdict else titles, view)


def jaccard_and_containment(left: str, right: str, settings: Dedup) -> tuple[float, float]:
    """Exact Jaccard similarity of two texts' shingles, and the share of the left one's that the right one has; 0 if
    there are none."""
    from antimatter.dedup.contents import canonical  # kernels: a second to load, and needed here alone
    from antimatter.dedup.shingles import shingle_sets
    from antimatter.dedup.verify import common, jaccard

    texts = canonical(pa.array([left, right], pa.string()))
    found = shingle_sets(texts, settings.normalization, settings.shingle_words)
    of_left, of_right = (found.hashes[found.starts[place] : found.starts[place + 1]] for place in (0, 1))
    return jaccard(of_left, of_right), common(of_left, of_right) / len(of_left) if len(of_left) else 0.0


def what_lines_did(standing: Standing | None, verdict: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a document out of which the pass over lines cut something. `verdict`: its row in the ledger, if any."""
    if standing and standing.lines_units_removed:
        yield (
            f"{standing.lines_units_removed:,} of {standing.lines_units:,} lines or paragraphs were cut "
            f"({standing.lines_characters_removed:,} characters): they stand in other documents, or before in it"
        )
    if verdict.get("reason") == LINES:
        sentences, fewest = verdict["value"], verdict["threshold"]
        left = "1 sentence was" if sentences == 1 else f"{sentences:,.0f} sentences were"
        yield f"{left} left (dedup.lines.min_sentences is {fewest:g})"


def _between(left: bytes, right: bytes, verdicts: Path) -> Removal | None:
    """The verdict by which one of the two left for the other."""
    for removed, kept in ((left, right), (right, left)):
        found = copies.removal(removed, verdicts)
        if found and found.kept_id == kept:
            return found
    return None


def _texts(identities: list[bytes]) -> list[Document]:
    found = copies.documents(identities)
    for identity in identities:
        if identity not in found:
            raise NotCompared(
                f"{copies.TEXTS} does not hold document {identity.hex()}, which dedup has seen: it was written anew "
                "since. Run `dvc repro dedup`."
            )
    return [found[identity] for identity in identities]


def _listed(kept: bytes, left: list[Removal], every: bool) -> Iterator[str]:
    shown = left if every else left[:LISTED]
    places = copies.places([row.id for row in shown])
    yield (
        f"{len(left):,} documents left for {kept.hex()}, the least similar first:"
        if len(left) > 1
        else (f"one document left for {kept.hex()}:")
    )
    yield ""
    yield f"{'id':<32} {'reason':<11} {'Jaccard':>7}   source:origin"
    for row in shown:
        place = visible(places.get(row.id, f"{row.source} {_MISSING}"), exactly=True)
        yield f"{row.id.hex()} {row.reason:<11} {_number(row.similarity):>7}   {place}"
    more = _more(len(left) - len(shown), "documents")
    yield f"\n{more}Below is the first of them; --with ID shows another.\n" if len(left) > 1 else ""


def _more(hidden: int, what: str) -> str:
    return f"{hidden:,} more {what}: --all lists them. " if hidden else ""


def _header(documents: list[tuple[str, Document]]) -> Iterator[str]:
    for title, document in documents:
        place = visible(f"{document.source}:{document.origin}", exactly=True)
        yield _row(title, f"{document.id.hex()}  {place}")


def _verdict(removal: Removal) -> Iterator[str]:
    judged = removal.threshold is not None and removal.reason != EXACT
    yield _row("reason", removal.reason + (f", threshold {removal.threshold:g}" if judged else ""))
    facts = [
        ("Jaccard", _number(removal.similarity), "exact"),
        ("containment", _number(removal.containment), "of the removed one's shingles are in the kept one"),
        ("estimated", _number(removal.estimated_similarity), "Jaccard, from the signatures"),
        ("bands", "" if removal.bands is None else f"{removal.bands}", "in which both lie in one bucket"),
    ]
    for title, value, words in facts:
        if value:
            yield _row(title, f"{value:<6}  {words}")
    if removal.cluster is not None:
        yield _row("cluster", f"{removal.cluster.hex()}  {removal.cluster_size:,} documents")


def _similarity(left: str, right: str, settings: Dedup) -> str:
    if not left.strip() and not right.strip():
        return "none: neither text has a word"
    jaccard, containment = jaccard_and_containment(left, right, settings)
    above = "at least" if jaccard >= settings.threshold else "below"
    return (
        f"Jaccard {_number(jaccard)} ({above} the threshold, {settings.threshold:g}), containment of the left one in "
        f"the right one {_number(containment)}"
    )


def _fate(identity: bytes, verdicts: Path) -> str:
    found = copies.removal(identity, verdicts)
    if found is None:
        standing = copies.standing(identity, verdicts)
        others = standing.stands_for - 1 if standing else 0
        return f"kept; {others:,} documents left for it" if others != 1 else "kept; one document left for it"
    return f"removed: {found.reason}" + (f", left for {found.kept_id.hex()}" if found.kept_id else "")


def _alone(identity: bytes, verdicts: Path) -> str:
    """Why there is nothing to show beside a kept document, and what can be."""
    told = f"no document left for {identity.hex()}, which dedup kept"
    standing = copies.standing(identity, verdicts)
    if standing is None or standing.nearest_id is None:
        return f"{told}. `antimatter duplicates {identity.hex()} --with ID2` shows any other one beside it."
    return (
        f"{told}. The most similar one that it was compared with has Jaccard {_number(standing.nearest_similarity)}: "
        f"`antimatter duplicates {identity.hex()} --with {standing.nearest_id.hex()}` shows it."
    )


def _side_by_side(left: Document, right: Document, titles: tuple[str, str], view: View) -> Iterator[str]:
    texts, note = _cut(left.text, right.text)
    if note:
        yield _row("cut", note)
    alignment = side_by_side.align(*texts)
    counts = [len(text.words) for text in (alignment.left, alignment.right)]
    equal = alignment.equal_words
    yield _row("words", f"{counts[0]:,} and {counts[1]:,}, {equal:,} of them equal in the same order")
    yield ""
    told = _same(left.text, right.text)
    if told:
        yield told
        yield ""
    yield from side_by_side.lines(
        alignment, width=view.width, titles=titles, context=view.context, coloured=view.coloured
    )


def _same(left: str, right: str) -> str:
    """What to say of texts in which there is no difference to be seen; empty of others."""
    if not left and not right:
        return "both texts are empty"
    if not left.strip() and not right.strip():
        return "both texts are whitespace alone"
    return "the texts are equal, character by character" if left == right else ""


def _cut(left: str, right: str) -> tuple[tuple[str, str], str]:
    """Both texts as they can be shown: whole, or where one is too long the part around the first difference, and the
    words that say so."""
    if max(len(left), len(right)) <= LONGEST:
        return (left, right), ""
    shorter = min(len(left), len(right))
    equal = next((place for place in range(shorter) if left[place] != right[place]), shorter)
    start = 0 if left == right else max(0, equal - PART // 10)
    note = (
        f"the texts have {len(left):,} and {len(right):,} characters, more than can stand side by side; below are "
        f"{PART:,} of them, from number {start + 1:,} on"
    )
    return (left[start : start + PART], right[start : start + PART]), note


def _row(title: str, words: str) -> str:
    return f"{title:<12} {words}"


def _number(value: float | None) -> str:
    """Four digits, never rounded to 1 unless it is."""
    if value is None:
        return ""
    return "0.9999+" if 0.99995 <= value < 1 else f"{value:.4f}"
