"""What reading yields: a draft of a document, bytes that cannot be one, or word of what was not read.

Here text is decoded, and no further edited: that is clean's work.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

ENCODING, FIELD, SHAPE, DAMAGE, HOSTILE = "encoding", "field", "shape", "damage", "hostile"
LARGEST_DOCUMENT_BYTES = 64_000_000
"""Of one document, which has to fit into memory beside others."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)  # not frozen: that makes building one four times as slow, and there is one a document
class Draft:
    """A document before it is judged."""

    origin: str
    """Where in the source: path, path:byte offset, path:row, or member[#key]."""
    text: str
    key: str = ""
    """The source's own name for it, where it has one."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Broken:
    """Raw bytes that could not be decoded or do not have the promised shape."""

    origin: str
    offset: int
    """Where `data` begins in its file or member; -1 where that is not known."""
    error: str
    data: bytes
    cause: str = ""
    """ENCODING, FIELD or SHAPE: what the user is told to do about it hangs on this."""

    @classmethod
    def by(cls, error: ValueError, origin: str, offset: int, data: bytes) -> "Broken":
        """What the error made of these bytes."""
        cause = FIELD if isinstance(error, NoTextField) else SHAPE
        if isinstance(error, UnicodeError) or b"\0" in data:  # every other byte of UTF-16
            cause = ENCODING
        return cls(origin, offset, str(error), data, cause)


@dataclass(frozen=True, slots=True)
class Unread:
    """A file, a member, or the rest of one, that could not be read; its bytes stay where they are."""

    origin: str
    error: str
    size: int
    """Input bytes."""
    cause: str = ""
    """FIELD, SHAPE, ENCODING, DAMAGE or HOSTILE."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """A document that is not read, because it would not fit into memory beside others."""

    origin: str
    size: int
    """Bytes."""
    limit: int


@dataclass(frozen=True, slots=True)
class IndexPage:
    """A file or member that the source names as one that only lists others."""

    origin: str


Item = Draft | Broken | Oversized | Unread | IndexPage


class NoTextField(ValueError):
    """A record without a text in the field that should hold one."""


def without_surrogates(text: str) -> str:
    """Lone surrogates, which JSON can spell but UTF-8 cannot hold, become U+FFFD.

    >>> without_surrogates(json.loads('"a\\\\ud800b"')) == "a\\ufffdb"
    True
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def decode(data: bytes) -> str:
    """UTF-8, with or without a byte order mark, lines ended by \\n.

    Raises: UnicodeDecodeError with the position of the first bad byte.

    >>> decode(b"\\xef\\xbb\\xbfone\\r\\ntwo\\rthree")
    'one\\ntwo\\nthree'
    """
    text = data.decode("utf-8").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def parse_json(data: bytes) -> Any:
    """JSON in UTF-8. Unlike the standard library's, it loses nothing in silence: a key that stands twice is an error.

    Raises: ValueError (UnicodeDecodeError, JSONDecodeError among them).
    """
    text = data.decode("utf-8").removeprefix("\ufeff")
    try:
        if text.startswith("{"):  # nearly always: without the decoder's two searches for white space
            with contextlib.suppress(StopIteration):  # its sign of a value that is none; decode says it in words
                value, end = _SCAN(text, 0)
                if end == len(text) or text[end:].isspace():
                    return value
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {key!r} stands twice in one object")
    return result


_DECODER = json.JSONDecoder(object_pairs_hook=_object)  # json.loads would build one for every line
_SCAN: Callable[[str, int], tuple[Any, int]] = vars(_DECODER)["scan_once"]
