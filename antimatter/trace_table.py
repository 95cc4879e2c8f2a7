"""What `antimatter trace` prints: a step's documents, sequence by sequence, and how much of it each source is."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antimatter.terminal import columns, pieces, visible
from antimatter.tokenizer.interface import Tokenizer
from antimatter.tokenizer.opened import open_tokenizer, read_meta
from antimatter.tokens.binary import TokenizerMismatch
from antimatter.trace import MODEL, PARAMS, TOKENS, Batch, Piece, Window, windows_at
from antimatter.train.tokens import Tokens, open_tokens

TOKENIZER = Path("data/tokenizer")
WIDTH = 100
"""Columns, unless the terminal has more or fewer."""
NARROWEST = 80
_DIGITS = 12  # of an id: `antimatter explain` takes any beginning
_LONGEST_SOURCE = 20
_LEAST_ORIGIN = 16
_MARGIN = " " * 11 + "│ "


def lines(batch: Batch, width: int = WIDTH, with_text: bool = False) -> Iterator[str]:
    """The batch for a person."""
    texts = Texts(batch) if with_text else None
    run, layout = batch.run, Layout.of(batch.windows, width)
    yield f"step {batch.step:,} of {run.steps:,}, as {run.told_by} has it"
    yield f"samples {batch.cursor:,} to {batch.cursor + run.batch - 1:,} since the start, {_epochs(batch)}"
    for cursor, back in batch.undone:
        yield f"computed before on samples {cursor:,} to {cursor + run.batch - 1:,}, and undone: {visible(str(back))}"
    yield ""
    yield layout.line("share", "document", "source", "origin", "tokens of it")
    for window in batch.windows:
        yield ""
        yield f"sequence {window.place:,}: {_place(window)}"
        for piece, start in _placed(window):
            yield layout.document(window, piece)
            if texts:
                for line in texts.of(start, piece.end - piece.start).split("\n"):
                    yield from (f"{_MARGIN}{part}" for part in pieces(visible(line), width - len(_MARGIN)))
    yield ""
    yield from _sources(batch, width)
    yield ""
    yield f"antimatter explain {batch.windows[0].pieces[0].id.hex()[:_DIGITS]} tells the life of a document"


def post_mortem(samples: Sequence[int], length: int, most: int = 16) -> list[str]:
    """The documents of the given windows of data/tokens, for whoever has to find out why training failed.

    most    windows that are told; the others are counted in a last line
    Raises: TokensError
    """
    windows = list(windows_at(list(enumerate(samples[:most])), length, open_tokens(TOKENS)))
    layout, lines = Layout.of(windows, WIDTH), []
    for window in windows:
        lines += [_place(window), *(layout.document(window, piece) for piece in window.pieces)]
    return [*lines, f"... and {len(samples) - most:,} more windows"] if len(samples) > most else lines


def _epochs(batch: Batch) -> str:
    first, last = (1 + cursor // batch.available for cursor in (batch.cursor, batch.cursor + batch.run.batch - 1))
    done = 100 * (batch.cursor % batch.available) / batch.available
    passes = f"epochs {first:,} to {last:,}" if last > first else f"epoch {first:,}"
    return f"{passes} of {batch.available:,} each ({done:.1f} % of it done before)"


def _place(window: Window) -> str:
    return f"window {window.number:,}, tokens {window.start:,} to {window.end - 1:,} of the training split"


@dataclass(frozen=True)
class Layout:
    """Widths of the columns of documents."""

    source: int
    origin: int
    span: int

    @classmethod
    def of(cls, windows: Sequence[Window], width: int) -> "Layout":
        """Such that all sources and spans of the windows fit, and the origins have the rest."""
        all_pieces = [piece for window in windows for piece in window.pieces]
        source = max((columns(visible(piece.source, exactly=True)) for piece in all_pieces), default=0)
        span = max((len(_span(piece)) for piece in all_pieces), default=0)
        source, span = min(max(source, len("source")), _LONGEST_SOURCE), max(span, len("tokens of it"))
        return cls(source, max(_LEAST_ORIGIN, width - (9 + _DIGITS + source + span + 4 * 2)), span)

    def line(self, share: str, document: str, source: str, origin: str, span: str) -> str:
        """A row of the table."""
        named = f"{document:<{_DIGITS}}  {_fitted(source, self.source)}  {_fitted(origin, self.origin)}"
        return f"{share:>9}  {named}  {span:>{self.span}}"

    def document(self, window: Window, piece: Piece) -> str:
        """The row of a piece."""
        share = f"{100 * window.share(piece):.1f} %"
        return self.line(share, piece.id.hex()[:_DIGITS], piece.source, piece.origin, _span(piece))


def _span(piece: Piece) -> str:
    if (piece.start, piece.end) == (0, piece.length):
        return f"all {piece.length:,}"
    return f"{piece.start:,} to {piece.end - 1:,} of {piece.length:,}"


def _fitted(text: str, width: int) -> str:
    """Exactly so many columns: filled up, or cut in the middle; of a path its end says most."""
    text = visible(text, exactly=True)
    if columns(text) > width:
        head = width // 3
        text = next(pieces(text, head)) + "…" + next(pieces(text[::-1], width - 1 - head))[::-1]
    return text + " " * (width - columns(text))


def _sources(batch: Batch, width: int) -> Iterator[str]:
    tokens, documents, total = Counter[str](), dict[str, set[bytes]](), 0
    for window in batch.windows:
        for piece in window.pieces:
            tokens[piece.source] += piece.end - piece.start
            documents.setdefault(piece.source, set()).add(piece.id)
            total += piece.end - piece.start
    name_width = width - 40
    yield f"{'source':<{name_width}}{'documents':>12}{'tokens':>16}{'share':>12}"
    for source, count in sorted(tokens.items(), key=lambda item: (-item[1], item[0])):
        number = f"{len(documents[source]):>12,}{count:>16,}{100 * count / total:>10.1f} %"
        yield _fitted(source, name_width) + number
    if len(tokens) > 1:
        yield f"{'all':<{name_width}}{sum(map(len, documents.values())):>12,}{total:>16,}{100:>10.1f} %"


def plain(batch: Batch, with_text: bool = False) -> dict[str, Any]:
    """The batch for programs, ready for JSON; spans are [start, end)."""
    texts = Texts(batch) if with_text else None
    return {
        "step": batch.step,
        "steps": batch.run.steps,
        "told_by": batch.run.told_by.as_posix(),
        "cursor": batch.cursor,
        "windows": batch.available,
        "sequence_length": batch.run.length,
        "undone": [{"cursor": cursor, **vars(back)} for cursor, back in batch.undone],
        "sequences": [
            {
                "place": window.place,
                "window": window.number,
                "start": window.start,
                "end": window.end,
                "documents": [
                    piece._asdict()
                    | {"id": piece.id.hex(), "share": window.share(piece)}
                    | ({"text": texts.of(start, piece.end - piece.start)} if texts else {})
                    for piece, start in _placed(window)
                ],
            }
            for window in batch.windows
        ],
    }


def _placed(window: Window) -> Iterator[tuple[Piece, int]]:
    """Each piece with its position in the training split."""
    start = window.start
    for piece in window.pieces:
        yield piece, start
        start += piece.end - piece.start


class Texts:
    """The text of tokens of the training split, by the tokenizer beside the model, or data/tokenizer for params.yaml.

    Raises: TokenizerMismatch if it is not the one that the tokens were written with; what opening it raises.
    """

    def __init__(self, batch: Batch) -> None:
        folder = TOKENIZER if batch.run.told_by == PARAMS else MODEL / "tokenizer"
        self._tokens: Tokens = open_tokens(TOKENS)
        digest = read_meta(folder)["digest"]
        if digest != self._tokens.tokenizer_digest:
            raise TokenizerMismatch(
                f"{TOKENS} was written with tokenizer {self._tokens.tokenizer_digest}, but {folder} is {digest}: the "
                f"ids mean other texts. Run `dvc repro tokenize`."
            )
        self._tokenizer: Tokenizer = open_tokenizer(folder)

    def of(self, start: int, count: int) -> str:
        """The text of `count` tokens from a position on; special tokens leave no trace."""
        return self._tokenizer.decode(self._tokens.train.read(start, count).tolist())
