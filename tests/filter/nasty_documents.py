"""Texts that are hard to count: every kind of character, and much that stands twice.

Random text of its own repeats nothing. So a document is drawn from few words, its phrases from these, its lines from
few phrases, and its paragraphs from few lines: n-grams, lines and paragraphs return, with and without a difference.
"""

from hypothesis import strategies as st

SPACES = [
    " ", "  ", "\t", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028",
    "\u2029", "\u202f", "\u3000",
]  # fmt: skip
LINE_STARTS = ["- ", "* ", "\u2022", "\u2013 ", "\u25cf", "- -", "1. ", "(", "#"]
LINE_ENDS = [".", "...", "\u2026", '."', "?)", "!»", "\u3002", "\u037e", "...)", "...\u200b", '"']
NOT_QUITE_SPACES = ["\u180e", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u3164", "\u2800", "\x00", "\x1b"]
LINE_BREAKS = ["\n", "\n\n", "\n \n", "\r\n", "\n\u3000", " \n", "\n\n\n", "\n\x85\n"]
PLAIN = ["a", "ab", "b", "c", "bc", "the", "The", "THE", "that", "With", "of", "TO", "one", "two", "End", "Mr", "x"]
WORDS = [
    "don't", "well-known", "A", "NASA",
    "naïve", "cafe\u0301", "e\u0301\u0323", "Straße", "STRASSE", "\u1e9e", "\u0130stanbul", "\u0131", "\ufb01n",
    "\u01c5", "\u01c5A", "ΟΔΟΣ", "οδος", "Ёж", "ўзбек", "Ω", "\u2126", "K", "\u212a", "ª", "ⅷ", "Ⅷ", "Ⓐ", "ⓐ", "ʰ", "ǃ",
    "\u13a0", "\uab70", "\U00010400", "\U00010428", "\U0001d400", "\U0001d41a",
    "1", "42", "3.14", "1,000", "\u0663", "\u0e51", "\u096a", "\uff15", "\U0001d7d8", "²", "½", "〇", "㊄", "⑤",
    "我们", "我", "们我", "\U00020000", "カード", "か\u3099", "ｶﾞ", "ー", "々", "ㄅ", "한국어", "각\u1161",
    "\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48", "\u0e19\u0e49\u0e33", "\u0e40\u0e01\u0e32\u0e30", "\u0e2f",
    "\u0e9e\u0eb2\u0eaa\u0eb2", "\u1781\u17d2\u1798\u17c2\u179a", "\u1019\u103c\u1014\u103a",
    "\u0f56\u0f7c\u0f51\u0f0b", "हिन्दी", "क्\u200dष", "\u05e9\u05c1\u05dc\u05d5\u05dd", "\u0645\u064e\u0646", "\u0640",
    "我a们", "a我", "我\u0301a", "1我2", "a\u0301我\u0301", "\u0e01a\u0e31",
]  # fmt: skip
MARKS = [
    "", "", "", ".", ",", "!", "?", ":", ";", "...", "..", "....", "......", ". . .", "\u2026", "?!", '?!"', ".)",
    ".'", '."', "'", '"', "”", "’", "»", "」", "』", "(", ")", "[", "]", "{", "}", "«", "“", "—", "-", "*",
    "\u2022", "\u25b6",
    "#", "##", "$", "+", "=", "^", "`", "©", "✓", "。", "！", "？", "．", "｡", "。」", "、", "\u061f", "\u06d4",
    "।", "॥", "\u1362", "\u104b", "\u17d4", "\u203d", "\u2047", "\u00bf", "\u037e", "\u0301", "\ufe0f", "\u20e3",
    "\u0489",
]  # fmt: skip
ODDITIES = [
    "https://a.bc/d?e=f#g", "http://", "://", "www.", "WWW.x", "wwwx", "\uff37\uff37\uff37.", "ann@mail.org", "[1]",
    "Mr.", "Mrs.", "DR.", "mr", "U.S.", "J. R. R.", "e.g.", "Fig. 3", "vs.", "No. 5", "St.)", "C++", "#tag", "--", "- ",
    "\u2013 one", "1. ", "\U0001f44d\U0001f3fd", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f",
    "1\ufe0f\u20e3", "\U0001f1e9\U0001f1ea", "\u0301", "\u0301\u0302", "\U000e0067", "\ue000", "\ufffd", "\U0010ffff",
    "x" * 29, "x" * 30, "x" * 31, "\u1100\u1161\u11a8", "\u0b95\u0bcd", "\ud7b0", "\U0001e900\U0001e922",
]  # fmt: skip

FIXED = [
    "",
    " ",
    "\n",
    "\n\n \n",
    "\u3000\n\x85",
    "a",
    "\u0301",
    ".",
    "...",
    "\u2026\n\u2026",
    "\ufeff",
    "\x00\x00",
    "\U0010ffff",
    "我",
    "我" * 50,
    "\u0e17\u0e35\u0e48" * 20,
    "。" * 10,
    "\u0301".join("我们他") + "\u0301",
    "x" * 100_000,
    "x " * 2000,
    "ab c " * 300 + "a bc " * 300,
    "na" * 1000 + " na" * 1000,
    "a\n" * 500,
    "a b\n\n" * 300,
    "\n\n".join(["one two three four five six seven eight nine ten eleven"] * 4),
    "\n".join(f"Line {number} of this list ends here." for number in range(100)),
    " ".join(f"w{number}" for number in range(2000)),
    " ".join(f"w{number % 7}" for number in range(500)),
    " ".join(f"w{number * number % 101}" for number in range(3000)),
    "a b a b a b a b a b a b\nb a b a",
    "." * 5000,
    "a" + "." * 5000 + "B",
    "a. " * 500 + "B. " * 500,
    "#" * 1000,
    '"' * 1000,
    "({[" * 100 + "]})" * 100,
    "a.b.c.d " * 100,
    "www." * 500,
    "http://a" * 50 + " " + "://" * 10,
    "Mr." * 100 + " Mr. " * 100,
    "\u01c5\u01c8\u01cb\u01f2 \u1f88",
    "\u0130\u0131\u017f\u212a\u2126\u00df\u1e9e\ufb00\ufb01\u0149\u1f50",
    "\r\r\n\n\r a\rb\r\nc\x0bd\x0ce\x1cf\x1dg\x1eh\x1fi\x85j\u2028k\u2029l",
    "".join(map(chr, range(0x250))),
    "".join(map(chr, range(0x1F00, 0x2100))),
    " ".join(map(chr, range(0x2000, 0x2C00))),
    " ".join(map(chr, range(0x2E80, 0x3300))),
    " ".join(map(chr, range(0xA000, 0xB000, 3))),
    " ".join(map(chr, range(0xF900, 0x10000))),
    "\n".join(map(chr, [*range(1, 0xD800, 7), *range(0xE000, 0x110000, 997)])),
]
"""Each of them once went wrong somewhere, or looks as if it would."""


def words() -> st.SearchStrategy[str]:
    """A word, more or less: with marks around it, or no word at all."""
    every, marks = st.sampled_from(PLAIN + WORDS), st.sampled_from(MARKS)
    glued = st.lists(st.sampled_from([*WORDS, *MARKS, *NOT_QUITE_SPACES, *ODDITIES]), max_size=4).map("".join)
    return st.one_of(
        st.sampled_from(PLAIN),
        every,
        st.tuples(marks, every, marks).map("".join),
        st.tuples(st.sampled_from(PLAIN), marks).map("".join),
        glued,
        st.sampled_from(ODDITIES),
        st.text(max_size=4),
    )


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A text without lone surrogates, up to some hundreds of words."""
    some_words = draw(st.lists(words(), min_size=draw(st.integers(1, 8)), max_size=8))
    space = st.sampled_from([" "] * 3 * len(SPACES) + SPACES)
    phrase = st.lists(st.tuples(st.sampled_from(some_words), space).map("".join), min_size=1, max_size=12)
    some_phrases = draw(st.lists(phrase.map("".join), min_size=1, max_size=3))
    middle = st.lists(st.sampled_from([*some_phrases, *some_words]), min_size=1, max_size=5).map("".join)
    start, end = (st.sampled_from([*[""] * 2 * len(some), *some]) for some in (LINE_STARTS, LINE_ENDS))
    line = st.tuples(start, middle, end).map("".join)
    some_lines = draw(st.lists(line, min_size=1, max_size=3))
    line_break = st.sampled_from([*LINE_BREAKS, *["\n", ""] * 3])
    paragraph = st.lists(st.tuples(st.sampled_from(some_lines), line_break).map("".join), min_size=1, max_size=6)
    some_paragraphs = draw(st.lists(paragraph.map("".join), min_size=1, max_size=2))
    return "".join(draw(st.lists(st.sampled_from([*some_paragraphs, "\n", "\n\n"]), min_size=1, max_size=6)))
