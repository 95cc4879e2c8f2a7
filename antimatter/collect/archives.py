"""Archives (zip, wheel, tar), read in place: no extraction, every member a stream, everything capped.

    zip_members  ->  names and sizes  ->  read_zip  ->  (name, size, stream) ..
                                          read_tar  ->  (name, size, stream) ..

An archive that holds what an attack would hold is refused whole, whether or not we would read that member: links and
special files, names that lead out of it, two members of one name, encrypted members, absurd expansion. One that is
merely damaged is read as far as it goes; then DamagedStream says so. Archives within archives are not opened.
"""

import io
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, NamedTuple

from antimatter.collect.compression import (
    HARMLESS_BYTES,
    LARGEST_EXPANSION,
    AbsurdExpansion,
    buffered,
    opened,
    split_suffix,
)
from antimatter.collect.drafts import LARGEST_DOCUMENT_BYTES
from antimatter.collect.errors import DamagedArchive, DamagedStream
from antimatter.collect.pieces import Piece

LARGEST_MEMBER_BYTES = LARGEST_DOCUMENT_BYTES
MOST_MEMBERS = 1_000_000
LARGEST_DIRECTORY_BYTES = 128 << 20
"""Of a zip file's central directory, which zipfile holds in memory."""
LARGEST_HEADER_BYTES = 1 << 20
"""Of a tar header's extension (long name, PAX), which is held in memory."""
_CHUNK_BYTES = 1 << 18
_ENTRY = b"PK\1\2"
_LONGEST_END = 65_535 + 22 + 20 + 56  # comment, end record, zip64 locator, zip64 end record
_ENCRYPTED, _UTF8_NAME = 0x1, 0x800
_TAR_SHORTHANDS = {".tgz": "gz", ".tbz2": "bz2", ".tbz": "bz2", ".txz": "xz", ".tzst": "zst"}
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


class Member(NamedTuple):
    """A file in an archive."""

    name: str
    """Printable, unique in the archive, with slashes."""
    size: int
    """Bytes, decompressed."""


def kind_of(name: str) -> str:
    """ "zip", "tar" or "" for what is no archive, by the name alone.

    >>> kind_of("a.whl"), kind_of("a.tar.zst"), kind_of("A.TGZ"), kind_of("a.jsonl.gz")
    ('zip', 'tar', 'tar', '')
    """
    lower = name.lower()
    if lower.endswith((".zip", ".whl")):
        return "zip"
    return "tar" if lower.endswith(tuple(_TAR_SHORTHANDS)) or split_suffix(lower)[0].endswith(".tar") else ""


def is_nested(member: str) -> bool:
    """Whether a member is itself an archive, which is not opened; a single compressed file (a.jsonl.gz) is none."""
    return bool(kind_of(member))


def zip_members(archive: Path) -> list[Member]:
    """All files in a zip archive, by name.

    Raises: DamagedArchive if it cannot be read, or holds what is refused (see above).
    """
    with _opened_zip(archive) as file:
        found = _named(archive, file)
        for name, info in found.items():
            _require_harmless(archive, name, info)
    size = archive.stat().st_size
    _require_measure(archive, "its members together", sum(info.file_size for info in found.values()), size)
    return [Member(name, info.file_size) for name, info in sorted(found.items()) if not info.is_dir()]


def read_zip(archive: Path, names: Sequence[str]) -> Iterator[tuple[str, int, BinaryIO]]:
    """(name, size, stream) of members that zip_members listed, in the order of the names; a stream is open until the
    next one is asked for. Reading raises DamagedStream where a member is corrupt.

    Raises: DamagedArchive.
    """
    with _opened_zip(archive) as file:
        found = _named(archive, file)
        for name in names:
            if name not in found:
                raise DamagedArchive(f"{archive} holds no member {name} (any more); run again")
            yield name, found[name].file_size, buffered(_inflated(file, found[name]))


