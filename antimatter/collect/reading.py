"""From pieces to documents: open the file, undo archive and compression, hand the rest to its format.

    crawl.zip  ->  member a.jsonl.gz  ->  gz  ->  jsonl  ->  documents crawl.zip/a.jsonl.gz:0, :1, ...

What a file cannot give is told in its place: bad records are Broken, and a file that ends in the middle, lies about its
size or is refused gives one Unread behind the documents that were read before.
"""

import io
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from antimatter.collect import archives, compression, drafts, encodings, transcode
from antimatter.collect.drafts import DAMAGE, FIELD, HOSTILE, IndexPage, Item, Oversized, Unread
from antimatter.collect.errors import DamagedArchive, DamagedStream, SourceError
from antimatter.collect.formats import arrow, delimited, html, json_values, jsonl, parquet, shapes, text, warc
from antimatter.collect.formats.rows import NoTextColumn
from antimatter.collect.pieces import Piece
from antimatter.params.collect import SHAPES, Source

Read = Callable[[BinaryIO, str, Source], Iterable[Item]]

_STREAMS: dict[str, Read] = {
    "text": text.read,
    "jsonl": jsonl.read,
    "json": json_values.read,
    "csv": delimited.read,
    "tsv": delimited.read,
    "arrow": arrow.read,
    "html": html.read,
    "warc": warc.read,
    **dict.fromkeys(SHAPES, shapes.read),
}
_OF_LINES = ("jsonl", "json", "csv", "tsv")
"""Read as UTF-8, translated on the way where they are not."""

_SUFFIXES = {
    "text": (".txt", ".text", ".md", ".markdown", ".rst"),
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".arrows", ".feather", ".ipc"),
    "html": (".html", ".htm", ".xhtml"),
    "warc": (".warc", ".wet"),
}
_BY_SUFFIX = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes}

_LARGEST_IN_MEMORY = 4 * drafts.LARGEST_DOCUMENT_BYTES
"""Of a Parquet file inside an archive or compression: it must be sought in."""


class Identity(NamedTuple):
    """What a file is, by its name and the source's format."""

    container: str
    """zip, tar or nothing."""
    format: str
    compression: str


def identify(name: str, source: Source) -> Identity | None:
    """What this file is taken for; None if its suffix says nothing and the source neither.

    >>> identify("a/crawl.JSONL.gz", Source(name="s", kind="files", path="input"))
    Identity(container='', format='jsonl', compression='gz')
    """
    container = archives.kind_of(name)
    if container:
        return Identity(container, source.format, "")
    stem, compressed = compression.split_suffix(name)
    by_suffix = _BY_SUFFIX.get(PurePosixPath(stem).suffix.lower(), "")
    if source.format == "auto":
        return Identity("", by_suffix, compressed) if by_suffix else None
    if source.format == "csv" and by_suffix == "tsv":
        return Identity("", "tsv", compressed)
    return Identity("", source.format, compressed)


def suffix_of(name: str) -> str:
    """.pdf, or words: how an ignored file is counted."""
    return PurePosixPath(name).suffix.lower() or "no suffix"


