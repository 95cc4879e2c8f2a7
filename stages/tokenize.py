"""Turn documents into binary tokens: data/deduplicated -> data/tokens.  Alone: python -m stages.tokenize"""

from pathlib import Path

from antimatter import params
from antimatter.execution import entry, workspace
from antimatter.params.tokenize import Tokenize
from antimatter.tokens import corpus

SOURCE, TOKENIZER = Path("data/deduplicated/documents"), Path("data/tokenizer")
TARGETS = [Path("data/tokens")]


def main() -> None:
    settings = params.load(Tokenize)

    def build(work: workspace.Workspace) -> None:
        work.report(corpus.tokenize(work, SOURCE, TOKENIZER, settings))

    workspace.run("tokenize", settings, reads=[SOURCE, TOKENIZER], writes=TARGETS, build=build)


if __name__ == "__main__":
    entry.run(main)