def _inflated(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with file.open(info) as member:
            while chunk := member.read(_CHUNK_BYTES):
                yield chunk
    except _UNREADABLE as error:
        raise DamagedStream(f"is damaged ({_words(error)})") from error


class _DirectoryGuard(io.FileIO):
    """zipfile reads the central directory at once and makes an object of every entry, whatever the file says of their
    number: here it is stopped before."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(0, os.fstat(self.fileno()).st_size - self.tell())
        if size > LARGEST_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"it says that its central directory has {size:,} bytes")
        data = super().read(size) or b""
        if len(data) > MOST_MEMBERS:  # else they cannot be so many
            _require_few(data.count(_ENTRY))
        return data


def _require_few(members: int) -> None:
    if members > MOST_MEMBERS:
        raise zipfile.BadZipFile(f"it says that it holds {members:,} members, more than {MOST_MEMBERS:,}")


@contextmanager
def _opened_zip(archive: Path) -> Iterator[zipfile.ZipFile]:
    with ExitStack() as stack:
        try:
            guard = stack.enter_context(_DirectoryGuard(archive))
            _require_few(_claimed_members(guard))
            file = stack.enter_context(zipfile.ZipFile(guard))
        except _UNREADABLE as error:
            raise DamagedArchive(
                f"{archive} is no readable zip file ({_words(error)}). Delete it and run again, with a whole copy."
            ) from error
        yield file


def _claimed_members(file: io.FileIO) -> int:
    """What the end-of-central-directory record says, or the zip64 one before it; 0 without one."""
    file.seek(max(0, os.fstat(file.fileno()).st_size - _LONGEST_END))
    tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        return 0
    (members,) = struct.unpack_from("<H", tail, end + 10)
    wide = end - 20 - 56
    if wide >= 0 and tail.startswith(b"PK\6\6", wide) and tail.startswith(b"PK\6\7", end - 20):
        (members,) = struct.unpack_from("<Q", tail, wide + 32)
    return int(members)


def _named(archive: Path, file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries by printable name. Raises: DamagedArchive for a name that could mean two things."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in file.infolist():
        name = _printable(_zip_name(info))
        if "\0" in info.orig_filename:
            raise DamagedArchive(f"{archive}: member {name} has NUL in its name; such archives are refused")
        if name in found and not info.is_dir():
            times = sum(_printable(_zip_name(other)) == name for other in file.infolist())
            raise DamagedArchive(f"{archive} holds {times} members named {name}: which one is meant cannot be known")
        found[name] = info
    return found


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Names without the UTF-8 flag are in code page 437 by the standard and in UTF-8 by the habit of many tools."""
    if not info.filename.isascii() and not info.flag_bits & _UTF8_NAME:
        try:
            return info.filename.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return info.filename


def _printable(name: str) -> str:
    """The name, with \\x escapes for bytes that are no UTF-8 and for control characters.

    >>> _printable("a\\n\\udcff.txt")
    'a\\\\n\\\\xff.txt'
    """
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else _escaped(char) for char in name)


def _escaped(char: str) -> str:
    return f"\\x{ord(char) - 0xDC00:02x}" if "\udc80" <= char <= "\udcff" else char.encode("unicode_escape").decode()


