"""Tokens on disk: little-endian uint16 (uint32 above 65,536 entries), no header: any trainer can map the files.

train/shard-00000.bin       BOS t t t t EOS BOS t t EOS ...
validation/shard-00000.bin  ^ start=0       ^ start=6        documents.parquet: id, source, origin, split, shard,
token_bytes.bin             uint16 an id: UTF-8 bytes it stands for             start, length (both in tokens)
token_counts.bin            int64 an id: how often it occurs in the training split, frames included
meta.json                   format 2: dtype, vocabulary_size, pad, bos (null where a tokenizer has none), eos,
                            token_bytes, token_counts (file names), tokenizer_digest, documents_digest, digest (of all
                            this), splits: {train, validation: {tokens, documents, shards: [{file, tokens, digest}]}}
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from antimatter.corpus.shards import atomic_path, file_digest
from antimatter.errors import AntiMatterError

FORMAT = 2
SPLITS = ("train", "validation")
_BLOCK = 4_000_000  # ids at a time

DOCUMENTS = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
    ]
)

Ids = NDArray[np.unsignedinteger[Any]]
_ADVICE = "Run `dvc repro tokenize`."


class DamagedTokens(AntiMatterError, ValueError):
    """A folder of tokens is missing, incomplete, or not what its meta.json promises."""


class TokenizerMismatch(AntiMatterError, ValueError):
    """The tokens were written with another tokenizer."""


class UnfitIds(AntiMatterError, ValueError):
    """Ids that the vocabulary or the dtype does not have."""


class NoSuchTokens(AntiMatterError, IndexError):
    """A split, shard, position or document that is not there was asked for."""


class Shard(NamedTuple):
    """One .bin file."""

    path: Path
    tokens: int
    digest: str


class Document(NamedTuple):
    """A row of documents.parquet, and the ids that it stands for, with their frame."""

    id: bytes
    source: str
    origin: str
    split: str
    shard: int
    start: int
    length: int
    ids: Ids


def bin_name(split: str, shard: int) -> str:
    """train/shard-00042.bin"""
    return f"{split}/shard-{shard:05d}.bin"


def dtype_of(vocabulary_size: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Little-endian uint16, or uint32 above 65,536 entries."""
    return np.dtype("<u2") if vocabulary_size <= 65_536 else np.dtype("<u4")


