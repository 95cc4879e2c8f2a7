"""Which documents stay out of the corpus already here, and under which reason in the ledger.

collect.undecodable              in no encoding, or not of the source's shape; the bytes are in data/raw/quarantine
collect.unreadable_file          a file, or its rest: truncated, corrupt, without a column of text; it stays where it is
collect.refused_archive          links, unsafe names, absurd compression, too many members, an archive in an archive
collect.too_large                more bytes than we hold in memory for one document; it stays where it is
collect.index_page               a page that only lists other pages
collect.held_out_conversation    a dialogue that fine-tuning is validated on
collect.empty                    no text but white space
collect.too_short                fewer characters than the source's minimum_characters
collect.budget                   beyond max_documents or max_bytes
"""

from typing import NamedTuple

from antimatter.collect.conversations import is_held_out
from antimatter.collect.drafts import Draft
from antimatter.params.collect import Source

UNDECODABLE = "collect.undecodable"
UNREADABLE_FILE = "collect.unreadable_file"
REFUSED = "collect.refused_archive"
TOO_LARGE = "collect.too_large"
INDEX_PAGE = "collect.index_page"
BUDGET = "collect.budget"
EMPTY = "collect.empty"
TOO_SHORT = "collect.too_short"
HELD_OUT = "collect.held_out_conversation"


class Verdict(NamedTuple):
    """Why a document is left out, with the number behind it where there is one."""

    reason: str
    value: float | None = None
    threshold: float | None = None


def judge(source: Source, draft: Draft) -> Verdict | None:
    """Why this document is left out, or None if it is kept as far as it alone decides."""
    if source.held_out_share and is_held_out(draft.key, source.held_out_share):
        return Verdict(HELD_OUT)
    if not draft.text or draft.text.isspace():
        return Verdict(EMPTY, 0, 1)
    if len(draft.text) < source.minimum_characters:
        return Verdict(TOO_SHORT, len(draft.text), source.minimum_characters)
    return None


class Budget:
    """A part's share of max_documents and max_bytes: spent in order, closed by the first document that does not fit.

    A document fits if more than half of it does: shares smaller than documents would else give nothing at all.
    """

    def __init__(self, documents: int | None, text_bytes: int | None) -> None:
        self.documents, self.text_bytes = documents, text_bytes
        self.open = True

    def take(self, text_bytes: int) -> bool:
        """Whether a document of so many bytes still fits; if so, it is spent."""
        fits = (self.documents is None or self.documents >= 1) and (
            self.text_bytes is None or 2 * self.text_bytes > text_bytes or self.text_bytes >= text_bytes
        )
        self.open = self.open and fits
        if self.open:
            self.documents = None if self.documents is None else self.documents - 1
            self.text_bytes = None if self.text_bytes is None else self.text_bytes - text_bytes
        return self.open
