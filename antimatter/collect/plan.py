"""The plan: all sources cut into parts, from input sizes alone. One part becomes one shard, or several if it
cannot be cut.

The number of workers has no say in it, nor in what a budget (max_documents, max_bytes) takes: every part gets its share
of the budget here and spends it in the order of its documents.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import xxhash

from antimatter.collect import files, hub, measure
from antimatter.collect.cutting import cut
from antimatter.collect.errors import MissingSource, SourceError
from antimatter.collect.hub_requests import Dataset
from antimatter.collect.packages import Package, fetch_all
from antimatter.collect.pieces import Piece, pack, shares
from antimatter.params.collect import Collect, Source
from antimatter.params.loader import to_plain


@dataclass(frozen=True)
class Part:
    """What one worker reads at once."""

    source: Source
    root: str
    """The folder that the names of the pieces start from."""
    pieces: tuple[Piece, ...]
    max_documents: int | None
    """This part's share of source.max_documents; None = all."""
    max_bytes: int | None


class Located(NamedTuple):
    """The files of a source on this machine."""

    root: Path
    names: list[str]
    """Relative to root, in the order in which they are read."""
    ignored: Counter[str]
    """What lies there and is no file that we could read."""


def locate(settings: Collect, cache: Path) -> tuple[dict[str, Located], dict[str, MissingSource]]:
    """({source: its files}, {source: why it cannot be had}); fetches what is not in the cache.

    Raises: WrongDigest; SourceError for a dataset, revision or file that does not exist.
    """
    packages = {s.name: Package(s.package, s.file, s.sha256) for s in settings.sources if s.kind == "package"}
    fetched = fetch_all(packages.values(), cache)
    listed = _listings([source for source in settings.sources if source.kind == "hub"], cache)
    found: dict[str, Located] = {}
    missing: dict[str, MissingSource] = {}
    for source in settings.sources:
        try:
            if source.kind == "package":
                place = fetched[packages[source.name]]
                if isinstance(place, MissingSource):
                    raise place
                found[source.name] = Located(place.parent, [place.name], Counter())
            elif source.kind == "hub":
                found[source.name] = _of_the_hub(source, listed[source.name], settings.budget(source), cache)
            else:
                ignored = Counter[str]()
                found[source.name] = Located(*files.find(source.path, ignored), ignored)
                _require_no_link(source)
        except MissingSource as error:
            missing[source.name] = error
    _require_disjoint([source for source in settings.sources if source.kind == "files"], found)
    return found, missing


def _require_no_link(source: Source) -> None:
    """Raises: SourceError for a link on the way below input/: DVC and our fingerprint do not look behind it."""
    path = Path(source.path)
    linked = [place for place in (path, *path.parents) if place.is_symlink()]
    if linked and not source.version:
        raise SourceError(
            f"source {source.name}: {linked[0]} is a link, behind which DVC sees no change. Name the folder that it "
            "leads to, with a `version`."
        )


def _require_disjoint(sources: Sequence[Source], found: Mapping[str, Located]) -> None:
    """Raises: SourceError if two sources read the same file whole: every document would be there twice."""
    reader: dict[Path, str] = {}
    for source in (source for source in sources if source.name in found and not source.members):
        root, names, _ = found[source.name]
        base = root.resolve()
        for name in names:
            other = reader.setdefault(base / name, source.name)
            if other != source.name:
                raise SourceError(
                    f"sources {other} and {source.name} both read {root / name}: its documents would be there twice. "
                    "Give each source a folder or pattern of its own."
                )


Listed = list[hub.RemoteFile] | MissingSource


def _listings(sources: Sequence[Source], cache: Path) -> dict[str, Listed]:
    """What each hub source holds, asked for side by side: without a network each takes half a minute to give up."""

    def listing(source: Source) -> Listed:
        try:
            return hub.listing(_dataset(source), cache)
        except MissingSource as missing:
            return missing

    with ThreadPoolExecutor(max_workers=8) as threads:
        return dict(zip([source.name for source in sources], threads.map(listing, sources), strict=True))


def _dataset(source: Source) -> Dataset:
    return Dataset(source.dataset, source.revision, source.members)


def _of_the_hub(source: Source, listed: Listed, budget: int, cache: Path) -> Located:
    """The files that the source's budget needs, downloaded. Raises: MissingSource."""
    if isinstance(listed, MissingSource):
        raise listed
    dataset = _dataset(source)

    def text_bytes(file: hub.RemoteFile) -> int:
        (path,) = hub.fetch_files(dataset, [file], cache)
        return measure.text_bytes(path, file.path, source)

    chosen = hub.choose(listed, budget, text_bytes)
    hub.fetch_files(dataset, chosen, cache)
    return Located(hub.folder(dataset, cache), sorted(file.path for file in chosen), Counter())


def make(settings: Collect, found: Mapping[str, Located]) -> tuple[list[Part], dict[str, Counter[str]]]:
    """(parts in the order of the sources, {source: {suffix: files that nobody can read}}).

    Raises: DamagedArchive for a package that is refused.
    """
    parts: list[Part] = []
    ignored: dict[str, Counter[str]] = {}
    for source in (source for source in settings.sources if source.name in found):
        root, names, ignored[source.name] = found[source.name]
        pieces = [
            piece for name in names for piece in cut(root, name, source, settings.shard_bytes, ignored[source.name])
        ]
        packed = list(pack(pieces, settings.shard_bytes))
        sizes = [sum(piece.size for piece in part) for part in packed]
        documents = _budget(source.max_documents, sizes)
        text_bytes = _budget(settings.budget(source), sizes)
        parts += [
            Part(source, str(root), part, documents[index], text_bytes[index]) for index, part in enumerate(packed)
        ]
    return parts, ignored


def _budget(total: int, sizes: Sequence[int]) -> Sequence[int | None]:
    return shares(total, sizes) if total else [None] * len(sizes)


def digest(parts: Sequence[Part]) -> str:
    """32 hex digits that name a plan: a source that was missing the first time makes another plan."""
    plain = [[part.source.name, *to_plain(part)["pieces"], part.max_documents, part.max_bytes] for part in parts]
    return xxhash.xxh3_128(json.dumps(plain).encode()).hexdigest()
