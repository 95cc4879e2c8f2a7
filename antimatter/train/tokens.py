"""Tokens on disk, as the tokenize stage leaves them, read by position.

    data/tokens/meta.json                dtype, counts, digests (format 2)
    data/tokens/train/shard-00000.bin    BOS t t t t EOS BOS t t EOS ...     little-endian uint16 or uint32, no header
    data/tokens/token_bytes.bin          uint16 per vocabulary entry: UTF-8 bytes it stands for, 0 for control tokens
    data/tokens/token_counts.bin         int64 per vocabulary entry: how often it stands in the training split

A split is one long sequence, its shards end to end. Reads are plain file reads at a position: a memory map of the
whole split would count every page ever touched as this process's memory.
"""

import bisect
import json
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from antimatter.errors import AntiMatterError

FORMAT = 2
_DTYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}


class TokensError(AntiMatterError, ValueError):
    """data/tokens is missing, incomplete or damaged."""


@dataclass(frozen=True)
class Split:
    """One split: `tokens` ids, read by position across shard borders."""

    name: str
    files: tuple[Path, ...]
    ends: tuple[int, ...]
    """Position after the last token of each shard."""
    dtype: np.dtype[Any]
    vocabulary_size: int

    @property
    def tokens(self) -> int:
        """Ids in the whole split."""
        return self.ends[-1] if self.ends else 0

    def read(self, start: int, count: int) -> NDArray[np.int64]:
        """Ids [start, start + count) as int64 [count]. Raises TokensError when the split ends before that."""
        if start < 0 or start + count > self.tokens:
            raise TokensError(f"{self.name}: positions {start}..{start + count} asked, only {self.tokens} tokens here")
        out = np.empty(count, dtype=np.int64)
        filled, shard = 0, bisect.bisect_right(self.ends, start)
        while filled < count:
            first = self.ends[shard - 1] if shard else 0
            here = min(count - filled, self.ends[shard] - start - filled)
            out[filled : filled + here] = self._read_shard(self.files[shard], start + filled - first, here)
            filled, shard = filled + here, shard + 1
        return out

    def _read_shard(self, path: Path, start: int, count: int) -> NDArray[Any]:
        width = self.dtype.itemsize
        with path.open("rb", buffering=0) as file:
            file.seek(start * width)
            data = file.read(count * width)
        if len(data) != count * width:
            raise TokensError(f"{path} changed while training: {len(data)} bytes where {count * width} were expected")
        ids = np.frombuffer(data, dtype=self.dtype)
        if count and int(ids.max()) >= self.vocabulary_size:
            place = int(np.argmax(ids >= self.vocabulary_size))
            raise TokensError(
                f"{path}: token {ids[place]} at position {start + place} is outside the vocabulary of "
                f"{self.vocabulary_size}: the file is damaged, or not the tokenizer's. Run `dvc repro tokenize`."
            )
        return ids


@dataclass(frozen=True)
class Tokens:
    """An opened and checked data/tokens."""

    folder: Path
    vocabulary_size: int
    digest: str
    """Content digest of the folder, from meta.json."""
    tokenizer_digest: str
    bos: int | None
    """What documents begin with; None for a tokenizer without one."""
    eos: int
    train: Split
    validation: Split
    token_bytes: NDArray[np.int64]
    """[V]: UTF-8 bytes each token stands for."""
    token_counts: NDArray[np.int64]
    """[V]: occurrences in the training split."""


def open_tokens(folder: Path | str) -> Tokens:
    """Read meta.json and check that every file has the size it promises.

    Raises: TokensError listing everything that is wrong, with the command that repairs it.
    """
    folder = Path(folder)
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TokensError(f"{folder}: no meta.json, so no tokens to train on. Run `dvc repro tokenize`.") from error
    except ValueError as error:
        raise TokensError(f"{folder}/meta.json is not JSON ({error}). Run `dvc repro tokenize`.") from error
    problems: list[str] = []
    if meta.get("format") != FORMAT:
        problems.append(f"meta.json has format {meta.get('format')!r}, this version reads {FORMAT}")
    if meta.get("dtype") not in _DTYPES:
        problems.append(f"meta.json has dtype {meta.get('dtype')!r}, expected uint16 or uint32")
    needed = ("vocabulary_size", "digest", "tokenizer_digest", "splits", "token_bytes", "token_counts", "bos", "eos")
    problems += [f"meta.json lacks {key!r}" for key in needed if key not in meta]
    problems += [f"meta.json lacks split {s!r}" for s in ("train", "validation") if s not in meta.get("splits", {})]
    if problems:
        raise _damaged(folder, problems)
    dtype = _DTYPES[meta["dtype"]]
    train, validation = (_split(folder, name, meta, dtype, problems) for name in ("train", "validation"))
    size = int(meta["vocabulary_size"])
    if size > 2 ** (8 * dtype.itemsize):
        problems.append(f"vocabulary of {size} does not fit {meta['dtype']}")
    tables = {}
    for key, kind in (("token_bytes", "uint16"), ("token_counts", "int64")):
        path, width = folder / meta[key], np.dtype(kind).itemsize
        found = path.stat().st_size if path.is_file() else None
        if found == width * size:
            tables[key] = np.fromfile(path, dtype=np.dtype(kind).newbyteorder("<")).astype(np.int64)
        else:
            problems.append(f"{path.name}: {_size(found)}, expected {width * size} bytes ({kind} per vocabulary entry)")
    if problems:
        raise _damaged(folder, problems)
    bos, eos = meta["bos"], int(meta["eos"])
    digests = meta["digest"], meta["tokenizer_digest"]
    return Tokens(folder, size, *digests, bos, eos, train, validation, tables["token_bytes"], tables["token_counts"])


def require_targets(tokens: Tokens) -> None:
    """Raises TokensError naming each split with fewer than 2 tokens: there is no next token to predict."""
    short = [split for split in (tokens.train, tokens.validation) if split.tokens < 2]
    if short:
        held = " and ".join(f"split {split.name!r} holds {split.tokens} tokens" for split in short)
        share = " or raise tokenize.validation_share" if tokens.validation in short else ""
        raise TokensError(
            f"{tokens.folder}: {held}, at least 2 are needed to predict anything. "
            f"Add text to input/{share}, then run `dvc repro tokenize`."
        )


def _split(folder: Path, name: str, meta: dict[str, Any], dtype: np.dtype[Any], problems: list[str]) -> Split:
    shards = meta["splits"][name]["shards"]
    for shard in shards:
        path, expected = folder / shard["file"], shard["tokens"] * dtype.itemsize
        found = path.stat().st_size if path.is_file() else None
        if found != expected:
            problems.append(f"{shard['file']}: {_size(found)}, expected {expected} bytes ({shard['tokens']} tokens)")
    ends = tuple(accumulate(int(shard["tokens"]) for shard in shards))
    total, promised = sum(int(shard["tokens"]) for shard in shards), meta["splits"][name]["tokens"]
    if total != promised:
        problems.append(f"{name}: shards hold {total} tokens, meta.json says {promised}")
    return Split(name, tuple(folder / shard["file"] for shard in shards), ends, dtype, int(meta["vocabulary_size"]))


def _size(found: int | None) -> str:
    return "is missing" if found is None else f"has {found} bytes"


def _damaged(folder: Path, problems: list[str]) -> TokensError:
    return TokensError(f"{folder} cannot be trained on: " + "; ".join(problems) + ". Run `dvc repro tokenize`.")
