"""Characters that nobody sees: removed, unless they change how their neighbours look.

What a line break is made of stays (see whitespace.line_ends; U+0085 too, or two words would become one), and so do
tabs, variation selectors (U+FE00-FE0F, U+E0100-E01EF, U+180B-180D: they choose a glyph) and the combining grapheme
joiner (it carries sort order and Hebrew accents). Sources: Unicode 15 chapter 23, UAX 31 section 2.3 (joiners), UTS 51
(emoji sequences), UTR 20 (characters that markup should not hold).
"""

import re
import unicodedata

from antimatter.clean.edits import Edit, lost_characters

REMOVED = {
    "C0 and C1 controls, without tab and line breaks": "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f",
    "soft hyphen: a place where a renderer may break a word, not a part of the word": "\u00ad",
    "word joiner and the invisible operators of mathematics": "\u2060-\u2064",
    "byte order mark, also as zero-width no-break space (deprecated since Unicode 3.2)": "\ufeff",
    "marks of direction, embeddings, overrides, isolates: they order glyphs, the text is in reading order already": (
        "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"
    ),
    "deprecated format controls (symmetric swapping, Arabic shaping, digit shapes)": "\u206a-\u206f",
    "interlinear annotation: internal to applications": "\ufff9-\ufffb",
    "noncharacters: never for interchange": "\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17)),
}

# Scripts in which a joiner asks for another form of the letter beside it (UAX 31 rules A1, A2, B; before a letter: its
# final form), and Hebrew, where it places the meteg (Unicode 15 section 9.1). Without the format characters
# that lie in these blocks.
JOINING = (
    "\u0590-\u05ff\ufb1d-\ufb4f"  # Hebrew
    "\u0600-\u061b\u061d-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc"  # Arabic
    "\u0700-\u074f\u07c0-\u07ff\u0840-\u086f"  # Syriac, N'Ko, Mandaic
    "\u0900-\u0dff\u1cd0-\u1cff\ua830-\ua83f\ua8e0-\ua8ff"  # Devanagari to Sinhala, Vedic signs
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff\u1a20-\u1aaf"  # Khmer, Tai Tham
    "\u1800-\u180d\u180f-\u18af\ua840-\ua87f"  # Mongolian, Phags-pa; then the other scripts of Brahmi's family
    "\u1700-\u177f\u1900-\u194f\u1980-\u19df\u1b00-\u1c4f\ua800-\ua82f\ua880-\ua8df\ua900-\ua9df\uabc0-\uabff"
    "\U00010a00-\U00010a5f\U00010ac0-\U00010aff\U00010d00-\U00010d3f\U00010f30-\U00010fdf\U00011000-\U00011fff"
    "\U0001e900-\U0001e95f"  # Adlam
)
# Thai, Lao, Khmer, Myanmar write no spaces: a zero-width space between their letters is the one word border written
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\ua9e0-\ua9ff\uaa60-\uaa7f"
EMOJI = (
    "©®‼⁉™ℹ\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d㊗㊙"
    "\U0001f000-\U0001faff"
)
_LAST_BMP = "\uffff"
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"  # letters of Hangul and a Braille pattern in name, blank in print
_AFTER_EMOJI = EMOJI + "\ufe0f\u20e3"

_SUSPECTS = re.compile(f"[{''.join(c for c in ''.join(REMOVED.values()) if c <= _LAST_BMP)}\u200b-\u200d\u180e]")
_CONTROLS = bytes([*range(0x09), *range(0x0E, 0x20), 0x7F])
_BEYOND_BMP = re.compile(f"[^\x00-{_LAST_BMP}]")  # apart: a class that mixes planes is searched ten times slower
_INVISIBLE = re.compile(
    f"[{''.join(REMOVED.values())}]"
    # elsewhere a zero-width space is a place where a line may break, and no space: words stay whole
    f"|\u200b(?:(?<![{UNSPACED}]\u200b)|(?!\u200b*[{UNSPACED}]))"
    f"|\u200c(?<![{JOINING}]\u200c)(?![{JOINING}])"
    f"|\u200d(?<![{JOINING}]\u200d)(?![{JOINING}])(?:(?<![{_AFTER_EMOJI}]\u200d)|(?![{EMOJI}]))"
    # the Mongolian vowel separator shapes the two letters around it, and is nothing elsewhere
    "|\u180e(?:(?<![\u1820-\u18aa]\u180e)|(?![\u1820-\u18aa]))"
    # tags spell the region of a flag (black flag, tags, cancel tag); elsewhere they hide text
    "|(\U0001f3f4[\U000e0020-\U000e007e]{1,32}\U000e007f)|[\U000e0000-\U000e007f]"
)


def invisible(text: str) -> Edit:
    """The text without characters that neither show nor shape anything; in NFC if it was so before.

    What they kept apart may compose once they are gone (a letter, a soft hyphen, an accent), hence NFC again.

    >>> invisible("so\\u00adft\\u200b می\\u200cروم").text == "soft می\\u200cروم"
    True
    """
    if text.isascii():
        plain = text.encode().translate(None, _CONTROLS)
        return Edit(text) if len(plain) == len(text) else Edit(plain.decode(), len(text) - len(plain))
    if not _SUSPECTS.search(text) and not _BEYOND_BMP.search(text):
        return Edit(text)
    seen = _INVISIBLE.sub(lambda match: match.group(1) or "", text)
    removed = len(text) - len(seen)
    if removed and not unicodedata.is_normalized("NFC", seen) and unicodedata.is_normalized("NFC", text):
        normal = unicodedata.normalize("NFC", seen)
        return Edit(normal, removed + lost_characters(seen, normal))
    return Edit(seen, removed)


def shows_nothing(text: str) -> bool:
    """Whether no character of a text is visible by itself: only marks, spaces, controls, fillers, unassigned ones.

    >>> shows_nothing(" \\ufe0f\\u3164"), shows_nothing(" \\u0301x")
    (True, False)
    """
    return not any(unicodedata.category(char)[0] not in "MZC" and char not in _FILLERS for char in text)
