"""Text to ids with a SentencePiece BPE model: ids equal SentencePiece's, at the speed of reading.

A text is cut where no piece of the vocabulary can cross: between two characters that are neighbours in no piece. What
lies between two cuts is a unit, and a text's ids are those of its units (merges only ever make pieces).

    "To be, or not."   ->   "To" " be" "," " or" " not" "."

Each distinct unit is encoded once (merges.py) and remembered by its bytes; words come back, so most of a text is found
in a table. The set of neighbours is exact for ASCII and a hashed bitmap beyond it: a false hit there costs a cut and
changes no id. A model that the cuts are not proven for (another algorithm than BPE, a normalizer, symbols defined by a
user, no byte fallback) is given to SentencePiece document by document.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import sentencepiece
from numba import njit
from numpy.typing import NDArray

from antimatter.text.characters import buffers, decode
from antimatter.text.words import mix
from antimatter.tokenizer.dictionary import FULL, SEED, Dictionary, find_or_add, hash_step
from antimatter.tokenizer.errors import UnfitTokenizer
from antimatter.tokenizer.interface import Encoded
from antimatter.tokenizer.merges import SPACE, SYMBOL_SPACE, bench, encode_unit, merges_of
from antimatter.tokenizer.vocabulary import BPE, CONTROL, TEXT, WHITESPACE_MARK, parse, token_bytes, vocabulary

_SLICE_BYTES = 8_000_000  # of text at a time: 4 bytes of room for each
_LONGEST_REMEMBERED = 64  # bytes; longer units hardly ever come back
_CACHE_BYTES = 200_000_000  # about two million units


class Cuts(NamedTuple):
    """Which characters are neighbours in a piece."""

    ascii: np.ndarray
    """bool[128 * 128]: left * 128 + right"""
    others: np.ndarray
    """uint64[2^k / 64]: bits by hash of both code points"""


class SentencePieceBpe:
    """A SentencePiece model behind interface.Tokenizer; not for several threads at once."""

    def __init__(self, model: bytes, kind: str = "trained", cache_bytes: int = _CACHE_BYTES) -> None:
        """Raises: UnfitTokenizer for bytes that are no model.

        cache_bytes  memory for remembered units; when it is full they are forgotten, all at once
        """
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise UnfitTokenizer(f"{len(model):,} bytes that are no SentencePiece model ({error})") from error
        proto = parse(model)
        self.kind = kind
        self._model = model
        self._entries = vocabulary(model)
        self._cache_bytes = cache_bytes
        self.size = len(self._entries)
        ids = {"pad": "pad_id", "bos": "bos_id", "eos": "eos_id", "unk": "unk_id"}
        known = {role: int(getattr(self._processor, name)()) for role, name in ids.items()}
        self.specials = {role: number for role, number in known.items() if number >= 0}
        place = {entry["piece"]: number for number, entry in enumerate(self._entries) if entry["kind"] == "control"}
        self.markers = {name: place[name] for name in CONTROL} if all(name in place for name in CONTROL) else {}
        self.is_cached = _cuts_are_safe(proto, self._entries)
        """Whether the cuts are proven for this model."""
        if self.is_cached:
            pieces = {entry["piece"]: number for number, entry in enumerate(self._entries) if entry["kind"] == "normal"}
            scores = np.array([entry["score"] for entry in self._entries], dtype=np.float32)
            first_byte = next(number for number, entry in enumerate(self._entries) if entry["kind"] == "byte")
            self._merges = merges_of(pieces, scores, first_byte)
            self._cuts = cuts_of(pieces)
            self._forget()
            self._bench = bench(1 << 12)

    def encode_batch(self, texts: pa.Array, dropout: float = 0.0, keys: NDArray[np.uint64] | None = None) -> Encoded:
        """See interface.Tokenizer.

        dropout  probability that a merge is left out (merges.py); then `keys`, one a text, decide which
        Raises: ValueError if dropout is asked of a model that SentencePiece encodes.
        """
        if dropout and not self.is_cached:
            raise ValueError("BPE dropout needs a BPE model without normalizer, as antimatter trains it")
        data, offsets = buffers(texts)
        count = len(offsets) - 1
        starts = np.zeros(count + 1, dtype=np.int64)
        found: list[NDArray[np.uint32]] = [np.zeros(0, dtype=np.uint32)]
        if not self.is_cached:
            for index, ids in enumerate(self._processor.encode(texts.to_pylist(), num_threads=1)):
                found.append(np.array(ids, dtype=np.uint32))
                starts[index + 1] = starts[index] + len(ids)
            return Encoded(np.concatenate(found), starts)
        drawn = np.zeros(count, dtype=np.uint64) if keys is None else keys
        first = 0
        while first < count:
            last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + _SLICE_BYTES, side="right")) - 1)
            out = np.empty(int(offsets[last] - offsets[first]), dtype=np.uint32)
            used = self._encode_slice(data, offsets, first, last, dropout, drawn, starts, out)
            found.append(out[:used].copy())
            first = last
        return Encoded(np.concatenate(found), starts)

    def encode(self, text: str) -> list[int]:
        """Ids of one text, without a frame."""
        ids: list[int] = self.encode_batch(pa.array([text], pa.large_string())).ids.tolist()
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; control symbols leave no trace."""
        return str(self._processor.decode([int(number) for number in ids]))

    def pieces(self) -> list[str]:
        """What each id stands for."""
        return [
            entry["piece"].replace(WHITESPACE_MARK, " ") if entry["kind"] in TEXT else entry["piece"]
            for entry in self._entries
        ]

    def token_bytes(self) -> NDArray[np.uint16]:
        """uint16[V]: UTF-8 bytes that each id stands for."""
        return np.array(token_bytes(self._model), dtype=np.uint16)

    def byte_tokens(self) -> NDArray[np.bool_]:
        """bool[V]: <0x00> ... <0xFF>."""
        return np.array([entry["kind"] == "byte" for entry in self._entries])

    def _forget(self) -> None:
        self._dictionary = Dictionary()
        self._unit_ids = np.zeros(1 << 18, dtype=np.uint32)
        self._unit_ends = np.zeros(len(self._dictionary.arrays.starts), dtype=np.int64)

    def _encode_slice(
        self,
        data: np.ndarray,
        offsets: np.ndarray,
        first: int,
        last: int,
        dropout: float,
        keys: np.ndarray,
        starts: np.ndarray,
        out: np.ndarray,
    ) -> int:
        """Texts first..last: fills `out` and starts[first + 1 : last + 1]; returns the number of ids."""
        base = int(starts[first])
        text, forgotten_at = first, -1
        while text < last:
            text, needed = _encode_texts(
                data, offsets, text, last, base, self._cuts, self._merges, self._dictionary.arrays, self._unit_ids,
                self._unit_ends, self._bench, dropout, keys, starts, out,
            )  # fmt: skip
            if needed > len(self._bench.symbols):
                self._bench = bench(2 * needed)
            elif text < last:
                if self._dictionary.memory > self._cache_bytes // 2 and forgotten_at != text:
                    self._forget()
                    forgotten_at = text
                else:
                    self._make_room()
        return int(starts[last]) - base

    def _make_room(self) -> None:
        """Double whatever is nearly full."""
        self._dictionary.grow(_LONGEST_REMEMBERED)
        size = len(self._dictionary)
        capacity = len(self._dictionary.arrays.starts)
        if capacity > len(self._unit_ends):
            self._unit_ends = np.concatenate([self._unit_ends, np.zeros(capacity - len(self._unit_ends), np.int64)])
        used = int(self._unit_ends[size])
        if used + _LONGEST_REMEMBERED > len(self._unit_ids):
            self._unit_ids = np.concatenate([self._unit_ids, np.zeros_like(self._unit_ids)])


