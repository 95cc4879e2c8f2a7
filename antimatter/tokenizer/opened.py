"""The tokenizer in a folder (data/tokenizer, or `tokenizer` beside a model), whatever kind it is.

meta.json          format 1: kind, file (the main one), digest (its), vocabulary_size, specials (ids by role),
                   markers (ids by name), lossless (every text comes back)
antimatter.model   SentencePiece's file; antimatter.vocab is the same to read (kinds trained, sentencepiece)
tokenizer.json     Hugging Face's fast tokenizer, the same ids (not for gpt2, nor where twin.py finds an obstacle)
gpt2.tiktoken      GPT-2's tokens and their ranks (kind gpt2)
token_bytes.bin    uint16 an id: UTF-8 bytes it stands for
"""

from pathlib import Path
from typing import Any

from antimatter.corpus.reports import read_json
from antimatter.corpus.shards import file_digest, require
from antimatter.errors import AntiMatterError
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokenizer.interface import Tokenizer

FORMAT = 1


class DamagedTokenizer(AntiMatterError, ValueError):
    """The files of a tokenizer do not belong together, or are no longer what was written."""


def open_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in `folder`.

    Raises: MissingData naming the stage to run; DamagedTokenizer.
    """
    meta = read_meta(folder)
    path = require(folder / meta["file"])
    present = file_digest(path)
    if present != meta["digest"]:
        raise DamagedTokenizer(
            f"{path} is not the file that {folder}/meta.json describes ({present}, expected {meta['digest']}). "
            "Run `dvc repro tokenizer`, or `dvc checkout`."
        )
    return implementation(meta["kind"], path)


def read_meta(folder: Path) -> dict[str, Any]:
    """The content of meta.json.

    Raises: MissingData; DamagedTokenizer for another format.
    """
    meta = read_json(require(folder / "meta.json"))
    if meta.get("format") != FORMAT:
        raise DamagedTokenizer(f"{folder}/meta.json has format {meta.get('format')!r}, this version reads {FORMAT}")
    return dict(meta)


def implementation(kind: str, path: Path) -> Tokenizer:
    """The tokenizer of a kind from its main file."""
    if kind == "huggingface":
        from antimatter.tokenizer.huggingface import HuggingFace

        return HuggingFace(path)
    if kind == "gpt2":
        from antimatter.tokenizer.gpt2 import Gpt2

        return Gpt2(path)
    return SentencePieceBpe(path.read_bytes(), kind)
