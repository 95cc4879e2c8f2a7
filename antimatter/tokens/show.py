"""What `antimatter tokens show` and `antimatter tokens verify` print: a document in its pieces; is data/tokens whole?

    [BOS]│The│ people│ of│ <0xE2>│<0x82>│<0xAC>(€)│.⏎         ⏎ a line break; <0x..> a byte token, behind the last one
    │The│ rest│[EOS]                                         of a character the character

On a terminal with colours backgrounds alternate in place of the bars.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from antimatter.corpus import history
from antimatter.corpus.shards import require
from antimatter.errors import AntiMatterError
from antimatter.terminal import columns, visible
from antimatter.tokenizer.interface import Tokenizer
from antimatter.tokenizer.opened import DamagedTokenizer, open_tokenizer, read_meta
from antimatter.tokens.binary import SPLITS, DamagedTokens, Ids, TokenFiles, bin_name, open_tokens

TOKENS, TOKENIZER = Path("data/tokens"), Path("data/tokenizer")
LISTED = 1000
"""Tokens of a document, or of its part in one split, that are shown unless more are asked for."""
BAR = "│"
_COLOURS = ("\x1b[38;5;16;48;5;153m", "\x1b[38;5;16;48;5;229m")  # black on light blue, on light yellow
_BYTE, _SPECIAL, _PLAIN = "\x1b[38;5;16;48;5;217m", "\x1b[1m", "\x1b[0m"  # black on pink; bold
_BYTE_NAME = re.compile("<0x([0-9A-F]{2})>")
_CIRCLE = "\u25cc"  # dotted: what a mark stands on that has no letter of its own


class NotTokenized(AntiMatterError, LookupError):
    """A document that data/tokens does not hold."""


@dataclass(frozen=True, kw_only=True)
class View:
    """How tokens are shown: with their ids, a line each; the first `limit` (0: all); by colours instead of bars."""

    with_ids: bool = False
    limit: int = LISTED
    coloured: bool = False


def document(name: str, view: View) -> Iterator[str]:
    """Where a document's tokens lie, how well they fit, and the pieces themselves as the binary file has them.

    name    as in corpus.history.life
    Raises: NotTokenized (removed on the way, or unknown to tokenize), UnknownDocument, MissingData, and what the
            tokens and the tokenizer raise if they are damaged or do not belong together.
    """
    identity, events = history.life(name)
    parts = [event.facts for event in events if event.stage == "tokenize" and event.verdict == "kept"]
    if not parts:
        raise NotTokenized(_why_not(identity.hex(), events[-1]))
    tokenizer = open_tokenizer(TOKENIZER)
    files = open_tokens(TOKENS, read_meta(TOKENIZER)["digest"])
    yield f"document {identity.hex()}"
    yield f"  source    {visible(parts[0]['source'], exactly=True)}"
    yield f"  origin    {visible(parts[0]['origin'], exactly=True)}"
    if len(parts) > 1:
        yield "  split     inside the document: its beginning is training text, its end validation text"
    for part in parts:
        ids = files.read(part["split"], part["shard"], part["start"], part["length"])
        place = TOKENS / bin_name(part["split"], part["shard"])
        yield f"{part['split']:<11} {place}, start {part['start']:,}, length {part['length']:,}"
        yield f"            {figures(ids, tokenizer)}"
        yield ""
        shown = ids[: view.limit] if view.limit else ids
        yield from listed(shown, tokenizer) if view.with_ids else running(shown, tokenizer, view.coloured)
        if len(shown) < len(ids):
            yield f"... and {len(ids) - len(shown):,} more tokens (--limit 0 shows all)"


def _why_not(digits: str, last: history.Event) -> str:
    """Why a document whose last event this is has no tokens."""
    told = f"`antimatter explain {digits}` tells more"
    if last.verdict == "not run":
        return f"stage {last.stage} has not run: run `dvc repro tokenize`."
    if last.verdict == "absent":
        return (
            f"document {digits} is unknown to {last.stage}, which read other input: run `dvc repro tokenize`. {told}."
        )
    reason = last.facts.get("reason", "no reason given")
    if last.stage != "tokenize":
        return f"document {digits} was never tokenized: stage {last.stage} removed it ({reason}). {told}."
    value, threshold = (100 * last.facts.get(key, 0) for key in ("value", "threshold"))
    return (
        f"document {digits} has no tokens: it was held out for validation and removed ({reason}), because "
        f"{value:.1f} % of its n-grams stand in the training text, more than {threshold:g} %. {told}."
    )


def figures(ids: Ids, tokenizer: Tokenizer) -> str:
    """Tokens, bytes and byte tokens of a document's ids; what stands for no text (the frame) is counted apart."""
    text_bytes = int(tokenizer.token_bytes()[ids].sum())
    frame = int(np.isin(ids, _special(tokenizer)).sum())
    tokens, spelt = len(ids) - frame, int(tokenizer.byte_tokens()[ids].sum())
    ratio = f"{text_bytes / tokens:.2f}" if tokens else "no"
    return (
        f"{tokens:,} tokens ({frame} more around them), {text_bytes:,} bytes: {ratio} bytes per token; "
        f"{spelt:,} byte tokens ({100 * spelt / max(1, tokens):.1f} %)"
    )


