"""Remove what is not worth learning from: data/cleaned -> data/filtered.  Alone: python -m stages.filter"""

import sys
from pathlib import Path

from antimatter import params
from antimatter.corpus.alarm import require_plausible_removal
from antimatter.corpus.reports import flow_report
from antimatter.corpus.shards import shard_paths
from antimatter.execution import entry, workspace
from antimatter.filter.policies import limits_by_source, policy_of
from antimatter.filter.shard import Places, filterer, prepare
from antimatter.filter.tally import Tally
from antimatter.filter.totals import verdicts_report
from antimatter.params.filter import Filter

SOURCE, SIGNALS, BENCHMARKS = Path("data/cleaned/documents"), Path("data/cleaned/signals"), Path("data/benchmarks")
TARGETS = [Path("data/filtered/documents"), Path("data/filtered/removed"), Path("data/filtered/signals")]


def main() -> None:
    settings = params.load(Filter)

    def build(work: workspace.Workspace) -> None:
        places = Places(documents=SOURCE, clean_signals=SIGNALS, output=work.output, scratch=work.scratch)
        for warning in prepare(BENCHMARKS, places, settings):
            print(f"filter: {warning}", file=sys.stderr)
        results = work.map(filterer(places, settings), range(len(shard_paths(SOURCE))))
        counts = work.counts(results)
        limit = settings.max_removed_share_per_source
        losses = require_plausible_removal(counts, limit, "filter", limits_by_source(counts.sources, settings))
        tally = Tally.sum(result["tally"] for result in results)
        policies = {name: policy_of(name, settings) for name in sorted(counts.sources)}
        verdicts = verdicts_report(tally, policies, places, settings)
        work.report(flow_report(counts, policies=policies, heavy_losses=losses, **verdicts))

    workspace.run("filter", settings, reads=[SOURCE, SIGNALS, BENCHMARKS], writes=TARGETS, build=build)


if __name__ == "__main__":
    entry.run(main)
