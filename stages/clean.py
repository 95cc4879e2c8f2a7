"""Edit the text of every document: data/raw -> data/cleaned.  Alone: python -m stages.clean"""

from pathlib import Path

from antimatter import params
from antimatter.clean.examples import merged_examples, write_examples
from antimatter.clean.shard import cleaner
from antimatter.clean.totals import libraries, steps_report
from antimatter.corpus.reports import flow_report
from antimatter.corpus.shards import shard_paths
from antimatter.execution import entry, workspace
from antimatter.params.clean import Clean

SOURCE = Path("data/raw/documents")
TARGETS = [Path("data/cleaned") / part for part in ("documents", "removed", "signals", "examples")]


def main() -> None:
    settings = params.load(Clean)

    def build(work: workspace.Workspace) -> None:
        shards = range(len(shard_paths(SOURCE)))
        results = work.map(cleaner(SOURCE, work.output, work.scratch, settings), shards)
        write_examples(work.output / "examples" / "clean.jsonl", merged_examples(work.scratch))
        steps = steps_report(settings.steps, (result["steps"] for result in results))
        work.report(flow_report(work.counts(results), steps=steps, libraries=libraries()))

    workspace.run("clean", settings, reads=[SOURCE], writes=TARGETS, build=build)


if __name__ == "__main__":
    entry.run(main)
