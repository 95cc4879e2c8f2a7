"""Members of a zip archive, read in place: no extraction, explicit patterns, everything capped.

An archive with a link, an absolute name or `..` in it is refused whole, whether or not we would read that member.
A member that says it is too large weighs nothing, because it is not read; one that lies about it refuses the archive.
"""

import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from antimatter.collect.errors import DamagedArchive
from antimatter.collect.pieces import Piece

LARGEST_MEMBER_BYTES = 64_000_000
LARGEST_TOTAL_BYTES = 4_000_000_000

_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


def matching_members(archive: Path, patterns: Sequence[str]) -> list[Piece]:
    """The members that match a pattern, by name; * matches / too.

    Raises: DamagedArchive if the archive cannot be read, holds unsafe names, links, two members of one name or too
            much, or if a pattern matches nothing.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [info for info in opened.infolist() if not info.is_dir()]
    except _UNREADABLE as error:
        raise DamagedArchive(f"{archive} is no readable zip file ({error}). Delete it and run again.") from error
    for info in members:
        _require_harmless(archive, info)
    names = [info.filename for info in members]
    name, times = max(Counter(names).items(), key=lambda item: item[1], default=("", 0))
    if times > 1:
        raise DamagedArchive(f"{archive} holds {times} members named {name}: which one is meant cannot be known")
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise DamagedArchive(f"{archive}: no member matches {pattern}; correct `members` in params.yaml")
    chosen = [info for info in members if any(fnmatchcase(info.filename, pattern) for pattern in patterns)]
    total = sum(info.file_size for info in chosen if info.file_size <= LARGEST_MEMBER_BYTES)
    if total > LARGEST_TOTAL_BYTES:
        raise DamagedArchive(f"{archive}: the chosen members hold {total:,} bytes, more than {LARGEST_TOTAL_BYTES:,}")
    return [
        Piece(info.filename, 0, info.file_size, weight=-1 if info.file_size <= LARGEST_MEMBER_BYTES else 0)
        for info in sorted(chosen, key=lambda info: info.filename)
    ]


def read_members(archive: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(name, content) in the order of the names. Raises: DamagedArchive naming the member."""
    with zipfile.ZipFile(archive) as opened:
        for name in names:
            try:
                with opened.open(name) as member:
                    content = member.read(LARGEST_MEMBER_BYTES + 1)
            except (*_UNREADABLE, KeyError) as error:
                raise DamagedArchive(f"{archive}: member {name} cannot be read ({error})") from error
            if len(content) > LARGEST_MEMBER_BYTES:
                raise DamagedArchive(f"{archive}: member {name} is larger than {LARGEST_MEMBER_BYTES:,} bytes")
            yield name, content


def _require_harmless(archive: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DamagedArchive(f"{archive}: member {name} is a link; such archives are refused")
    if re.match(r"[/\\]|[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise DamagedArchive(f"{archive}: member {name} points out of the archive; such archives are refused")
