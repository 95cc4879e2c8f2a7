"""A tokenizer that exists already, taken over for this corpus: checked, copied, described for meta.json.

    sentencepiece   tokenizer.file, any *.model        -> antimatter.model
    huggingface     tokenizer.file, a tokenizer.json   -> tokenizer.json
    gpt2            tiktoken's cache, or the network   -> gpt2.tiktoken

One that does not give every text back (a normalizer, no byte fallback) is not refused: whoever goes on training a model
needs its tokenizer. It is told in a warning, with the text that changed, and as "lossless": false.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from antimatter.corpus.shards import atomic_path
from antimatter.errors import AntiMatterError
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer import gpt2
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokenizer.errors import UnfitTokenizer, WrongTokenizerFile
from antimatter.tokenizer.huggingface import ORDINARY, HuggingFace
from antimatter.tokenizer.opened import read_meta
from antimatter.tokenizer.vocabulary import MODEL

RARE = (
    " a space at both ends ",
    "line\r\nline\r",
    "cafe\u0301, n\u0303 and \u212b: decomposed",
    "x² ½ ﬁ Ⅻ ２ ㎏ …: compatible with others",
    "\x00\x07\x1b\x7f\x85\xa0\xad\u200b\u2028\ufeff\ufffd",
    "\ue000 \U0001f9ff \U00013000 \U000e0041 \U0010fffd",
    "<s> </s> <unk> [UNK] <0x41> <|endoftext|> ##ing Ġthe",
)
"""Texts that a tokenizer changes if it has a normalizer, or characters that it cannot spell."""


def take(settings: Tokenizer, folder: Path, cache: Path) -> dict[str, Any]:
    """Copy the tokenizer of tokenizer.kind into the folder under the name of our own files.

    folder   data/tokenizer; gets the file alone
    cache    where downloads are kept; GPT-2's lie in its tiktoken/
    Returns: kind, file, lossless; for publish.
    Raises:  WrongTokenizerFile if the file is absent or another than tokenizer.sha256 says; UnfitTokenizer;
             MissingRanks; MissingLibrary.
    """
    if settings.kind == "gpt2":
        return {"kind": "gpt2", "file": gpt2.fetch(folder, cache / "tiktoken").name, "lossless": True}
    content = _verified(settings)
    if settings.kind == "huggingface":
        file, lossless = "tokenizer.json", _judge_huggingface(content, settings.file)
    elif settings.kind == "sentencepiece":
        file, lossless = MODEL, _judge_sentencepiece(content, settings.file)
    else:
        raise ValueError(f"kind {settings.kind} is made, not taken")
    with atomic_path(folder / file) as path:
        path.write_bytes(content)
    return {"kind": settings.kind, "file": file, "lossless": lossless}


def size_of_taken(settings: Tokenizer, folder: Path) -> int | None:
    """Entries of the vocabulary in `folder`, if it is that of tokenizer.file; None before the stage has taken it."""
    try:
        meta = read_meta(folder)
        present = hashlib.sha256((folder / meta["file"]).read_bytes()).hexdigest()
    except (AntiMatterError, OSError):
        return None
    return int(meta["vocabulary_size"]) if (meta["kind"], present) == (settings.kind, settings.sha256) else None


def _verified(settings: Tokenizer) -> bytes:
    try:
        content = Path(settings.file).read_bytes()
    except OSError as error:
        raise WrongTokenizerFile(
            f"tokenizer.file: {settings.file} cannot be read ({error.strerror}). Correct tokenizer.file."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != settings.sha256:
        raise WrongTokenizerFile(
            f"tokenizer.file: {settings.file} has sha256 {digest}, params.yaml says {settings.sha256}. "
            "If the file is right, put its digest into tokenizer.sha256."
        )
    return content


def _judge_huggingface(content: bytes, name: str) -> bool:
    """Whether it gives every text back."""
    if not _is_tokenizer_json(content):
        is_model = _sentencepiece_model(content) is not None
        advice = "It is a SentencePiece model: set tokenizer.kind to sentencepiece" if is_model else _CORRECT
        raise UnfitTokenizer(f"tokenizer.file: {name} is no tokenizer.json. {advice}.")
    tokenizer = HuggingFace(Path(name))
    if tokenizer.adds_space:
        _warn(f"{name} {_ADDS_SPACE}")
    return _is_lossless(name, tokenizer.encode, tokenizer.decode)


def _judge_sentencepiece(content: bytes, name: str) -> bool:
    """Whether it gives every text back."""
    model = _sentencepiece_model(content)
    if model is None:
        is_json = _is_tokenizer_json(content)
        advice = "It is a tokenizer.json: set tokenizer.kind to huggingface" if is_json else _CORRECT
        raise UnfitTokenizer(f"tokenizer.file: {name} is no SentencePiece model, or a damaged one. {advice}.")
    if model.eos_id() < 0:
        raise UnfitTokenizer(
            f"tokenizer.file: {name} has no token for the end of a text (eos_id is -1), so documents could not be told "
            "apart. Train it with an eos_id, or take another."
        )
    own = SentencePieceBpe(content, "sentencepiece")
    if int(own.token_bytes()[own.encode(ORDINARY[0])].sum()) == len(ORDINARY[0].encode()) + 1:
        _warn(f"{name} {_ADDS_SPACE}")
    return _is_lossless(name, model.encode, model.decode)


_ADDS_SPACE = "puts a space in front of each document: bits per byte counts a byte too many for each."
_CORRECT = "Correct tokenizer.file"


def _is_tokenizer_json(content: bytes) -> bool:
    """Whether it is JSON of that shape; whether it can be used is another question."""
    try:
        about = json.loads(content)
    except ValueError:
        return False
    return isinstance(about, dict) and "model" in about


def _sentencepiece_model(content: bytes) -> Any:
    """The library's object; None for other content, and for no bytes: it takes them for a model without pieces."""
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=content) if content else None
    except RuntimeError:
        return None


def _is_lossless(name: str, encode: Callable[[str], Sequence[int]], decode: Callable[[Sequence[int]], str]) -> bool:
    """Whether all texts above come back; warns with the first that does not."""
    for text in (*ORDINARY, *RARE):
        back = decode(encode(text))
        if back != text:
            same = next(
                (n for n, (a, b) in enumerate(zip(text, back, strict=False)) if a != b), min(len(text), len(back))
            )
            was, is_now = (ascii(string[same : same + 16]) for string in (text, back))
            _warn(
                f"{name} does not give back every text: {was} becomes {is_now}. A model can never write what is lost, "
                "and its bits per byte cannot be compared with those of other tokenizers."
            )
            return False
    return True


def _warn(line: str) -> None:
    sys.stderr.write(f"warning: {line}\n")
