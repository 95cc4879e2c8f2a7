"""Text to ids and back with a trained SentencePiece model."""

from pathlib import Path

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from antimatter.corpus.shards import require
from antimatter.tokenizer.vocabulary import BOS, EOS


class Encoder:
    """A SentencePiece model that knows our document frame: [BOS] text [EOS]."""

    def __init__(self, model: Path) -> None:
        """Raises: MissingData naming the stage to run."""
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=require(model).read_bytes())

    @property
    def size(self) -> int:
        """Entries of the vocabulary."""
        return int(self._processor.get_piece_size())

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Little-endian uint16, or uint32 above 65,536 entries."""
        return np.dtype("<u2") if self.size <= 65_536 else np.dtype("<u4")

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without a frame; control symbols are never read from text."""
        return list(self._processor.encode(text))

    def documents(self, texts: list[str]) -> list[NDArray[np.unsignedinteger]]:
        """Each text as [BOS] ids [EOS]."""
        return [np.array([BOS, *ids, EOS], dtype=self.dtype) for ids in self._processor.encode(texts, num_threads=1)]

    def decode(self, ids: list[int]) -> str:
        """The text of ids; control symbols leave no trace."""
        return str(self._processor.decode(ids))
