"""Where ftfy would see mojibake: its badness heuristic, turned round so that clean text is passed at a glance.

ftfy tries about forty alternatives at every character. Here each alternative is rewritten around the rarest character
that it demands, its *anchor* (a curly quote, a currency sign, an accented capital, never a plain letter), so that one
character class skips all else. The guard finds whatever ftfy finds; at a border of lines it may find a little more,
and then ftfy itself decides. The classes are ftfy's own; a test walks ftfy's pattern alternative by alternative.
"""

import re

from ftfy.badness import MOJIBAKE_CATEGORIES

_CLASSES = {
    "anchors": "".join(
        MOJIBAKE_CATEGORIES[name]
        for name in ("c1", "bad", "law", "currency", "start_punctuation", "end_punctuation", "numeric")
    )
    + MOJIBAKE_CATEGORIES["upper_accented"]
    + MOJIBAKE_CATEGORIES["box"]
    + "œÙЂ°",
    "sign": "".join(  # what makes the neighbour of a "bad" character suspicious
        MOJIBAKE_CATEGORIES[name]
        for name in (
            "lower_accented", "upper_accented", "box", "start_punctuation", "end_punctuation", "currency", "numeric",
            "law",
        )
    ),
    "between": "".join(  # between two capitals of one script
        MOJIBAKE_CATEGORIES[name] for name in ("c1", "bad", "start_punctuation", "end_punctuation", "currency")
    ),
    "arabic": "".join(  # after Ø or Ù
        MOJIBAKE_CATEGORIES[name] for name in ("common", "currency", "bad", "numeric", "start_punctuation")
    ),
    **MOJIBAKE_CATEGORIES,
}  # fmt: skip

MOJIBAKE = re.compile(
    r"""
    [{anchors}]  # the anchor; every alternative looks back at it, most often to fail at once
    (?:
        (?<=[{c1}])
    |   (?<=[{bad}]) (?: (?<=[{bad}{sign}][{bad}]) | (?<=[a-zA-Z][{lower_common}{upper_common}][{bad}]) | [{sign}] )
    |   (?<=[{upper_accented}]) (?:
            (?<=[{lower_accented}{lower_common}{box}{end_punctuation}{currency}{numeric}][{upper_accented}])
        |   (?<=\s[{upper_accented}]) [{currency}]
        |   (?<=[a-z][{upper_accented}]) [{start_punctuation}{currency}]
        |   [{numeric}{law}°]
        |   (?<=[ÂÃÎÐ]) [€œŠš¢£Ÿž\xa0\xad®©°·»{start_punctuation}{end_punctuation}–—´]
        |   (?<=Ã) [\xa0¡]
        |   (?<=[ÂÃ]) [ ]  # ftfy: after a small letter or at the start of a line
        )
    |   (?<=[{start_punctuation}]) (?:
            (?<=[{currency}{numeric}{box}][{start_punctuation}])
        |   (?<=[{lower_accented}{upper_accented}][{start_punctuation}]) \w
        |   (?<=‚) (?: Ä[ìîïòôúùû†°¢π] | [âó][àä°ê] )
        )
    |   (?<=[{end_punctuation}]) (?:
            [{lower_accented}]
        |   (?<=[{lower_accented}{upper_accented}{currency}{numeric}{box}{law}][{end_punctuation}])
            [{start_punctuation}]
        |   (?<=[{lower_accented}{upper_accented}][{end_punctuation}]) \w
        )
    |   (?<=[{currency}]) (?:
            [{lower_accented}]
        |   (?<=[{lower_accented}{box}{end_punctuation}][{currency}])
        |   (?<=β€) [™\xa0Ά\xad®°]
        )
    |   (?<=[{numeric}]) (?:
            [{lower_accented}]
        |   (?<=[{lower_accented}{upper_accented}{box}{currency}{end_punctuation}][{start_punctuation}][{numeric}])
        |   (?<=×) [²³]
        |   (?<=à[²µ¹¼½¾])
        |   (?<=√) [±∂†≠®™´≤≥¥µø]
        |   (?<=≈) [°¢]
        )
    |   (?<=[{box}]) (?:
            [{lower_accented}{numeric}{law}{kaomoji}{end_punctuation}]
        |   (?<=[{lower_accented}{upper_accented}{currency}{numeric}{start_punctuation}{end_punctuation}{law}][{box}])
        )
    |   (?<=[Œœ]) [^A-Za-z]
    |   (?<=[ØÙ]) [{arabic}ŸŠ®°µ»][ØÙ][{arabic}ŸŠ®°µ»]
    |   (?<=Ђ) (?: (?<=вЂ) | (?<=ГўВЂ)В.[A-Za-z ] )
    |   (?<=[{between}°µ]) (?: (?<=[ВГРС][{between}°µ])[ВГРС] | (?<=[ΒΓΞΟ][{between}°])[ΒΓΞΟ] )
    )
    """.format(**_CLASSES),
    re.VERBOSE,
)
