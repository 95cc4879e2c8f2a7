"""One part of the plan to its shards: documents, removed, quarantine. Runs in a worker."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from antimatter.collect.drafts import Broken, Draft, IndexPage, Oversized, Unread, without_surrogates
from antimatter.collect.filling import Shelf
from antimatter.collect.judge import (
    BUDGET,
    INDEX_PAGE,
    REFUSED,
    TOO_LARGE,
    UNDECODABLE,
    UNREADABLE_FILE,
    Budget,
    Verdict,
    judge,
)
from antimatter.collect.plan import Part
from antimatter.collect.reading import read_pieces
from antimatter.corpus.ledger import Counts, Removal
from antimatter.corpus.schema import document_id

_EXAMPLES = 3


def part_folder(folder: Path, index: int) -> Path:
    """Where the shards of part i lie."""
    return folder / f"part-{index:05d}"


def collect_part(numbered: tuple[int, Part], *, folder: Path, shard_bytes: int) -> dict[str, Any]:
    """Read part i and write its shards below folder/part-<i>/; its counts.

    Raises: SourceError if the system refuses to read a file; DamagedArchive for a package that is refused.
    """
    index, part = numbered
    source, budget = part.source, Budget(part.max_documents, part.max_bytes)
    shelf = Shelf(part_folder(folder, index), index, source.name, shard_bytes)
    counts, tally = Counts(), Tally()
    flow = counts.flow(source.name)
    identities = _Identities(source.name)

    def remove(identity: bytes, verdict: Verdict) -> None:
        shelf.remove(Removal(id=identity, source=source.name, row=flow.documents_in - 1, **verdict._asdict()))
        counts.removed(source.name, verdict.reason)

    for item in read_pieces(Path(part.root), part.pieces, source, tally.ignored):
        origin = item.origin if item.origin.isascii() else without_surrogates(item.origin)
        identity = identities.of(origin)
        flow.documents_in += 1
        if isinstance(item, Draft):
            text, size = item.text, len(item.text)
            if not text.isascii():
                try:
                    size = len(text.encode())
                except UnicodeEncodeError:
                    text = without_surrogates(text)
                    size = len(text.encode())
                    tally.surrogates += 1
            flow.bytes_in += size
            verdict = judge(source, item) or (None if budget.take(size) else Verdict(BUDGET))
            if verdict:
                remove(identity, verdict)
                continue
            flow.documents_out += 1
            flow.bytes_out += size
            if item.metadata:
                tally.encodings[item.metadata.get("encoding", "")] += 1
            shelf.keep(identity, text, origin, _plain(item.metadata), size)
        elif isinstance(item, IndexPage):
            remove(identity, Verdict(INDEX_PAGE))
        elif isinstance(item, Oversized):
            flow.bytes_in += item.size
            tally.reject(item.size)
            remove(identity, Verdict(TOO_LARGE, item.size, item.limit))
        else:
            error = without_surrogates(item.error)
            data = item.data if isinstance(item, Broken) else b""
            flow.bytes_in += len(data)
            tally.lost(item, origin, error)
            shelf.quarantine(origin, item.offset if isinstance(item, Broken) else -1, error, data)
            remove(identity, Verdict(_reason(item)))

    totals = {"documents": flow.documents_in, "bytes": flow.bytes_in, "shards": shelf.finish()}
    return {**totals, "source": source.name, "counts": counts.to_plain(), **tally.to_plain()}


def _plain(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    if "".join((*metadata, *metadata.values())).isascii():
        return list(metadata.items())
    return [(without_surrogates(name), without_surrogates(value)) for name, value in metadata.items()]


def _reason(item: Broken | Unread) -> str:
    if isinstance(item, Broken):
        return UNDECODABLE
    return REFUSED if item.cause == "hostile" else UNREADABLE_FILE


class Tally:
    """What is counted beside the documents."""

    def __init__(self) -> None:
        self.ignored, self.encodings, self.causes = Counter[str](), Counter[str](), Counter[str]()
        self.examples: dict[str, list[str]] = {}
        self.surrogates = self.rejected_documents = self.rejected_bytes = self.unread_bytes = 0

    def reject(self, size: int) -> None:
        """A record or file of so many bytes that could not become a document."""
        self.rejected_documents += 1
        self.rejected_bytes += size

    def lost(self, item: Broken | Unread, origin: str, error: str) -> None:
        """What was rejected, with its cause; the first few of each in words."""
        if isinstance(item, Unread):
            self.unread_bytes += item.size
        self.reject(item.size if isinstance(item, Unread) else len(item.data))
        self.causes[item.cause] += 1
        told = self.examples.setdefault(item.cause, [])
        if len(told) < _EXAMPLES:
            told.append(f"{origin[:200]}: {error[:300]}")

    def to_plain(self) -> dict[str, Any]:
        """JSON-ready."""
        self.encodings.pop("", None)
        sizes = {"bytes": self.rejected_bytes, "unread_bytes": self.unread_bytes}
        return {
            "rejected": {"documents": self.rejected_documents, **sizes},
            "surrogates_replaced": self.surrogates,
            "causes": dict(sorted(self.causes.items())),
            "examples": dict(sorted(self.examples.items())),
            "ignored": dict(sorted(self.ignored.items())),
            "encodings": dict(sorted(self.encodings.items())),
        }


class _Identities:
    """document_id for many origins of one source: the source is hashed once."""

    def __init__(self, source: str) -> None:
        self.prefix = _prefixed(source)
        assert self.of("a") == document_id(source, "a")

    def of(self, origin: str) -> bytes:
        return xxhash.xxh3_128_digest(self.prefix + _prefixed(origin))


def _prefixed(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return len(encoded).to_bytes(8, "little") + encoded
