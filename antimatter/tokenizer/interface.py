"""What the later stages ask of a tokenizer, whatever made it (opened.open_tokenizer chooses)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Encoded(NamedTuple):
    """The ids of n texts end to end, without frames."""

    ids: NDArray[np.uint32]
    starts: NDArray[np.int64]
    """[n + 1]: text d has ids[starts[d]:starts[d + 1]]"""


class Tokenizer(Protocol):
    """Text to ids and back. Special tokens never come from text: they are put in by id."""

    @property
    def kind(self) -> str:
        """trained | sentencepiece | huggingface | gpt2 (params.tokenizer.Tokenizer.kind)"""
        ...

    @property
    def size(self) -> int:
        """Entries of the vocabulary."""
        ...

    @property
    def specials(self) -> dict[str, int]:
        """Ids by role, for those that exist: pad, bos, eos, unk."""
        ...

    @property
    def markers(self) -> dict[str, int]:
        """Ids of the chat markers <|system|> <|user|> <|assistant|> <|end|>, or nothing."""
        ...

    def encode_batch(self, texts: pa.Array) -> Encoded:
        """Ids of an array of string or large_string without nulls, on one thread."""
        ...

    def encode(self, text: str) -> list[int]:
        """Ids of one text."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special tokens leave no trace, broken UTF-8 becomes U+FFFD."""
        ...

    def pieces(self) -> list[str]:
        """For every id what a person reads: the text it stands for, [BOS], <0x0A> ..."""
        ...

    def token_bytes(self) -> NDArray[np.uint16]:
        """[V]: UTF-8 bytes that each id stands for, 0 for special ones. Over a document they add up to its bytes."""
        ...

    def byte_tokens(self) -> NDArray[np.bool_]:
        """[V]: ids that spell a single byte of a character that has no piece of its own."""
        ...
