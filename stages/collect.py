"""Collect every source: packages, hub datasets and input/ -> data/raw.  Alone: python -m stages.collect"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from antimatter import params
from antimatter.collect import gather, losses
from antimatter.corpus.reports import read_json
from antimatter.execution import entry, workspace
from antimatter.params.collect import Collect

INPUT = Path("input")
TARGET = Path("data/raw")


def main() -> None:
    gather.require_input_folder(INPUT)
    settings = params.load(Collect)
    workspace.run(
        "collect",
        replace(settings, max_rejected_share=1.0),  # a limit on the outcome: raising it must not repeat the reading
        reads=[INPUT],
        writes=[TARGET / "documents", TARGET / "removed", TARGET / "quarantine"],
        build=partial(gather.build, max_rejected_share=settings.max_rejected_share),
    )
    # an earlier run may have finished under another limit
    losses.require_shares(read_json(Path("reports/collect.json"))["rejected_shares"], settings.max_rejected_share)


if __name__ == "__main__":
    entry.run(main)
