"""Two texts side by side in a terminal: what differs is marked word by word, long equal stretches are folded.

    the quick [-brown-] fox        | the quick {+red+} fox
    ... 37 equal lines ...
                                   > {+a line that the right text alone has+}

Words are aligned, not lines: a text that was wrapped anew, or has no line breaks at all, still lies beside its copy.
Between the columns: | changed, < and > on one side alone, ~ other whitespace. Whitespace at the ends is not shown.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise, zip_longest
from typing import NamedTuple

from antimatter.dedup.alignment import equal_runs
from antimatter.terminal import columns, pieces, visible

NARROWEST = 40
"""Columns in all, below which two texts cannot stand side by side."""
CONTEXT = 3
"""Equal lines shown around a change."""
MOST_WORDS = 400_000
"""A text of more words, a megabyte of punctuation, is cut at whitespace and into pieces of twelve characters."""
_COARSE = re.compile(r"(\s*+)((\S)\S{0,11})")
_GUTTER = 3
_MARKS = (("[-", "-]"), ("{+", "+}"))
_COLOURS = (("\x1b[31m", "\x1b[0m"), ("\x1b[32m", "\x1b[0m"))
_FEWEST_FOLDED = 2
_FEWEST_OF_A_WORD = 6
"""Lines of one word of which only the first and the last are shown, unless the whole texts are."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text as words; a punctuation mark is a word of its own, and so is a letter of a script without spaces."""

    words: list[str]
    spaces: list[str]
    """Whitespace before each word."""
    partners: list[int]
    """The equal word of the other text, -1 if it has none."""


class Row(NamedTuple):
    """Words that stand side by side: first and last + 1 of either text."""

    left: int
    left_end: int
    right: int
    right_end: int
    changed: bool
    respaced: bool
    """Between equal words stands other whitespace."""
    paragraph: bool
    """An empty line lies before it in both texts."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Two texts, word by word."""

    left: Text
    right: Text

    @property
    def equal_words(self) -> int:
        return sum(partner >= 0 for partner in self.left.partners)


def align(left: str, right: str) -> Alignment:
    """The words of two texts and which of them are equal. Seconds for a megabyte each, whatever they hold."""
    pattern = _word_pattern(set(left) | set(right))
    cuts = [_cut(text, pattern) for text in (left, right)]
    if any(len(words) > MOST_WORDS for _, words in cuts):
        cuts = [_cut(text, _COARSE) for text in (left, right)]
    (left_spaces, left_words), (right_spaces, right_words) = cuts
    left_partners, right_partners = [-1] * len(left_words), [-1] * len(right_words)
    for i, j, n in equal_runs(left_words, right_words):
        left_partners[i : i + n] = range(j, j + n)
        right_partners[j : j + n] = range(i, i + n)
    return Alignment(
        left=Text(words=left_words, spaces=left_spaces, partners=left_partners),
        right=Text(words=right_words, spaces=right_spaces, partners=right_partners),
    )


def _word_pattern(characters: set[str]) -> re.Pattern[str]:
    """Whitespace, then a word: letters and digits with their marks, one letter of a script without spaces, or a run
    of one other character. Classes of the characters at hand: \\w knows neither marks nor scripts."""
    others = sorted(character for character in characters if not character.isascii())
    marks = "".join(c for c in others if unicodedata.category(c)[0] == "M" or c in "\u200c\u200d")
    alone = "".join(c for c in others if _stands_alone(c))
    first = f"[{alone}][{marks}]*|" if alone and marks else f"[{alone}]|" if alone else ""
    not_alone = f"(?![{alone}])" if alone else ""
    behind = f"[{marks}]*" if marks else ""
    return re.compile(rf"(\s*+)({first}(?:{not_alone}[\w{marks}])++|(\S)\3*{behind})")


def _stands_alone(character: str) -> bool:
    """Whether it is a letter of a script that writes no spaces: Han, kana, Thai, Lao, Burmese, Khmer."""
    if unicodedata.category(character) not in ("Lo", "Lm"):
        return False
    wide = unicodedata.east_asian_width(character) in "WF" and not "\uac00" <= character <= "\ud7a3"  # Hangul spaces
    return (
        wide or "\u0e00" <= character <= "\u0eff" or "\u1000" <= character <= "\u109f" or "ក" <= character <= "\u17ff"
    )


def _cut(text: str, pattern: re.Pattern[str]) -> tuple[list[str], list[str]]:
    found = pattern.findall(text.rstrip())
    return [space for space, _, _ in found], [word for _, word, _ in found]


def lines(
    alignment: Alignment,
    *,
    width: int,
    titles: tuple[str, str] = ("", ""),
    context: int | None = CONTEXT,
    coloured: bool = False,
) -> Iterator[str]:
    """Lines of at most `width` columns (at least NARROWEST); all of them if `context` is None."""
    column = (width - _GUTTER) // 2
    if any(titles):
        yield f"{titles[0]:<{column}}   {titles[1]}".rstrip()
        yield f"{'-' * column}   {'-' * column}"
    drawn = _Columns(alignment, column, coloured, is_whole=context is None)
    rows = _rows(alignment, column, 0 if coloured else len("".join(_MARKS[0])))
    for row in _folded(rows, context):
        if isinstance(row, str):
            yield row
        else:
            yield from drawn.lines(row)


