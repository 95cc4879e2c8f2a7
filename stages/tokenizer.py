"""Train the tokenizer, or take one: data/deduplicated -> data/tokenizer.  Alone: python -m stages.tokenizer"""

from pathlib import Path

from antimatter import params
from antimatter.execution import entry, runtime, workspace
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer import counts, existing, publish, train, vocabulary

SOURCE = Path("data/deduplicated/documents")
TARGETS = [Path("data/tokenizer")]


def main() -> None:
    settings = params.load(Tokenizer)

    def build(work: workspace.Workspace) -> None:
        folder = work.output / "tokenizer"
        if settings.kind != "trained":
            about = existing.take(settings, folder, runtime.work_folder() / "downloads")
            taken = publish.publish(folder, about["kind"], about["file"], {"lossless": about["lossless"]})
            print(f"tokenizer: {settings.kind}, {taken.size:,} entries", flush=True)
            work.report({"kind": settings.kind, "vocabulary_size": taken.size, "lossless": about["lossless"]})
            return
        counted = counts.count(work, SOURCE, settings)
        print(f"tokenizer: {counts.told(counted.report)}", flush=True)
        print(f"tokenizer: SentencePiece makes {settings.vocabulary_size:,} entries", flush=True)
        threads = work.runtime.worker_count()
        model = train.train(counted.words, settings, threads=threads, report=counted.report)
        publish.publish_trained(folder, model)
        work.report({"kind": settings.kind, **counted.report, **vocabulary.summary(model)})

    workspace.run("tokenizer", settings, reads=[SOURCE], writes=TARGETS, build=build)


if __name__ == "__main__":
    entry.run(main)
