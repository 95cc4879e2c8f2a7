"""Train the tokenizer: data/deduplicated -> data/tokenizer.  Alone: python -m stages.tokenizer"""

from pathlib import Path

from antimatter import params
from antimatter.corpus.shards import shard_paths
from antimatter.execution import entry, workspace
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer import train, vocabulary

SOURCE = Path("data/deduplicated/documents")
TARGETS = [Path("data/tokenizer")]


def main() -> None:
    settings = params.load(Tokenizer)

    def build(work: workspace.Workspace) -> None:
        shards = shard_paths(SOURCE)
        fraction = train.sample_fraction(shards, settings)
        print(f"tokenizer: training on {fraction:.0%} of the text", flush=True)
        model = train.train(train.sample_lines(shards, fraction), settings, threads=work.runtime.worker_count())
        train.save(work.output / "tokenizer", model)
        work.report({"sample_share": round(fraction, 6), **vocabulary.summary(model)})

    workspace.run("tokenizer", settings, reads=[SOURCE], writes=TARGETS, build=build)


if __name__ == "__main__":
    entry.run(main)
