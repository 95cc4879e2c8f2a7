"""The alarm: a stage that removes most of a source is more often wrong than right."""

from antimatter.corpus.ledger import Counts
from antimatter.errors import AntiMatterError

FEWEST_DOCUMENTS = 100  # below this a share says little


class TooMuchRemoved(AntiMatterError, RuntimeError):
    """A source lost more than the settings allow."""


def require_plausible_removal(counts: Counts, max_share: float, stage: str) -> None:
    """Raises TooMuchRemoved, with the reasons, if a source of at least 100 documents lost more than max_share."""
    complaints = []
    for name, flow in sorted(counts.sources.items()):
        if flow.documents_in >= FEWEST_DOCUMENTS and flow.documents_removed > max_share * flow.documents_in:
            reasons = sorted(flow.removed.items(), key=lambda item: (-item[1], item[0]))[:3]
            told = ", ".join(f"{reason} {documents}" for reason, documents in reasons)
            complaints.append(f"  {name}: {flow.documents_removed} of {flow.documents_in} documents removed ({told})")
    if complaints:
        raise TooMuchRemoved(
            f"stage {stage} removed more than {max_share:.0%} of a source; nothing was published:\n"
            + "\n".join(complaints)
            + f"\nIf that is right, raise {stage}.max_removed_share_per_source in params.yaml; "
            "if not, look at the settings that produced these reasons."
        )
