"""Sources whose text did not arrive, in words: what was lost, why, and what to do about it."""

from collections.abc import Mapping

from antimatter.collect.archives import LARGEST_MEMBER_BYTES
from antimatter.collect.drafts import ENCODING, FIELD, SHAPE
from antimatter.collect.judge import BUDGET, EMPTY, HELD_OUT, INDEX_PAGE, TOO_LARGE, TOO_SHORT, UNDECODABLE
from antimatter.corpus.ledger import Counts
from antimatter.params.collect import Collect, Source

WANTED = (TOO_SHORT, BUDGET, INDEX_PAGE, HELD_OUT)
"""The user set these limits: nothing to warn of."""


def describe(settings: Collect, counts: Counts, causes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """One line for every source that lost most of its documents unwanted, or any that could not be read.

    causes  {source: {ENCODING, FIELD or SHAPE: how many documents}}
    """
    lines = []
    for source in settings.sources:
        flow = counts.sources.get(source.name)
        lost = {reason: n for reason, n in flow.removed.items() if reason not in WANTED} if flow else {}
        unread = lost.get(UNDECODABLE, 0) + lost.get(TOO_LARGE, 0)
        if flow and (unread or 2 * sum(lost.values()) > flow.documents_in):
            lines.append(
                f"source {source.name}: {sum(lost.values())} of {flow.documents_in} documents gave no text "
                f"({top_reasons(lost)}). {_advice(source, lost, causes.get(source.name, {}))}"
            )
    return lines


def top_reasons(removed: Mapping[str, int]) -> str:
    """The three most frequent reasons.

    >>> top_reasons({"collect.empty": 1, "collect.undecodable": 7})
    'collect.undecodable 7, collect.empty 1'
    """
    most = sorted(removed.items(), key=lambda item: (-item[1], item[0]))[:3]
    return ", ".join(f"{reason} {documents}" for reason, documents in most)


def _advice(source: Source, lost: Mapping[str, int], causes: Mapping[str, int]) -> str:
    found: list[str] = []
    if source.kind == "files":
        most = sorted(causes, key=lambda cause: (-causes[cause], cause))
        found += [_OF_FILES[cause].format(field=source.text_field) for cause in most if cause in _OF_FILES]
        if EMPTY in lost:
            found.append(
                f"No text but white space: see whether text_field ({source.text_field!r} now) is the field that "
                "holds the text."
            )
    elif UNDECODABLE in lost or EMPTY in lost:
        found.append(f"See whether `members` and parser {source.parser} in params.yaml fit {source.package}.")
    if TOO_LARGE in lost:
        found.append(
            f"More than {LARGEST_MEMBER_BYTES:,} bytes in one document: "
            + ("split it, or write one document a line as .jsonl." if source.kind == "files" else "it was not read.")
        )
    if UNDECODABLE in lost:
        found.append("The bytes and the errors are in data/raw/quarantine.")
    return " ".join(found)


_OF_FILES = {
    ENCODING: "Not UTF-8: convert the file (`iconv -f LATIN1 -t UTF-8`, or -f UTF-16).",
    FIELD: "No text in field {field!r} of .jsonl: set text_field of this source in params.yaml to the one that has it.",
    SHAPE: "No JSON: .jsonl holds one object a line.",
}
