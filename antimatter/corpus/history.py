"""A document's whole life: where it lies in every dataset on disk, or which stage removed it and why.

Reads the id column of every shard, and the rest of the few shards that hold the document.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from antimatter.corpus.schema import document_id
from antimatter.corpus.shards import MissingData, read_shard
from antimatter.errors import AntiMatterError

STAGES = {
    "collect": "data/raw",
    "clean": "data/cleaned",
    "filter": "data/filtered",
    "dedup": "data/deduplicated",
    "tokenize": "data/tokens",
}
SHORTEST_PREFIX = 6


class UnknownDocument(AntiMatterError, LookupError):
    """No document, or more than one, goes by that name."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What one stage did with the document. `verdict`: kept, removed, not run (no data), absent (made from other
    input)."""

    stage: str
    verdict: str
    place: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    """The row that tells it: text, reason, value, threshold, kept_id, ...; nulls left out."""


def life(name: str, root: Path = Path(".")) -> tuple[bytes, list[Event]]:
    """The id behind a name and one event a stage, in the order of the stages.

    name    32 hex digits, the first of them (at least 6), or source:origin

    Raises: UnknownDocument (no such document, or several: they are listed), MissingData if no stage has run.
    """
    low, high = _bounds(name)
    files = {stage: list(_files(root / folder)) for stage, folder in STAGES.items()}
    if not any(files.values()):
        raise MissingData(f"{root / 'data'} holds no documents. Run `dvc repro collect` (or python -m stages.collect).")
    hits = {stage: [hit for path in paths for hit in _hits(path, low, high)] for stage, paths in files.items()}
    ids = sorted({identity for found in hits.values() for _, _, identity in found})
    if not ids:
        raise UnknownDocument(f"no document {name} in {', '.join(STAGES[stage] for stage in files if files[stage])}")
    if len(ids) > 1:
        several = ", ".join(identity.hex() for identity in ids[:5]) + (", ..." if len(ids) > 5 else "")
        raise UnknownDocument(f"{len(ids):,} documents begin with {name}: {several}. Give more digits.")
    return ids[0], list(_events(root, files, hits))


def _bounds(name: str) -> tuple[bytes, bytes]:
    """The smallest and the largest id that a name can mean."""
    source, colon, origin = name.partition(":")
    if colon:
        identity = document_id(source, origin)
        return identity, identity
    digits = name.lower()
    if not SHORTEST_PREFIX <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        raise UnknownDocument(
            f"{name!r} names no document: give its id ({SHORTEST_PREFIX} to 32 hex digits) or source:origin"
        )
    return bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))


def _files(folder: Path) -> Iterator[Path]:
    """The Parquet files with a row a document."""
    for part in ("documents", "removed"):
        yield from sorted((folder / part).glob("shard-*.parquet"))
        if (folder / f"{part}.parquet").exists():
            yield folder / f"{part}.parquet"


def _hits(path: Path, low: bytes, high: bytes) -> list[tuple[Path, int, bytes]]:
    """(path, row, id) of the ids within bounds."""
    if "id" not in pq.read_schema(path).names:
        return []
    ids = _read(path, ["id"]).column("id").cast(pa.binary())
    if len(ids) == 0:  # indices_nonzero of pyarrow 25 crashes on an empty column
        return []
    rows = pc.indices_nonzero(pc.and_(pc.greater_equal(ids, low), pc.less_equal(ids, high))).to_pylist()
    return [(path, row, ids[row].as_py()) for row in rows]


def _events(
    root: Path, files: dict[str, list[Path]], hits: dict[str, list[tuple[Path, int, bytes]]]
) -> Iterator[Event]:
    for stage in STAGES:
        if not files[stage]:
            yield Event(stage=stage, verdict="not run")
        elif not hits[stage]:
            yield Event(stage=stage, verdict="absent")
        for path, row, _ in hits[stage]:
            verdict = "removed" if "removed" in (path.parent.name, path.stem) else "kept"
            facts = _read(path).slice(row, 1).to_pylist()[0]
            facts |= _shared(root / STAGES[stage] / "signals" / path.name, facts["id"])
            yield Event(
                stage=stage,
                verdict=verdict,
                place=f"{path.relative_to(root).as_posix()}, row {row}",
                facts={key: value for key, value in facts.items() if value is not None and key not in ("id", "stage")},
            )
        if any("removed" in (path.parent.name, path.stem) for path, _, _ in hits[stage]):
            return


def _shared(signals: Path, identity: bytes) -> dict[str, Any]:
    """What the document shares with an evaluation set, as filter found it: a kept document may have been masked."""
    names = [] if not signals.exists() else pq.read_schema(signals).names
    wanted = [name for name in ("contaminated_set", "contaminated_item", "masked_characters") if name in names]
    if "contaminated_set" not in wanted:
        return {}
    table = read_shard(signals, ["id", *wanted])
    row = pc.index(table.column("id").cast(pa.binary()), pa.scalar(identity, pa.binary())).as_py()
    facts = table.slice(row, 1).to_pylist()[0] if row >= 0 else {}
    return {name: facts[name] for name in wanted} if facts.get("contaminated_set") is not None else {}


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    if path.name.startswith("shard-"):
        return read_shard(path, columns)
    return pq.read_table(path, columns=columns)
