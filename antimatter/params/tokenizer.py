"""Group `tokenizer`: our own BPE."""

from dataclasses import dataclass
from typing import Annotated

from antimatter.params.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """Group `tokenizer` of params.yaml. A change reruns tokenizer and everything after it."""

    vocabulary_size: Annotated[int, Range(300, 1_000_000)] = 8192
    """Entries, with the 8 control symbols and the 256 byte tokens. Above 65,536 tokens take four bytes on disk."""
    sample_bytes: Annotated[int, Range(0, 10**15)] = 10_000_000_000
    """Train on about this much text, whole documents chosen by a keyed hash of their id; 0 = all of it."""
    character_coverage: Annotated[float, Range(0.9, 1.0)] = 0.9995
    """Share of the characters that get a piece of their own; the rest is spelt in byte tokens."""
    split_digits: bool = True
    """Every digit is a token of its own, so numbers are spelt alike everywhere."""
