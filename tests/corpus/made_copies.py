"""What filter and dedup leave behind, made by hand: documents of two sources, some of them removed as copies."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from antimatter.corpus.ledger import LEDGER
from antimatter.corpus.schema import DOCUMENT, document_id
from antimatter.corpus.shards import read_shard, write_shard

VERDICT = [
    pa.field("containment", pa.float64()),
    pa.field("estimated_similarity", pa.float64()),
    pa.field("bands", pa.int32()),
    pa.field("cluster", pa.binary(16)),
    pa.field("cluster_size", pa.int32()),
]
REMOVED = pa.schema([*LEDGER, *VERDICT])
SIGNALS = pa.schema(
    [
        pa.field("id", pa.binary(16)),
        pa.field("source", pa.string()),
        pa.field("copies", pa.int32()),
        pa.field("stands_for", pa.int32()),
        pa.field("cluster", pa.binary(16)),
        pa.field("cluster_size", pa.int32()),
        pa.field("nearest_id", pa.binary(16)),
        pa.field("nearest_similarity", pa.float64()),
        pa.field("nearest_containment", pa.float64()),
        pa.field("nearest_estimate", pa.float64()),
        pa.field("nearest_bands", pa.int32()),
    ]
)
PARAGRAPHS = "\n\n".join(f"Paragraph {i} is about the cat of house {i}.\nIt sat there {i} times." for i in range(12))
TEXTS = {
    "wiki:kept.txt": PARAGRAPHS + "\n\nThe end of it.",
    "wiki:near.txt": PARAGRAPHS.replace("house 5", "mansion five") + "\n\nThe end.",
    "wiki:nearer.txt": PARAGRAPHS + "\n\nThe end of it all.",
    "web:exact.txt": PARAGRAPHS.replace("\n\n", "\n") + "\n\nThe end of it.",
    "web:alone.txt": "Nobody else says\x1b[2J such a thing about dogs.",
    "web:empty lines.txt": "line\n" * 9,
}
LEFT = {
    "wiki:near.txt": ("dedup.near", 0.81, 0.84, 0.79, 3),
    "wiki:nearer.txt": ("dedup.near", 0.97, 0.98, 0.96, 11),
    "web:exact.txt": ("dedup.exact", 1.0, 1.0, None, None),
}
"""Removed in favour of wiki:kept.txt: reason, similarity, containment, estimate, bands."""


def identity(name: str) -> bytes:
    source, _, origin = name.partition(":")
    return document_id(source, origin)


def write_data(root: Path) -> None:
    """Two shards of filtered documents, of dedup's ledger and of its signals; a document that filter removed."""
    kept = identity("wiki:kept.txt")
    for index, source in enumerate(("wiki", "web")):
        names = [name for name in TEXTS if name.startswith(source)]
        write_shards(root, index, names, kept)
    gone = {"id": identity("wiki:short.txt"), "source": "wiki", "stage": "filter", "reason": "gopher_quality.words"}
    gone |= {"shard": 0, "row": 0, "also_failed": []}
    write_shard(root / "data/filtered/removed/shard-00000.parquet", pa.Table.from_pylist([gone], schema=LEDGER))


def write_shards(root: Path, index: int, names: list[str], kept: bytes) -> None:
    documents, removed, signals = [], [], []
    for row, name in enumerate(names):
        source, _, origin = name.partition(":")
        documents.append({"id": identity(name), "source": source, "origin": origin, "text": TEXTS[name]})
        reason, similarity, containment, estimate, bands = LEFT.get(name, (None,) * 5)
        is_clustered = name in LEFT or identity(name) == kept
        cluster = {"cluster": kept if is_clustered else identity(name), "cluster_size": 1 + 3 * is_clustered}
        verdict = {"containment": containment, "estimated_similarity": estimate, "bands": bands, **cluster}
        if reason:
            where = {"id": identity(name), "source": source, "stage": "dedup", "reason": reason, "shard": index}
            judged = {"value": similarity, "threshold": 0.8, "similarity": similarity, "kept_id": kept}
            removed.append({**where, **judged, "row": row, "also_failed": [], **verdict})
        nearest = {"nearest_id": kept, "nearest_similarity": 0.41} if name == "web:alone.txt" else {}
        stands_for = 0 if reason else 4 if identity(name) == kept else 1
        counts = {"copies": 1, "stands_for": stands_for}
        signals.append({"id": identity(name), "source": source, **counts, **cluster, **nearest})
    here = [document for document, signal in zip(documents, signals, strict=True) if signal["stands_for"]]
    parts = {
        "filtered/documents": pa.Table.from_pylist(documents, schema=DOCUMENT),
        "deduplicated/documents": pa.Table.from_pylist(here, schema=DOCUMENT),
        "deduplicated/removed": pa.Table.from_pylist(removed, schema=REMOVED),
        "deduplicated/signals": pa.Table.from_pylist(signals, schema=SIGNALS),
    }
    for folder, table in parts.items():
        write_shard(root / "data" / folder / f"shard-{index:05d}.parquet", table)


CUT = {"wiki:kept.txt": (25, 2, 1140), "web:empty lines.txt": (9, 8, 40)}
"""What write_lines cuts: units, of these cut, characters cut."""


def write_lines(root: Path) -> None:
    """As if the pass over lines had cut CUT: of web:empty lines.txt it leaves too few sentences."""
    cut = {identity(name): numbers for name, numbers in CUT.items()}
    emptied = identity("web:empty lines.txt")
    deduplicated = root / "data/deduplicated"
    for path in sorted((deduplicated / "signals").glob("*.parquet")):
        table = read_shard(path)
        numbers = [cut.get(row, (5, 0, 0)) for row in table.column("id").to_pylist()]
        for place, name in enumerate(("units", "units_removed", "characters_removed")):
            values = pa.array([row[place] for row in numbers], pa.int32())
            table = table.append_column(f"lines_{name}", values)
        write_shard(path, table)
    path = deduplicated / "removed/shard-00001.parquet"
    gone = {"id": emptied, "source": "web", "stage": "dedup", "reason": "dedup.lines", "value": 1.0, "threshold": 3.0}
    gone |= {"shard": 1, "row": 2, "also_failed": []}
    write_shard(path, pa.concat_tables([read_shard(path), pa.Table.from_pylist([gone], schema=REMOVED)]))
    path = deduplicated / "documents/shard-00001.parquet"
    table = read_shard(path)
    write_shard(path, table.filter(pc.not_equal(table.column("id").cast(pa.binary()), pa.scalar(emptied))))
