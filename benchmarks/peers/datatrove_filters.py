"""datatrove's Gopher, C4 and FineWeb filters on JSON lines, for comparison; run by a Python that has datatrove.

    python benchmarks/peers/datatrove_filters.py time FILE.jsonl chain|parts   CPU seconds, one JSON object
    python benchmarks/peers/datatrove_filters.py judge FILE.jsonl RESULT       values and verdicts rule by rule

A line of FILE may give `words`: these then take the place of the words that datatrove would find with spaCy, so that
what is left of a disagreement has another cause.

Verdicts are the filters' own, with all rules but one switched off; values are computed again with datatrove's helpers
and named as our signals. A value that contradicts its verdict stops the script, so both can be trusted.
"""

import functools
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.utils.text import PUNCTUATION_SET, split_into_sentences, split_into_words

TOP = ((2, 0.2), (3, 0.18), (4, 0.16))
DUPLICATED = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))

QUALITY_OFF: dict[str, Any] = dict.fromkeys(
    (
        "min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "max_symbol_word_ratio",
        "max_bullet_lines_ratio", "max_ellipsis_lines_ratio", "max_non_alpha_words_ratio", "min_stop_words",
    )
)  # fmt: skip
REPETITION_OFF: dict[str, Any] = {
    **dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")),
    "top_n_grams": (),
    "dup_n_grams": (),
}
FINEWEB_OFF = {
    "line_punct_thr": 0.0,
    "short_line_thr": math.inf,
    "char_duplicates_ratio": math.inf,
    "new_line_ratio": math.inf,
}
C4_OFF = {"filter_lorem_ipsum": False, "filter_curly_bracket": False, "min_num_sentences": -1}

# signal -> (the rule's own settings, does a value fail)
QUALITY: dict[str, tuple[dict[str, Any], Callable[[float], bool]]] = {
    "words": ({"min_doc_words": 50, "max_doc_words": 100_000}, lambda x: x < 50 or x > 100_000),
    "mean_word_length": ({"min_avg_word_length": 3, "max_avg_word_length": 10}, lambda x: x < 3 or x > 10),
    "bullet_line_share": ({"max_bullet_lines_ratio": 0.9}, lambda x: x > 0.9),
    "ellipsis_line_share": ({"max_ellipsis_lines_ratio": 0.3}, lambda x: x > 0.3),
    "alphabetic_word_share": ({"max_non_alpha_words_ratio": 0.8}, lambda x: x < 0.8),
    "stop_words": ({"min_stop_words": 2}, lambda x: x < 2),
}
REPETITION: dict[str, tuple[dict[str, Any], Callable[[float], bool]]] = {
    "repeated_line_share": ({"dup_line_frac": 0.3}, lambda x: x > 0.3),
    "repeated_paragraph_share": ({"dup_para_frac": 0.3}, lambda x: x > 0.3),
    "repeated_line_character_share": ({"dup_line_char_frac": 0.2}, lambda x: x > 0.2),
    "repeated_paragraph_character_share": ({"dup_para_char_frac": 0.2}, lambda x: x > 0.2),
    **{f"top_{n}gram_share_datatrove": ({"top_n_grams": ((n, t),)}, lambda x, t=t: x > t) for n, t in TOP},
    **{f"duplicate_{n}gram_share_datatrove": ({"dup_n_grams": ((n, t),)}, lambda x, t=t: x > t) for n, t in DUPLICATED},
}
FINEWEB: dict[str, tuple[dict[str, Any], Callable[[float], bool]]] = {
    "end_mark_line_share_datatrove": ({"line_punct_thr": 0.12}, lambda x: x < 0.12),
    "short_line_share_datatrove": ({"short_line_thr": 0.67}, lambda x: x > 0.67),
    "repeated_line_character_share_fineweb": ({"char_duplicates_ratio": 0.01}, lambda x: x > 0.01),
    "newline_to_word_ratio": ({"new_line_ratio": 0.3}, lambda x: x > 0.3),
}
C4: dict[str, tuple[dict[str, Any], Callable[[float], bool]]] = {
    "c4_lines.lorem_ipsum": ({"filter_lorem_ipsum": True}, bool),
    "c4_lines.curly_brace": ({"filter_curly_bracket": True}, bool),
    "sentences": ({"min_num_sentences": 5}, lambda x: x < 5),
}


