"""Collect every source: pinned packages and input/ -> data/raw.  Alone: python -m stages.collect"""

from pathlib import Path

from antimatter import params
from antimatter.collect import gather
from antimatter.execution import entry, workspace
from antimatter.params.collect import Collect

INPUT = Path("input")
TARGET = Path("data/raw")


def main() -> None:
    gather.require_input_folder(INPUT)
    workspace.run(
        "collect",
        params.load(Collect),
        reads=[INPUT],
        writes=[TARGET / "documents", TARGET / "removed", TARGET / "quarantine"],
        build=gather.build,
    )


if __name__ == "__main__":
    entry.run(main)
