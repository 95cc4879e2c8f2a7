"""Text that is hard for unicode repair: seeded, endless, of every family that ftfy knows."""

import random
from collections.abc import Iterator

from ftfy.badness import MOJIBAKE_CATEGORIES
from ftfy.chardata import CHARMAP_ENCODINGS, LIGATURES, UTF8_CLUES, WIDTH_MAP

SENTENCES = [
    "The café’s “crème brûlée” cost £5 — or €6… naïve coöperation, isn’t it?",
    "L’œuvre complète : « À bientôt », dit-il ; cœur, Œdipe, façade, où ça ?",
    "¿Cómo estás? ¡Qué niño! Años después, la cigüeña voló a España 2ª vez.",
    "Zażółć gęślą jaźń, łódź świętości Żółw ŚĆ.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy Řeka.",
    "Größe, Straße, Ärger „Überfluß“ und ‚Öl‘ §5 10 °C ½ ×2",
    "Ελληνικά: Ο γρήγορος αλεπού πήδηξε. Ώρα Ύψος «ναι»",
    "Съешь ещё этих мягких французских булок, да выпей чаю. В Рио № 5 вЂ",
    "Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul ŞĞ",
    "Āboli ēda ķirši; lietuvių kalba ąčęėįšųūž Ž",
    "Tiếng Việt: Ốc đảo và những người bạn, ÂM NHẠC Ã ",
    "مرحبا بالعالم می‌روم",
    "नमस्ते दुनिया क्‍ष",
    "日本語のテキスト　ｶﾞｷﾞ ＡＢＣ１２３！＆ａｍｐ；",
    "한국어 텍스트 ᄀ\u1161\u11a8 각",
    "emoji 👩‍👩‍👧 👍🏽 🏴󠁧󠁢󠁷󠁬󠁳󠁿 ❤️",
    "e\u0301a\u0300 \u0323\u0302 decomposed \u212b \u2126 \u037e",
    "&eacute; &amp;amp; &lt;b&gt; &EACUTE; &#8217; &#x201c; &notanentity; AT&T; &Aring; &rsquo;",
    "<p class='x'>&amp;</p>",
    "plain ASCII words, nothing odd at all (really) [1] {2} #3",
]
ODD = [
    *"\r\x00\x08\x0b\x0c\x1b\x1c\x7f\x80\x85\x8d\x9d\xa0\xad\u200b\u200d\u2028\u2029\ufeff\ufffd\ufffc\u206a\x1a",
    "\r\n", "\x1b[31m", "\x1b[0m", "\x1b[３m", "\ud83d", "\ude00", "\ud83d\ude00", "\n", "\n\n", "\t", " ", "&", ";",
    "&amp;", "&am\x00p;", "＆amp；", "<", "＜", "Ã ", " Â ", "Â\xa0", "â€™", "â€œ", "Ã©", "ðŸ˜€", "\ue000", "\uf8ff",
]  # fmt: skip
ENCODINGS = [*CHARMAP_ENCODINGS, "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257", "latin-1", "utf-8"]
CLASSES = [*MOJIBAKE_CATEGORIES.values(), *UTF8_CLUES.values()]


def members(character_class: str) -> list[str]:
    """The characters of a regular expression's class."""
    found, position = [], 0
    while position < len(character_class):
        first = character_class[position]
        if character_class[position + 1 : position + 2] == "-" and position + 2 < len(character_class):
            found += map(chr, range(ord(first), ord(character_class[position + 2]) + 1))
            position += 3
        else:
            found.append(first)
            position += 1
    return found


BAD_LETTERS = [members(text) for text in CLASSES]
MAPPED = [*map(chr, LIGATURES), *map(chr, WIDTH_MAP), *"\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u02bc"]


def garble(text: str, draw: random.Random) -> str:
    """The text read in a wrong encoding, perhaps with a loss."""
    wrong = draw.choice(ENCODINGS)
    garbled = text.encode("utf-8", "surrogatepass").decode(wrong, draw.choice(["replace", "ignore"]))
    return garbled.replace("\xa0", " ") if draw.random() < 0.2 else garbled


def fragment(draw: random.Random) -> str:
    kind = draw.randrange(10)
    sentence = draw.choice(SENTENCES)
    if kind < 2:
        return sentence
    if kind < 4:
        start = draw.randrange(len(sentence))
        sentence = garble(sentence[start : start + draw.randrange(1, 30)], draw)
        return garble(sentence, draw) if draw.random() < 0.3 else sentence
    if kind == 4:
        return "".join(draw.choice(draw.choice(BAD_LETTERS)) for _ in range(draw.randrange(1, 6)))
    if kind == 5:
        return "".join(draw.choice(ODD) for _ in range(draw.randrange(1, 4)))
    if kind == 6:
        return draw.choice(MAPPED) + draw.choice(["", "a", " "])
    if kind == 7:
        return chr(draw.randrange(0x20, draw.choice([0x100, 0x500, 0x2700, 0x10000, 0x30000])))
    if kind == 8:
        return draw.choice(["\n", "\n", "\r\n", " ", "\t"])
    return " plain words of a clean line, "


def documents(seed: int, characters: int) -> Iterator[str]:
    """Documents that come to about so many characters; some clean for long, some dirty throughout."""
    draw = random.Random(seed)
    while characters > 0:
        dirty = draw.choice([0.05, 0.3, 1.0])
        parts = []
        for _ in range(draw.randrange(1, 25)):
            parts.append(fragment(draw) if draw.random() < dirty else draw.choice(SENTENCES) + draw.choice(["\n", " "]))
        text = "".join(parts)
        characters -= len(text)
        yield text
