"""SentencePiece models of many kinds, trained on a few kilobytes of made-up text, once a session each."""

import functools
import io
import random
import re
from collections.abc import Callable
from typing import Any

import sentencepiece

from antimatter.tokenizer.vocabulary import parse

SPACE = "\u2581"
STAND_INS = {"\n": "\ue00a", "\t": "\ue009", " ": "\ue020"}  # characters that SentencePiece learns pieces of
WORDS = {
    "english": "the of and quick brown fox jumps over lazy dog while another engineer tokenizes texts, reading "
    "(slowly) seventeen unhappiness happiness hap un ness don't we'll e.g. 2024 31 7 3.14 well-known state-of-the-art",
    "scripts": "the слово быстрая лиса прыгает Ελλάδα αλεπού γρήγορη مرحبا بالعالم שלום עולם 漢字 日本語 かな 東京都 "
    "한국어 नमस्ते ไทย naïve café Zürich ñandú e\u0301a o\u0323\u0302 👩‍👩‍👧 👍🏽 ½ ² … — “quoted”",
    "code": "def return class self.x if else: for in range(10): print(f'{x}') [0] {} == != -> import_name __init__ #",
    "repeats": "aaaa aaaaa abab ababab baba bab aba bbbb aabb abba baab aaab abbb babab aaaaaaaa bbbbbb cabab abacab",
}
LAYOUT = {"code": ["\n", "\n    ", "\n        ", "\n\n", "\n\t", "\t\t", ":\n    ", ")\n", "    ", "  "]}
EXACT = {
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "allow_whitespace_only_pieces": True,
    "byte_fallback": True,
}


def sentences(kind: str, count: int = 1500) -> list[str]:
    """Lines of words in random order; the first words are frequent ones."""
    draw = random.Random(kind)
    words = WORDS[kind].split()
    weights = [1 / (1 + place) for place in range(len(words))]
    between = [" "] * 6 + LAYOUT.get(kind, ["  ", "\n", "\n\n"])
    return [
        "".join(word + draw.choice(between) for word in draw.choices(words, weights, k=draw.randint(1, 12)))
        for _ in range(count)
    ]


def train(texts: list[str], size: int, **settings: Any) -> bytes:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        vocab_size=size,
        **{"model_type": "bpe", "hard_vocab_limit": False, "pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3,
           "pad_piece": "[PAD]", "bos_piece": "[BOS]", "eos_piece": "[EOS]", "unk_piece": "[UNK]", "num_threads": 1,
           "control_symbols": ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"], "minloglevel": 2} | settings,
    )  # fmt: skip
    return written.getvalue()


def lines(kind: str) -> list[str]:
    return [line for text in sentences(kind) for line in text.split("\n") if line]


def with_whitespace_pieces(kind: str, size: int, **settings: Any) -> bytes:
    """Line breaks, tabs and further spaces are letters in training, and themselves again in the vocabulary."""
    learned = [
        word
        for text in sentences(kind)
        for word in re.findall(
            r" ?[^ ]+",
            re.sub(r"[ \n\t]*[\n\t][ \n\t]*|  +", lambda found: found[0].replace(" ", STAND_INS[" "]), text)
            .replace("\n", STAND_INS["\n"])
            .replace("\t", STAND_INS["\t"]),
        )
    ]
    proto = parse(train(learned, size, **EXACT, **settings))
    taken: set[str] = set()
    kept = []
    for entry in proto.pieces:
        for itself, stand_in in STAND_INS.items():
            entry.piece = entry.piece.replace(stand_in, itself).replace(" ", SPACE)
        if entry.piece not in taken:
            taken.add(entry.piece)
            kept.append(type(entry).FromString(entry.SerializeToString()))
    del proto.pieces[:]
    proto.pieces.extend(kept)
    return bytes(proto.SerializeToString())


def edited(model: bytes, change: Callable[[Any], None]) -> bytes:
    """A model after `change` of its protobuf message."""
    proto = parse(model)
    change(proto)
    return bytes(proto.SerializeToString())


