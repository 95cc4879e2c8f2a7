"""The alarm: a stage that removes most of a source is more often wrong than right."""

import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from antimatter.corpus.ledger import Counts, Flow
from antimatter.errors import AntiMatterError

FEWEST_DOCUMENTS = 100  # below this a share says little


class TooMuchRemoved(AntiMatterError, RuntimeError):
    """A source lost more than the settings allow, or nothing is left."""

    def __init__(self, message: str, sources: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.sources = tuple(sources)
        """Those that lost too much."""


class Limit(NamedTuple):
    """The share of a source that a stage may remove, and the parameter that says so."""

    share: float
    parameter: str


_NO_OTHERS: Mapping[str, Limit] = MappingProxyType({})


def require_plausible_removal(
    counts: Counts, max_share: float, stage: str, others: Mapping[str, Limit] = _NO_OTHERS
) -> list[str]:
    """The sources that lost more than half, in words (`heavy_losses`), printed too.

    others  limits of single sources, in place of max_share

    Raises: TooMuchRemoved, with the reasons, if a source of at least 100 documents lost more than its limit, or if no
            document is left at all. To be asked before anything is published.
    """
    usual = Limit(max_share, f"{stage}.max_removed_share_per_source")
    too_much = {}
    for name, flow in sorted(counts.sources.items()):
        limit = others.get(name, usual)
        # one rounded division, so equality with a decimal limit is seen; a product of floats would miss it
        if flow.documents_in >= FEWEST_DOCUMENTS and flow.documents_removed / flow.documents_in > limit.share:
            too_much[name] = f"{_told(name, flow)}; {limit.parameter} allows {100 * limit.share:g} %"
    if too_much:
        raise TooMuchRemoved(
            f"stage {stage} removed too much of a source; nothing was published:\n  "
            + "\n  ".join(too_much.values())
            + "\nIf that is right, raise that parameter in params.yaml; if not, look at what produced these reasons.",
            sources=list(too_much),
        )
    losses = heavy_losses(counts)
    flows = counts.sources.values()
    if flows and not any(flow.documents_out for flow in flows):
        raise TooMuchRemoved(
            f"stage {stage} removed every document; nothing was published:\n  " + "\n  ".join(losses),
            sorted(counts.sources),
        )
    for line in losses:
        print(f"{stage}: most of a source was removed: {line}", file=sys.stderr)
    return losses


def heavy_losses(counts: Counts) -> list[str]:
    """The sources that lost more than half, in words."""
    flows = sorted(counts.sources.items())
    return [_told(name, flow) for name, flow in flows if 2 * flow.documents_removed > flow.documents_in]


def _told(name: str, flow: Flow) -> str:
    """wiki_fr: 9955 of 9955 documents removed (language.other 9955)"""
    reasons = sorted(flow.removed.items(), key=lambda item: (-item[1], item[0]))[:3]
    told = ", ".join(f"{reason} {documents}" for reason, documents in reasons)
    return f"{name}: {flow.documents_removed} of {flow.documents_in} documents removed ({told})"
