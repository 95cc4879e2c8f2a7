"""The alarm: a stage that removes most of a source is more often wrong than right."""

import sys
from collections.abc import Mapping
from types import MappingProxyType

from antimatter.corpus.ledger import Counts, Flow
from antimatter.errors import AntiMatterError

FEWEST_DOCUMENTS = 100  # below this a share says little


class TooMuchRemoved(AntiMatterError, RuntimeError):
    """A source lost more than the settings allow, or nothing is left."""


def require_plausible_removal(
    counts: Counts, max_share: float, stage: str, exceptions: Mapping[str, float] = MappingProxyType({})
) -> list[str]:
    """The sources that lost more than half, in words, printed too.

    exceptions  share by source, in place of max_share

    Raises: TooMuchRemoved, with the reasons, if a source of at least 100 documents lost more than max_share, or if no
            document is left at all.
    """
    flows = sorted(counts.sources.items())
    too_much = [
        f"{_told(name, flow)}; at most {exceptions.get(name, max_share):.0%} may go"
        for name, flow in flows
        if flow.documents_in >= FEWEST_DOCUMENTS
        and flow.documents_removed > exceptions.get(name, max_share) * flow.documents_in
    ]
    if too_much:
        raise TooMuchRemoved(
            f"stage {stage} removed too much of a source; nothing was published:\n  "
            + "\n  ".join(too_much)
            + f"\nIf that is right, raise {stage}.max_removed_share_per_source in params.yaml; "
            "if not, look at the settings that produced these reasons."
        )
    most = [_told(name, flow) for name, flow in flows if 2 * flow.documents_removed > flow.documents_in]
    if flows and not any(flow.documents_out for _, flow in flows):
        raise TooMuchRemoved(f"stage {stage} removed every document; nothing was published:\n  " + "\n  ".join(most))
    for line in most:
        print(f"{stage}: most of a source was removed: {line}", file=sys.stderr)
    return most


def _told(name: str, flow: Flow) -> str:
    """wiki_fr: 9955 of 9955 documents removed (language.other 9955)"""
    reasons = sorted(flow.removed.items(), key=lambda item: (-item[1], item[0]))[:3]
    told = ", ".join(f"{reason} {documents}" for reason, documents in reasons)
    return f"{name}: {flow.documents_removed} of {flow.documents_in} documents removed ({told})"
