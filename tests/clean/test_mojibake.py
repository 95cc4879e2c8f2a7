"""The guard before ftfy: it may raise a false alarm, never miss one."""

import itertools
import math
import random
import re
from re import _parser

import pytest
from ftfy.badness import BADNESS_RE

from antimatter.clean.mojibake import MOJIBAKE

MOST = 20_000  # strings of one alternative that are tried; only two of the forty have more
SPACES, WORDS, OTHERS = " \n\t\xa0\u2003", "aZ_0éЖ漢", " .\n0é\u2019漢'"


def choices(item):
    """All texts that one item of a parsed pattern can match; a fair sample where that is nearly everything."""
    operation, argument = str(item[0]), item[1]
    if operation == "LITERAL":
        return [chr(argument)]
    if operation == "IN":
        found = set()
        for kind, value in argument:
            if str(kind) == "LITERAL":
                found.add(chr(value))
            elif str(kind) == "RANGE":
                found.update(map(chr, range(value[0], value[1] + 1)))
            elif str(kind) == "CATEGORY":
                found.update({"CATEGORY_SPACE": SPACES, "CATEGORY_WORD": WORDS}[str(value)])
        return sorted(set(OTHERS) - found if str(argument[0][0]) == "NEGATE" else found)
    if operation == "BRANCH":
        return [text for branch in argument[1] for text in texts(branch)]
    if operation == "MAX_REPEAT":
        assert argument[:2] == (0, 1)
        return ["", *texts(argument[2])]
    if operation == "ANY":
        return ["x", "ђ", " "]
    assert operation == "AT"
    return [""]


def texts(sequence):
    return ["".join(parts) for parts in itertools.product(*map(choices, sequence))]


def alternatives():
    ((operation, argument),) = _parser.parse(BADNESS_RE.pattern, BADNESS_RE.flags)
    assert str(operation) == "BRANCH"
    return [list(branch) for branch in argument[1]]


@pytest.mark.parametrize("number", range(len(alternatives())))
def test_whatever_an_alternative_of_ftfy_matches_the_guard_finds(number):
    """The guard looks nowhere outside such a match, so what it finds in the match alone it finds in any text."""
    parts = [choices(item) for item in alternatives()[number]]
    if math.prod(map(len, parts)) <= MOST:
        matches = map("".join, itertools.product(*parts))
    else:
        draw = random.Random(number)
        matches = ("".join(draw.choice(part) for part in parts) for _ in range(MOST))
    missed = [text for text in matches if not MOJIBAKE.search(text)]
    assert not missed


@pytest.mark.parametrize(
    "clean",
    [
        "“Quoted,” she said — isn’t it?",
        "« À bientôt », l’œuvre",
        "¿Qué? ¡Año!",
        "Größe §5",
        "Съешь ещё",
        "Ώρα",
        "naïve £5",
    ],
)
def test_clean_text_raises_no_alarm(clean):
    assert not MOJIBAKE.search(clean)


def test_the_guard_is_linear_in_a_long_run_of_anchors():
    assert not MOJIBAKE.search("“" * 100_000)
    assert re.search("É", "É" * 10)
    assert not MOJIBAKE.search("É" * 100_000)