@functools.cache
def ready() -> list[tuple[str, str, Any, Callable[[float], bool]]]:
    """(filter, signal, the filter with that rule alone, does a value fail)."""
    kinds: Iterable[tuple[str, Any, dict[str, Any], Any]] = (
        ("gopher_quality", GopherQualityFilter, QUALITY_OFF, QUALITY),
        ("gopher_repetition", GopherRepetitionFilter, REPETITION_OFF, REPETITION),
        ("fineweb", FineWebQualityFilter, FINEWEB_OFF, FINEWEB),
        ("c4", C4QualityFilter, C4_OFF, C4),
    )
    return [
        (name, signal, kind(**{**off, **own}), fails)
        for name, kind, off, rules in kinds
        for signal, (own, fails) in rules.items()
    ]


def values_of(text: str, c4_text: str, words: list[str]) -> dict[str, float]:
    """What datatrove compares with its thresholds; nan where it divides by zero."""
    true_words = [word for word in words if any(character not in PUNCTUATION_SET for character in word)]
    lines, newline_lines = text.splitlines(), [line for line in text.split("\n") if line.strip()]
    split = repetition()
    segments, paragraphs = split._line_splitter.split(text), split.paragraph_exp.split(text.strip())
    repeated_lines, line_characters = find_duplicates(segments)
    repeated_paragraphs, paragraph_characters = find_duplicates(paragraphs)
    bullets = sum(line.lstrip().startswith(("•", "-")) for line in lines)
    ellipses = sum(line.rstrip().endswith(("...", "…")) for line in lines)
    lowered = c4_text.lower()
    ends = tuple(FineWebQualityFilter().stop_chars)
    values = {
        "words": len(true_words),
        "mean_word_length": ratio(sum(map(len, true_words)), len(true_words)),
        "hash_to_word_ratio": ratio(text.count("#"), len(words)),
        "ellipsis_to_word_ratio": ratio(text.count("...") + text.count("…"), len(words)),
        "bullet_line_share": ratio(bullets, len(lines)),
        "ellipsis_line_share": ratio(ellipses, len(lines)),
        "alphabetic_word_share": ratio(sum(any(map(str.isalpha, word)) for word in words), len(words)),
        "stop_words": len(GopherQualityFilter().stop_words.intersection(words)),
        "repeated_line_share": ratio(repeated_lines, len(segments)),
        "repeated_line_character_share": ratio(line_characters, len(text)),
        "repeated_paragraph_share": ratio(repeated_paragraphs, len(paragraphs)),
        "repeated_paragraph_character_share": ratio(paragraph_characters, len(text)),
        "end_mark_line_share_datatrove": ratio(sum(line.endswith(ends) for line in newline_lines), len(newline_lines)),
        "short_line_share_datatrove": ratio(sum(len(line) <= 30 for line in newline_lines), len(newline_lines)),
        "repeated_line_character_share_fineweb": ratio(find_duplicates(newline_lines)[1], len(text.replace("\n", ""))),
        "newline_to_word_ratio": ratio(text.count("\n"), len(words)),
        "c4_lines.lorem_ipsum": float("lorem ipsum" in lowered),
        "c4_lines.curly_brace": float("{" in c4_text),
        "sentences": sum(len(split_into_sentences(line)) for line in c4_text.splitlines()),
    }
    for n, _ in TOP:
        grams = get_n_grams(words, n)
        values[f"top_{n}gram_share_datatrove"] = ratio(find_top_duplicate(grams) if grams else 0, len(text))
    for n, _ in DUPLICATED:
        values[f"duplicate_{n}gram_share_datatrove"] = ratio(find_all_duplicate(words, n), len(text))
    return values


@functools.cache
def repetition() -> GopherRepetitionFilter:
    return GopherRepetitionFilter()


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def verdict(judge: Any, text: str) -> tuple[bool | None, str, str]:
    """(kept, reason, text afterwards); None if the filter divides by zero or finds nothing to judge."""
    document = Document(text=text, id="")
    try:
        result = judge.filter(document)
    except ZeroDivisionError:
        return None, "ZeroDivisionError", text
    if isinstance(result, tuple):
        kept, reason = result
        return None if reason == "empty" else kept, reason, document.text
    return bool(result), "", document.text


