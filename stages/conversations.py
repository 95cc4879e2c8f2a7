"""Fetch the dialogues for fine-tuning -> data/conversations.  Alone: python -m stages.conversations"""

from pathlib import Path

from antimatter import params
from antimatter.collect import dialogues
from antimatter.execution import entry, workspace
from antimatter.params.conversations import Conversations


def main() -> None:
    workspace.run(
        "conversations",
        params.load(Conversations),
        reads=[],
        writes=[Path("data/conversations")],
        build=dialogues.build,
    )


if __name__ == "__main__":
    entry.run(main)
