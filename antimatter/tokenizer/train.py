"""Train a SentencePiece BPE whose ids llama.cpp reproduces exactly (vocabulary.py draws the ids).

No normalization, no added or removed spaces, byte fallback: every text but a literal U+2581 comes back from its ids
unchanged. From its word lists SentencePiece learns no line break, no tab and no piece that ends with a space: with
whitespace_pieces it gets stand-ins (words.STAND_INS) in their place, which are turned back here.
"""

import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import sentencepiece

from antimatter.corpus.shards import atomic_path
from antimatter.errors import AntiMatterError
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer.vocabulary import BOS, CONTROL, EOS, PAD, SPECIAL, UNK, WHITESPACE_MARK, parse, vocabulary
from antimatter.tokenizer.words import LONGEST, STAND_INS

FIXED = len(SPECIAL) + len(CONTROL) + 256
"""Entries that every vocabulary has: special and control symbols, byte tokens."""
FEWEST_ENTRIES = 300
"""The least that tokenizer.vocabulary_size may be (params/tokenizer.py)."""
_BLOCK = 1 << 24


class TooLittleText(AntiMatterError, ValueError):
    """The corpus does not hold enough different words for the vocabulary."""


class VocabularyTooSmall(AntiMatterError, ValueError):
    """The vocabulary has no room for the characters of the corpus."""


def train(words: Path, settings: Tokenizer, threads: int, report: Mapping[str, Any] | None = None) -> bytes:
    """A SentencePiece model of exactly vocabulary_size entries; its bytes depend on words and settings alone.

    words   file of training words, `word TAB count` a line (counts.count writes it, with the same settings)
    report  what counts.count says of them, for errors: settings that left words out may be what is in the way

    Raises: TooLittleText with the largest possible vocabulary, VocabularyTooSmall with the smallest; RuntimeError with
            SentencePiece's own words for whatever else it refuses.
    """
    seen, limits = _seen(settings, report or {})
    if words.stat().st_size == 0:
        advice = f"Raise {limits}." if limits else "Collect some text."
        raise TooLittleText(f"there is nothing to train a tokenizer on: {seen} holds no word. {advice}")
    found = _stand_ins_in(words) if settings.whitespace_pieces else ""
    extra = int(STAND_INS[" "] in found)  # the stand-in of a space becomes a second U+2581, and goes
    model = BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            input=str(words),
            input_format="tsv",
            model_writer=model,
            vocab_size=settings.vocabulary_size + extra,
            num_threads=threads,
            required_chars=found + WHITESPACE_MARK * extra,
            **fixed_settings(settings),
        )
    except RuntimeError as error:
        raise _explained(str(error), settings, seen, limits, extra) from error
    return _finished(model.getvalue(), settings)


def fixed_settings(settings: Tokenizer) -> dict[str, Any]:
    """What SentencePiece is told whatever the text is."""
    return {
        "model_type": "bpe",
        "character_coverage": settings.character_coverage,
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
        "byte_fallback": True,
        "split_digits": settings.split_digits,
        "max_sentence_length": 4 * LONGEST,
        "pad_id": PAD,
        "bos_id": BOS,
        "eos_id": EOS,
        "unk_id": UNK,
        "pad_piece": SPECIAL[PAD],
        "bos_piece": SPECIAL[BOS],
        "eos_piece": SPECIAL[EOS],
        "unk_piece": SPECIAL[UNK],
        "control_symbols": list(CONTROL),
        "minloglevel": 2,
    }


def _stand_ins_in(words: Path) -> str:
    found = set()
    with open(words, "rb") as file:
        while block := file.read(_BLOCK):
            found |= {stand_in for stand_in in STAND_INS.values() if stand_in.encode() in block}
    return "".join(sorted(found))


def _seen(settings: Tokenizer, report: Mapping[str, Any]) -> tuple[str, str]:
    """(what SentencePiece gets to see, the settings that keep the rest of the corpus from it)."""
    seen, limits = "this corpus", []
    if report.get("sample_share", 1) < 1:
        limits.append("tokenizer.sample_bytes")
        seen = f"the sample of this corpus (tokenizer.sample_bytes is {settings.sample_bytes:,})"
    if report.get("left_out"):
        limits.append("tokenizer.max_words")
        kept = f"{report['kept_words']:,} most frequent words (tokenizer.max_words is {settings.max_words:,})"
        seen = f"the list of the {kept} of {seen}"
    return seen, " or ".join(limits)


def _explained(message: str, settings: Tokenizer, seen: str, limits: str, extra: int) -> Exception:
    """What SentencePiece says about the size of the vocabulary, for the person at the keyboard."""
    size = settings.vocabulary_size
    if match := re.search(r"Please set it to a value <= (\d+)", message):
        largest = int(match[1]) - extra
        more = f"raise {limits}" if limits else "add text"
        advice = f"set it to at most {largest}, or {more}." if largest >= FEWEST_ENTRIES else f"{more}."
        return TooLittleText(
            f"tokenizer.vocabulary_size is {size}, but {seen} holds pieces for no more than {largest}. "
            f"{advice[0].upper()}{advice[1:]}"
        )
    if match := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        smallest = int(match[1]) - extra
        return VocabularyTooSmall(
            f"tokenizer.vocabulary_size is {size}, but this corpus needs at least {smallest}: {FIXED} fixed entries "
            f"and {smallest - FIXED} characters. Raise it, or lower tokenizer.character_coverage "
            f"({settings.character_coverage:g})."
        )
    return RuntimeError(f"SentencePiece failed: {message}")


def _finished(model: bytes, settings: Tokenizer) -> bytes:
    """The model with whitespace in place of its stand-ins, without what depends on the run: threads and file names.

    Scores are counted anew, 0 for the first piece, -1 for the next: what SentencePiece gives when no piece goes.
    """
    proto = parse(model)
    pieces = {entry.piece: entry.type for entry in proto.pieces}
    if settings.whitespace_pieces:
        back = {ord(stand_in): WHITESPACE_MARK if text == " " else text for text, stand_in in STAND_INS.items()}
        pieces = {}
        for entry in proto.pieces:
            pieces.setdefault(entry.piece.translate(back), entry.type)
        if len(pieces) > settings.vocabulary_size:  # a text of hardly anything but spaces: not even U+2581 is a piece
            del pieces[[piece for piece in pieces if len(piece) > 1][-1]]
    del proto.pieces[:]
    for number, (piece, kind) in enumerate(pieces.items()):
        proto.pieces.add(piece=piece, score=min(0, FIXED - number), type=kind)
    assert len(proto.pieces) == settings.vocabulary_size, f"{len(proto.pieces)} pieces"
    for field in ("num_threads", "input", "input_format", "model_prefix", "required_chars"):
        proto.trainer_spec.ClearField(field)
    proto.trainer_spec.vocab_size = settings.vocabulary_size
    return bytes(proto.SerializeToString(deterministic=True))


def write_vocabulary(folder: Path, model: bytes) -> None:
    """antimatter.vocab, a model for people: `piece TAB score` a line, in order of ids; line breaks, tabs and
    backslashes in pieces as \\n, \\t and \\\\."""
    escapes = str.maketrans({"\\": r"\\", "\n": r"\n", "\t": r"\t"})
    rows = (f"{entry['piece'].translate(escapes)}\t{entry['score']:g}\n" for entry in vocabulary(model))
    with atomic_path(folder / "antimatter.vocab") as path:
        path.write_text("".join(rows), encoding="utf-8", newline="\n")
