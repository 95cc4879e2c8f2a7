"""One part of the plan to three shards: documents, removed, quarantine. Runs in a worker."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from antimatter.collect import archives, files
from antimatter.collect.drafts import Broken, Draft, Oversized, without_surrogates
from antimatter.collect.judge import (
    BUDGET,
    INDEX_PAGE,
    TOO_LARGE,
    UNDECODABLE,
    Budget,
    Verdict,
    is_index_page,
    judge,
)
from antimatter.collect.parsers import PARSERS
from antimatter.collect.plan import Part
from antimatter.corpus.ledger import Counts, Removal, ledger_table
from antimatter.corpus.schema import DOCUMENT, document_id
from antimatter.corpus.shards import shard_name, write_shard

QUARANTINE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("data", pa.binary(), nullable=False),
    ]
)
"""`data` begins at byte `offset` of the file or member that `origin` names."""


def collect_part(numbered: tuple[int, Part], *, folder: Path) -> dict[str, Any]:
    """Read part i and write shard i of documents/, removed/ and quarantine/ below the folder; its counts."""
    index, part = numbered
    source, budget = part.source, Budget(part.max_documents, part.max_bytes)
    counts = Counts()
    documents: list[dict[str, Any]] = []
    removals: list[Removal] = []
    broken: list[dict[str, Any]] = []
    causes: Counter[str] = Counter()
    repaired = 0

    def remove(row: int, identity: bytes, verdict: Verdict) -> None:
        removals.append(Removal(id=identity, source=source.name, row=row, **verdict._asdict()))
        counts.removed(source.name, verdict.reason)

    for row, (item, verdict) in enumerate(_read(part)):
        origin = without_surrogates(item.origin)
        identity = document_id(source.name, origin)
        if isinstance(item, Oversized):
            counts.arrived(source.name, 1, item.size)
            remove(row, identity, Verdict(TOO_LARGE, item.size, item.limit))
            continue
        if isinstance(item, Broken):
            counts.arrived(source.name, 1, len(item.data))
            remove(row, identity, Verdict(UNDECODABLE))
            causes[item.cause] += 1
            fields = {"origin": origin, "offset": item.offset, "error": without_surrogates(item.error)}
            broken.append({"source": source.name, **fields, "data": item.data})
            continue
        text = without_surrogates(item.text)
        repaired += text != item.text
        text_bytes = len(text.encode("utf-8"))
        counts.arrived(source.name, 1, text_bytes)
        verdict = verdict or judge(source, item)
        if not verdict and not budget.take(text_bytes):
            verdict = Verdict(BUDGET)
        if verdict:
            remove(row, identity, verdict)
            continue
        counts.kept(source.name, 1, text_bytes)
        metadata = [(without_surrogates(name), without_surrogates(value)) for name, value in item.metadata.items()]
        documents.append({"id": identity, "text": text, "source": source.name, "origin": origin, "metadata": metadata})

    write_shard(folder / "documents" / shard_name(index), pa.Table.from_pylist(documents, schema=DOCUMENT))
    write_shard(folder / "removed" / shard_name(index), ledger_table("collect", index, removals))
    write_shard(folder / "quarantine" / shard_name(index), pa.Table.from_pylist(broken, schema=QUARANTINE))
    flow = counts.flow(source.name)
    totals = {"documents": flow.documents_in, "bytes": flow.bytes_in, "surrogates_replaced": repaired}
    return {**totals, "source": source.name, "causes": dict(sorted(causes.items())), "counts": counts.to_plain()}


def _read(part: Part) -> Iterator[tuple[Draft | Broken | Oversized, Verdict | None]]:
    """Everything in the part, in order (oversized members first); with a verdict where the name alone decides."""
    if part.source.kind == "files":
        for piece in part.pieces:
            for item in files.read_piece(Path(part.root), piece, part.source.text_field):
                yield item, None
        return
    parse = PARSERS[part.source.parser]
    limit, small = archives.LARGEST_MEMBER_BYTES, []
    for piece in part.pieces:
        if piece.stop > limit:
            yield Oversized(piece.name, piece.stop, limit), None
        else:
            small.append(piece.name)
    for name, data in archives.read_members(Path(part.root), small):
        if is_index_page(part.source, name):
            yield Draft(name, ""), Verdict(INDEX_PAGE)
            continue
        try:
            drafts = list(parse(name, data))
        except ValueError as error:
            yield Broken.by(error, name, 0, data), None
            continue
        for draft in drafts:
            yield draft, None
