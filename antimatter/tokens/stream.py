"""Tokens straight from documents: what data/tokens would hold, without writing it.

    stream = TokenStream(Path("data/deduplicated/documents"), tokenizer, settings)
    for id_, ids in stream: ...          [BOS] text [EOS], document by document
    for block in stream.blocks(1025): ...

The ids of split `train`, and their order, are those of data/tokens/train/shard-*.bin to the byte. Of split `validation`
so are those of a corpus that is split inside its documents; otherwise the held-out documents come too that the stage
removes because the training text has seen them (split.overlap): only the whole corpus tells which. Memory: the text and
ids of one row group, about 8 MB of text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.shards import read_row_groups, rows_in, shard_paths
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer.interface import Encoded, Tokenizer
from antimatter.tokens.binary import SPLITS
from antimatter.tokens.dropout import require_dropout, spelt_at_random
from antimatter.tokens.frames import frame_of, parted, put_on
from antimatter.tokens.split import are_validation, cut_of, is_by_position


class Framed(NamedTuple):
    """A document, or the part of it that belongs to the split."""

    shard: int
    row: int
    """In the shard; (shard, row + 1) is the `start` of a stream that goes on behind it."""
    id: bytes
    ids: NDArray[np.uint32]
    """With the frame."""


@dataclass(frozen=True)
class TokenStream:
    """The documents of a split, tokenized as they are read; each iteration starts anew.

    documents  folder of document shards: all of them, because their number decides how a corpus is split
    split      train | validation
    start      (shard, row) of the first document to read
    shards     those to read, ascending; range(rank, n, world) parts n shards among ranks. Without it, all

    Raises: MissingData, DamagedShard, NoDropout; ValueError for another split or shards that are not there.
    """

    documents: Path
    tokenizer: Tokenizer
    settings: Tokenize
    split: str = "train"
    start: tuple[int, int] = (0, 0)
    shards: range | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be read before anything is."""
        if self.split not in SPLITS:
            raise ValueError(f"a split is one of {', '.join(SPLITS)}, not {self.split!r}")
        paths = shard_paths(self.documents)
        if self._dropout and not is_by_position(sum(map(rows_in, paths)), self.settings):
            require_dropout(self.tokenizer)
        count = len(paths)
        if self.shards and not (self.shards.step > 0 and 0 <= self.shards[0] <= self.shards[-1] < count):
            raise ValueError(f"{self.documents} has shards 0 to {count - 1}; {self.shards} were asked for")

    def __iter__(self) -> Iterator[tuple[bytes, NDArray[np.uint32]]]:
        """(document id, framed ids uint32 [t]) in order of shards and rows."""
        for document in self.framed():
            yield document.id, document.ids

    def framed(self) -> Iterator[Framed]:
        """The same, with the places of the documents."""
        paths = shard_paths(self.documents)
        by_position = is_by_position(sum(map(rows_in, paths)), self.settings)
        for shard in self.shards if self.shards is not None else range(len(paths)):
            if shard >= self.start[0]:
                first = self.start[1] if shard == self.start[0] else 0
                for row, batch in read_row_groups(paths[shard], ["id", "text"], first):
                    yield from self._encoded(shard, row, batch, by_position)

    def blocks(self, size: int) -> Iterator[NDArray[np.int64]]:
        """int64 [size]: the ids end to end, across documents. What does not fill a last block is left out."""
        if size < 1:
            raise ValueError(f"a block has at least 1 token, not {size}")
        block, filled = np.empty(size, dtype=np.int64), 0
        for _, ids in self:
            taken = 0
            while taken < len(ids):
                count = min(size - filled, len(ids) - taken)
                block[filled : filled + count] = ids[taken : taken + count]
                taken, filled = taken + count, filled + count
                if filled == size:
                    yield block
                    block, filled = np.empty(size, dtype=np.int64), 0

    @property
    def _dropout(self) -> float:
        return self.settings.dropout if self.split == "train" else 0.0

    def _encoded(self, shard: int, row: int, batch: pa.RecordBatch, by_position: bool) -> Iterator[Framed]:
        """Those documents of a batch, whose first one has the row `row`, that belong to the split."""
        wanted = np.ones(batch.num_rows, dtype=np.bool_)
        if not by_position:
            wanted = are_validation(batch.column("id").to_pylist(), self.settings) == (self.split == "validation")
        rows = row + np.flatnonzero(wanted)
        part = batch.filter(pa.array(wanted))
        ids = part.column("id").to_pylist()
        framed = put_on(self._spelt(part.column("text"), ids, by_position), frame_of(self.tokenizer))
        if by_position:
            lengths = np.diff(framed.starts).tolist()
            cuts = np.array([cut_of(length, self.settings) for length in lengths], dtype=np.int64)
            framed = parted(framed, cuts)[self.split == "validation"]
        for number, (place, id_) in enumerate(zip(rows.tolist(), ids, strict=True)):
            own = framed.ids[framed.starts[number] : framed.starts[number + 1]]
            if len(own):
                yield Framed(shard, place, id_, own)

    def _spelt(self, texts: pa.Array, ids: list[bytes], by_position: bool) -> Encoded:
        if self._dropout and not by_position:
            return spelt_at_random(self.tokenizer, texts, ids, self.settings)
        return self.tokenizer.encode_batch(texts)
