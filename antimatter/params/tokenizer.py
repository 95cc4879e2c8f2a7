"""Group `tokenizer`: our own BPE, or one that exists."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from antimatter.params.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """Group `tokenizer` of params.yaml. A change reruns tokenizer and everything after it."""

    kind: Literal["trained", "sentencepiece", "huggingface", "gpt2"] = "trained"
    """trained: BPE on this corpus; sentencepiece, huggingface: `file`; gpt2: GPT-2's encoding by tiktoken (50,257)."""
    file: str = ""
    """The *.model of SentencePiece, or the tokenizer.json of Hugging Face, that is used as it is."""
    sha256: str = ""
    """Of that file, because DVC does not see it change."""
    vocabulary_size: Annotated[int, Range(300, 1_000_000)] = 8192
    """Entries, with the 8 control symbols and the 256 byte tokens. Above 65,536 tokens take four bytes on disk."""
    sample_bytes: Annotated[int, Range(0, 10**15)] = 10_000_000_000
    """Train on about this much text, whole documents chosen by a keyed hash of their id; 0 = all of it."""
    max_words: Annotated[int, Range(1000, 10**9)] = 10_000_000
    """Most different words to train on; beyond that the rarest are left out (all of one count together)."""
    character_coverage: Annotated[float, Range(0.98, 1.0)] = 0.9995
    """Share of the characters that get a piece of their own; the rest is spelt in byte tokens."""
    split_digits: bool = True
    """Every digit is a token of its own, so numbers are spelt alike everywhere."""
    whitespace_pieces: bool = True
    """Learn pieces of line breaks, tabs and indentation; else each line break and each tab costs a byte token."""

    @property
    def entries(self) -> int:
        """Size of the vocabulary as far as parameters tell: an existing file may have another."""
        return 50_257 if self.kind == "gpt2" else self.vocabulary_size

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        if self.kind in ("sentencepiece", "huggingface"):
            if not self.file:
                yield f"kind {self.kind} needs `file`, and `sha256` with what `sha256sum FILE` prints for it"
            elif re.fullmatch("[0-9a-fA-F]{64}", self.sha256) and self.sha256 != self.sha256.lower():
                yield f"`sha256` is written in lower case: {self.sha256.lower()}"
            elif not re.fullmatch("[0-9a-f]{64}", self.sha256):
                yield f"kind {self.kind} needs `sha256`: the 64 hex digits that `sha256sum {self.file}` prints"
        elif self.file or self.sha256:
            yield f"`file` and `sha256` are not read with kind {self.kind}: leave them empty"
