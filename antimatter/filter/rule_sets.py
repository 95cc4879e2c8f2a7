"""The rule sets of the literature, as data: signal, bound, paper, and where known code reads the paper otherwise.

Strictness is the paper's or the code's: at_most 0.3 removes above 0.3, less_than 0.67 removes at 0.67 already.
The order inside a set is the order in which reasons reach the ledger; whether a document stays does not hang on it.
Sets that end in _datatrove do what the filters of datatrove do, on our words and lines.
"""

from antimatter.filter.rules import Rule

_GOPHER = "Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A1.1"
_QUALITY = f"{_GOPHER}, quality filtering"
_REPETITION = f"{_GOPHER}, repetition removal, table A1"
_C4 = "Raffel et al. 2020 (T5), arXiv 1910.10683, section 2.2"
_FINEWEB = "Penedo et al. 2024 (FineWeb), arXiv 2406.17557, section 3.6"
_REFINEDWEB = "Penedo et al. 2023 (RefinedWeb), arXiv 2306.01116, section 3.2 and appendix G"

GOPHER_QUALITY = (
    Rule(
        reason="gopher_quality.word_count",
        signal="words",
        at_least=50,
        at_most=100_000,
        source=_QUALITY,
        note="a word holds a letter or digit, nearly as datatrove (to spaCy don't is two); Dolma counts what space "
        "divides",
    ),
    Rule(
        reason="gopher_quality.mean_word_length",
        signal="mean_word_length",
        at_least=3,
        at_most=10,
        source=_QUALITY,
        note="without the punctuation around words, which DCLM counts; Dolma takes the median",
    ),
    Rule(
        reason="gopher_quality.hash_to_word",
        signal="hash_to_word_ratio",
        at_most=0.1,
        source=_QUALITY,
        note="'either the hash symbol or the ellipsis': each for itself, as datatrove; DCLM, RedPajama-V2: the sum",
    ),
    Rule(
        reason="gopher_quality.ellipsis_to_word",
        signal="ellipsis_to_word_ratio",
        at_most=0.1,
        source=_QUALITY,
        note="'...' or U+2026; DCLM takes '. . .' too; Dolma counts words that hold U+2026 and no '...'",
    ),
    Rule(
        reason="gopher_quality.bullet_lines",
        signal="bullet_line_share",
        at_most=0.9,
        source=_QUALITY,
        note="the paper lists no bullets: ours are those of RedPajama-V2 and DCLM together; datatrove has two, and "
        "counts empty lines as lines",
    ),
    Rule(
        reason="gopher_quality.ellipsis_lines",
        signal="ellipsis_line_share",
        at_most=0.3,
        source=_QUALITY,
        note="'...' or U+2026, as datatrove and RedPajama-V2; Dolma U+2026 alone",
    ),
    Rule(
        reason="gopher_quality.alphabetic_words",
        signal="alphabetic_word_share",
        at_least=0.8,
        source=_QUALITY,
        note="a letter of any script, as datatrove, DCLM and Dolma; RedPajama-V2 takes a-z alone. Of words, as the "
        "paper says: datatrove divides by all its tokens, punctuation among them, and so cuts through ordinary text",
    ),
    Rule(
        reason="gopher_quality.stop_words",
        signal="stop_words",
        at_least=2,
        source=_QUALITY,
        note="distinct ones of the paper's eight in any case; datatrove heeds case; DCLM, Dolma and NeMo Curator count "
        "occurrences. English only, so it doubles as a language rule",
    ),
)

