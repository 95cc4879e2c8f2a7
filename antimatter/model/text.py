"""The tokenizer beside a model: text to ids and back, and the ids that frame a text.

tokenizer/meta.json          kind, main file, special ids
tokenizer/antimatter.model   SentencePiece's file, read here; other kinds are opened by antimatter.tokenizer
"""

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antimatter.tokenizer.errors import MissingLibrary

FOLDER = "tokenizer"


@dataclass(frozen=True)
class Text:
    """What generation needs of a tokenizer."""

    encode: Callable[[str], list[int]]
    decode: Callable[[Sequence[int]], str]
    bos: int
    """Stands in front of every text; a tokenizer without one has eos there."""
    eos: int
    suppress: tuple[int, ...]
    """Ids that stand for no text, so never a continuation; not eos, which ends one."""

    def after(self, before: Sequence[int], ids: Sequence[int]) -> str:
        """The text that `ids` add after `before`: a leading space, or bytes that finish a character, come out right."""
        head, whole = self.decode(before), self.decode([*before, *ids])
        if not whole.startswith(head):
            head = head.rstrip("\ufffd")  # a character that `before` leaves half spelt
        return whole[len(head) :] if whole.startswith(head) else self.decode(ids)


class Stream:
    """Tells the text behind a prompt piece by piece while its tokens are drawn, whole characters only."""

    def __init__(self, text: Text, before: Sequence[int], tell: Callable[[str], None]) -> None:
        self.text, self.before, self.tell = text, list(before), tell
        self.ids: list[int] = []
        self.told = ""

    def add(self, token: int) -> None:
        """Tell what is certain with this token: bytes that may yet become a character wait for those that follow."""
        self.ids.append(token)
        self._tell(self.text.after(self.before, self.ids).rstrip("\ufffd"))

    def finish(self) -> None:
        """Tell the rest, such as a character that was never completed: all pieces together are `after`'s text."""
        self._tell(self.text.after(self.before, self.ids))

    def _tell(self, known: str) -> None:
        if known.startswith(self.told) and len(known) > len(self.told):
            piece, self.told = known[len(self.told) :], known
            self.tell(piece)


def continued(
    text: Text,
    prompts: Sequence[str],
    write: Callable[..., list[list[int]]],
    eos: int,
    on_text: Callable[[str], None] | None = None,
) -> list[str]:
    """Each prompt with the text behind it that `write` (generate_batch: prompts, on_token) gives in ids."""
    heads = [text.encode(prompt) for prompt in prompts]
    stream = Stream(text, heads[0], on_text) if on_text else None

    def on_token(row: int, token: int) -> None:
        if stream and token != eos:
            stream.add(token)

    whole = write([[text.bos, *head] for head in heads], on_token=on_token)
    if stream:
        stream.finish()
    new = [[i for i in ids[1 + len(head) :] if i != eos] for head, ids in zip(heads, whole, strict=True)]
    return [prompt + text.after(head, ids) for prompt, head, ids in zip(prompts, heads, new, strict=True)]


def load(model: Path | None) -> Text:
    """The tokenizer in a model's folder; None: a model that was made, not loaded, and has no folder.

    Whether the file is the one that meta.json describes is not asked here: the stages compare its digest.

    Raises: FileNotFoundError if there is none; MissingLibrary if what reads it is not installed.
    """
    folder = model / FOLDER if model else None
    if folder is None or not (folder / "meta.json").is_file():
        where = folder or "a fresh model"
        raise FileNotFoundError(f"{where}: no tokenizer, so text cannot be read: pass a list of ids.")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    specials: dict[str, int] = meta["specials"]
    tokenizer: Any
    if meta["kind"] in ("trained", "sentencepiece"):
        try:
            import sentencepiece  # only text needs it: training machines go without
        except ImportError as error:
            raise MissingLibrary(
                f"{folder} needs the package sentencepiece, which is not installed. Run `pip install sentencepiece`, "
                "or pass a list of ids."
            ) from error

        tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(folder / meta["file"]))
    else:
        # by name: training does not depend on the code of tokenizers, only text does
        tokenizer = importlib.import_module("antimatter.tokenizer.opened").open_tokenizer(folder)
    eos = specials["eos"]
    silent = {*specials.values(), *meta["markers"].values()} - {eos}
    return Text(
        tokenizer.encode,
        lambda ids: str(tokenizer.decode(list(ids))),
        specials.get("bos", eos),
        eos,
        tuple(sorted(silent)),
    )
