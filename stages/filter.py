"""Remove what is not worth learning from: data/cleaned -> data/filtered.  Alone: python -m stages.filter"""

from pathlib import Path

from antimatter import params
from antimatter.corpus.alarm import require_plausible_removal
from antimatter.corpus.reports import flow_report
from antimatter.corpus.shards import shard_paths
from antimatter.execution import entry, workspace
from antimatter.filter.policies import policy_of
from antimatter.filter.shard import judge_shards
from antimatter.params.filter import Filter

SOURCE = Path("data/cleaned/documents")
TARGETS = [Path("data/filtered/documents"), Path("data/filtered/removed"), Path("data/filtered/signals")]


def main() -> None:
    settings = params.load(Filter)

    def build(work: workspace.Workspace) -> None:
        shards = range(len(shard_paths(SOURCE)))
        results = work.map(judge_shards(SOURCE, work.output, settings), shards)
        counts = work.counts(results)
        losses = require_plausible_removal(counts, settings.max_removed_share_per_source, "filter")
        policies = {name: policy_of(name, settings) for name in sorted(counts.sources)}
        work.report(flow_report(counts, policies=policies, heavy_losses=losses))

    workspace.run("filter", settings, reads=[SOURCE], writes=TARGETS, build=build)


if __name__ == "__main__":
    entry.run(main)
