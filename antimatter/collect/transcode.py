"""Streams of lines as UTF-8, whatever they were written in.

Formats of lines (JSON lines, CSV, text between separators) read UTF-8; a byte order mark is passed over, UTF-16 and the
older encodings are translated on the way. One encoding a file, judged by its first bytes.
"""

import codecs
import io
from typing import BinaryIO

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


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def as_utf8(stream: BinaryIO, named: str, guess: bool) -> tuple[BinaryIO, str]:
    """(the stream from its start, in UTF-8 without byte order mark; the encoding it was in)."""
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(Rewound(stream), _BLOCK_BYTES)
    sample = buffered.peek(4)
    if len(sample) < SAMPLE_BYTES:
        sample = buffered.read(SAMPLE_BYTES)
        buffered = io.BufferedReader(Rewound(buffered, sample), _BLOCK_BYTES)
    encoding = encoding_of(sample, named, guess)
    if encoding in ("utf-8", "ascii"):
        return buffered, "utf-8"
    return io.BufferedReader(Rewound(_Translated(buffered, encoding)), _BLOCK_BYTES), encoding


class _Translated:
    """read(n) of the stream in UTF-8. Raises: DamagedStream at the first bytes that are not in the encoding."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self.stream, self.encoding, self.passed = stream, encoding, 0
        self.decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, _size: int = -1) -> bytes:
        while True:
            block = self.stream.read(_BLOCK_BYTES)
            try:
                text = self.decoder.decode(block, final=not block)
            except UnicodeError as error:
                raise DamagedStream(
                    f"taken for {self.encoding}, it is not after byte {self.passed:,} ({error}); say `encoding:`"
                ) from error
            self.passed += len(block)
            if text or not block:
                return text.encode("utf-8", "replace")


class Rewound(io.RawIOBase):
    """What has a read(n) as a raw stream, with bytes that were read before put back in front."""

    def __init__(self, stream: "BinaryIO | _Translated", before: bytes = b"") -> None:
        self.stream, self.before = stream, memoryview(before)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        if not self.before:
            self.before = memoryview(self.stream.read(len(buffer)))
        taken = min(len(buffer), len(self.before))
        buffer[:taken] = self.before[:taken]
        self.before = self.before[taken:]
        return taken
