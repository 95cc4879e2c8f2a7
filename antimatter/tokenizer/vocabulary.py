"""What the ids of a SentencePiece model stand for.

    id  0      1      2      3      4           5         6              7        8 .. 263        264 ..
        [PAD]  [BOS]  [EOS]  [UNK]  <|system|>  <|user|>  <|assistant|>  <|end|>  <0x00>..<0xFF>  pieces

Control symbols are put in by id and never read from text.
"""

from typing import Any

from sentencepiece import sentencepiece_model_pb2 as model_pb2

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL = ("[PAD]", "[BOS]", "[EOS]", "[UNK]")
"""By their ids."""
CONTROL = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")

TEXT = ("normal", "user_defined", "unused")
"""Kinds of entries that stand for their piece."""

WHITESPACE_MARK = "\u2581"
"""Stands for a space in SentencePiece's files."""
BPE = 2
"""The model_type of its TrainerSpec."""
MODEL = "antimatter.model"
"""Our name for its file."""


def parse(model: bytes) -> Any:
    """The protobuf message of a SentencePiece model."""
    proto_class = getattr(model_pb2, "ModelProto")  # noqa: B009 (protobuf makes it at import time: no static name)
    return proto_class.FromString(model)


def vocabulary(model: bytes) -> list[dict[str, Any]]:
    """Piece, score and kind of every id, in order of ids."""
    proto = parse(model)
    kinds = {1: "normal", 2: "unknown", 3: "control", 4: "user_defined", 5: "unused", 6: "byte"}
    return [{"piece": p.piece, "score": p.score, "kind": kinds[p.type]} for p in proto.pieces]


def token_bytes(model: bytes) -> list[int]:
    """UTF-8 bytes that each id stands for: byte tokens 1, U+2581 a space, control symbols and [UNK] 0.

    With byte fallback [UNK] never comes from text, so the lengths of a text's tokens add up to its bytes.
    """
    lengths = []
    for entry in vocabulary(model):
        stands_for = entry["piece"].replace(WHITESPACE_MARK, " ") if entry["kind"] in TEXT else ""
        lengths.append(1 if entry["kind"] == "byte" else len(stands_for.encode()))
    return lengths


def summary(model: bytes) -> dict[str, Any]:
    """Facts about a vocabulary for the report: entries by kind, length of the pieces in characters."""
    entries = vocabulary(model)
    lengths = [len(entry["piece"]) for entry in entries if entry["kind"] == "normal"]
    kinds = sorted({entry["kind"] for entry in entries})
    return {
        "vocabulary_size": len(entries),
        "entries": {kind: sum(entry["kind"] == kind for entry in entries) for kind in kinds},
        "mean_piece_characters": round(sum(lengths) / max(1, len(lengths)), 4),
        "longest_piece_characters": max(lengths, default=0),
    }
