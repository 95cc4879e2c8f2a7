"""The tokenizer at work: encoding beside others, training, the whole stage, growth; one thread each.

    python benchmarks/tokenize_cpu.py [--documents FOLDER] [--text FOLDER] [--vocabulary 50257]
                                      [--megabytes 40] [--gpt2 FILE] [--only speed,training,stage,growth]

--documents  shards of documents; data/deduplicated/documents if not given
--text       a folder of *.txt instead, each a document, in order of a hash of its path: text whose words keep growing
--gpt2       gpt2.tiktoken (kind gpt2 writes it to data/tokenizer); without it tiktoken gets the pieces of our
             vocabulary as ranks, whose ids then mean nothing: only its speed does

Speed: CPU seconds of the fastest of three rounds on the first --megabytes of text, a vocabulary trained on all of it.
Every encoder gets the same batches of documents, and makes what its own call makes: we an array, the others lists.
Those that are not installed are left out. Growth: the first 16th, the first quarter and all of the text. What is
measured for memory runs in a process of its own; "MB before" is its peak when the work began.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sentencepiece
import xxhash

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.corpus.shards import read_shard, shard_paths
from antimatter.execution.workspace import Workspace
from antimatter.params.tokenize import Tokenize
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer import counts, publish, train
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokenizer.twin import tokenizer_json
from antimatter.tokenizer.vocabulary import MODEL, WHITESPACE_MARK, parse
from antimatter.tokenizer.words import WordCounts
from antimatter.tokens import corpus
from benchmarks.dedup_cpu import cpu_of_all, cpu_seconds, peak_memory
from benchmarks.dedup_quality import write_texts

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = {"ANTIMATTER_WORKERS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
ROUNDS = 3
BATCH = 1000  # documents
SHARES = (16, 4, 1)  # of the text, for growth
WARM = 1000  # documents with which a stage loads its kernels: enough to hold some out
Result = dict[str, Any]
Work = dict[str, Callable[[], Any]]


# --- text ---------------------------------------------------------------------------------------------------------


def texts_in(documents: Path) -> pa.Array:
    """large_string: the texts of shards."""
    chunks = [chunk for path in shard_paths(documents) for chunk in read_shard(path, ["text"]).column("text").chunks]
    return pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in chunks])


def files_in(folder: Path) -> pa.Array:
    """large_string: the *.txt files below a folder, mixed."""
    paths = sorted(folder.rglob("*.txt"), key=lambda path: xxhash.xxh3_64_intdigest(bytes(path.relative_to(folder))))
    return pa.array([path.read_text(encoding="utf-8", errors="replace") for path in paths], pa.large_string())


def first_bytes(texts: pa.Array, size: float) -> pa.Array:
    """As many of the first documents as hold `size` bytes, at least one."""
    ends = np.cumsum(pa.compute.binary_length(texts).to_numpy())
    return texts[: max(1, int(np.searchsorted(ends, size, side="right")))]


def size_of(texts: pa.Array) -> float:
    """Megabytes of text."""
    return float(pa.compute.sum(pa.compute.binary_length(texts)).as_py()) / 1e6


def batches(texts: pa.Array) -> Iterator[pa.Array]:
    for start in range(0, len(texts), BATCH):
        yield texts[start : start + BATCH]


# --- steps: each in a process of its own --------------------------------------------------------------------------


def step(name: str, *arguments: Any) -> Result:
    """One of STEPS in a process of its own; what it returns."""
    command = [sys.executable, __file__, "--step", name, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE_THREAD})
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{ended.stderr}")
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def settings_of(vocabulary: str) -> Tokenizer:
    return Tokenizer(vocabulary_size=int(vocabulary), sample_bytes=0)


def counted(documents: str, folder: str, vocabulary: str) -> Result:
    """Count the words of shards; FOLDER/words.tsv."""
    settings, place = settings_of(vocabulary), Path(folder)
    warm = WordCounts(settings.split_digits, settings.whitespace_pieces)
    warm.add(pa.array(["load the kernels"]))
    work = Workspace("tokenizer", settings, place / "counting", [], place / "report.json")
    began, before = cpu_of_all(), peak_memory()["main"]
    found = counts.count(work, Path(documents), settings)
    work.executor.close()
    found.words.replace(place / "words.tsv")
    told = {key: found.report[key] for key in ("distinct_words", "occurrences", "bytes")}
    return {"seconds": cpu_of_all() - began, "before": before, "peak": max(peak_memory().values()), **told}


def trained(folder: str, vocabulary: str) -> Result:
    """Train on FOLDER/words.tsv; FOLDER/tokenizer."""
    settings, place = settings_of(vocabulary), Path(folder)
    began, before = cpu_of_all(), peak_memory()["main"]
    model = train.train(place / "words.tsv", settings, threads=1)
    seconds = cpu_of_all() - began
    (place / "tokenizer").mkdir(exist_ok=True)
    (place / "tokenizer" / MODEL).write_bytes(model)
    publish.publish(place / "tokenizer", "trained", MODEL, {})
    return {"seconds": seconds, "before": before, "peak": peak_memory()["main"]}


def encoded(documents: str, folder: str) -> Result:
    """Encode all documents with an encoder that begins with nothing remembered."""
    model = (Path(folder) / "tokenizer" / MODEL).read_bytes()
    SentencePieceBpe(model).encode("load the kernels")
    texts = texts_in(Path(documents))
    encoder, tokens = SentencePieceBpe(model), 0
    began, before = time.process_time(), peak_memory()["main"]
    for batch in batches(texts):
        tokens += len(encoder.encode_batch(batch).ids)
    seconds = time.process_time() - began
    return {"seconds": seconds, "before": before, "peak": peak_memory()["main"], "tokens": tokens}


def tokenized(documents: str, folder: str) -> Result:
    """The whole stage with the tokenizer in FOLDER/tokenizer, without publication."""
    tokenizer = Path(folder) / "tokenizer"
    with tempfile.TemporaryDirectory(dir=folder) as own:
        write_texts(pa.array([f"{n} loads the kernels {n * n}" for n in range(WARM)]), Path(own) / "documents")
        run_stage(Path(own) / "documents", tokenizer, Path(own) / "warm")
        began, before = cpu_of_all(), peak_memory()["main"]
        run_stage(Path(documents), tokenizer, Path(own) / "run")
        return {"seconds": cpu_of_all() - began, "before": before, "peak": max(peak_memory().values())}


def run_stage(documents: Path, tokenizer: Path, folder: Path) -> None:
    settings = Tokenize()
    work = Workspace("tokenize", settings, folder, [], folder / "report.json")
    work.report(corpus.tokenize(work, documents, tokenizer, settings))
    work.executor.close()


STEPS: dict[str, Callable[..., Result]] = {
    "counted": counted,
    "trained": trained,
    "encoded": encoded,
    "tokenized": tokenized,
}


# --- encoders -----------------------------------------------------------------------------------------------------


def tiktoken_encoder(model: bytes, gpt2: Path) -> tuple[str, Any]:
    """(what its ranks are, tiktoken's encoding): GPT-2's, or the pieces of our vocabulary behind the 256 bytes."""
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe
    from tiktoken_ext.openai_public import r50k_pat_str

    if gpt2.is_file():
        name, ranks = "tiktoken, GPT-2's encoding", load_tiktoken_bpe(str(gpt2))
    else:
        name = "tiktoken, our pieces as ranks (GPT-2's are not here)"
        single = [bytes([byte]) for byte in range(256)]
        normal = [entry.piece for entry in parse(model).pieces if entry.type == entry.NORMAL]
        pieces = [piece.replace(WHITESPACE_MARK, " ").encode() for piece in normal]
        ranks = {token: rank for rank, token in enumerate(dict.fromkeys([*single, *pieces]))}
    return name, tiktoken.Encoding(name, pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={})


def encoders_of(model: bytes, texts: pa.Array, gpt2: Path) -> Work:
    """What encodes all texts, by name; each returns ids in a form of its own (`flat`)."""
    parts = list(batches(texts))
    lists = [part.to_pylist() for part in parts]
    ours = SentencePieceBpe(model)
    fresh = [SentencePieceBpe(model) for _ in range(ROUNDS + 1)]  # made here: opening a vocabulary is not encoding
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model)

    def cold() -> list[Any]:
        encoder = fresh.pop()
        return [encoder.encode_batch(part).ids for part in parts]

    work: Work = {
        "ours, nothing remembered": cold,
        "ours, all words known": lambda: [ours.encode_batch(part).ids for part in parts],
        "SentencePiece": lambda: [theirs.encode(part, num_threads=1) for part in lists],
    }
    if importlib.util.find_spec("tokenizers"):
        import tokenizers

        twin = tokenizers.Tokenizer.from_str(tokenizer_json(model))
        twin.encode_special_tokens = True
        work["Hugging Face tokenizers, tokenizer.json of ours"] = lambda: [
            [found.ids for found in twin.encode_batch(part, add_special_tokens=False)] for part in lists
        ]
    if importlib.util.find_spec("tiktoken"):
        name, encoding = tiktoken_encoder(model, gpt2)
        work[name] = lambda: [encoding.encode_ordinary_batch(part, num_threads=1) for part in lists]
    return work


def flat(found: list[Any]) -> np.ndarray:
    """int64: all ids of what an encoder gave, whatever its form."""
    parts = [np.asarray(part) if isinstance(part, np.ndarray) else np.concatenate([[], *part]) for part in found]
    return np.concatenate([np.zeros(0), *parts]).astype(np.int64)


# --- parts --------------------------------------------------------------------------------------------------------


def speed(folder: Path, texts: pa.Array, megabytes: float, gpt2: Path) -> None:
    sample = first_bytes(texts, megabytes * 1e6)
    size, model = size_of(sample), (folder / "tokenizer" / MODEL).read_bytes()
    work = encoders_of(model, sample, gpt2)
    found = {name: flat(run()) for name, run in work.items()}  # and kernels are loaded
    best = dict.fromkeys(work, float("inf"))
    for _ in range(ROUNDS):
        for name, run in work.items():
            best[name] = min(best[name], cpu_seconds(run))
    print(f"\nencoding {len(sample)} documents, {size:.1f} MB; one thread, fastest of {ROUNDS}")
    print(f"{'':<56}{'CPU seconds':>12}{'MB/s':>8}{'tokens':>12}  ids")
    for name, seconds in best.items():
        same = "as SentencePiece's" if np.array_equal(found[name], found["SentencePiece"]) else "its own"
        print(f"{name:<56}{seconds:>12.3f}{size / seconds:>8.1f}{len(found[name]):>12}  {same}", flush=True)


def row(name: str, size: float, told: Result, more: str = "") -> None:
    print(
        f"{name:<32}{size:>8.1f}{told['seconds']:>13.2f}{size / told['seconds']:>8.1f}{told['before']:>10.0f}"
        f"{told['peak']:>9.0f}  {more}",
        flush=True,
    )


HEAD = f"{'':<32}{'MB':>8}{'CPU seconds':>13}{'MB/s':>8}{'MB before':>10}{'peak MB':>9}"


def prepare(folder: Path, documents: Path, size: float, vocabulary: int, shown: bool) -> None:
    """Count words and train, for the parts that follow."""
    told = step("counted", documents, folder, vocabulary)
    if shown:
        print(f"\n{HEAD}")
        row("counting words", size, told, f"{told['distinct_words']} distinct of {told['occurrences']}")
    told = step("trained", folder, vocabulary)
    if shown:
        row(f"training {vocabulary} entries", size, told)


def stage(folder: Path, documents: Path, size: float) -> None:
    rounds = [step("tokenized", documents, folder) for _ in range(ROUNDS)]
    print(f"\n{HEAD}")
    row("stage tokenize, one worker", size, min(rounds, key=lambda told: float(told["seconds"])))


def growth(folder: Path, texts: pa.Array, vocabulary: int) -> None:
    """Parts of the text, each with a vocabulary of its own."""
    print(f"\n{HEAD}")
    for share in SHARES:
        own = folder / f"part{share}"
        part = first_bytes(texts, size_of(texts) * 1e6 / share) if share > 1 else texts
        size = size_of(part)
        write_texts(part, own / "documents")
        told = step("counted", own / "documents", own, vocabulary)
        row("counting words", size, told, f"{told['distinct_words']} distinct of {told['occurrences']}")
        row(f"training {vocabulary} entries", size, step("trained", own, vocabulary))
        told = step("encoded", own / "documents", own)
        row("encoding, nothing remembered", size, told, f"{told['tokens']} tokens")
        row("stage tokenize, one worker", size, step("tokenized", own / "documents", own))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, default=ROOT / "data/deduplicated/documents")
    parser.add_argument("--text", type=Path)
    parser.add_argument("--vocabulary", type=int, default=50257)
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--gpt2", type=Path, default=ROOT / "data/tokenizer/gpt2.tiktoken")
    parser.add_argument("--only", default="speed,training,stage,growth", help="parts, with commas")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, *arguments = options.step
        print(json.dumps(STEPS[name](*arguments)))
        return
    os.environ.update(ONE_THREAD)
    chosen = options.only.split(",")
    texts = files_in(options.text) if options.text else texts_in(options.documents)
    size = size_of(texts)
    print(f"{options.text or options.documents}: {len(texts)} documents, {size:.1f} MB; {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_texts(texts, folder / "documents")
        if {"speed", "training", "stage"} & set(chosen):
            prepare(folder, folder / "documents", size, options.vocabulary, shown="training" in chosen)
        parts: dict[str, Callable[[], None]] = {
            "speed": partial(speed, folder, texts, options.megabytes, options.gpt2),
            "stage": partial(stage, folder, folder / "documents", size),
            "growth": partial(growth, folder, texts, options.vocabulary),
        }
        for name, run in parts.items():
            if name in chosen:
                run()


if __name__ == "__main__":
    main()