def _rows(alignment: Alignment, column: int, overhead: int) -> list[Row]:
    """The texts cut into rows: at line breaks, and where a column is full."""
    left, right = alignment.left, alignment.right
    cutter = _Cutter(alignment, column, overhead)
    i = j = 0
    while i < len(left.words) or j < len(right.words):
        if i < len(left.words) and left.partners[i] == j:
            cutter.add_equal(i, j)
            i, j = i + 1, j + 1
            continue
        end_i, end_j = i, j
        while end_i < len(left.words) and left.partners[end_i] < 0:
            end_i += 1
        while end_j < len(right.words) and right.partners[end_j] < 0:
            end_j += 1
        cutter.add_change(i, end_i, j, end_j)
        i, j = end_i, end_j
    cutter.cut(i, j)
    return cutter.rows


class _Cutter:
    """Collects words into rows. Widths are estimates: what does not fit after all is wrapped when it is drawn."""

    def __init__(self, alignment: Alignment, column: int, overhead: int) -> None:
        self.rows: list[Row] = []
        self._left, self._right = alignment.left, alignment.right
        self._column, self._overhead = column, overhead
        self._start = (0, 0)
        self._used = (0, 0)
        self._changed = self._respaced = self._paragraph = False

    def cut(self, i: int, j: int) -> None:
        """End the row before word i on the left and j on the right."""
        left, right = self._start
        if (i, j) != (left, right):
            self.rows.append(Row(left, i, right, j, self._changed, self._respaced, self._paragraph))
        self._start, self._used = (i, j), (0, 0)
        self._changed = self._respaced = self._paragraph = False

    def add_equal(self, i: int, j: int) -> None:
        """Word i on the left, which is word j on the right."""
        space, other, size = self._left.spaces[i], self._right.spaces[j], columns(self._left.words[i])
        left, right = self._used
        if self._starts_row(left, space, size) or self._starts_row(right, other, size):
            self.cut(i, j)
            self._paragraph = _is_paragraph(space) and _is_paragraph(other)
            left = right = 0
        if space != other and _is_inner(self._left, i):
            self._respaced = True
            left, right = left + self._overhead, right + self._overhead
        self._used = (left + len(space) + size, right + len(other) + size)

    def add_change(self, i: int, end_i: int, j: int, end_j: int) -> None:
        """Words that the other text has not, on both sides or on one: their first rows stand side by side."""
        if not self._fits(self._used, i, end_i, j, end_j) and self._fits((0, 0), i, end_i, j, end_j):
            self.cut(i, j)
        left, left_used = self._cuts(self._left, i, end_i, self._used[0])
        right, right_used = self._cuts(self._right, j, end_j, self._used[1])
        rows = max(len(left), len(right))
        used = left_used if len(left) == rows else 0, right_used if len(right) == rows else 0
        left += [end_i] * (rows + 1 - len(left))
        right += [end_j] * (rows + 1 - len(right))
        for number, ((a, b), (c, d)) in enumerate(zip(pairwise(left), pairwise(right), strict=True)):
            if number:
                self.cut(a, c)
                spaces = [*self._left.spaces[a : min(b, a + 1)], *self._right.spaces[c : min(d, c + 1)]]
                self._paragraph = all(map(_is_paragraph, spaces))
            self._changed |= a < b or c < d
        self._used = used

    def _fits(self, used: tuple[int, int], i: int, end_i: int, j: int, end_j: int) -> bool:
        """Whether a change is small enough for the rest of a row."""
        stretches = ((self._left, i, end_i, used[0]), (self._right, j, end_j, used[1]))
        return all(end - start < self._column for _, start, end, _ in stretches) and all(
            len(self._cuts(*stretch)[0]) == 1 for stretch in stretches
        )

    def _cuts(self, text: Text, start: int, end: int, used: int) -> tuple[list[int], int]:
        """Where the rows of these words begin, the first one within the present row; columns used in the last one."""
        starts = [start]
        used += self._overhead if start < end else 0
        for place in range(start, end):
            space, size = text.spaces[place], columns(text.words[place])
            if self._starts_row(used, space, size):
                starts.append(place)
                used = self._overhead
            used += len(space) + size
        return starts, used

    def _starts_row(self, used: int, space: str, size: int) -> bool:
        room = self._column - used - len(space) - size
        return "\n" in space or (used > 0 and room < (2 if space else 0))  # room for the comma behind it


def _is_paragraph(space: str) -> bool:
    return space.count("\n") > 1


def _is_inner(text: Text, place: int) -> bool:
    """Whether the words before this equal one are equal too, or there are none in either text."""
    partner = text.partners[place]
    return text.partners[place - 1] == partner - 1 >= 0 if place else partner == 0