def digest_of(meta: dict[str, Any]) -> str:
    """The digest that stands in meta.json: of everything else in it, so of all tokens."""
    content = {key: value for key, value in meta.items() if key != "digest"}
    return xxhash.xxh3_128(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def tokens_in_pieces(path: Path, vocabulary_size: int) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Takes the ids of a shard (integers, mapped ones too) piece by piece; the file is there when the block succeeds.

    Raises: UnfitIds for an id that the vocabulary does not have.
    """
    dtype = dtype_of(vocabulary_size)
    written = 0
    with atomic_path(path) as temporary, open(temporary, "wb") as file:

        def write(ids: NDArray[Any]) -> None:
            nonlocal written
            for begin in range(0, len(ids), _BLOCK):
                block = ids[begin : begin + _BLOCK]
                advice = "The tokenizer and this vocabulary do not belong together."
                _require_fit(path, written, block, vocabulary_size, advice)
                file.write(block.astype(dtype, copy=False).tobytes())
                written += len(block)

        yield write


def write_tokens(path: Path, ids: NDArray[Any], vocabulary_size: int) -> None:
    """Write the ids of a whole shard, as `tokens_in_pieces` does."""
    with tokens_in_pieces(path, vocabulary_size) as write:
        write(ids)


def read_tokens(path: Path, dtype: np.dtype[Any]) -> Ids:
    """All ids of a shard, unchecked."""
    return np.fromfile(path, dtype=dtype)


def _require_fit(path: Path, begin: int, ids: NDArray[Any], bound: int, advice: str) -> None:
    """Raises UnfitIds naming the first id that is not in [0, bound); ids[0] stands at position `begin` of the file."""
    if len(ids) and (int(ids.max()) >= bound or int(ids.min()) < 0):
        place = int(np.flatnonzero((ids >= bound) | (ids < 0))[0])
        raise UnfitIds(f"{path}: id {ids[place]} at position {begin + place} is not in [0, {bound}). {advice}")


@dataclass(frozen=True, kw_only=True)
class TokenFiles:
    """An opened data/tokens. Files are read at a position, not mapped, and not kept open."""

    folder: Path
    meta: dict[str, Any]
    shards: dict[str, tuple[Shard, ...]]
    """By split."""

    @property
    def vocabulary_size(self) -> int:
        """V"""
        return int(self.meta["vocabulary_size"])

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Of the ids."""
        return dtype_of(self.vocabulary_size)

    @cached_property
    def token_bytes(self) -> NDArray[np.uint16]:
        """[V]: UTF-8 bytes that each id stands for."""
        return np.fromfile(self.folder / self.meta["token_bytes"], dtype="<u2")

    @cached_property
    def token_counts(self) -> NDArray[np.int64]:
        """[V]: how often each id occurs in the training split."""
        return np.fromfile(self.folder / self.meta["token_counts"], dtype="<i8")

    def read(self, split: str, shard: int, start: int, length: int) -> Ids:
        """`length` ids of a shard from position `start` on.

        Raises: NoSuchTokens; UnfitIds for an id that the vocabulary lacks; DamagedTokens if the file has shrunk.
        """
        if split not in self.shards or not 0 <= shard < len(self.shards[split]):
            there = ", ".join(f"{name} 0 to {len(shards) - 1}" for name, shards in self.shards.items())
            raise NoSuchTokens(f"{self.folder} has no shard {shard} of split {split!r}; it has {there}")
        path, tokens, _ = self.shards[split][shard]
        if not 0 <= start <= start + length <= tokens:
            raise NoSuchTokens(f"{path} has {tokens} tokens; positions {start} to {start + length} were asked for")
        ids = np.fromfile(path, dtype=self.dtype, count=length, offset=start * self.dtype.itemsize)
        if len(ids) != length:
            raise DamagedTokens(f"{path} ends after {start + len(ids)} of {tokens} tokens. {_ADVICE}")
        _require_fit(path, start, ids, self.vocabulary_size, _ADVICE)
        return ids

    def document(self, row: int) -> Document:
        """The document in row `row` of documents.parquet.

        Reads one row group. Raises: NoSuchTokens, and what `read` raises.
        """
        with pq.ParquetFile(self.folder / "documents.parquet") as file:
            if not 0 <= row < file.metadata.num_rows:
                raise NoSuchTokens(f"{file.metadata.num_rows} documents are in {self.folder}; row {row} was asked for")
            group = 0
            while row >= file.metadata.row_group(group).num_rows:
                row -= file.metadata.row_group(group).num_rows
                group += 1
            (record,) = file.read_row_group(group).slice(row, 1).to_pylist()
        return Document(**record, ids=self.read(record["split"], record["shard"], record["start"], record["length"]))

    def verify(self) -> None:
        """Read everything and compare it with what meta.json promises: digests, ids, counts, the rows of documents.

        Raises: DamagedTokens listing all that is wrong.
        """
        problems: list[str] = []
        counts = np.zeros(self.vocabulary_size, dtype=np.int64)
        for split, shards in self.shards.items():
            for index, shard in enumerate(shards):
                if file_digest(shard.path) != shard.digest:
                    problems.append(f"{bin_name(split, index)} is not what was written (its digest differs)")
                try:
                    for begin in range(0, shard.tokens, _BLOCK):
                        ids = self.read(split, index, begin, min(_BLOCK, shard.tokens - begin))
                        counts += np.bincount(ids, minlength=len(counts)) * (split == "train")
                except (UnfitIds, DamagedTokens) as error:
                    problems.append(str(error).removesuffix(f". {_ADVICE}"))
        if not problems and not np.array_equal(counts, self.token_counts):
            problems.append(f"{self.meta['token_counts']} does not count the training tokens")
        problems += self._problems_of_rows()
        if problems:
            raise _damaged(self.folder, problems)

    def _problems_of_rows(self) -> Iterator[str]:
        """Where documents.parquet does not tell every token of every shard, once and in order."""
        first = np.cumsum([0, *(len(self.shards[split]) for split in SPLITS)])  # shards of both splits, numbered on
        ends = np.zeros(first[-1] + 1, dtype=np.int64)  # and one for rows of a shard that is not there
        with pq.ParquetFile(self.folder / "documents.parquet") as file:
            for batch in file.iter_batches(columns=["split", "shard", "start", "length"]):
                known = [pc.index_in(batch.column("split"), pa.array(SPLITS)), *batch.columns[1:]]
                splits, shards, starts, lengths = (pc.fill_null(column, -1).to_numpy() for column in known)
                is_there = (splits >= 0) & (shards >= 0) & (shards < np.diff(first)[splits])
                numbers = np.where(is_there, first[splits] + shards, first[-1])
                follows = is_there & (starts == _ends_before(numbers, starts + lengths, ends))
                if not follows.all():
                    row = int(np.argmin(follows))
                    place = f"{starts[row]} of {batch.column('split')[row]} shard {shards[row]}"
                    yield f"documents.parquet: what begins at {place} follows nothing"
                    return
                ends[numbers] = starts + lengths  # of equal numbers the last one stays
        for number, (split, index) in enumerate((s, i) for s in SPLITS for i in range(len(self.shards[s]))):
            tokens = self.shards[split][index].tokens
            if ends[number] != tokens:
                yield f"documents.parquet tells {ends[number]} of {tokens} tokens of {bin_name(split, index)}"


def _ends_before(numbers: NDArray[np.int64], row_ends: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """[n]: where the last row before with the same shard number ends; ends[number] for the first one of a shard."""
    order = np.argsort(numbers, kind="stable")
    rows, rows_before = order[1:], order[:-1]
    is_same = numbers[rows] == numbers[rows_before]
    before: NDArray[np.int64] = ends[numbers]
    before[rows[is_same]] = row_ends[rows_before[is_same]]
    return before


def open_tokens(folder: Path, tokenizer_digest: str | None = None) -> TokenFiles:
    """A folder of tokens whose files have the sizes that meta.json promises; `TokenFiles.verify` reads them too.

    tokenizer_digest  of the main file of the tokenizer that is to be used with them

    Raises: DamagedTokens listing all that is wrong; TokenizerMismatch.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DamagedTokens(f"{folder} has no meta.json: the stage that writes it has not run. {_ADVICE}") from error
    except ValueError as error:
        raise DamagedTokens(f"{folder}/meta.json is not JSON ({error}). {_ADVICE}") from error
    problems = list(_problems_of_meta(meta))
    if problems:
        raise _damaged(folder, problems)
    shards = {
        split: tuple(Shard(folder / s["file"], int(s["tokens"]), s["digest"]) for s in meta["splits"][split]["shards"])
        for split in SPLITS
    }
    files = TokenFiles(folder=folder, meta=meta, shards=shards)
    problems = list(_problems_of_files(files))
    if problems:
        raise _damaged(folder, problems)
    written = meta["tokenizer_digest"]
    if tokenizer_digest is not None and written != tokenizer_digest:
        raise TokenizerMismatch(
            f"{folder} was written with tokenizer {written}, but the tokenizer is now {tokenizer_digest}: the ids mean "
            f"other texts. {_ADVICE}"
        )
    return files


_KEYS = (
    "dtype", "vocabulary_size", "pad", "bos", "eos", "token_bytes", "token_counts", "tokenizer_digest",
    "documents_digest", "digest", "splits",
)  # fmt: skip


def _problems_of_meta(meta: Any) -> Iterator[str]:
    found = meta.get("format") if isinstance(meta, dict) else None
    if found != FORMAT:
        yield f"meta.json has format {found!r}, this version reads {FORMAT}"
        return
    lacking = [key for key in _KEYS if key not in meta]
    lacking += [f"splits.{split}" for split in SPLITS if split not in meta.get("splits", {})]
    if lacking:
        yield f"meta.json lacks {', '.join(lacking)}"
        return
    if meta["digest"] != digest_of(meta):
        yield "meta.json was changed (its digest differs)"
        return
    size = meta["vocabulary_size"]
    if meta["dtype"] != dtype_of(size).name:
        yield f"ids of {meta['dtype']} do not go with a vocabulary of {size}"
    for role in ("pad", "bos", "eos"):
        if meta[role] is None and role != "eos":
            continue  # a tokenizer may have none
        if meta[role] is None or not 0 <= meta[role] < size:
            yield f"{role} {meta[role]} is not in a vocabulary of {size}"


def _problems_of_files(files: TokenFiles) -> Iterator[str]:
    size, splits = files.vocabulary_size, files.meta["splits"]
    expected = {files.folder / files.meta["token_bytes"]: 2 * size, files.folder / files.meta["token_counts"]: 8 * size}
    for split, shards in files.shards.items():
        expected |= {shard.path: shard.tokens * files.dtype.itemsize for shard in shards}
        if (tokens := sum(shard.tokens for shard in shards)) != splits[split]["tokens"]:
            yield f"the shards of {split} have {tokens} tokens, not {splits[split]['tokens']}"
    for path, wanted in expected.items():
        found = path.stat().st_size if path.is_file() else None
        if found != wanted:
            has = "is missing" if found is None else f"has {found} bytes"
            yield f"{path.relative_to(files.folder)} {has}, expected {wanted} bytes"
    try:
        file = pq.read_metadata(files.folder / "documents.parquet")
    except (OSError, pa.ArrowException) as error:
        yield f"documents.parquet cannot be read ({str(error).rstrip('.')})"
        return
    documents = sum(splits[split]["documents"] for split in SPLITS)
    if file.num_rows != documents:
        yield f"documents.parquet has {file.num_rows} rows, expected {documents}"
    if file.schema.to_arrow_schema().names != DOCUMENTS.names:
        yield f"documents.parquet has the columns {', '.join(file.schema.to_arrow_schema().names)}"


def _damaged(folder: Path, problems: list[str]) -> DamagedTokens:
    return DamagedTokens(f"{folder} is not what was written: {'; '.join(problems)}. {_ADVICE}")