_COVERED = "all members of a repeated group count, as DCLM; datatrove counts repeats after the first"
_LINES = (
    Rule(
        reason="gopher_repetition.duplicate_lines",
        signal="duplicate_line_share",
        at_most=0.3,
        source=_REPETITION,
        note=_COVERED,
    ),
    Rule(
        reason="gopher_repetition.duplicate_paragraphs",
        signal="duplicate_paragraph_share",
        at_most=0.3,
        source=_REPETITION,
        note=f"{_COVERED}; Dolma has no such rule",
    ),
    Rule(
        reason="gopher_repetition.duplicate_line_characters",
        signal="duplicate_line_character_share",
        at_most=0.2,
        source=_REPETITION,
        note=f"{_COVERED}, of all characters, where we divide by those of lines",
    ),
    Rule(
        reason="gopher_repetition.duplicate_paragraph_characters",
        signal="duplicate_paragraph_character_share",
        at_most=0.2,
        source=_REPETITION,
        note=f"{_COVERED}, of all characters, where we divide by those of lines",
    ),
)
_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
_DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
GOPHER_REPETITION = (
    *_LINES,
    *(
        Rule(
            reason=f"gopher_repetition.top_{n}gram",
            signal=f"top_{n}gram_share",
            at_most=bound,
            source=_REPETITION,
            note="of the characters of words; 0 if nothing occurs twice, as DCLM and RedPajama-V2; datatrove and Dolma "
            "count an n-gram that occurs once, and so remove very short texts",
        )
        for n, bound in _TOP.items()
    ),
    *(
        Rule(
            reason=f"gopher_repetition.duplicate_{n}gram",
            signal=f"duplicate_{n}gram_share",
            at_most=bound,
            source=_REPETITION,
            note="all occurrences, each word once, of the characters of words, as DCLM and RedPajama-V2 (which lowers "
            "case); datatrove counts repeats alone, Dolma overlaps more than once",
        )
        for n, bound in _DUPLICATE.items()
    ),
)

_REPEATED = (
    "repeats after the first; datatrove: GopherRepetitionFilter, which does not strip lines before it compares them, "
    "and counts line feeds inside of paragraphs"
)
GOPHER_REPETITION_DATATROVE = (
    *(
        Rule(
            reason=f"gopher_repetition_datatrove.{reason}",
            signal=signal,
            at_most=bound,
            source=_REPETITION,
            note=_REPEATED,
        )
        for reason, signal, bound in (
            ("repeated_paragraphs", "repeated_paragraph_share", 0.3),
            ("repeated_paragraph_characters", "repeated_paragraph_character_share", 0.2),
            ("repeated_lines", "repeated_line_share", 0.3),
            ("repeated_line_characters", "repeated_line_character_share", 0.2),
        )
    ),
    *(
        Rule(
            reason=f"gopher_repetition_datatrove.top_{n}gram",
            signal=f"top_{n}gram_share_datatrove",
            at_most=bound,
            source=_REPETITION,
            note="of all characters, also for an n-gram that occurs once: five words may fail without any repetition",
        )
        for n, bound in _TOP.items()
    ),
    *(
        Rule(
            reason=f"gopher_repetition_datatrove.duplicate_{n}gram",
            signal=f"duplicate_{n}gram_share_datatrove",
            at_most=bound,
            source=_REPETITION,
            note="repeats alone, of all characters; datatrove joins words without a space, so (ab, c) equals (a, bc); "
            "we compare words",
        )
        for n, bound in _DUPLICATE.items()
    ),
)

_C4_LINES, _C4_DATATROVE_LINES = "clean.steps: c4_lines", "clean.steps: c4_datatrove_lines"
C4 = (
    Rule(
        reason="c4.characters",
        signal="characters",
        at_most=190_000,
        source=f"{_C4}; the bound is the reference code's alone (TFDS c4_utils)",
        note="the reference code measures the page before its lines are cleaned; datatrove has no such rule",
    ),
    Rule(
        reason="c4.lorem_ipsum",
        signal="c4_lines.lorem_ipsum",
        at_most=0,
        source=_C4,
        note="in a line that had survived so far, as the reference code",
        needs=_C4_LINES,
    ),
    Rule(
        reason="c4.curly_brace",
        signal="c4_lines.curly_brace",
        at_most=0,
        source=_C4,
        note="in a line that had survived so far, as the reference code: a { in a line that goes removes no page",
        needs=_C4_LINES,
    ),
    Rule(
        reason="c4.sentences",
        signal="sentences",
        at_least=3,
        source=_C4,
        note="our own sentence rule; the reference code has NLTK's Punkt, and counts once more after its line dedup; "
        "datatrove asks for 5, the number of an earlier text of the paper",
    ),
    Rule(
        reason="c4.bad_words",
        signal="bad_words",
        at_most=0,
        source=_C4,
        note="the paper's list is LDNOOBW; the user gives the file. Of the reference code, older releases test lines "
        "and miss hits at their ends, newer ones test the page last; datatrove has a filter of its own for it",
        needs="filter.bad_words",
    ),
)
C4_DATATROVE = (
    Rule(
        reason="c4_datatrove.lorem_ipsum",
        signal="c4_datatrove_lines.lorem_ipsum",
        at_most=0,
        source=_C4,
        note="datatrove: C4QualityFilter",
        needs=_C4_DATATROVE_LINES,
    ),
    Rule(
        reason="c4_datatrove.curly_brace",
        signal="c4_datatrove_lines.curly_brace",
        at_most=0,
        source=_C4,
        note="datatrove: C4QualityFilter",
        needs=_C4_DATATROVE_LINES,
    ),
    Rule(
        reason="c4_datatrove.sentences",
        signal="sentences",
        at_least=5,
        source=f"{_C4}, in an earlier text",
        note="datatrove: C4QualityFilter; the paper now says 3, as the reference code does",
    ),
)