def _folded(rows: Sequence[Row], context: int | None) -> Iterator[Row | str]:
    """The rows that differ, `context` rows around them, and for the others a line that counts them.

    Other whitespace is no difference, unless nothing else differs.
    """
    differing = [number for number, row in enumerate(rows) if row.changed]
    differing = differing or [number for number, row in enumerate(rows) if row.respaced]
    if context is None:
        differing, context = [0], len(rows)
    shown, end = bytearray(len(rows)), 0
    for number in differing:
        start, end = max(end, number - context), min(len(rows), number + context + 1)
        shown[start:end] = b"\1" * (end - start)
    place = 0
    for is_shown, group in groupby(shown):
        count = sum(1 for _ in group)
        part = rows[place : place + count]
        place += count
        if is_shown or count < _FEWEST_FOLDED:
            yield from part
        else:
            kind = "lines with equal words" if any(row.respaced for row in part) else "equal lines"
            yield f"... {count:,} {kind} ..."


class _Columns:
    """Draws rows."""

    def __init__(self, alignment: Alignment, column: int, coloured: bool, is_whole: bool) -> None:
        self._is_whole = is_whole
        self._texts = alignment.left, alignment.right
        self._column = column
        self._marks = _COLOURS if coloured else _MARKS
        self._overhead = 0 if coloured else len("".join(_MARKS[0]))

    def lines(self, row: Row) -> Iterator[str]:
        """The lines of a terminal that the row takes."""
        bounds = ((row.left, row.left_end), (row.right, row.right_end))
        cells = [self._cell(side, *bounds[side]) for side in (0, 1)]
        sign = " "
        if row.changed:
            sign = "<" if row.right == row.right_end else ">" if row.left == row.left_end else "|"
        elif row.respaced:
            sign = "~"
        if row.paragraph:
            yield ""
        count = max(map(len, cells))
        giant = "" if self._is_whole or count < _FEWEST_OF_A_WORD else self._giant(row)
        if giant:  # base64 or minified code: a megabyte without a space
            cells = [[*cell[:1], *cell[1:][-1:]] for cell in cells]
        for number, (left, right) in enumerate(zip_longest(*cells, fillvalue=("", 0))):
            if giant and number:
                yield f"... {count - 2:,} lines of {giant} ..."
            yield f"{left[0]}{' ' * (self._column - left[1])} {sign} {right[0]}".rstrip()

    def _giant(self, row: Row) -> str:
        """What in the row is longer than a line: one word, whitespace, or nothing."""
        left, right = self._texts
        i, j = slice(row.left, row.left_end), slice(row.right, row.right_end)
        kinds = {
            "one word": [*left.words[i], *right.words[j]],
            "whitespace": [*left.spaces[i], *right.spaces[j]],
        }
        return next((kind for kind, parts in kinds.items() if max(map(len, parts), default=0) > self._column), "")

    def _cell(self, side: int, start: int, end: int) -> list[tuple[str, int]]:
        """One side's lines and the columns that they take."""
        opening, closing = self._marks[side]
        drawn = []
        for line in self._wrapped(self._atoms(side, start, end)):
            text, used = "", 0
            for marked, group in groupby(line, key=lambda atom: atom[1]):
                words = "".join(word for word, _ in group)
                text += f"{opening}{words}{closing}" if marked else words
                used += columns(words) + (self._overhead if marked else 0)
            drawn.append((text, used))
        return drawn

    def _atoms(self, side: int, start: int, end: int) -> Iterator[tuple[str, bool]]:
        """Words and spaces as they are shown, and whether they are marked."""
        text, other = self._texts[side], self._texts[1 - side]
        for place in range(start, end):
            space, partner = text.spaces[place], text.partners[place]
            changed = partner < 0
            within = changed and place > start and text.partners[place - 1] < 0
            if not changed and space != other.spaces[partner] and _is_inner(text, place):
                yield visible(space, exactly=True).replace(" ", "·"), True
            elif place == start:  # of a line break the indentation is shown; where a row was full, nothing
                yield visible(space.rpartition("\n")[2] if "\n" in space else ""), False
            else:
                yield visible(space, exactly=within), within
            yield visible(text.words[place], exactly=changed), changed

    def _wrapped(self, atoms: Iterable[tuple[str, bool]]) -> list[list[tuple[str, bool]]]:
        """The atoms in lines that fit the column; one that is too long by itself is broken."""
        lines: list[list[tuple[str, bool]]] = [[]]
        used, before = 0, False
        for atom, marked in atoms:
            size, overhead = columns(atom), self._overhead if marked else 0
            if used + size + (0 if before and marked else overhead) > self._column and lines[-1]:
                lines.append([])
                used, before = 0, False
                if atom.isspace():
                    continue
            if size + overhead > self._column:
                *whole, atom = pieces(atom, self._column - overhead)
                lines[-1:] = [[(piece, marked)] for piece in whole] + [[]]
                size = columns(atom)
            if atom:
                lines[-1].append((atom, marked))
                used += size + (0 if before and marked else overhead)
                before = marked
        return lines
