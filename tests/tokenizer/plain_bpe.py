"""SentencePiece's BPE in plain Python, straight from its definition; quadratic, for tests alone.

characters are symbols; of all neighbours whose concatenation is a NORMAL piece the one with the highest score is
merged, the leftmost of equals, until none is left; a character without a piece is spelt in byte tokens
"""

import random
from collections.abc import Sequence

from antimatter.tokenizer.vocabulary import parse

SPACE = "\u2581"


class PlainBpe:
    def __init__(self, model: bytes) -> None:
        entries = list(enumerate(parse(model).pieces))
        self.ids = {entry.piece: number for number, entry in entries if entry.type == entry.NORMAL}
        self.scores = {entry.piece: entry.score for _, entry in entries if entry.type == entry.NORMAL}
        self.bytes = [number for number, entry in entries if entry.type == entry.BYTE]

    def encode(self, text: str, dropout: float = 0.0, draw: random.Random | None = None) -> list[int]:
        return self.spelt(self.symbols(text, dropout, draw))

    def symbols(self, text: str, dropout: float = 0.0, draw: random.Random | None = None) -> list[str]:
        """What a text is merged into. With dropout a merge that comes up is left out with that probability, for good:
        this very pair is never tried again, but its symbols may merge with others (SentencePiece, bpe_model.cc)."""
        symbols = list(text.replace(" ", SPACE))
        starts = list(range(len(symbols)))
        left_out: set[tuple[int, str, str]] = set()
        while True:
            pairs = list(zip(starts, symbols, symbols[1:], strict=False))
            open_pairs = [
                (-self.scores[left + right], start, place)
                for place, (start, left, right) in enumerate(pairs)
                if left + right in self.scores and (start, left, right) not in left_out
            ]
            if not open_pairs:
                return symbols
            _, _, place = min(open_pairs)
            if draw is not None and draw.random() < dropout:
                left_out.add(pairs[place])
                continue
            symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
            del starts[place + 1]

    def spelt(self, symbols: Sequence[str]) -> list[int]:
        """Ids: of the piece, or of the bytes of a character that has none."""
        ids: list[int] = []
        for symbol in symbols:
            ids += [self.ids[symbol]] if symbol in self.ids else [self.bytes[byte] for byte in symbol.encode()]
        return ids
