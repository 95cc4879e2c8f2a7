"""Text that did not arrive, in words: what was lost of each source, why, and what to do about it."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from antimatter.collect.drafts import DAMAGE, ENCODING, FIELD, HOSTILE, LARGEST_DOCUMENT_BYTES, SHAPE
from antimatter.collect.errors import TooMuchRejected
from antimatter.collect.judge import BUDGET, EMPTY, HELD_OUT, INDEX_PAGE, TOO_LARGE, TOO_SHORT
from antimatter.corpus.ledger import Counts, Flow
from antimatter.params.collect import Collect, Source

WANTED = (TOO_SHORT, BUDGET, INDEX_PAGE, HELD_OUT)
"""The user set these limits: nothing to warn of."""


@dataclass
class Rejected:
    """What of one source could not be read."""

    documents: int = 0
    """Records, and files or rests of files, each counted as one."""
    bytes: int = 0
    unread_bytes: int = 0
    """Of files alone, which did not arrive as text."""
    causes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    """{cause: the first few, in words}"""

    def share(self, flow: Flow) -> float:
        """The larger of the shares of documents and of bytes: one broken file among many records may be most of it."""
        documents = self.documents / max(1, flow.documents_in)
        return max(documents, self.bytes / max(1, flow.bytes_in + self.unread_bytes))


def rejected(results: Iterable[Mapping[str, Any]]) -> dict[str, Rejected]:
    """{source: what the parts rejected}."""
    total: dict[str, Rejected] = {}
    for result in results:
        own = total.setdefault(result["source"], Rejected())
        own.documents += result["rejected"]["documents"]
        own.bytes += result["rejected"]["bytes"]
        own.unread_bytes += result["rejected"]["unread_bytes"]
        own.causes.update(result["causes"])
        for cause, told in result["examples"].items():
            own.examples[cause] = (own.examples.get(cause, []) + told)[:3]
    return total


def describe(settings: Collect, found: Container[str], counts: Counts, lost: Mapping[str, Rejected]) -> list[str]:
    """One line for every source that lost most of its documents unwanted, or any that could not be read; `found`: the
    sources that could be had."""
    lines = []
    for source in settings.sources:
        flow, own = counts.sources.get(source.name), lost.get(source.name, Rejected())
        unwanted = {reason: n for reason, n in flow.removed.items() if reason not in WANTED} if flow else {}
        if source.members and source.name in found and not (flow and flow.documents_in):
            lines.append(f"source {source.name}: nothing in it matches its `members` ({', '.join(source.members)})")
        if flow and (own.documents or 2 * sum(unwanted.values()) > flow.documents_in):
            lines.append(
                f"source {source.name}: {sum(unwanted.values())} of {flow.documents_in} documents gave no text "
                f"({top_reasons(unwanted)}). {_advice(source, unwanted, own)}"
                + (" What was read of it and the errors are in data/raw/quarantine." if own.causes else "")
            )
    return lines


def short_of_budget(settings: Collect, counts: Counts) -> list[str]:
    """One line for every source that gave clearly less than its budget: the mix is not what was asked for."""
    lines = []
    for source in settings.sources:
        flow = counts.sources.get(source.name)
        budget = settings.budget(source)
        if not flow or flow.bytes_out >= 0.95 * budget or not (source.weight or BUDGET in flow.removed):
            continue
        why = "There is no more: ask for less, or add to it."
        if BUDGET in flow.removed:
            why = (
                "Documents larger than a part's share of it are not taken, and a part that is short of text is not "
                "filled from others: raise collect.shard_bytes."
            )
        what = "its weight asks for" if source.weight else "max_bytes allows"
        lines.append(f"source {source.name}: {_size(flow.bytes_out)} of the {_size(budget)} that {what}. {why}")
    return lines


def shares(counts: Counts, lost: Mapping[str, Rejected]) -> dict[str, float]:
    """{source: share that could not be read}, of those that lost anything so."""
    flows = counts.sources
    return {name: round(own.share(flows[name]), 6) for name, own in sorted(lost.items()) if own.documents}


def require_shares(told: Mapping[str, float], max_share: float) -> None:
    """Raises: TooMuchRejected for a finished collection, by its report, under a limit that was lowered since."""
    over = [f"source {name}: {share:.1%}" for name, share in told.items() if share > max_share]
    if over:
        raise TooMuchRejected(
            f"more than {max_share:.2%} of a source could not be read (collect.max_rejected_share): {', '.join(over)}. "
            "The ledger and the bytes are in data/raw/removed and data/raw/quarantine."
        )


def require_readable(
    settings: Collect, max_share: float, counts: Counts, lost: Mapping[str, Rejected], where: str
) -> None:
    """Raises: TooMuchRejected if more than max_share of a source could not be read; `where` its remains lie."""
    lines = []
    for source in settings.sources:
        flow, own = counts.sources.get(source.name), lost.get(source.name, Rejected())
        if flow and own.documents and own.share(flow) > max_share:
            told = [example for cause in sorted(own.examples) for example in own.examples[cause]][:6]
            share = f"{own.share(flow):.1%} by number or bytes"
            head = f"source {source.name}: {own.documents} of {flow.documents_in} ({share})"
            lines.append("\n    ".join([head, *told, _advice(source, flow.removed, own)]))
    if lines:
        raise TooMuchRejected(
            f"more than {max_share:.2%} of a source could not be read (collect.max_rejected_share); "
            "nothing was published:\n  "
            + "\n  ".join(lines)
            + "\nEverything that was read, the ledger and the rejected bytes lie in "
            f"{where}. Mend the input, or accept the loss by raising collect.max_rejected_share: what was "
            "read is not read again."
        )


def _size(count: int) -> str:
    """
    >>> _size(2_500_000_000), _size(1200)
    ('2.50 GB', '1.20 kB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.2f} {unit}"
    return f"{count} bytes"


def top_reasons(removed: Mapping[str, int]) -> str:
    """The three most frequent reasons.

    >>> top_reasons({"collect.empty": 1, "collect.undecodable": 7})
    'collect.undecodable 7, collect.empty 1'
    """
    most = sorted(removed.items(), key=lambda item: (-item[1], item[0]))[:3]
    return ", ".join(f"{reason} {documents}" for reason, documents in most)


def _advice(source: Source, removed: Mapping[str, int], own: Rejected) -> str:
    most = sorted(own.causes, key=lambda cause: (-own.causes[cause], cause))
    found = [_ADVICE[cause].format(field=source.text_field) for cause in most if cause in _ADVICE]
    if source.kind == "package" and own.causes:
        found = [f"See whether `members` and `format` in params.yaml fit {source.package}."]
    if EMPTY in removed:
        found.append(
            f"No text but white space: see whether text_field ({source.text_field!r} now) is the field that holds the "
            "text."
        )
    if TOO_LARGE in removed:
        found.append(
            f"More than {LARGEST_DOCUMENT_BYTES:,} bytes in one document: split it, name the `separator` between its "
            "documents, or write one document a line as .jsonl."
        )
    return " ".join(found)


_ADVICE = {
    ENCODING: "In no encoding that could be recognised: name it (`encoding:` of this source) or convert the file.",
    FIELD: "No text in field or column {field!r}: set text_field of this source in params.yaml to the one that has it.",
    SHAPE: "Not the shape of its format: .jsonl holds one object a line, .csv as many fields a row as the header.",
    DAMAGE: "Damaged files: fetch them again.",
    HOSTILE: "Archives with links, unsafe names, absurd sizes or archives inside are not read: unpack them yourself.",
}
