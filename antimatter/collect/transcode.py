"""Streams of lines as UTF-8, whatever they were written in.

Formats of lines (JSON lines, CSV, text between separators) read UTF-8; a byte order mark is passed over, UTF-16 and the
older encodings are translated on the way. One encoding a file, judged by its first bytes.
"""

import codecs
import itertools
from collections.abc import Iterator
from typing import BinaryIO

from antimatter.collect.compression import buffered
from antimatter.collect.encodings import codec, detect
from antimatter.collect.errors import DamagedStream

SAMPLE_BYTES = 256_000
_BLOCK_BYTES = 1_000_000


def encoding_of(sample: bytes, named: str, guess: bool) -> str:
    """Python's name of the encoding of a file that begins with the sample.

    named  by the user; goes first
    guess  whether an older encoding may be detected where nothing names one. JSON must be UTF-8 (RFC 8259, 8.1), and
           one bad byte in it is rather damage; a spreadsheet's CSV is often in the encoding of its country.
    """
    if named:
        return codecs.lookup(named).name
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample[:SAMPLE_BYTES])  # the sample may end inside a character
        return "utf-8"
    except UnicodeDecodeError:
        found = detect(sample[:SAMPLE_BYTES]) if guess else None
        return codec(found or "utf-8")  # if not known, every line that is no UTF-8 is quarantined


UTF8 = ("utf-8", "utf-8-sig", "ascii")
"""Encodings whose bytes can be read as UTF-8."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def as_utf8(stream: BinaryIO, named: str, guess: bool) -> tuple[BinaryIO, str]:
    """(the stream from its start, in UTF-8 without byte order mark; the encoding it was in). What comes before a damage
    is delivered first."""
    sample = stream.read(SAMPLE_BYTES)
    encoding = encoding_of(sample, named, guess)
    if encoding == "utf-8-sig":
        sample = sample.removeprefix(codecs.BOM_UTF8)
    chunks = _chunks(stream, sample)
    if encoding in UTF8:
        return buffered(chunks), "utf-8"
    return buffered(_translated(chunks, encoding)), encoding


def rewound(stream: BinaryIO, before: bytes) -> BinaryIO:
    """The stream with bytes that were read of it put back in front."""
    return buffered(_chunks(stream, before))


def _chunks(stream: BinaryIO, before: bytes) -> Iterator[bytes]:
    yield before
    while chunk := stream.read(_BLOCK_BYTES):
        yield chunk


def _translated(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Raises: DamagedStream at the first bytes that are not in the encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    passed = 0
    for chunk in itertools.chain(chunks, [b""]):
        try:
            yield decoder.decode(chunk, final=not chunk).encode("utf-8", "replace")
        except UnicodeDecodeError as error:
            right = bytes(error.object)[: error.start]
            text = codecs.getincrementaldecoder(error.encoding)().decode(right)
            yield text.removeprefix("" if passed else "\ufeff").encode("utf-8", "replace")
            raise DamagedStream(
                f"taken for {encoding}, it is not after byte {passed:,} ({error.reason}); say `encoding:`"
            ) from error
        passed += len(chunk)
