"""The bytes that each id of a vocabulary stands for, and what follows from them: text, pieces to read, counts.

id      stands for      piece           bytes
0                       <|endoftext|>   0
17      b" the"         " the"          4
98      b"\\xe2\\x82"   <0xE2><0x82>    2
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from antimatter.tokenizer.interface import Encoded


class Spelling:
    """A vocabulary as bytes; `names` holds the ids that people know by a name: special ones, byte tokens."""

    def __init__(self, stands_for: Sequence[bytes], names: Mapping[int, str]) -> None:
        self._stands_for, self._names = stands_for, names

    def __len__(self) -> int:
        return len(self._stands_for)

    def text(self, ids: Iterable[int]) -> str:
        """The text of ids; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(self._stands_for[i] for i in ids).decode("utf-8", "replace")

    def pieces(self) -> list[str]:
        """As Tokenizer.pieces promises; bytes that are no characters by themselves are written <0xE2>."""
        return [self._names.get(i) or _shown(spelt) for i, spelt in enumerate(self._stands_for)]

    def token_bytes(self) -> NDArray[np.uint16]:
        """[V]: the bytes of each id."""
        return np.fromiter(map(len, self._stands_for), dtype=np.uint16, count=len(self))

    def byte_tokens(self) -> NDArray[np.bool_]:
        """[V]: ids of one byte that is no character by itself, or that is known by a name (<0x0A>)."""
        single = (
            len(spelt) == 1 and (spelt[0] >= 0x80 or i in self._names) for i, spelt in enumerate(self._stands_for)
        )
        return np.fromiter(single, dtype=np.bool_, count=len(self))


def _shown(spelt: bytes) -> str:
    text = spelt.decode("utf-8", "surrogateescape")  # a byte out of place becomes U+DC80 .. U+DCFF
    return "".join(f"<0x{ord(c) - 0xDC00:02X}>" if "\udc80" <= c <= "\udcff" else c for c in text)


UTF8_BYTES = frozenset([*range(0xC0), *range(0xC2, 0xF5)])
"""The bytes that occur in UTF-8: a vocabulary that lacks one of them cannot spell every text."""


def missing_bytes(stands_for: Iterable[bytes]) -> int:
    """How many of the bytes of UTF-8 have no id of their own."""
    return len(UTF8_BYTES - {spelt[0] for spelt in stands_for if len(spelt) == 1})


def end_to_end(texts: Sequence[NDArray[np.uint32]]) -> Encoded:
    """The ids of several texts as one Encoded."""
    starts = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(ids) for ids in texts], out=starts[1:])
    return Encoded(np.concatenate([*texts, np.empty(0, dtype=np.uint32)]), starts)
