"""Who left for whom: what dedup wrote about single documents, read back, with the texts that it compared.

    data/filtered/documents         the texts, removed and kept alike
    data/deduplicated/removed       a row a removed document, with the kept one that it left for
    data/deduplicated/signals       a row a document: its cluster, and how many documents it stands for

Reads the id columns of every shard, and the rest of the few shards that hold a document in question.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from antimatter.corpus import history
from antimatter.corpus.shards import read_shard, shard_paths
from antimatter.errors import AntiMatterError

TEXTS = Path("data/filtered/documents")
VERDICTS = Path("data/deduplicated")
"""Or the unpublished output of a stage that stopped."""
_BEFORE = ("collect", "clean", "filter")
"""The stages whose removed documents dedup has never read."""


class NotCompared(AntiMatterError, LookupError):
    """A document that dedup has not seen, or one with nothing to be compared with."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document as dedup read it."""

    id: bytes
    source: str
    origin: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Removal:
    """A row of dedup's ledger."""

    id: bytes
    source: str
    reason: str
    value: float | None
    """What was judged: the similarity, or the sentences that the pass over lines left."""
    threshold: float | None
    kept_id: bytes | None
    """The document that it left for; none where a reason needs no other document."""
    similarity: float | None
    """Exact Jaccard similarity of the shingles."""
    containment: float | None
    """Share of the removed document's shingles that the kept one has."""
    estimated_similarity: float | None
    bands: int | None
    cluster: bytes | None
    cluster_size: int | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A row of dedup's signals."""

    id: bytes
    stands_for: int
    cluster: bytes
    cluster_size: int
    nearest_id: bytes | None
    nearest_similarity: float | None
    lines_units: int | None = None
    """Its lines or paragraphs; this and the next two only if the pass over lines ran, and read the document."""
    lines_units_removed: int | None = None
    lines_characters_removed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Documents that verified pairs connect."""

    id: bytes
    """Of the best ranked member."""
    size: int
    removed: int
    sources: tuple[str, ...]


def identify(name: str, verdicts: Path = VERDICTS) -> bytes:
    """The id of a document that dedup has read.

    name    32 hex digits, the first of them (at least 6), or source:origin

    Raises: UnknownDocument, NotCompared (removed by an earlier stage, dedup read other input, or `verdicts` is no
    output of it), MissingData.
    """
    _require_output(verdicts)
    identity, events = history.life(name)
    for event in events:
        told = f"`antimatter explain {identity.hex()}` tells more"
        if event.verdict == "removed" and event.stage in _BEFORE:
            raise NotCompared(
                f"document {identity.hex()} never reached dedup: stage {event.stage} removed it "
                f"({event.facts.get('reason', 'no reason given')}). {told}."
            )
        if event.stage == "dedup" and event.verdict == "absent" and verdicts == VERDICTS:
            raise NotCompared(
                f"document {identity.hex()} is unknown to dedup, which read other input: run `dvc repro dedup`. {told}."
            )
    return identity


def documents(identities: Iterable[bytes]) -> dict[bytes, Document]:
    """Documents by id; those that are not there are missing from the answer."""
    table = _rows(TEXTS, "id", identities, ["id", "source", "origin", "text"])
    return {row["id"]: Document(**row) for row in table.to_pylist()}


def places(identities: Iterable[bytes]) -> dict[bytes, str]:
    """source:origin by id."""
    table = _rows(TEXTS, "id", identities, ["id", "source", "origin"])
    return {row["id"]: f"{row['source']}:{row['origin']}" for row in table.to_pylist()}


def removal(identity: bytes, verdicts: Path = VERDICTS) -> Removal | None:
    """Why dedup removed a document; None if it did not."""
    found = _removals("id", identity, verdicts)
    return found[0] if found else None


def left_for(kept: bytes, verdicts: Path = VERDICTS) -> list[Removal]:
    """The documents that left for a kept one, the least similar first."""
    found = _removals("kept_id", kept, verdicts)
    return sorted(found, key=lambda row: (1.0 if row.similarity is None else row.similarity, row.id))


def standing(identity: bytes, verdicts: Path = VERDICTS) -> Standing | None:
    """What dedup found out about a document; None if it did not read it, or has not run."""
    if not (verdicts / "signals").exists():
        return None
    present = pq.read_schema(shard_paths(verdicts / "signals")[0]).names
    wanted = [name for name in Standing.__dataclass_fields__ if name in present]
    found = _rows(verdicts / "signals", "id", [identity], wanted).to_pylist()
    return Standing(**found[0]) if found else None


def clusters(verdicts: Path = VERDICTS) -> list[Cluster]:
    """Clusters of at least two documents, the largest first.

    Raises: NotCompared (`verdicts` is no output of dedup), MissingData.
    """
    _require_output(verdicts)
    parts = []
    for path in shard_paths(verdicts / "signals"):
        table = read_shard(path, ["source", "stands_for", "cluster", "cluster_size"])
        parts.append(table.filter(pc.greater(table.column("cluster_size"), 1)))
    table = pa.concat_tables(parts)
    table = pa.table(
        {
            "cluster": table.column("cluster").cast(pa.binary()),
            "source": table.column("source").cast(pa.string()),
            "removed": pc.equal(table.column("stands_for"), 0).cast(pa.int64()),
        }
    )
    grouped = table.group_by("cluster").aggregate([("removed", "sum"), ("removed", "count"), ("source", "distinct")])
    found = [
        Cluster(
            id=row["cluster"],
            size=row["removed_count"],
            removed=row["removed_sum"],
            sources=tuple(sorted(row["source_distinct"])),
        )
        for row in grouped.to_pylist()
    ]
    return sorted(found, key=lambda cluster: (-cluster.size, cluster.id))


def _require_output(verdicts: Path) -> None:
    """Whether the stage has not run is for its own folder to say; any other one was named by the user."""
    if verdicts == VERDICTS:
        shard_paths(verdicts / "removed")
    elif not all(any((verdicts / part).glob("shard-*.parquet")) for part in ("removed", "signals")):
        raise NotCompared(
            f"{verdicts} is no output of dedup: it lacks shards in removed/ and signals/. Name the folder that the "
            "stage named when it stopped."
        )


def _removals(column: str, identity: bytes, verdicts: Path) -> list[Removal]:
    table = _rows(verdicts / "removed", column, [identity], list(Removal.__dataclass_fields__))
    return [Removal(**row) for row in table.to_pylist()]


def _rows(folder: Path, column: str, identities: Iterable[bytes], wanted: list[str]) -> pa.Table:
    """These columns of the rows whose id, in `column`, is one of the identities; in the order of the shards."""
    sought = pa.array(list(identities), pa.binary())
    found: list[pa.Table] = []
    for path in shard_paths(folder):
        hits = pc.is_in(read_shard(path, [column]).column(column).cast(pa.binary()), value_set=sought)
        if not found or pc.any(hits).as_py():
            found.append(read_shard(path, wanted).filter(hits))
    return pa.concat_tables(found)
