"""Documents for tests of deduplication: the same ones for the same seed, whatever machine and order."""

import random
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from antimatter.corpus.schema import document_id


class Document(NamedTuple):
    """A document before it lies in a shard; its id stays wherever it comes to lie."""

    source: str
    origin: str
    text: str

    @property
    def id(self) -> bytes:
        """As the pipeline makes it of source and origin."""
        return document_id(self.source, self.origin)


class Pair(NamedTuple):
    """Two texts whose sets of shingles share `shared` of `total`: J = shared / total, exactly."""

    left: str
    right: str
    shared: int
    total: int


def documents_of(texts: Iterable[str], sources: Sequence[str] = ("test",)) -> list[Document]:
    """A document a text; the sources take turns."""
    return [Document(sources[n % len(sources)], str(n), text) for n, text in enumerate(texts)]


ENGLISH = (
    "river stone market winter garden letter captain music harbour window engine flower mountain teacher village bread "
    "silver morning shadow painter bridge summer island forest doctor candle orchard railway pepper mirror soldier "
    "voyage carpet thunder copper meadow library kitchen tailor lantern pebble saddle canvas turnip feather anchor "
    "walks sings builds remembers carries opens follows paints gathers leaves crosses borrows repairs watches finds "
    "quiet broken early golden narrow distant heavy patient honest crooked yellow ancient gentle sudden empty loud"
).split()


def prose(count: int, draw: random.Random) -> str:
    """So many words in sentences."""
    words = [draw.choice(ENGLISH) for _ in range(count)]
    for start in range(0, count, 9):
        words[start] = words[start].capitalize()
        words[min(start + 8, count - 1)] += draw.choice(".!?")
    return " ".join(words)


def related_texts(count: int, seed: int) -> list[str]:
    """Texts of which most are versions of an earlier one: words replaced, cut, added; other case, punctuation or
    whitespace; decomposed; or the same again. Some are shorter than a shingle."""
    draw = random.Random(seed)
    texts: list[str] = []
    for _ in range(count):
        if texts and draw.random() < 0.65:
            version = draw.choice(texts[-25:])
            for _ in range(draw.choice([1, 1, 1, 2])):
                version = draw.choice(VERSIONS)(version, draw)
            texts.append(version)
        elif draw.random() < 0.3:
            texts.append(short_text(draw))
        else:
            make = draw.choice([prose, prose, foreign])
            texts.append(make(draw.choice([12, 40, 70]), draw))
    return texts


def foreign(count: int, draw: random.Random) -> str:
    """So many words in one of the scripts that take care."""
    vocabulary, glue = draw.choice(FOREIGN)
    return glue.join(draw.choice(vocabulary) for _ in range(count))


FOREIGN: list[tuple[list[str], str]] = [
    ("水 火 山 川 は です 東京 学校 ひと カタカナ 。 、".split(), ""),
    ("กิน ข้าว น้ำ แม่ ไป มา ที่ บ้าน สวย ใหม่ ปลา ไก่".split(), ""),
    ("किताब कताब घर में पानी है नदी हिन्दी क्षेत्र बच्चे दिन रात".split(), " "),
    ("كِتَاب كُتُب بَيْت ماء مدينة وَلَد وُلِد قال من إلى في السلام".split(), " "),
    ("déjà été élève e\u0301le\u0300ve naïve Ångström Ş ş İstanbul ısı Straße ΣΊΣΥΦΟΣ".split(), " "),
    ("한국어 한글 물 산 사람 학교 나라 바다 하늘 겨울 여름 길".split(), " "),
    ("re\u00adstart می\u200cخواهم क्\u200dष 👩‍👩‍👧 👍🏽 🇩🇪 ok co\u200bop x² ½ １２３ ﬁne don’t".split(), " "),
]
"""Words and what stands between them."""


def short_text(draw: random.Random) -> str:
    """Zero to four words out of few, so that many are alike."""
    words = [draw.choice(["yes", "no", "Yes", "水", "5", "…", "-"]) for _ in range(draw.randrange(5))]
    return draw.choice([" ", "  ", "\n"]).join(words)


def replace_words(text: str, draw: random.Random) -> str:
    """One to twelve words are others."""
    words = text.split(" ")
    for _ in range(draw.choice([1, 1, 2, 12])):
        words[draw.randrange(len(words))] = draw.choice(ENGLISH)
    return " ".join(words)


