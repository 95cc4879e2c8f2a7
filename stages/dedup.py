"""Remove duplicate documents: data/filtered -> data/deduplicated.  Alone: python -m stages.dedup"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from antimatter import params
from antimatter.corpus.alarm import require_plausible_removal
from antimatter.corpus.ledger import Counts
from antimatter.dedup import corpus
from antimatter.execution import entry, workspace
from antimatter.params.dedup import Dedup

SOURCE, SIGNALS = Path("data/filtered/documents"), Path("data/filtered/signals")
TARGETS = [Path("data/deduplicated/documents"), Path("data/deduplicated/removed"), Path("data/deduplicated/signals")]


def main() -> None:
    settings = params.load(Dedup)
    reads = [SOURCE, SIGNALS] if settings.signals else [SOURCE]
    without_limit = replace(
        settings, max_removed_share_per_source=1.0
    )  # it changes no verdict: raising it repeats nothing
    check = partial(require_limit, limit=settings.max_removed_share_per_source)
    workspace.run("dedup", without_limit, reads, TARGETS, build, check=check, format_version=2)


def build(work: workspace.Workspace) -> None:
    work.report(corpus.deduplicate(work, SOURCE, SIGNALS, work.settings))


def require_limit(work: workspace.Workspace, limit: float) -> None:
    """Before publication, of a run that has just ended or had ended under another limit."""
    require_plausible_removal(Counts.from_plain(work.reported()["sources"]), limit, "dedup")


if __name__ == "__main__":
    entry.run(main)