def printable(name: str) -> str:
    """File names may hold any bytes; Arrow and JSON want Unicode."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def can_be_cut(path: Path, identity: Identity, source: Source) -> bool:
    """Whether a plain file may be read from any byte on: lines, or text between separators, in UTF-8."""
    if identity.container or identity.compression:
        return False
    if identity.format not in ("jsonl", "csv", "tsv") and not (
        identity.format == "text" and text.can_be_cut(source.separator)
    ):
        return False
    with open(path, "rb") as file:
        sample = file.read(transcode.SAMPLE_BYTES)
    return transcode.encoding_of(sample, source.encoding, _may_guess(identity)) in transcode.UTF8


def _may_guess(identity: Identity) -> bool:
    return identity.format not in ("json", "jsonl")


def read_pieces(root: Path, pieces: Iterable[Piece], source: Source, ignored: Counter[str]) -> Iterator[Item]:
    """Everything in the pieces, in order. Counts members that nobody can read in `ignored`, by suffix.

    Raises: SourceError if the system refuses to read a file; DamagedArchive for a package that is refused.
    """
    for name, group in itertools.groupby(pieces, key=lambda piece: piece.name):
        path = root / name
        try:
            members = list(group)
            if members[0].member:
                yield from _members(path, members, source, ignored)
            else:
                for piece in members:
                    place = printable(name) + (f"[{piece.start}:]" if piece.start else "")
                    told = _told(_read_file(path, piece, source, ignored), place, piece.size, source)
                    yield from _without_path(told, path, printable(name))
        except (PermissionError, FileNotFoundError, IsADirectoryError) as error:
            raise SourceError(f"source {source.name}: {name} cannot be read ({error.strerror})") from error


def _told(items: Iterable[Item], origin: str, size: int, source: Source) -> Iterator[Item]:
    """The items, and word of what stopped them."""
    try:
        for item in items:
            if isinstance(item, Unread) and not item.size:
                item = replace(item, size=size)
            yield item
    except NoTextColumn as error:
        yield Unread(origin, str(error), size, FIELD)
    except DamagedStream as error:
        yield Unread(origin, str(error), size, HOSTILE if isinstance(error, compression.AbsurdExpansion) else DAMAGE)
    except DamagedArchive as error:
        if source.kind == "package":  # pinned by digest: nothing that a second look would mend
            raise
        yield Unread(origin, str(error), size, HOSTILE)


def _without_path(items: Iterable[Item], path: Path, name: str) -> Iterator[Item]:
    """The items, with the path of this machine out of the errors: they stand in the outputs."""
    for item in items:
        if isinstance(item, Unread) and str(path) in item.error:
            item = replace(item, error=item.error.replace(str(path), name))
        yield item


def _read_file(path: Path, piece: Piece, source: Source, ignored: Counter[str]) -> Iterator[Item]:
    identity, origin = identify(piece.name, source), printable(piece.name)
    if identity is None:
        ignored[suffix_of(piece.name)] += 1
    elif identity.container == "tar":
        for name, size, member in archives.read_tar(path):
            plain = name.removeprefix("./")
            if not source.members or any(fnmatchcase(plain, pattern) for pattern in source.members):
                yield from _read_member(member, name, size, _member_origin(source, origin, name), source, ignored)
    elif identity.container:
        list(archives.zip_members(path))  # a zip file comes here only if it was refused: say why again
    elif _is_index_page(source, piece.name):
        yield IndexPage(origin)
    elif identity.format == "parquet" and not identity.compression:
        stop = None if piece.weight < 0 else piece.stop
        yield from parquet.read_rows(str(path), piece.start, stop, origin, source)
    elif identity.format == "arrow" and not identity.compression and arrow.is_file(str(path)):
        yield from arrow.read_batches(str(path), piece.start, piece.stop, origin, source)
    elif can_be_cut(path, identity, source):
        with open(path, "rb", buffering=1 << 18) as file:
            if identity.format in ("csv", "tsv") and piece.start == 0:
                yield from delimited.read(file, origin, source)
            elif identity.format in ("csv", "tsv"):
                yield from delimited.read_range(file, piece.start, piece.stop, piece.number, origin, source)
            else:
                read_range = jsonl.read_range if identity.format == "jsonl" else text.read_range
                yield from read_range(file, piece.start, piece.stop, origin, source)
    elif _is_too_large(identity, source, piece.stop):
        yield Oversized(origin, piece.stop, drafts.LARGEST_DOCUMENT_BYTES)
    else:
        with open(path, "rb") as file:
            yield from _read_stream(file, identity, piece.stop, origin, source)


def _is_too_large(identity: Identity, source: Source, size: int) -> bool:
    """Whether a file is one document that is not even looked at."""
    whole = identity.format == "html" or (identity.format == "text" and not source.separator)
    return whole and not identity.compression and size > drafts.LARGEST_DOCUMENT_BYTES


def _read_stream(stream: BinaryIO, identity: Identity, size: int, origin: str, source: Source) -> Iterator[Item]:
    """The documents of a stream that is perhaps compressed; `size` as stored."""
    if identity.compression:
        stream = compression.opened(stream, identity.compression, size)
    if identity.format == "parquet":
        data, size = compression.read_whole(stream, _LARGEST_IN_MEMORY)
        if size > _LARGEST_IN_MEMORY:
            raise DamagedStream(f"a Parquet file of more than {_LARGEST_IN_MEMORY:,} bytes must lie unpacked on disk")
        yield from parquet.read_rows(io.BytesIO(data), 0, None, origin, source)
        return
    if identity.format in _OF_LINES or (identity.format == "text" and source.separator):
        stream, encoding = transcode.as_utf8(stream, source.encoding, _may_guess(identity))
        if encoding != "utf-8":
            yield from _with_encoding(_STREAMS[identity.format](stream, origin, source), encoding)
            return
    yield from _STREAMS[identity.format](stream, origin, source)


def _with_encoding(items: Iterable[Item], encoding: str) -> Iterator[Item]:
    """The items, the documents among them with the name of the encoding that their file was in."""
    for item in items:
        if isinstance(item, drafts.Draft):
            item.metadata = {**item.metadata, "encoding": encodings.canonical(encoding) or encoding}
        yield item


def _members(path: Path, pieces: list[Piece], source: Source, ignored: Counter[str]) -> Iterator[Item]:
    """The chosen members of a zip archive, opened once."""
    archive = printable(pieces[0].name)
    for name, size, member in archives.read_zip(path, [piece.member for piece in pieces]):
        yield from _read_member(member, name, size, _member_origin(source, archive, name), source, ignored)


def _member_origin(source: Source, archive: str, member: str) -> str:
    """A package is one archive, and its documents are named by their members alone."""
    return printable(member) if source.kind == "package" else f"{archive}/{printable(member)}"


def _read_member(
    stream: BinaryIO, name: str, size: int, origin: str, source: Source, ignored: Counter[str]
) -> Iterator[Item]:
    identity = identify(name, source)
    if identity is None:
        ignored[suffix_of(name)] += 1
    elif identity.container:
        yield Unread(origin, "an archive inside an archive is not opened; unpack it", size, HOSTILE)
    elif _is_index_page(source, name):
        yield IndexPage(origin)
    elif _is_too_large(identity, source, size):
        yield Oversized(origin, size, drafts.LARGEST_DOCUMENT_BYTES)
    else:
        yield from _told(_read_stream(stream, identity, size, origin, source), origin, size, source)


def _is_index_page(source: Source, name: str) -> bool:
    """Whether the source names this file or member as one that only lists others."""
    return any(fnmatchcase(name, pattern) for pattern in source.index_pages)
