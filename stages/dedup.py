"""Remove duplicate documents: data/filtered -> data/deduplicated.  Alone: python -m stages.dedup"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from antimatter import params
from antimatter.corpus import copies
from antimatter.corpus.alarm import TooMuchRemoved, require_plausible_removal
from antimatter.corpus.ledger import Counts
from antimatter.dedup import corpus, lines
from antimatter.dedup.bands import say_curve
from antimatter.dedup.summary import notes
from antimatter.execution import entry, workspace
from antimatter.params.dedup import Dedup

SOURCE, SIGNALS = Path("data/filtered/documents"), Path("data/filtered/signals")
TARGETS = [Path("data/deduplicated/documents"), Path("data/deduplicated/removed"), Path("data/deduplicated/signals")]


def main() -> None:
    settings = params.load(Dedup)
    reads = [SOURCE, SIGNALS] if settings.signals else [SOURCE]
    without_limit = replace(settings, max_removed_share_per_source=1.0)  # no verdict's: raising it repeats nothing
    check = partial(require_limit, limit=settings.max_removed_share_per_source)
    workspace.run("dedup", without_limit, reads, TARGETS, build, check=check, format_version=3)


def build(work: workspace.Workspace) -> None:
    settings: Dedup = work.settings
    print(f"dedup: {say_curve(settings.bands, settings.rows)}", file=sys.stderr)
    work.report(corpus.deduplicate(work, SOURCE, SIGNALS, settings))


def require_limit(work: workspace.Workspace, limit: float) -> None:
    """Before publication, of a run that has just ended or had ended under another limit."""
    report = work.reported()
    for note in notes(report):
        print(f"dedup: {note}", file=sys.stderr)
    counts = Counts.from_plain(report["sources"])
    try:
        require_plausible_removal(counts, limit, "dedup")
    except TooMuchRemoved as error:
        raise TooMuchRemoved(
            "\n".join([str(error), *explain(error.sources, counts, work.output)]), error.sources
        ) from None


def explain(sources: Sequence[str], counts: Counts, output: Path) -> list[str]:
    """Where to look for why these sources lost so much."""
    told = []
    if any(lines.REASON in counts.flow(source).removed for source in sources):
        told.append(f"{lines.REASON}: see dedup.lines.min_sentences, and dedup.lines.sources to spare sources.")
    found = [cluster for cluster in copies.clusters(output) if set(sources) & set(cluster.sources)][:5]
    if found:
        told.append("The largest clusters in it, by their best document:")
        told += [f"  {cluster.id.hex()}  {cluster.size:,} documents, {cluster.removed:,} removed" for cluster in found]
        told.append(f"Both texts of a pair: antimatter duplicates ID --from {output}")
    return told


if __name__ == "__main__":
    entry.run(main)
