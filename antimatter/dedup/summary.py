"""Dedup's part of reports/dedup.json: pairs, clusters, who took from whom, templates, what a cap left out."""

import itertools
from typing import Any

import numpy as np

from antimatter.corpus.alarm import FEWEST_DOCUMENTS, heavy_losses
from antimatter.corpus.ledger import Counts
from antimatter.corpus.reports import flow_report
from antimatter.dedup.assign import BINS, STATISTICS, Verdicts
from antimatter.dedup.bands import Buckets, s_curve
from antimatter.dedup.outcome import Outcome
from antimatter.dedup.signatures import SCHEME
from antimatter.params.dedup import Dedup
from antimatter.text.characters import UNICODE

TOP = 10
CUT = 0.1
"""Share of a source's characters that the pass over lines may take without a word."""
TEMPLATED = 0.1
"""Share of a source's kept documents that share a bucket with a kept one that they do not resemble enough."""


def summary(
    counts: Counts,
    found: Outcome,
    verdicts: Verdicts,
    buckets: Buckets,
    hottest: list[tuple[int, int]],
    settings: Dedup,
) -> dict[str, Any]:
    """The whole report; see the keys."""
    position = np.flatnonzero((found.rank >= 0) & (found.representative == np.arange(len(found.rank))))
    by_rank = position[np.argsort(found.rank[position])]
    statistics = dict(zip(STATISTICS, verdicts.statistics.tolist(), strict=True))
    return flow_report(
        counts,
        scheme=f"{SCHEME}, seed {settings.seed}, {settings.bands} bands x {settings.rows} rows; shingles of "
        f"{settings.shingle_words} words, normalization {settings.normalization}, Unicode {UNICODE}",
        found_at_similarity=s_curve(settings.bands, settings.rows),
        candidates={
            "documents": len(by_rank),
            "buckets": int(buckets.first[-1]),
            "largest_bucket": buckets.largest,
            **statistics,
            "buckets_over_cap": len(hottest),
        },
        hottest_buckets=[
            {"kept_documents": kept, "one_of_them": hex_id(found, int(by_rank[rank]))} for kept, rank in hottest[:TOP]
        ],
        similarities={f"{bin / BINS:.2f}": int(pairs) for bin, pairs in enumerate(verdicts.similarities) if pairs},
        estimate_error={
            name: round(float(total) / max(1, statistics["compared"]), 6)
            for name, total in zip(("mean", "mean_absolute"), verdicts.errors, strict=True)
        },
        clusters=clusters(found),
        between_sources=between_sources(found),
        templated_sources=templated(counts, found, verdicts),
        heavy_losses=heavy_losses(counts),
    )


def notes(report: dict[str, Any]) -> list[str]:
    """What of the report a person should hear of at once."""
    told = [
        f"{row['source']} looks templated: {row['met']:,} of its {row['documents']:,} kept documents share a bucket "
        "with another kept one that they do not resemble enough"
        for row in report["templated_sources"]
    ]
    candidates = report["candidates"]
    if candidates["left_out"]:
        told.append(
            f"buckets that hold more kept documents than dedup.leaders_per_bucket: {candidates['buckets_over_cap']:,}; "
            f"{candidates['compared']:,} pairs were compared, at most {candidates['left_out']:,} left out"
        )
    for source, numbers in report.get("lines", {"by_source": {}})["by_source"].items():
        share = numbers["characters_removed"] / max(1, numbers["characters"])
        if share > CUT:
            told.append(f"lines cut {100 * share:.0f} % of the characters of {source}")
    return told


def hex_id(found: Outcome, position: int) -> str:
    return bytes(found.ids[position].astype(">u8")).hex()


def clusters(found: Outcome) -> dict[str, Any]:
    """How many, how large, and the largest: all that verified pairs and equal contents connect."""
    sizes = np.bincount(found.cluster, minlength=len(found.documents))
    roots = np.flatnonzero(sizes > 1)
    top = roots[np.lexsort((found.ids[roots, 1], found.ids[roots, 0], -sizes[roots]))][:TOP]
    bounds = [2, 3, 4, 8, 16, 64, 256, 1024]
    names = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in itertools.pairwise(bounds)]
    binned = np.bincount(np.searchsorted(bounds, sizes[roots], side="right") - 1, minlength=len(bounds))
    return {
        "count": len(roots),
        "largest": int(sizes.max(initial=0)),
        "sizes": {name: int(n) for name, n in zip([*names, f"{bounds[-1]}-"], binned, strict=True) if n},
        "top": [
            {
                "cluster": hex_id(found, int(root)),
                "size": int(sizes[root]),
                "removed": int(found.is_removed[found.cluster == root].sum()),
                "sources": tallied(found, found.sources[found.cluster == root]),
            }
            for root in top
        ],
    }


def tallied(found: Outcome, sources: np.ndarray) -> dict[str, int]:
    counted = np.bincount(sources, minlength=len(found.source_names)).tolist()
    return {name: n for name, n in sorted(zip(found.source_names, counted, strict=True)) if n}


def between_sources(found: Outcome) -> list[dict[str, Any]]:
    """How many documents of a source left for one of which source."""
    removed = np.flatnonzero(found.is_removed)
    pairs = found.sources[removed].astype(np.int64) * len(found.source_names) + found.sources[found.nearest[removed]]
    numbers, counted = np.unique(pairs, return_counts=True)
    rows = [
        {
            "removed_from": found.source_names[number // len(found.source_names)],
            "kept_in": found.source_names[number % len(found.source_names)],
            "documents": documents,
        }
        for number, documents in zip(numbers.tolist(), counted.tolist(), strict=True)
    ]
    return sorted(rows, key=lambda row: (-row["documents"], row["removed_from"], row["kept_in"]))


def templated(counts: Counts, found: Outcome, verdicts: Verdicts) -> list[dict[str, Any]]:
    """Sources of which many kept documents share a bucket with a kept one before them: most often a shared template."""
    has_met = np.zeros(len(found.documents), dtype=bool)
    has_met[found.rank >= 0] = verdicts.has_met[found.rank[found.rank >= 0]]
    met = tallied(found, found.sources[has_met & ~found.is_removed])
    left = tallied(found, found.sources[found.is_removed])
    rows = []
    for name, flow in sorted(counts.sources.items()):
        kept = flow.documents_in - left.get(name, 0)
        if kept >= FEWEST_DOCUMENTS and met.get(name, 0) >= TEMPLATED * kept:
            rows.append({"source": name, "documents": kept, "met": met[name], "share": round(met[name] / kept, 4)})
    return rows
