"""Complete a tokenizer's folder (opened.py draws it) around its main file."""

from pathlib import Path
from typing import Any

from antimatter.corpus.reports import write_json
from antimatter.corpus.shards import atomic_path, file_digest
from antimatter.tokenizer import twin
from antimatter.tokenizer.interface import Tokenizer
from antimatter.tokenizer.opened import FORMAT, implementation
from antimatter.tokenizer.train import write_vocabulary
from antimatter.tokenizer.vocabulary import MODEL


def publish(folder: Path, kind: str, file: str, facts: dict[str, Any]) -> Tokenizer:
    """Complete a folder that holds the main file: byte lengths and meta.json; for SentencePiece's file the
    readable vocabulary too, and the twin, if there can be one.

    facts  more to remember in meta.json
    """
    path = folder / file
    tokenizer = implementation(kind, path)
    if file == MODEL:
        model = path.read_bytes()
        write_vocabulary(folder, model)
        try:
            twin_text = twin.tokenizer_json(model)
        except twin.NoTwin as reason:
            print(f"tokenizer: no tokenizer.json for Hugging Face: {reason}")
        else:
            with atomic_path(folder / "tokenizer.json") as temporary:
                temporary.write_text(twin_text, encoding="utf-8")
    with atomic_path(folder / "token_bytes.bin") as temporary:
        temporary.write_bytes(tokenizer.token_bytes().astype("<u2").tobytes())
    meta = {
        "format": FORMAT,
        "kind": kind,
        "file": file,
        "digest": file_digest(path),
        "vocabulary_size": tokenizer.size,
        "specials": tokenizer.specials,
        "markers": tokenizer.markers,
        **facts,
    }
    write_json(folder / "meta.json", meta)
    return tokenizer


def publish_trained(folder: Path, model: bytes) -> Tokenizer:
    """A folder with the tokenizer that we trained."""
    with atomic_path(folder / MODEL) as temporary:
        temporary.write_bytes(model)
    return publish(folder, "trained", MODEL, {"lossless": True})