def listed(ids: Ids, tokenizer: Tokenizer) -> Iterator[str]:
    """A line a token: id, piece in quotation marks, and whether it is a byte token or special."""
    pieces, special = tokenizer.pieces(), set(_special(tokenizer))
    complete = spelt_characters(ids, tokenizer)
    digits = len(str(tokenizer.size))
    for place, number in enumerate(ids.tolist()):
        piece = visible(pieces[number], exactly=True)
        if number in special:
            yield f"{number:>{digits}}  {piece}"
        elif place in complete:
            character = complete[place]
            yield f"{number:>{digits}}  {piece}" + (f"  {_shown(character)}" if character else "")
        else:
            yield f'{number:>{digits}}  "{piece}"'


def running(ids: Ids, tokenizer: Tokenizer, coloured: bool) -> Iterator[str]:
    """The text in lines of its own, its pieces told apart."""
    pieces, special = tokenizer.pieces(), set(_special(tokenizer))
    complete = spelt_characters(ids, tokenizer)
    text: list[str] = []
    for place, number in enumerate(ids.tolist()):
        piece = pieces[number]
        if number in special:
            words, colour = visible(piece, exactly=True), _SPECIAL
        elif place in complete:
            character = complete[place]
            words, colour = piece + (f"({_shown(character)})" if character else ""), _BYTE
            words += "\n" * (character == "\n")
        else:
            words, colour = _broken(piece), _COLOURS[place % 2]
        if coloured:
            text.append("\n".join(f"{colour}{line}{_PLAIN}" if line else "" for line in words.split("\n")))
        else:
            text.append(BAR + words if place else words)
    yield from "".join(text).split("\n")


def spelt_characters(ids: Ids, tokenizer: Tokenizer) -> dict[int, str]:
    """For the position of each byte token the character that it completes, or ""."""
    pieces, is_byte = tokenizer.pieces(), tokenizer.byte_tokens()
    found, decoder = {}, codecs.getincrementaldecoder("utf-8")("replace")
    for place in np.flatnonzero(is_byte[ids]).tolist():
        name = _BYTE_NAME.fullmatch(pieces[ids[place]])
        if place - 1 not in found:
            decoder.reset()
        character = decoder.decode(bytes([int(name[1], 16)])) if name else ""
        found[place] = "" if "\ufffd" in character else character
    return found


def _broken(piece: str) -> str:
    """A piece as a terminal may have it: line breaks shown and made, a mark at its beginning on a circle."""
    text = "⏎\n".join(visible(line, exactly=True) for line in piece.split("\n"))
    return _CIRCLE + text if text[:1] and text[0] != "⏎" and columns(text[0]) == 0 else text


def _shown(character: str) -> str:
    text = visible(character, exactly=True)
    return _CIRCLE + text if columns(text) == 0 else text


def _special(tokenizer: Tokenizer) -> list[int]:
    return [*tokenizer.specials.values(), *tokenizer.markers.values()]


def verified() -> Iterator[str]:
    """A line for each thing that was found whole: the tokenizer, then every token of data/tokens.

    Raises: DamagedTokens, TokenizerMismatch, DamagedTokenizer, MissingData; they say what is wrong and what to run.
    """
    meta: dict[str, Any] = read_meta(TOKENIZER)
    tokenizer = open_tokenizer(TOKENIZER)
    _require_lengths_of_pieces(tokenizer)
    yield (
        f"{TOKENIZER}   {meta['kind']}, {tokenizer.size:,} entries: the digest of {meta['file']} is right, "
        "token_bytes.bin goes with it"
    )
    files = open_tokens(TOKENS, meta["digest"])
    yield f"{TOKENS}      {files.dtype.name}, written with this tokenizer"
    _require_lengths(files, tokenizer)
    files.verify()
    for split in SPLITS:
        promised: dict[str, Any] = files.meta["splits"][split]
        shards: Sequence[Any] = promised["shards"]
        yield (
            f"  {split:<12}  {promised['tokens']:,} tokens of {promised['documents']:,} documents in {len(shards):,} "
            "shards: digests and ids are right"
        )
    yield "  documents     every token belongs to one document; the counts of tokens are right"


def _require_lengths_of_pieces(tokenizer: Tokenizer) -> None:
    path = require(TOKENIZER / "token_bytes.bin")
    if path.read_bytes() != tokenizer.token_bytes().astype("<u2").tobytes():
        raise DamagedTokenizer(
            f"{path} does not hold the bytes of the tokenizer's pieces. Run `dvc repro tokenizer`, or `dvc checkout`."
        )


def _require_lengths(files: TokenFiles, tokenizer: Tokenizer) -> None:
    if not np.array_equal(files.token_bytes, tokenizer.token_bytes()):
        raise DamagedTokens(
            f"{files.folder}/{files.meta['token_bytes']} does not hold the bytes of the tokenizer's pieces: bits per "
            "byte would be wrong. Run `dvc repro tokenize`."
        )
