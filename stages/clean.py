"""Repair the text of every document: data/raw -> data/cleaned.  Alone: python -m stages.clean"""

from pathlib import Path

from antimatter import params
from antimatter.clean.shard import cleaner
from antimatter.corpus.reports import flow_report
from antimatter.corpus.shards import shard_paths
from antimatter.execution import entry, workspace
from antimatter.params.clean import Clean

SOURCE = Path("data/raw/documents")
TARGETS = [Path("data/cleaned/documents"), Path("data/cleaned/removed")]


def main() -> None:
    settings = params.load(Clean)

    def build(work: workspace.Workspace) -> None:
        shards = range(len(shard_paths(SOURCE)))
        results = work.map(cleaner(SOURCE, work.output, settings), shards)
        edited = {step: sum(result["edited"][step] for result in results) for step in ("unicode", "whitespace")}
        work.report(flow_report(work.counts(results), edited_documents=edited))

    workspace.run("clean", settings, reads=[SOURCE], writes=TARGETS, build=build)


if __name__ == "__main__":
    entry.run(main)
