"""Unicode repair: what ftfy would return, without asking ftfy about text that cannot need it.

ftfy takes a document line by line and repeats, until nothing changes: entities, mojibake, then maps of single
characters (ligatures, widths, quotes, line breaks, controls) and NFC. Here the same is done on whole documents at once:
where no mojibake is near (clean/mojibake.py) and no entity, only the maps remain, and they do not look beyond a line.
The other lines are repeated one by one as ftfy does, and mojibake itself is repaired by ftfy's own function.

One state crosses lines: from the first line with '<' on, entities are left alone to the end of the document (ftfy
takes it for HTML). The tables come from the installed ftfy; the order of its steps is that of the releases named below.
"""

import re
import unicodedata
from collections.abc import Iterator

import ftfy
from ftfy import chardata, fixes

from antimatter.clean.edits import Edit, lost_characters
from antimatter.clean.mojibake import MOJIBAKE

PROVEN = ("6.3.1",)
"""Releases of ftfy whose loop is the one below; under any other, ftfy itself does everything: equal, only slower."""

_LONGEST_SEGMENT = ftfy.TextFixerConfig().max_decode_length  # characters; ftfy cuts longer lines
_BMP = "".join(map(chr, range(0x10000)))


def _mapped(character: str) -> str:
    """A single character after those steps of ftfy that see one character at a time."""
    character = fixes.fix_character_width(fixes.fix_latin_ligatures(character))
    return fixes.fix_line_breaks(fixes.uncurl_quotes(character))


_KEYS = {
    *map(chr, chardata.LIGATURES),
    *map(chr, chardata.WIDTH_MAP),
    *chardata.SINGLE_QUOTE_RE.findall(_BMP),
    *chardata.DOUBLE_QUOTE_RE.findall(_BMP),
    *"\r\u2028\u2029\x85",
}
_REPLACED = {key: _mapped(key) for key in sorted(_KEYS)}
_REMOVED = sorted(map(chr, chardata.CONTROL_CHARS))
_SURROGATES = "\ud800-\udfff"
_CHANGED = re.compile(f"[{re.escape(''.join([*_REPLACED, *_REMOVED]))}{_SURROGATES}]")
_CHANGED_BYTES = "".join(c for c in [*_REPLACED, *_REMOVED] if c.isascii()).encode()
_CHANGED_ASCII = re.compile(f"[{re.escape(_CHANGED_BYTES.decode())}]")
_TABLE = str.maketrans({**_REPLACED, **dict.fromkeys(_REMOVED, "")})
_QUOTES = frozenset(key for key, value in _REPLACED.items() if value in ("'", '"') and not key.isascii())
_FEW = 12  # different characters; each costs a pass of str.replace, str.translate costs a look-up a character


def repair(text: str) -> str:
    """Equal to ftfy.fix_text(text), many times faster.

    >>> repair("schÃ¶n &amp; “gut”")
    'schön & "gut"'
    """
    return repair_counted(text).text


def repair_counted(text: str) -> Edit:
    """The step ftfy: repair(text), and how many of the text's characters were replaced or removed."""
    if ftfy.__version__ not in PROVEN:
        repaired = ftfy.fix_text(text)
        return Edit(repaired, lost_characters(text, repaired))
    if "&" not in text and _is_settled(text):
        return Edit(text)
    border = _first_html_line(text)
    with_entities, edited_before = _repair_part(text[:border], True)
    without, edited_after = _repair_part(text[border:], False)
    return Edit(with_entities + without, edited_before + edited_after)


def nfc(text: str) -> Edit:
    """NFC alone, not NFKC: NFKC would read x² as x2.

    >>> nfc("cafe\u0301").text, nfc("cafe\u0301").characters
    ('café', 2)
    """
    return Edit(*_normalize(text))


def _normalize(text: str) -> tuple[str, int]:
    if unicodedata.is_normalized("NFC", text):
        return text, 0
    normal = unicodedata.normalize("NFC", text)
    return normal, lost_characters(text, normal)


def _is_settled(text: str) -> bool:
    """Whether ftfy would leave a text without '&' alone; False may be wrong."""
    if text.isascii():  # deleting from bytes is the fastest search for a few characters
        return len(text.encode().translate(None, _CHANGED_BYTES)) == len(text)
    return not _CHANGED.search(text) and not MOJIBAKE.search(text) and unicodedata.is_normalized("NFC", text)


def _first_html_line(text: str) -> int:
    """Where the line with the first '<' begins: no entity is decoded from there on."""
    sign = text.find("<")
    border = len(text) if sign < 0 else text.rfind("\n", 0, sign) + 1
    if sign - border < _LONGEST_SEGMENT:
        return border
    return border + (sign - border) // _LONGEST_SEGMENT * _LONGEST_SEGMENT  # a segment is what ftfy takes for a line