FINEWEB = (
    Rule(
        reason="fineweb.end_mark_lines",
        signal="end_mark_line_share",
        more_than=0.12,
        source=_FINEWEB,
        note="removed at 0.12 already; closing quotes and brackets behind the mark are skipped. datatrove removes "
        'below 0.12, and to it a line that ends in ." has no end mark',
    ),
    Rule(
        reason="fineweb.repeated_line_characters",
        signal="repeated_line_character_share_fineweb",
        less_than=0.1,
        source=_FINEWEB,
        note="removed at 0.1 already. The authors read the bound off the histogram of what their code measures, so "
        "that is judged: repeats after the first, of the characters without newlines. datatrove's bound is 0.01",
    ),
    Rule(
        reason="fineweb.short_lines",
        signal="short_line_share",
        less_than=0.67,
        source=_FINEWEB,
        note="lines shorter than 30 characters, removed at 0.67 already; datatrove: at most 30, removed above 0.67",
    ),
)
FINEWEB_DATATROVE = (
    Rule(
        reason="fineweb_datatrove.end_mark_lines",
        signal="end_mark_line_share_datatrove",
        at_least=0.12,
        source=_FINEWEB,
        note="datatrove: FineWebQualityFilter; the paper removes at 0.12 already",
    ),
    Rule(
        reason="fineweb_datatrove.short_lines",
        signal="short_line_share_datatrove",
        at_most=0.67,
        source=_FINEWEB,
        note="datatrove: FineWebQualityFilter, lines of at most 30 characters; the paper: shorter, at 0.67 already",
    ),
    Rule(
        reason="fineweb_datatrove.repeated_line_characters",
        signal="repeated_line_character_share_fineweb",
        at_most=0.01,
        source=_FINEWEB,
        note="datatrove: FineWebQualityFilter; ten times stricter than the paper's 0.1",
    ),
    Rule(
        reason="fineweb_datatrove.newline_to_word",
        signal="newline_to_word_ratio",
        at_most=0.3,
        source=f"{_FINEWEB}; the rule is the code's alone (datatrove)",
        note="datatrove: FineWebQualityFilter, against lists; not in the paper. It divides by all tokens, punctuation "
        "among them, so that ours removes more of texts full of punctuation (raw mails)",
    ),
)

REFINEDWEB = (
    Rule(
        reason="refinedweb.removed_words",
        signal="refinedweb_lines.removed_word_share",
        at_most=0.05,
        source=_REFINEDWEB,
        note="words by whitespace, as DCLM's reconstruction; RefinedWeb's other rules are gopher_quality, "
        "gopher_repetition and the language, which the policy names",
        needs="clean.steps: refinedweb_lines",
    ),
)

RULE_SETS: dict[str, tuple[Rule, ...]] = {
    "gopher_quality": GOPHER_QUALITY,
    "gopher_repetition": GOPHER_REPETITION,
    "gopher_repetition_datatrove": GOPHER_REPETITION_DATATROVE,
    "c4": C4,
    "c4_datatrove": C4_DATATROVE,
    "fineweb": FINEWEB,
    "fineweb_datatrove": FINEWEB_DATATROVE,
    "refinedweb": REFINEDWEB,
}
