"""Our vocabulary as a Hugging Face fast tokenizer (tokenizer.json): the same ids, for tools that know no SentencePiece.

    "a b\\n"  ->  normalizer  "a▁b\\n"  ->  BPE  a | ▁b | \\n  ->  template  [BOS] a ▁b \\n

SentencePiece merges any two neighbours whose concatenation is a piece; this format lists pairs. So each piece comes
with all its cuts into two pieces, in the order of the scores: the position in the list is the rank of a merge. There is
no pre-tokenizer, as SentencePiece has none: pieces may hold line breaks, tabs and several spaces.

Control symbols are special added tokens, which Hugging Face reads from text too ("[BOS]" in a document becomes the
symbol) unless it is told encode_special_tokens=True; with that the ids are SentencePiece's for every text. Decoding
gives SentencePiece's text wherever byte tokens spell whole characters; of broken ones Hugging Face replaces the whole
run of bytes by U+FFFD, SentencePiece the broken bytes alone.
"""

import json
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.tokenizer.vocabulary import BPE, WHITESPACE_MARK, parse

_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


class NoTwin(AntiMatterError):
    """A SentencePiece model that Hugging Face's BPE cannot follow id for id."""


def tokenizer_json(model: bytes) -> str:
    """The text of tokenizer.json for a SentencePiece model; equal for equal models.

    Raises: NoTwin with all reasons, for a model that antimatter's training would not make: another algorithm than BPE,
            a normalizer, no byte fallback, symbols defined by a user, pieces of equal score.
    """
    proto = parse(model)
    reasons = _obstacles(proto)
    if reasons:
        raise NoTwin(
            f"no tokenizer.json can be made that gives the ids of this SentencePiece model: {'; '.join(reasons)}. "
            "Use the model file itself, with SentencePiece or llama.cpp."
        )
    controls = [number for number, entry in enumerate(proto.pieces) if entry.type in (entry.CONTROL, entry.UNKNOWN)]
    twin = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special(number, proto.pieces[number].piece) for number in controls],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": WHITESPACE_MARK},
        "pre_tokenizer": None,
        "post_processor": _template(proto),
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": WHITESPACE_MARK}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": proto.pieces[proto.trainer_spec.unk_id].piece,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {entry.piece: number for number, entry in enumerate(proto.pieces)},
            "merges": _merges(proto),
        },
    }
    return json.dumps(twin, ensure_ascii=False, indent=1) + "\n"


def _obstacles(proto: Any) -> list[str]:
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    normal = [entry for entry in proto.pieces if entry.type == entry.NORMAL]
    names = {entry.piece for entry in normal}
    scores = [entry.score for entry in normal if len(entry.piece) > 1]
    spelt = {entry.piece for entry in proto.pieces if entry.type == entry.BYTE}
    alone = sorted({character for name in names for character in name} - names)
    found = {
        "its algorithm is not BPE": trainer.model_type != BPE,
        "it normalizes text": bool(normalizer.precompiled_charsmap) or normalizer.remove_extra_whitespaces,
        "it puts a space in front of a text": normalizer.add_dummy_prefix,
        "it does not write spaces as U+2581": not normalizer.escape_whitespaces,
        "it has no byte fallback": not spelt.issuperset(_BYTES),
        "it has user-defined or unused symbols": any(e.type in (e.USER_DEFINED, e.UNUSED) for e in proto.pieces),
        "two of its pieces have the same score": len(set(scores)) < len(scores),
        f"the characters {alone[:5]} stand in pieces without being one": bool(alone),
    }
    return [reason for reason, holds in found.items() if holds]


def _merges(proto: Any) -> list[tuple[str, str]]:
    """All cuts of pieces into two pieces; the piece of the highest score first."""
    scores = {entry.piece: entry.score for entry in proto.pieces if entry.type == entry.NORMAL}
    return [
        (piece[:cut], piece[cut:])
        for piece in sorted(scores, key=lambda piece: -scores[piece])
        for cut in range(len(piece) - 1, 0, -1)
        if piece[:cut] in scores and piece[cut:] in scores
    ]


def _special(number: int, symbol: str) -> dict[str, Any]:
    return {
        "id": number,
        "content": symbol,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def _template(proto: Any) -> dict[str, Any] | None:
    """[BOS] in front of a text; nothing where the model has no such symbol."""
    number = proto.trainer_spec.bos_id
    if number < 0:
        return None
    bos = proto.pieces[number].piece
    symbol = {"SpecialToken": {"id": bos, "type_id": 0}}
    one, other = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "type": "TemplateProcessing",
        "single": [symbol, one],
        "pair": [symbol, one, other],
        "special_tokens": {bos: {"id": bos, "ids": [number], "tokens": [bos]}},
    }