def _cuts_are_safe(proto: Any, entries: list[dict[str, Any]]) -> bool:
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    kinds = {entry["kind"] for entry in entries}
    return bool(
        trainer.model_type == BPE
        and trainer.byte_fallback
        and _bytes_are_in_order(entries)
        and not normalizer.precompiled_charsmap
        and not normalizer.add_dummy_prefix
        and not normalizer.remove_extra_whitespaces
        and normalizer.escape_whitespaces
        and not trainer.treat_whitespace_as_suffix
        and not kinds & {"user_defined", "unused"}
        and any(entry["piece"] == WHITESPACE_MARK and entry["kind"] == "normal" for entry in entries)
    )


def _bytes_are_in_order(entries: list[dict[str, Any]]) -> bool:
    """Whether <0x00> to <0xFF> follow one another."""
    places = [number for number, entry in enumerate(entries) if entry["kind"] == "byte"]
    names = [entries[number]["piece"] for number in places]
    return names == [f"<0x{byte:02X}>" for byte in range(256)] and places[-1] - places[0] == 255


def cuts_of(pieces: dict[str, int]) -> Cuts:
    """The neighbours in these pieces (texts with U+2581 for a space)."""
    pairs = sorted({pair for piece in pieces for pair in pairwise(piece)})
    points = np.array([[ord(left), ord(right)] for left, right in pairs], dtype=np.uint32).reshape(-1, 2)
    points[points == SYMBOL_SPACE] = SPACE
    both = (points < 128).all(axis=1)
    within = np.zeros(128 * 128, dtype=np.bool_)
    within[points[both, 0] * 128 + points[both, 1]] = True
    others = np.zeros(max(1, (1 << (32 * max(1, int((~both).sum()))).bit_length()) // 64), dtype=np.uint64)
    _mark(others, points[~both])
    return Cuts(within, others)


@njit(cache=True)
def _bit_of(left, right, words):  # type: ignore[no-untyped-def]
    value = mix((np.uint64(left) << np.uint64(32)) | np.uint64(right))
    return value & np.uint64(64 * words - 1)


@njit(cache=True)
def _mark(others, points):  # type: ignore[no-untyped-def]
    for index in range(len(points)):
        bit = _bit_of(points[index, 0], points[index, 1], len(others))
        others[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))


@njit(cache=True)
def _encode_texts(  # type: ignore[no-untyped-def]
    data,
    offsets,
    first,
    last,
    base,
    cuts,
    vocabulary,
    dictionary,
    unit_ids,
    unit_ends,
    room,
    dropout,
    keys,
    starts,
    out,
):
    """Encode texts first..last. Returns (text that did not fit any more or `last`, characters that `room` must take).

    Unit n of `dictionary` has unit_ids[unit_ends[n]:unit_ends[n + 1]]; behind the last one unit_ends is 0.
    """
    within, others = cuts
    slots, unit_starts, arena, size = dictionary
    capacity = len(room.symbols)
    for text in range(first, last):
        position = starts[text] - base
        i, stop = offsets[text], offsets[text + 1]
        room.random[0] = keys[text]
        begin = i
        value = np.uint64(SEED)
        before = np.uint32(0)
        while True:
            joined = False
            if i < stop:
                byte = data[i]
                if byte < 0x80:
                    point = np.uint32(byte)
                    behind = i + 1
                else:
                    point, behind = decode(data, i)
                    behind = min(behind, stop)  # broken UTF-8 reaches into no other text
                    if point == SYMBOL_SPACE:
                        point = np.uint32(SPACE)
                if i == begin:
                    joined = True
                elif before < 128 and point < 128:
                    joined = within[before * np.uint32(128) + point]
                else:
                    bit = _bit_of(before, point, len(others))
                    joined = (others[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1) != 0
            if not joined:  # a unit ends before i
                length = i - begin
                if dropout > 0.0 or length > _LONGEST_REMEMBERED:
                    if length > capacity:
                        return text, length
                    position = encode_unit(data, begin, i, vocabulary, room, dropout, out, position)
                elif length > 0:
                    if unit_ends[size[0]] + _LONGEST_REMEMBERED > len(unit_ids):
                        return text, 0
                    number = find_or_add(slots, unit_starts, arena, size, data, begin, i, mix(value))
                    if number == FULL:
                        return text, 0
                    ids = unit_ends[number]
                    if unit_ends[number + 1] == 0:  # new
                        unit_ends[number + 1] = encode_unit(data, begin, i, vocabulary, room, 0.0, unit_ids, ids)
                    for place in range(ids, unit_ends[number + 1]):
                        out[position] = unit_ids[place]
                        position += 1
                if i >= stop:
                    break
                begin = i
                value = np.uint64(SEED)
            for place in range(i, behind):
                value = hash_step(value, data[place])
            before = point
            i = behind
        starts[text + 1] = base + position
    return last, 0
