"""A tokenizer that exists already, taken over for this corpus: checked, copied, described for meta.json.

    sentencepiece   tokenizer.file, any *.model        -> antimatter.model
    huggingface     tokenizer.file, a tokenizer.json   -> tokenizer.json
    gpt2            tiktoken's cache, or the network   -> gpt2.tiktoken

One that does not give every text back (a normalizer, no byte fallback) is not refused: whoever goes on training a model
needs its tokenizer. It is told in a warning, with the text that changed, and as "lossless": false.
"""

import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from antimatter.corpus.shards import atomic_path
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer import gpt2
from antimatter.tokenizer.errors import UnfitTokenizer, WrongTokenizerFile
from antimatter.tokenizer.huggingface import ORDINARY, HuggingFace
from antimatter.tokenizer.vocabulary import CONTROL

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
    Returns: kind, file, specials (ids by role), markers (ids by name, of all four or none), lossless; for meta.json.
    Raises:  WrongTokenizerFile if the file is absent or another than tokenizer.sha256 says; UnfitTokenizer;
             MissingRanks; MissingLibrary.
    """
    if settings.kind == "gpt2":
        file = gpt2.fetch(folder, cache / "tiktoken")
        encoding = gpt2.Gpt2(file)
        return _about("gpt2", file.name, encoding.specials, encoding.markers, lossless=True)
    content = _verified(settings)
    if settings.kind == "huggingface":
        about = _take_huggingface(Path(settings.file))
    elif settings.kind == "sentencepiece":
        about = _take_sentencepiece(content, settings.file)
    else:
        raise ValueError(f"kind {settings.kind} is made, not taken")
    with atomic_path(folder / about["file"]) as path:
        path.write_bytes(content)
    return about


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


def _take_huggingface(path: Path) -> dict[str, Any]:
    tokenizer = HuggingFace(path)
    if tokenizer.adds_space:
        _warn(f"{path} puts a space in front of each document: bits per byte counts a byte too many for each.")
    lossless = _is_lossless(str(path), tokenizer.encode, tokenizer.decode)
    return _about("huggingface", "tokenizer.json", tokenizer.specials, tokenizer.markers, lossless)


def _take_sentencepiece(content: bytes, name: str) -> dict[str, Any]:
    try:
        if not content:
            raise RuntimeError("an empty file, which the library takes for a model without pieces")
        model = sentencepiece.SentencePieceProcessor(model_proto=content)
    except RuntimeError as error:
        raise UnfitTokenizer(f"{name} is no SentencePiece model, or a damaged one. Correct tokenizer.file.") from error
    ids = {"pad": model.pad_id(), "bos": model.bos_id(), "eos": model.eos_id(), "unk": model.unk_id()}
    if ids["eos"] < 0:
        raise UnfitTokenizer(
            f"{name} has no token for the end of a text (eos_id is -1): documents could not be told apart. "
            "Train it with an eos_id, or take another."
        )
    markers = {marker: model.piece_to_id(marker) for marker in CONTROL}
    if not all(model.is_control(i) for i in markers.values()):  # others could come from text: anyone could forge a turn
        markers = {}
    specials = {role: i for role, i in ids.items() if i >= 0}
    return _about(
        "sentencepiece", "antimatter.model", specials, markers, _is_lossless(name, model.encode, model.decode)
    )


def _about(kind: str, file: str, specials: dict[str, int], markers: dict[str, int], lossless: bool) -> dict[str, Any]:
    return {"kind": kind, "file": file, "specials": specials, "markers": markers, "lossless": lossless}


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