def _letters_are_no_pieces(proto: Any) -> None:
    """Take half the single letters away: longer pieces are still reached through them."""
    kept = [
        entry for place, entry in enumerate(proto.pieces) if len(entry.piece) > 1 or place % 2 or entry.piece == SPACE
    ]
    kept = [type(entry).FromString(entry.SerializeToString()) for entry in kept]
    del proto.pieces[:]
    proto.pieces.extend(kept)


def _equal_scores(proto: Any) -> None:
    for entry in proto.pieces:
        entry.score = float(int(entry.score) // 7)


def _backwards(proto: Any) -> None:
    """The last piece learned is merged first."""
    for entry in proto.pieces:
        entry.score = -1000.0 - entry.score


def _every_pair(proto: Any) -> None:
    """Any two letters are a piece, so that whole words lie between two safe cuts."""
    known = {entry.piece for entry in proto.pieces}
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = [left + right for left in SPACE + letters for right in letters]
    for place, pair in enumerate(pair for pair in pairs if pair not in known):
        proto.pieces.add(piece=pair, score=-1000.0 - place, type=proto.pieces[-1].type)


def _bytes_backwards(proto: Any) -> None:
    for byte in range(256):
        proto.pieces[8 + byte].piece = f"<0x{255 - byte:02X}>"


def _spaces_as_they_are(proto: Any) -> None:
    proto.normalizer_spec.escape_whitespaces = False


def _no_piece_for_a_space(proto: Any) -> None:
    del proto.pieces[[entry.piece for entry in proto.pieces].index(SPACE)]


def _unused(proto: Any) -> None:
    for entry in proto.pieces[300:340]:
        if len(entry.piece) > 2:
            entry.type = entry.UNUSED


OURS: dict[str, Callable[[], bytes]] = {
    "english": lambda: train(lines("english"), 420, split_digits=True, **EXACT),
    "english, whitespace pieces": lambda: with_whitespace_pieces("english", 430, split_digits=False),
    "code, whitespace pieces": lambda: with_whitespace_pieces("code", 450, split_digits=True),
    "many scripts": lambda: train(lines("scripts"), 560, character_coverage=1.0, split_digits=True, **EXACT),
    "few characters": lambda: with_whitespace_pieces("scripts", 380, character_coverage=0.98),
    "repeats": lambda: train(lines("repeats"), 330, **EXACT),
    "every pair of letters": lambda: edited(small_model("english"), _every_pair),
    "repeats, backwards": lambda: edited(small_model("repeats"), _backwards),
}
"""What training makes: identity, no dummy prefix, byte fallback."""

UNUSUAL: dict[str, Callable[[], bytes]] = {
    "equal scores": lambda: edited(small_model("repeats"), _equal_scores),
    "letters without a piece": lambda: edited(small_model("english"), _letters_are_no_pieces),
}
"""Still BPE without a normalizer, so plain merging holds."""

FOREIGN: dict[str, Callable[[], bytes]] = {
    "no byte fallback": lambda: train(lines("english"), 160, **EXACT | {"byte_fallback": False}),
    "dummy prefix": lambda: train(lines("english"), 420, **EXACT | {"add_dummy_prefix": True}),
    "extra spaces removed": lambda: train(lines("english"), 420, **EXACT | {"remove_extra_whitespaces": True}),
    "nmt_nfkc": lambda: train(lines("scripts"), 560, byte_fallback=True),
    "nmt_nfkc, spaces kept": lambda: train(lines("scripts"), 560, **EXACT | {"normalization_rule_name": "nmt_nfkc"}),
    "spaces as they are": lambda: edited(small_model("english"), _spaces_as_they_are),
    "no piece for a space": lambda: edited(small_model("english"), _no_piece_for_a_space),
    "bytes backwards": lambda: edited(small_model("english"), _bytes_backwards),
    "unigram": lambda: train(lines("english"), 340, **EXACT, model_type="unigram"),
    "user-defined symbols": lambda: train(lines("english"), 420, user_defined_symbols=["<|x|>", "qu"], **EXACT),
    "space as suffix": lambda: train(lines("english"), 420, treat_whitespace_as_suffix=True, **EXACT),
    "unused pieces": lambda: edited(small_model("english"), _unused),
}
"""Models of others, which only SentencePiece itself encodes."""


@functools.cache
def small_model(name: str) -> bytes:
    return (OURS | UNUSUAL | FOREIGN)[name]()
