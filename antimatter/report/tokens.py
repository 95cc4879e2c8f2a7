"""The part of the page about tokens: how the tokenizer fits each source and language, how its vocabulary is used."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from antimatter.errors import AntiMatterError
from antimatter.report import numbers
from antimatter.report.markup import cell, method, number, table
from antimatter.terminal import visible
from antimatter.tokenizer.interface import Tokenizer
from antimatter.tokenizer.opened import open_tokenizer, read_meta
from antimatter.tokens.binary import open_tokens

TOP_LANGUAGES = 8
SMALL_LANGUAGE = 0.01
"""Languages with at least this share of the bytes are shown too, however many there are."""
FEW_BYTES = 10_000
"""Less text than this says nothing of a language: a document whose language was mistaken is enough for it."""
NAMED_PIECES = 16
"""Of the longest pieces in use, and of the rarest."""
_LONG_RUN = 4
"""More equal characters than this are counted: ␣×16."""

Ratios = Mapping[str, Mapping[str, Any]]


class Pieces(NamedTuple):
    """What only the tokens themselves tell of single entries: ordinary pieces with their occurrences in the training
    text, and how many of the byte tokens never occur there."""

    longest: Sequence[tuple[str, int]]
    rarest: Sequence[tuple[str, int]]
    byte_tokens: int
    unused_byte_tokens: int


def parts(
    tokenizer: Mapping[str, Any], report: Mapping[str, Any], pictures: Mapping[str, str], pieces: Pieces | None
) -> list[str]:
    """Pictures and tables; none for what is not there.

    tokenizer  of the summary
    report     reports/tokenize.json
    pictures   SVG by name
    """
    return [
        pictures.get("tokens", ""),
        _fit("source", shortest_first(report.get("fit", {})), report),
        _dropped(report),
        _fit("language", _largest(report.get("fit_by_language", {})), report),
        pictures.get("vocabulary", ""),
        _use(report.get("vocabulary", {}), pieces),
        _named("The longest pieces in use", pieces.longest if pieces else []),
        _named("The rarest pieces in use", pieces.rarest if pieces else []),
        _learned(tokenizer),
    ]


def shortest_first(groups: Ratios) -> dict[str, Mapping[str, Any]]:
    """Sources by their bytes per token, the source that is spelt shortest first."""
    return dict(sorted(groups.items(), key=lambda item: (-item[1]["bytes_per_token"], item[0])))


def pieces_in_use(tokens: Path, tokenizer: Path) -> Pieces | None:
    """What data/tokens and data/tokenizer tell of single pieces; None where they are absent or cannot be opened."""
    try:
        files = open_tokens(tokens, read_meta(tokenizer)["digest"])
        return ranked(open_tokenizer(tokenizer), files.token_counts)
    except AntiMatterError:
        return None


def ranked(tokenizer: Tokenizer, counts: NDArray[np.int64]) -> Pieces:
    """The longest and the rarest pieces of the training text, and its byte tokens; counts int64[V]."""
    is_byte, names = tokenizer.byte_tokens(), tokenizer.pieces()
    special = [*tokenizer.specials.values(), *tokenizer.markers.values()]
    is_ordinary = np.ones(tokenizer.size, dtype=np.bool_)
    is_ordinary[special] = False
    used = [(names[i], int(counts[i])) for i in np.flatnonzero(is_ordinary & ~is_byte & (counts > 0)).tolist()]
    return Pieces(
        longest=sorted(used, key=lambda piece: (-len(piece[0]), -piece[1], piece[0]))[:NAMED_PIECES],
        rarest=sorted(used, key=lambda piece: (piece[1], piece[0]))[:NAMED_PIECES],
        byte_tokens=int(is_byte.sum()),
        unused_byte_tokens=int((is_byte & (counts == 0)).sum()),
    )


def _largest(languages: Ratios) -> Ratios:
    """The languages with most bytes, without those of which there is hardly any text."""
    total = sum(figures["bytes"] for figures in languages.values())
    ordered = sorted(languages.items(), key=lambda item: (-item[1]["bytes"], item[0]))
    return {
        name: figures
        for place, (name, figures) in enumerate(ordered)
        if figures["bytes"] >= FEW_BYTES and (place < TOP_LANGUAGES or figures["bytes"] >= SMALL_LANGUAGE * total)
    }


def _fit(title: str, groups: Ratios, whole: Mapping[str, Any]) -> str:
    """A row a group, and one for the whole corpus above them."""
    if not groups:
        return ""
    rows = []
    for name, figures in [("all", {**whole, "bytes": whole["bytes_in"]}), *groups.items()]:
        cells = [number(f"{figures[ratio]:.2f}") for ratio in ("bytes_per_token", "tokens_per_word")]
        cells += [number(numbers.percent(figures["byte_token_share"])), number(numbers.size(figures["bytes"]))]
        rows.append([cell(name), *cells])
    head = [title, "#bytes/token", "#tokens/word", "#byte tokens", "#text"]
    told = (
        "UTF-8 bytes of the text over its tokens; tokens over its words, which end at white space. A byte token spells "
        "one byte of a character that has no piece of its own."
    )
    return f"<h3>How text is spelt, by {title}</h3>{table(head, rows)}" + (method(told) if title == "source" else "")


def _dropped(report: Mapping[str, Any]) -> str:
    """One line where the training text is spelt otherwise than the table says."""
    if not report.get("dropout"):
        return ""
    told = (
        f"These figures, and those by language, are without dropout. The training text is spelt with BPE dropout "
        f"{report['dropout']:g}: as it lies on disk a token of it stands for "
        f"{report['training_bytes_per_token']:.2f} bytes."
    )
    return f'<p class="small soft">{escape(told)}</p>'


def _use(use: Mapping[str, Any], pieces: Pieces | None) -> str:
    """How much of the vocabulary occurs; byte tokens, which nobody expects to, have a row of their own."""
    if not use:
        return ""
    figures = {
        "ordinary entries: neither special nor byte tokens": numbers.count(use["entries"]),
        "used in the training text": numbers.count(use["used"]),
        "share that is used": numbers.percent(use["used_share"]),
        "never used": numbers.count(use["entries"] - use["used"]),
        "used 100 times or more": numbers.count(use["used_100_times"]),
        "entries that make up half of all ordinary tokens": numbers.count(use["entries_for_half_the_tokens"]),
    }
    if pieces:
        of_all = f"{numbers.count(pieces.unused_byte_tokens)} of {numbers.count(pieces.byte_tokens)}"
        figures["byte tokens never used"] = of_all
    rows = [[f'<td class="wrap">{escape(words)}</td>', number(figure)] for words, figure in figures.items()]
    return f'<h3>The vocabulary</h3><div class="short">{table(["", "#"], rows)}</div>'


def _named(title: str, pieces: Iterable[tuple[str, int]]) -> str:
    shown = [
        f'<code>{escape(readable(piece))}</code>&nbsp;<small class="soft">{escape(numbers.count(count))}</small>'
        for piece, count in pieces
    ]
    words = "␣ a space, ⏎ a line break; behind each piece how often it occurs."
    note = f'<p class="small soft">{words}</p>' if title.startswith("The rarest") else ""
    return f"<h3>{title}</h3><p>{', '.join(shown)}</p>{note}" if shown else ""


def readable(piece: str) -> str:
    r"""A piece with its white space in sight; long runs of a character are counted.

    >>> readable("\n" + 8 * " " + "if")
    '⏎␣×8if'
    """
    text = []
    for character, run in groupby(piece):
        length = sum(1 for _ in run)
        shown = "␣" if character == " " else visible(character, exactly=True)
        text.append(f"{shown}×{length}" if length > _LONG_RUN else shown * length)
    return "".join(text)


def _learned(tokenizer: Mapping[str, Any]) -> str:
    """One line: the words that the vocabulary was learned from."""
    if "occurrences" not in tokenizer:
        return ""
    told = f"The vocabulary was learned from {numbers.count(tokenizer['occurrences'])} words"
    if "distinct_words" in tokenizer:
        told += f", {numbers.count(tokenizer['distinct_words'])} of them different"
    if "sample_share" in tokenizer:
        share = tokenizer["sample_share"]
        told += f" ({'all' if share == 1 else numbers.percent(share)} of the text)"
    used, least = tokenizer.get("kept_words"), tokenizer.get("fewest_occurrences")
    if used is not None and least and used != tokenizer.get("distinct_words"):
        lost = numbers.percent(tokenizer.get("left_out_share", 0))
        told += f"; the {numbers.count(used)} that occur {numbers.count(least)} times or more were used"
        told += f", {lost} of all words left out"
    return f'<p class="small soft">{escape(told)}.</p>'