def cut(text: str, draw: random.Random) -> str:
    """Without a piece at the start, in the middle or at the end."""
    words = text.split(" ")
    size = max(1, len(words) // draw.choice([3, 8, 20]))
    start = draw.choice([0, len(words) // 2, len(words) - size])
    return " ".join(words[:start] + words[start + size :])


def add(text: str, draw: random.Random) -> str:
    """With a few words before or behind."""
    more = prose(draw.choice([1, 5, 30]), draw)
    return draw.choice([f"{more} {text}", f"{text}\n{more}"])


def again(text: str, draw: random.Random) -> str:
    """The same."""
    return text


def respace(text: str, draw: random.Random) -> str:
    """Other whitespace, Unicode's too: an exact copy, unless whitespace counts."""
    gaps = ["\n", "  ", "\t", "\u2003", "\u3000", "\r\n", "\u2028", "\x1c", "\x85"]
    return draw.choice(["", " ", "\n"]) + "".join(draw.choice(gaps) if c == " " else c for c in text) + "\n"


def repunctuate(text: str, draw: random.Random) -> str:
    """Other case and punctuation."""
    text = draw.choice([str.upper, str.lower, str.title])(text)
    return text.replace(" ", draw.choice([", ", " - ", "... "])) + draw.choice(["!", "?", "”"])


def decompose(text: str, draw: random.Random) -> str:
    """NFD, an exact copy."""
    return unicodedata.normalize("NFD", text)


def sprinkle(text: str, draw: random.Random) -> str:
    """With soft hyphens, joiners and marks inside."""
    places = [place for place in range(len(text) + 1) if not text[:place][-1:].isspace()]
    place = draw.choice(places)
    return text[:place] + draw.choice(["\u00ad", "\u200d", "\u200b", "\u0301", "\ufe0f"]) + text[place:]


VERSIONS = [replace_words, replace_words, cut, cut, add, again, respace, repunctuate, decompose, sprinkle]

NASTY = [
    "", "", " ", "\n\t\u2003", "\u200b", "\u00ad", ".",
    "...", "!?!", "—", "\u0301", "\u0301a", "a\u0301", "á",
    "a", "A", "a.", "a b", "A  B", "a b c d",
    "a b c d e", "A, b; c: d. E", "a b c d e f", "水", "水火", "水火山川は",
    "水 火\n山 川 は", "水火山川はで", "ก่", "ก", "ก\u0e48\u0e49", "กข",
    "क", "कि", "का", "की", "كَ", "كِ", "ك",
    "👩‍👩‍👧", "👩👩👧", "👍🏽", "👍", "🇩🇪", "re\u00adstart", "restart",
    "re start", "don't", "don’t", "don t", "İ", "i", "i̇",
    "ß", "ss", "ẞ", "Σ", "σ", "ς", "ﬁ", "fi", "x²",
    "x2", "½", "1 2", "１２", "12", "1\u00a02", "a\x00b", "\x00", "\ufeff",
    "\ufeffa", "a\u2028b", "a\x85b", "a\x1cb", "_",
    "a_b", "\U000e0041", "a\U000e0100", "\U0010ffff", "\uffff", "\ue000",
    "x" * 5000, "x " * 5000, "水" * 3000, "\u0301" * 300,
    "a" + "\u0301" * 300, " " * 3000, ". " * 1000, "\u200d" * 500,
    "水\u0301", "水\u0301火", "水a\u0301", "a水b", "か\u3099", "が",
    "ｶﾞ", "ガ", "\u1100\u1161", "가", "q̣̇", "q̣̇",
]  # fmt: skip
"""Empty, blank, mere punctuation, one piece or a few, characters that take care, very long and very dull texts. A mark
behind whitespace is not among them: see BEHIND_SPACE."""


def tiny_texts(count: int, seed: int, words: int = 3) -> list[str]:
    """Texts out of so few words that most share shingles."""
    draw = random.Random(seed)
    return [" ".join(draw.choice("abcdefgh"[:words]) for _ in range(draw.randrange(14))) for _ in range(count)]


def pair(name: str, shared: int, left: int, right: int, size: int = 5) -> Pair:
    """Texts of distinct words that share so many shingles of `size` words and have so many of their own; no other
    name's pair has a word of it.

    >>> pair("p", shared=2, left=1, right=0, size=2)
    Pair(left='p0 p1 p2 p3l', right='p0 p1 p2', shared=2, total=3)
    """
    common = [f"{name}{n}" for n in range(shared + size - 1)]
    ends = [[f"{name}{len(common) + n}{side}" for n in range(own)] for side, own in (("l", left), ("r", right))]
    return Pair(" ".join(common + ends[0]), " ".join(common + ends[1]), shared, shared + left + right)


def pairs(hundredths: Iterable[int], each: int) -> list[Pair]:
    """So many pairs of every J, given in hundredths; 100 means equal words in other clothes. The shares of what the two
    have to themselves differ: J = 0.8 comes as 80 of 80 and 100, as 80 of 90 and 90, and between."""
    made = []
    for share in hundredths:
        for number in range(each):
            own = 100 - share
            left = own * (number % 5) // 4
            found = pair(f"{share}.{number}.".replace(".", "q"), share, left, own - left)
            made.append(found if own else found._replace(right=found.right.upper() + "!"))
    return made


def forms(count: int, seed: int) -> list[str]:
    """A form with figures in every phrase; the figures alone differ."""
    draw = random.Random(seed)

    def figure(low: int = 10, high: int = 9999) -> int:
        return draw.randrange(low, high)

    return [
        f"Invoice {figure()} of day {figure(1, 366)}, customer {figure()}, order {figure()}. "
        + " ".join(
            f"Position {figure()}: {figure()} pieces of {figure()} at {figure()}.{figure(10, 99)} make {figure()}."
            for _ in range(8)
        )
        + f" Sum {figure()}, tax {figure()}, due {figure()} days after {figure()}. Account {figure()} {figure()}."
        for _ in range(count)
    ]


def letters(count: int, seed: int, own: int = 12) -> list[str]:
    """A letter of fixed phrases with `own` figures in it, spread evenly; the figures alone differ."""
    draw = random.Random(seed)
    frame = prose(180, random.Random(seed + 1)).split(" ")
    made = []
    for _ in range(count):
        words = list(frame)
        for place in range(own):
            words[place * len(frame) // own + 3] = str(draw.randrange(10**6))
        made.append(" ".join(words))
    return made


def pages(count: int, seed: int, frame: int = 120, own: int = 45) -> list[str]:
    """Pages of one site: a menu and a footer in common, `frame` words, around `own` words of prose of their own."""
    draw = random.Random(seed)
    head, foot = prose(frame // 2, random.Random(seed + 1)), prose(frame - frame // 2, random.Random(seed + 2))
    return [f"{head}\n\n{prose(own, draw)}\n\n{foot}" for _ in range(count)]


MARKS = {
    "Devanagari": ("कखगचजटडतदनपबमयरलवसह", "ािीुूेैोौं"),
    "Thai": ("กขคงจชซดตนบปผพมยรลวสหอ", "่้๊๋็์"),
    "Arabic": ("بتثجحدرزسشصطعفقكلمنهي", "\u064e\u064f\u0650\u0651\u0652\u064b\u064c"),
    "Latin": ("aeioucnszyg", "\u0301\u0300\u0302\u0308\u0303\u030c"),
}
"""Letters and the marks that may stand on them."""


def marked(script: str, count: int, seed: int, every: int = 1) -> list[str]:
    """The same letters in each text, 120 words; the marks on every so-manieth word alone differ."""
    letters, marks = MARKS[script]
    draw = random.Random(seed)
    skeleton = [[draw.choice(letters) for _ in range(draw.choice([2, 3, 4]))] for _ in range(120)]
    fixed = [[draw.choice(marks) for _ in word] for word in skeleton]
    made = []
    for _ in range(count):
        words = []
        for number, word in enumerate(skeleton):
            own = [draw.choice(marks) for _ in word] if number % every == 0 else fixed[number]
            words.append("".join(letter + mark for letter, mark in zip(word, own, strict=True)))
        made.append(unicodedata.normalize("NFC", " ".join(words)))
    return made


BEHIND_SPACE = [" \u0301a b", "a \u0301b c", "a\n\u0e48b", "\u0301 \u0302"]
"""Marks that have nothing but whitespace to stand on: with normalization none, too, they begin a piece."""