def _require_harmless(archive: Path, name: str, info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "link" if kind == stat.S_IFLNK else "special file"
        raise DamagedArchive(f"{archive}: member {name} is a {what}; such archives are refused")
    _require_inside(archive, name)
    if info.flag_bits & _ENCRYPTED:
        raise DamagedArchive(f"{archive}: member {name} is encrypted; put it there decrypted")
    _require_measure(archive, f"member {name}", info.file_size, info.compress_size)


def _require_inside(archive: Path, name: str) -> None:
    if re.match(r"[/\\]|[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise DamagedArchive(f"{archive}: member {name} points out of the archive; such archives are refused")


def _require_measure(archive: Path, what: str, size: int, compressed: int) -> None:
    if size > HARMLESS_BYTES and size > LARGEST_EXPANSION * compressed:
        raise DamagedArchive(
            f"{archive}: {what} would grow from {compressed:,} to {size:,} bytes, as no text does; such archives are "
            "refused"
        )


def read_tar(archive: Path) -> Iterator[tuple[str, int, BinaryIO]]:
    """(name, size, stream) of all files in a tar archive, compressed or not, in its order; a stream is open until the
    next one is asked for. The whole archive is looked through before the first member is delivered.

    Raises: DamagedArchive if it is no tar file or holds what is refused; DamagedStream, from the stream of a member
            and then from here, where it is cut or corrupt: what came before is whole.
    """
    delivered = 0
    try:
        with open(archive, "rb") as file:
            for _ in _tar_members(archive, file):
                delivered += 1
    except OSError as error:
        raise DamagedArchive(f"{archive} cannot be read ({_words(error)})") from error
    except AbsurdExpansion as error:
        raise DamagedArchive(f"{archive} {error}; such archives are refused") from error
    except DamagedStream as error:
        if not delivered:
            raise DamagedArchive(
                f"{archive} is no readable tar file: it {error}. Delete it and run again, with a whole copy."
            ) from error
    with open(archive, "rb") as file:
        yield from _tar_members(archive, file)


def _tar_members(archive: Path, file: BinaryIO) -> Iterator[tuple[str, int, BinaryIO]]:
    lower = archive.name.lower()
    shorthand = next((short for suffix, short in _TAR_SHORTHANDS.items() if lower.endswith(suffix)), "")
    blocks = _Blocks(opened(file, shorthand or split_suffix(lower)[1], archive.stat().st_size))
    names: set[str] = set()
    extended: dict[str, str] = {}
    ended = False
    while block := blocks.header():
        if block.count(0) == len(block):
            ended = True
            continue
        ended = False
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            raise DamagedStream(f"has a damaged tar header before byte {blocks.position:,}") from error
        if header.type in _EXTENSIONS:
            if not 0 <= header.size <= LARGEST_HEADER_BYTES:
                raise DamagedArchive(f"{archive}: a name of {header.size:,} bytes; such archives are refused")
            extended |= _EXTENSIONS[header.type](blocks.content(header.size))
            continue
        name = _printable(extended.get("path", header.name))
        size = _pax_size(extended.get("size", "")) or header.size
        if any(key.startswith("GNU.sparse") for key in extended) or header.type == tarfile.GNUTYPE_SPARSE:
            raise DamagedArchive(f"{archive}: member {name} is a sparse file; such archives are refused")
        extended = {}
        _require_inside(archive, name)
        if header.type in (tarfile.LNKTYPE, tarfile.SYMTYPE):
            raise DamagedArchive(f"{archive}: member {name} is a link; such archives are refused")
        if header.type == tarfile.DIRTYPE:
            continue
        if header.type not in tarfile.REGULAR_TYPES or size < 0:
            raise DamagedArchive(f"{archive}: member {name} is a special file; such archives are refused")
        if "\0" in name or name in names:
            raise DamagedArchive(f"{archive} holds 2 members named {name}: which one is meant cannot be known")
        names.add(name)
        if len(names) > MOST_MEMBERS:
            raise DamagedArchive(f"{archive} holds more than {MOST_MEMBERS:,} members; pack them into several archives")
        yield name, size, buffered(blocks.begin(size))
        blocks.finish()
    if not ended:
        raise DamagedStream("ends without the mark of its end (truncated tar file)")


class _Blocks:
    """A tar file: blocks of 512 bytes, read in order."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = self._padding = 0
        self.position = 0

    def header(self) -> bytes:
        """The next block; b"" at the end."""
        block = self._stream.read(tarfile.BLOCKSIZE)
        self.position += len(block)
        if block and len(block) < tarfile.BLOCKSIZE:
            raise _cut()
        return block

    def begin(self, size: int) -> Iterator[bytes]:
        """The content that follows, `size` bytes; what is not taken of it, finish() passes over."""
        self._left, self._padding = size, -size % tarfile.BLOCKSIZE
        return self._chunks()

    def _chunks(self) -> Iterator[bytes]:
        while self._left:
            chunk = self._stream.read(min(self._left, _CHUNK_BYTES))
            if not chunk:
                raise _cut()
            self._left -= len(chunk)
            self.position += len(chunk)
            yield chunk

    def finish(self) -> None:
        """Go to the next header."""
        self._left, self._padding = self._left + self._padding, 0
        for _ in self._chunks():
            pass

    def content(self, size: int) -> bytes:
        """Small content, whole."""
        data = b"".join(self.begin(size))
        self.finish()
        return data


def _cut() -> DamagedStream:
    return DamagedStream("ends in the middle (truncated tar file)")


def _long_name(content: bytes) -> dict[str, str]:
    return {"path": content.partition(b"\0")[0].decode("utf-8", "surrogateescape")}


def _pax(content: bytes) -> dict[str, str]:
    """Records `<length> <key>=<value>\\n`; length in bytes, of the whole record."""
    records: dict[str, str] = {}
    start = 0
    while start < len(content):
        blank = content.find(b" ", start, start + 10)
        digits = content[start:blank] if blank > 0 else b""
        stop = start + int(digits) if digits.isdigit() else start
        key, equals, value = content[blank + 1 : stop - 1].partition(b"=")
        if not equals or not blank < stop <= len(content):
            raise DamagedStream("has a damaged extended tar header")
        records[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        start = stop
    return records


def _pax_size(digits: str) -> int:
    return int(digits) if digits.isdecimal() and len(digits) < 20 else 0


def _nothing(content: bytes) -> dict[str, str]:
    """Long link names, and PAX records about all members (comments of version control): not ours to know."""
    return {}


_EXTENSIONS = {
    tarfile.GNUTYPE_LONGNAME: _long_name,
    tarfile.GNUTYPE_LONGLINK: _nothing,
    tarfile.XHDTYPE: _pax,
    tarfile.SOLARIS_XHDTYPE: _pax,
    tarfile.XGLTYPE: _nothing,
}


def matching_members(archive: Path, patterns: Sequence[str]) -> list[Piece]:
    """The members of a wheel that match a pattern, by name; * matches / too. One that is too large weighs nothing.

    Raises: DamagedArchive; also if a pattern matches nothing.
    """
    members = zip_members(archive)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name, _ in members):
            raise DamagedArchive(f"{archive}: no member matches {pattern}; correct `members` in params.yaml")
    return [
        Piece(name, 0, size, weight=-1 if size <= LARGEST_MEMBER_BYTES else 0)
        for name, size in members
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]


def read_members(archive: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(name, content) in the order of the names. Raises: DamagedArchive naming the member."""
    for name, _, stream in read_zip(archive, names):
        try:
            content = stream.read(LARGEST_MEMBER_BYTES + 1)
            stream.read(1)  # of a damaged member the beginning is delivered first
        except DamagedStream as error:
            raise DamagedArchive(f"{archive}: member {name} cannot be read (it {error})") from error
        if len(content) > LARGEST_MEMBER_BYTES:
            raise DamagedArchive(f"{archive}: member {name} is larger than {LARGEST_MEMBER_BYTES:,} bytes")
        yield name, content


def _words(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