WHOLE = {
    "gopher_quality": GopherQualityFilter(),
    "gopher_repetition": GopherRepetitionFilter(),
    "fineweb": FineWebQualityFilter(),
    "c4": C4QualityFilter(),
}
C4_LINES = C4QualityFilter(**C4_OFF)  # never removes a page
SYMBOLS = GopherQualityFilter(**{**QUALITY_OFF, "max_symbol_word_ratio": 0.1})  # two rules, told apart by reason


def judged(text: str, words: list[str] | None) -> dict[str, Any]:
    """Values, verdicts by rule ("filter signal": fails) and by filter (its reason, "" if kept), the text after C4."""
    c4_text = verdict(C4_LINES, text)[2]
    if words is None:
        words = split_into_words(text)
    for module in (gopher_quality_filter, gopher_repetition_filter, fineweb_quality_filter):
        module.split_into_words = lambda *_: words
    values, fails = values_of(text, c4_text, words), {}
    for name, signal, judge, fails_at in ready():
        kept, _, _ = verdict(judge, text)
        if kept is not None and not math.isnan(values[signal]):
            found = fails_at(values[signal])
            unseen = name == "c4" and signal != "sentences"  # the line that removed the page may not be kept itself
            if found == kept and not unseen:
                raise SystemExit(f"{name} {signal}: value {values[signal]} contradicts kept={kept}: {text[:200]!r}")
            fails[f"{name} {signal}"] = not kept
    for signal in ("hash_to_word_ratio", "ellipsis_to_word_ratio"):
        if not math.isnan(values[signal]):
            fails[f"gopher_quality {signal}"] = values[signal] > 0.1
    kept, _, _ = verdict(SYMBOLS, text)
    if kept is not None and kept == any(fails[f"gopher_quality {s}_to_word_ratio"] for s in ("hash", "ellipsis")):
        raise SystemExit(f"symbols contradict kept={kept}: {text[:200]!r}")
    filters = {name: verdict(judge, text)[1] for name, judge in WHOLE.items()}
    return {"values": values, "fails": fails, "filters": filters, "c4_text": c4_text}


def cpu_seconds(work: Callable[[], Iterable[Any]]) -> float:
    started = time.process_time()
    for _ in work():
        pass
    return time.process_time() - started


def times(path: str, what: str) -> dict[str, float]:
    """CPU seconds of the four filters in a row, as FineWeb runs them: what one removes the next does not see.

    what  "chain", or "parts" for reading and spaCy's words alone and each filter on every document as well
    """
    folder, name = path.rsplit("/", 1)
    split_into_words("Load spaCy.")

    def read() -> Iterable[Document]:
        return JsonlReader(folder, glob_pattern=name).run(None, 0, 1)

    def chain() -> Iterable[Document]:
        documents = read()
        for kind in (GopherRepetitionFilter, GopherQualityFilter, C4QualityFilter, FineWebQualityFilter):
            documents = kind().run(documents, 0, 1)
        return documents

    def each() -> Iterable[Any]:
        return (verdict(judge, document.text) for document in read() for judge in WHOLE.values())

    def words() -> Iterable[Any]:
        return (split_into_words(document.text) for document in read())

    work = {"four filters in a row": chain}
    if what == "parts":
        work |= {"reading alone": read, "reading and words alone": words, "each filter on every document": each}
    return {name: cpu_seconds(run) for name, run in work.items()}


def main() -> None:
    command, path, *rest = sys.argv[1:]
    if command == "time":
        print(json.dumps(times(path, rest[0])))
        return
    warnings.simplefilter("ignore")  # numpy's, about means of nothing
    with open(path, encoding="utf-8") as lines, open(rest[0], "w", encoding="utf-8") as result:
        for line in lines:
            row = json.loads(line)
            result.write(json.dumps({"id": row["id"], **judged(row["text"], row.get("words"))}) + "\n")


if __name__ == "__main__":
    main()