def _repair_part(text: str, entities: bool) -> tuple[str, int]:
    """A run of whole lines, all with or all without decoding of entities."""
    if len(text) > _LONGEST_SEGMENT and _has_long_line(text):
        return _repair_lines(text, entities)
    pieces: list[str] = []
    edited, position = 0, 0
    for start, end in _suspicious_spans(text, entities):
        for repaired, count in (_map_run(text[position:start], entities), _repair_lines(text[start:end], entities)):
            pieces.append(repaired)
            edited += count
        position = end
    repaired, count = _map_run(text[position:] if position else text, entities)
    return "".join([*pieces, repaired]), edited + count


def _has_long_line(text: str) -> bool:
    return any(len(line) >= _LONGEST_SEGMENT for line in text.split("\n"))


def _suspicious_spans(text: str, entities: bool) -> Iterator[tuple[int, int]]:
    """(start, end) of the lines that need more than maps of characters, in order, without overlap."""
    searches = []
    if not text.isascii():
        searches.append(MOJIBAKE)
    if entities and "&" in text:
        searches.append(chardata.HTML_ENTITY_RE)
    found = [search.search(text) for search in searches]
    while True:
        hits = [hit for hit in found if hit]
        if not hits:
            return
        start = text.rfind("\n", 0, min(hit.start() for hit in hits)) + 1
        end = text.find("\n", start) + 1 or len(text)
        yield start, end
        found = [
            hit if hit is None or hit.start() >= end else search.search(text, end)
            for hit, search in zip(found, searches, strict=True)
        ]


def _map_run(text: str, entities: bool) -> tuple[str, int]:
    """Lines without mojibake and entities; should the maps have made some, every line alone."""
    mapped, edited, kinds = _map_odd(text)
    if kinds <= _QUOTES and unicodedata.is_normalized("NFC", mapped):
        return mapped, edited  # no mojibake holds a straight quote where a curly one would not do as well
    mapped, composed = _normalize(mapped)
    if (
        (not mapped.isascii() and MOJIBAKE.search(mapped))
        or (entities and "&" in mapped and chardata.HTML_ENTITY_RE.search(mapped))
        or _CHANGED.search(mapped)
    ):
        return _repair_lines(text, entities)
    return mapped, min(len(text), edited + composed)  # what a map made and NFC composed would count twice


def _repair_lines(text: str, entities: bool) -> tuple[str, int]:
    """Each line, or segment of a very long line, until it changes no more."""
    repaired, edited, start = [], 0, 0
    while start < len(text):
        end = min(text.find("\n", start) + 1 or len(text), start + _LONGEST_SEGMENT)
        line = text[start:end]
        result = _repair_line(line, entities)
        if result != line:
            edited += lost_characters(line, result)
        repaired.append(result)
        start = end
    return "".join(repaired), edited


def _repair_line(text: str, entities: bool) -> str:
    """ftfy's own loop, with the guard before each of its slow parts."""
    while True:
        before = text
        if entities and "&" in text:
            text = fixes.unescape_html(text)
        if not text.isascii() and MOJIBAKE.search(text):
            text = fixes.fix_c1_controls(ftfy.fix_encoding(text))
        text = _normalize(_map_odd(text)[0])[0]
        if text == before:
            return text


def _map_odd(text: str) -> tuple[str, int, set[str]]:
    """ftfy's maps of single characters, line breaks, surrogates and escapes: once, in its order, without NFC.

    Returns the text, how many of its characters were replaced or removed, and which.
    """
    odd = (_CHANGED_ASCII if text.isascii() else _CHANGED).findall(text)
    kinds = set(odd)
    edited = len(odd)
    if not kinds:
        return text, 0, kinds
    edited_before = 0
    if "\r" in kinds:
        edited_before, text = len(text), text.replace("\r\n", "\n")  # what is left is replaced as a single character
        edited_before -= len(text)
    if "\x1b" in kinds or any("\ud800" <= kind <= "\udfff" for kind in kinds):
        # these may take in neighbours that the maps have made: ftfy's order, step by step
        mapped = fixes.fix_surrogates(text.translate({ord(key): value for key, value in _REPLACED.items()}))
        mapped = fixes.remove_terminal_escapes(mapped).translate(chardata.CONTROL_CHARS)
        return mapped, edited_before + lost_characters(text, mapped), kinds
    if len(kinds) > _FEW:
        return text.translate(_TABLE), edited, kinds
    for kind in sorted(kinds):
        text = text.replace(kind, _REPLACED.get(kind, ""))
    return text, edited, kinds
