"""Collect every source: pinned packages and input/ -> data/raw.  Alone: python -m stages.collect"""

from pathlib import Path

from antimatter import params
from antimatter.collect import gather
from antimatter.execution import entry, workspace
from antimatter.params.collect import Collect

TARGET = Path("data/raw")


def main() -> None:
    workspace.run(
        "collect",
        params.load(Collect),
        reads=[Path("input")],
        writes=[TARGET / "documents", TARGET / "removed", TARGET / "quarantine"],
        build=gather.build,
    )


if __name__ == "__main__":
    entry.run(main)
