"""Two texts as one, word by word: what only the first has is marked as deleted, what only the second has as inserted.

    the quick <del>brown</del><ins>red</ins> fox <span class="gap">… 37 equal words …</span>

Where no word differs, other white space between them is marked, written out: ⏎ for a line break, · for a space.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from antimatter.dedup.side_by_side import Alignment, Text, align
from antimatter.report.markup import words
from antimatter.terminal import visible

CONTEXT = 14
"""Equal words shown on either side of a change."""
MOST_WORDS = 500
"""Words shown of the two texts together; what follows is counted."""
LONGEST = 60_000
"""Characters of a text that are compared."""


class _Piece(NamedTuple):
    kind: str
    """equal, del or ins."""
    space: str
    word: str


def diff(before: str, after: str, are_excerpts: bool = False) -> str:
    """The two texts as one piece of HTML; empty if no word and no white space between words differs.

    are_excerpts    cut out at equal lengths, so that they may begin and end at different words of one text: what
                    differs there is left out if anything else does, and white space is always marked
    """
    alignment = align(before[:LONGEST], after[:LONGEST])
    is_respaced = are_excerpts or alignment.equal_words == len(alignment.left.words) == len(alignment.right.words)
    pieces = _deletions_first(_pieces(alignment, is_respaced))
    pieces = _without_ends(pieces) if are_excerpts else pieces
    if all(piece.kind == "equal" for piece in pieces):
        return ""
    shown, left = [], MOST_WORDS
    groups = [(kind, list(group)) for kind, group in groupby(pieces, key=lambda piece: piece.kind)]
    for place, (kind, group) in enumerate(groups):
        if left <= 0:
            rest = sum(len(later) for _, later in groups[place:])
            shown.append(_gap(f"{rest:,} more words"))
            break
        if kind == "equal":
            shown += _equal(group, is_first=place == 0, is_last=place == len(groups) - 1)
            left -= min(len(group), 2 * CONTEXT)
        else:
            part = group[:left]
            text = "".join(_marked(piece, is_first=place == 0) for place, piece in enumerate(part))
            more = _gap(f"{len(group) - len(part):,} more words") if len(part) < len(group) else ""
            shown.append(f"{words(_before(part[0]))}<{kind}>{text}</{kind}>{more}")
            left -= len(part)
    return "".join(shown).strip()


def _without_ends(pieces: list[_Piece]) -> list[_Piece]:
    """From the first equal word to the last, if there is a change between them; else all."""
    equal = [place for place, piece in enumerate(pieces) if piece.kind == "equal"]
    inner = pieces[equal[0] : equal[-1] + 1] if equal else []
    return inner if any(piece.kind != "equal" for piece in inner) else pieces


def _pieces(alignment: Alignment, marks_spaces: bool) -> Iterator[_Piece]:
    left, right = alignment.left, alignment.right
    i = j = 0
    while i < len(left.words) or j < len(right.words):
        if i < len(left.words) and left.partners[i] < 0:
            yield _Piece("del", left.spaces[i], left.words[i])
            i += 1
        elif j < len(right.words) and right.partners[j] < 0:
            yield _Piece("ins", right.spaces[j], right.words[j])
            j += 1
        else:
            if marks_spaces and _is_inner(left, i) and left.spaces[i] != right.spaces[j]:
                yield from (_Piece("del", left.spaces[i], ""),) if left.spaces[i] else ()
                yield from (_Piece("ins", right.spaces[j], ""),) if right.spaces[j] else ()
                yield _Piece("equal", "", left.words[i])
            else:
                yield _Piece("equal", right.spaces[j], right.words[j])
            i, j = i + 1, j + 1


def _is_inner(text: Text, place: int) -> bool:
    """Whether the word before this equal one is equal too: else the white space belongs to the change."""
    return place > 0 and text.partners[place - 1] == text.partners[place] - 1 >= 0


def _deletions_first(pieces: Iterator[_Piece]) -> list[_Piece]:
    """Between two equal words all deletions, then all insertions: of a line that changed both stand together."""
    ordered: list[_Piece] = []
    for is_equal, group in groupby(pieces, key=lambda piece: piece.kind == "equal"):
        part = list(group)
        ordered += part if is_equal else sorted(part, key=lambda piece: piece.kind)
    return ordered


def _before(first: _Piece) -> str:
    """The white space in front of a change stands outside of the mark, unless it is the change."""
    return first.space if first.word else ""


def _marked(piece: _Piece, is_first: bool) -> str:
    if not piece.word:
        return words(visible(piece.space, exactly=True).replace(" ", "·"))
    return words(("" if is_first else piece.space) + visible(piece.word, exactly=True))


def _equal(group: list[_Piece], is_first: bool, is_last: bool) -> list[str]:
    """Equal words; of a long stretch only those beside the changes."""
    text = [piece.space + piece.word for piece in group]
    head, tail = 0 if is_first else CONTEXT, 0 if is_last else CONTEXT
    hidden = len(text) - head - tail
    if hidden <= CONTEXT:
        return [words("".join(text))]
    end = len(text) - tail
    return [words("".join(text[:head])), _gap(f"{hidden:,} equal words"), words("".join(text[end:]))]


def _gap(told: str) -> str:
    return f' <span class="gap">… {told} …</span> '
