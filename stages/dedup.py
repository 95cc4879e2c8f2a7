"""Remove duplicate documents: data/filtered -> data/deduplicated.  Alone: python -m stages.dedup"""

from pathlib import Path

from antimatter import params
from antimatter.corpus.alarm import require_plausible_removal
from antimatter.corpus.reports import flow_report
from antimatter.corpus.shards import shard_paths
from antimatter.dedup import assign, corpus
from antimatter.execution import entry, workspace
from antimatter.params.dedup import Dedup

SOURCE = Path("data/filtered/documents")
TARGETS = [Path("data/deduplicated/documents"), Path("data/deduplicated/removed")]


def main() -> None:
    settings = params.load(Dedup)

    def build(work: workspace.Workspace) -> None:
        shards = range(len(shard_paths(SOURCE)))
        corpus.sketch(work, SOURCE, shards, settings)
        by_rank, exact = corpus.rank(work, shards)
        near, compared = corpus.near(work, shards, by_rank, settings)  # bands only propose; exact Jaccard decides
        verdicts = assign.resolve(exact, near)  # every keeper is kept
        counts = work.counts(corpus.part(work, SOURCE, shards, by_rank, verdicts))
        losses = require_plausible_removal(counts, settings.max_removed_share_per_source, "dedup")
        work.report(flow_report(counts, **corpus.summary(verdicts, compared, settings), heavy_losses=losses))

    workspace.run("dedup", settings, reads=[SOURCE], writes=TARGETS, build=build)


if __name__ == "__main__":
    entry.run(main)
