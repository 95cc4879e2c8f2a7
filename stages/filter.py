"""Remove what is not worth learning from: data/cleaned -> data/filtered.  Alone: python -m stages.filter"""

import sys
from functools import partial
from pathlib import Path

from antimatter import params
from antimatter.corpus.alarm import TooMuchRemoved, heavy_losses, require_plausible_removal
from antimatter.corpus.ledger import Counts
from antimatter.corpus.reports import flow_report
from antimatter.corpus.shards import shard_paths
from antimatter.execution import entry, workspace
from antimatter.filter.policies import limits_by_source, policy_of, without_limits
from antimatter.filter.shard import Places, filterer, prepare
from antimatter.filter.tally import Tally
from antimatter.filter.totals import verdicts_report
from antimatter.params.filter import Filter

SOURCE, SIGNALS, BENCHMARKS = Path("data/cleaned/documents"), Path("data/cleaned/signals"), Path("data/benchmarks")
TARGETS = [Path("data/filtered/documents"), Path("data/filtered/removed"), Path("data/filtered/signals")]


def main() -> None:
    settings = params.load(Filter)
    reads = [SOURCE, SIGNALS, BENCHMARKS]
    check = partial(require_limits, limits=settings)
    workspace.run("filter", without_limits(settings), reads, TARGETS, build, check=check)


def build(work: workspace.Workspace) -> None:
    settings: Filter = work.settings
    places = Places(documents=SOURCE, clean_signals=SIGNALS, output=work.output, scratch=work.scratch)
    for warning in prepare(BENCHMARKS, places, settings):
        print(f"filter: {warning}", file=sys.stderr)
    results = work.map(filterer(places, settings), range(len(shard_paths(SOURCE))))
    counts = work.counts(results)
    tally = Tally.sum(result["tally"] for result in results)
    policies = {name: policy_of(name, settings) for name in sorted(counts.sources)}
    verdicts = verdicts_report(tally, policies, places, settings)
    work.report(flow_report(counts, policies=policies, heavy_losses=heavy_losses(counts), **verdicts))


def require_limits(work: workspace.Workspace, limits: Filter) -> None:
    """Before publication, of a run that has just ended or had ended under other limits."""
    counts = Counts.from_plain(work.reported()["sources"])
    others = limits_by_source(counts.sources, limits)
    try:
        require_plausible_removal(counts, limits.max_removed_share_per_source, "filter", others)
    except TooMuchRemoved as error:
        look = f"antimatter filter-study --from {work.output / 'signals'}"
        raise TooMuchRemoved(f"{error}\nWhat was measured is kept, and will not be measured again: {look}") from None


if __name__ == "__main__":
    entry.run(main)
