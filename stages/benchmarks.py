"""Bring the user's evaluation sets into one form -> data/benchmarks.  Alone: python -m stages.benchmarks"""

from pathlib import Path

from antimatter import params
from antimatter.collect import benchmarks
from antimatter.execution import entry, workspace
from antimatter.params.benchmarks import Benchmarks


def main() -> None:
    workspace.run(
        "benchmarks",
        params.load(Benchmarks),
        reads=[],
        writes=[Path("data/benchmarks")],
        build=benchmarks.build,
    )


if __name__ == "__main__":
    entry.run(main)
