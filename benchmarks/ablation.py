"""Does each data stage pay? Equal models, trained on equally many tokens of the text after each stage.

    python benchmarks/ablation.py [--project .] [--work work/ablation] [--steps 250] [--seeds 3]

Trains params.yaml's model on data/raw, cleaned, filtered and deduplicated, once for each seed, and prints bits per byte
on held-out text: mean and standard deviation over seeds; then what each stage changed, with two standard errors of the
paired difference, over seeds and over held-out documents. `raw-surviving` and `cleaned-surviving` hold only sources of
which the filter kept something: beside them a stage is not praised for the mere removal of other languages.

Same for all: the tokenizer of data/tokenizer (so a difference is one of text, not of vocabulary; no BPE dropout), the
recipe, the number of tokens (the guard is off, so that no update is left out), and for each seed the initial weights.
The order of data follows from seed and amount of text: it differs, so the spread over seeds is that of the data too.
What a stage removes from one source makes more room for the others: the figures of each source tell that apart.

Held-out text is the validation split of data/tokens. The documents that the split's keyed hash holds out are training
text of no variant, but raw text has copies of them, in part or whole. So what any variant has seen is not scored:

    runs of 8 words      letters and digits in lower case, about 13 tokens: unlike n-grams of tokens, they are the same
                         before and after cleaning, whatever it does to line breaks, spaces and punctuation
    held-out documents   go if more than tokenize.max_overlap_share of their runs occur in the training text of any
                         variant, or if they are shorter than one run; of the others, tokens in such runs do not count

Documents go from the held-out text, not from the training text: in the demo that costs 37 of 721 documents and 5 % of
the tokens; but 2,959 of 3,607 raw licences share a run with a held-out document, and without these "raw" would not be
what collect wrote. So what is scored is new to every model; what one gains by having learnt boilerplate is not seen.

A finished run is a file in WORK/runs and is not repeated; the table so far is WORK/ablation.md, with all digits
WORK/ablation.json. WORK belongs to one plan (steps, settings, data): another one needs another folder.
"""

import argparse
import dataclasses
import itertools
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.corpus.reports import read_json, write_json
from antimatter.corpus.shards import folder_digest, read_row_groups, shard_paths
from antimatter.errors import AntiMatterError
from antimatter.evaluate import scoring, windows
from antimatter.execution import entry, lock
from antimatter.model import AntiMatter
from antimatter.params import loader
from antimatter.params.tokenize import Tokenize
from antimatter.params.train import Quiz, Samples, Train
from antimatter.text.loose_words import loose_spans
from antimatter.text.words import segment
from antimatter.tokenizer.interface import Tokenizer
from antimatter.tokenizer.opened import open_tokenizer, read_meta
from antimatter.tokens import gram_index
from antimatter.tokens.binary import DOCUMENTS, bin_name, open_tokens, tokens_in_pieces, write_tokens
from antimatter.tokens.corpus import write_meta
from antimatter.tokens.frames import frame_of, put_on
from antimatter.tokens.split import are_validation
from antimatter.train import Job, launch
from antimatter.train.tokens import open_tokens as open_training_tokens

STAGES = ("raw", "cleaned", "filtered", "deduplicated")
PAIRS = [
    ("raw", "cleaned"), ("cleaned", "filtered"), ("filtered", "deduplicated"), ("raw", "deduplicated"),
    ("raw-surviving", "cleaned-surviving"), ("cleaned-surviving", "filtered"), ("raw-surviving", "deduplicated"),
]  # fmt: skip
RUN = 8
"""Words. 1.77 tokens a word in the demo: about tokenize.overlap_ngram's 13 tokens."""


class AblationError(AntiMatterError, ValueError):
    """The work folder belongs to another plan, or the project's data do not go together."""


class Variant(NamedTuple):
    """The training text of some of the models."""

    documents: Path
    sources: tuple[str, ...]


def main() -> None:
    """Prepare, train what is not trained yet, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path(), help="where `dvc repro` has finished; only read")
    parser.add_argument("--work", type=Path, default=Path("work/ablation"))
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=3, help="how many, from train.seed on")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores; another number rounds otherwise")
    parser.add_argument("--validation-tokens", type=int, default=10**9, help="held-out tokens to score at most")
    options = parser.parse_args()
    groups = loader.load_all(options.project / "params.yaml")
    if options.steps <= groups["train"].warmup_steps:
        raise AblationError(f"{options.steps} steps are no more than train.warmup_steps. Raise --steps.")
    if options.threads:
        torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    with lock.hold(options.work / "lock", "ablation"):
        variants = variants_of(options.project / "data")
        prepare_once(options, variants, groups)
        for seed in range(groups["train"].seed, groups["train"].seed + options.seeds):
            for name in variants:
                path = options.work / "runs" / f"{name}-{seed}.json"
                if not path.exists():
                    write_json(path, trained(options, groups, name, seed))
                    shutil.rmtree(options.work / "training")
                    report(options.work, variants)
        print(f"\n{report(options.work, variants)}")


def variants_of(data: Path) -> dict[str, Variant]:
    """By name, in the order in which they are trained; the surviving sources apart only if others are lost."""
    folders = {stage: data / stage / "documents" for stage in STAGES}
    every, surviving = sources_of(folders["raw"]), sources_of(folders["filtered"])
    variants = {stage: Variant(folder, every) for stage, folder in folders.items()}
    if every != surviving:
        variants |= {f"{stage}-surviving": Variant(folders[stage], surviving) for stage in ("raw", "cleaned")}
    return variants


def sources_of(documents: Path) -> tuple[str, ...]:
    """Names of the sources that have a document."""
    batches = (batch for path in shard_paths(documents) for _, batch in read_row_groups(path, ["source"]))
    return tuple(sorted({name for batch in batches for name in batch.column("source").unique().to_pylist()}))


def prepare_once(options: argparse.Namespace, variants: dict[str, Variant], groups: dict[str, Any]) -> None:
    """Prepare, unless it was done for the same plan: all that decides the figures, but for seeds and threads.

    Raises: AblationError if it was done for another one.
    """
    data, path = options.project / "data", options.work / "plan.json"
    tokenizer_digest = read_meta(data / "tokenizer")["digest"]
    plan = {
        "train": loader.to_plain(recipe(groups["train"], options.steps, seed=0)),
        "model": loader.to_plain(groups["model"]),
        "tokenize": loader.to_plain(groups["tokenize"]),
        "validation_tokens": options.validation_tokens,
        "run_words": RUN,
        "tokens": open_tokens(data / "tokens", tokenizer_digest).meta["digest"],
        "documents": {stage: folder_digest(variants[stage].documents) for stage in STAGES},
    }
    former = read_json(path) if path.exists() else None
    if former is None:
        prepare(options.work, data, variants, groups["tokenize"])
        write_json(path, plan)
    elif former != plan:
        others = ", ".join(key for key in plan if former.get(key) != plan[key])
        raise AblationError(f"{options.work} holds runs of another plan ({others}). Choose another --work.")


def recipe(train: Train, steps: int, seed: int) -> Train:
    """params.yaml's, at this length and seed, without what watches, saves or intervenes."""
    return dataclasses.replace(
        train, steps=steps, tokens=0, epochs=0.0, seed=seed, guard=dataclasses.replace(train.guard, mode="off"),
        samples=Samples(), quiz=Quiz(), checkpoints_at=(), keep_best=False, validate_every=steps, save_every=steps,
    )  # fmt: skip


def prepare(work: Path, data: Path, variants: dict[str, Variant], settings: Tokenize) -> None:
    """Write WORK/tokens/VARIANT, folders as of the tokenize stage with one validation split for all, and of the tokens
    of that split (end to end, M) which do not count: WORK/seen.npy, bool [M]."""
    tokenizer, table = open_tokenizer(data / "tokenizer"), held_out_documents(data, settings)
    hashes, bounds = runs_of(table.column("text").combine_chunks())
    seen = occur_in(hashes, [variants[stage] for stage in STAGES], settings)
    runs, seen_runs = np.diff(bounds), np.diff(np.concatenate([[0], np.cumsum(seen)])[bounds])
    stays = (runs > 0) & (seen_runs <= settings.max_overlap_share * runs)
    held_out = table.filter(pa.array(stays))
    framed = put_on(tokenizer.encode_batch(held_out.column("text").combine_chunks()), frame_of(tokenizer))
    seen_M, bytes_M = np.zeros(len(framed.ids), dtype=np.bool_), tokenizer.token_bytes()[framed.ids].astype(np.int64)
    texts, rows = held_out.column("text").to_pylist(), np.flatnonzero(stays).tolist()
    for text, row, (start, end) in zip(texts, rows, itertools.pairwise(framed.starts), strict=True):
        firsts = np.flatnonzero(seen[bounds[row] : bounds[row + 1]])
        seen_M[start:end] = tokens_in_runs(text, firsts, bytes_M[start:end])
    np.save(work / "seen.npy", seen_M)
    columns = {
        **{name: held_out.column(name) for name in ("id", "source", "origin")},
        "split": pa.repeat("validation", len(held_out)),
        "shard": pa.repeat(pa.scalar(0, pa.int32()), len(held_out)),
        "start": pa.array(framed.starts[:-1]),
        "length": pa.array(np.diff(framed.starts)),
    }
    index, sizes = pa.table(columns, schema=DOCUMENTS), {}
    validation = {"tokens": len(framed.ids), "split_documents": len(index)}
    for name, variant in variants.items():
        folder = work / "tokens" / name
        sizes[name] = write_training(folder, variant, tokenizer, settings)
        write_tokens(folder / bin_name("validation", 0), framed.ids, tokenizer.size)
        pq.write_table(index, folder / "documents.parquet")
        write_meta(folder, variant.documents, data / "tokenizer", tokenizer, [sizes[name]], [validation])
    held = {"documents": len(index), "tokens": len(framed.ids), "seen_tokens": int(seen_M.sum())}
    removed = {"too_short": int((runs == 0).sum()), "overlapping": int(((runs > 0) & ~stays).sum())}
    write_json(work / "text.json", {"held_out": held, "removed": removed, "training": sizes})


def held_out_documents(data: Path, settings: Tokenize) -> pa.Table:
    """The validation split of data/tokens as documents (id, source, origin, text), in the order of their ids."""
    index = pq.read_table(data / "tokens" / "documents.parquet", filters=[("split", "=", "validation")])
    wanted = index.column("id").combine_chunks()
    if not are_validation(wanted.to_pylist(), settings).all():
        raise AblationError(
            f"{data}/tokens holds out documents that the hash of tokenize.split_seed does not: it is out of date (run "
            "`dvc repro tokenize`), or the corpus is so small that it was split inside documents (collect more)."
        )
    paths, columns = shard_paths(data / "deduplicated" / "documents"), ["id", "source", "origin", "text"]
    batches = [batch for path in paths for _, batch in read_row_groups(path, columns)]
    return pa.Table.from_batches([b.filter(pc.is_in(b.column("id"), wanted)) for b in batches]).sort_by("id")


def training_batches(variant: Variant, settings: Tokenize) -> Iterator[pa.RecordBatch]:
    """Documents (id, source, text) that the keyed hash does not hold out."""
    for path in shard_paths(variant.documents):
        for _, batch in read_row_groups(path, ["id", "source", "text"]):
            of_sources = pc.is_in(batch.column("source"), pa.array(variant.sources))
            training = pa.array(~are_validation(batch.column("id").to_pylist(), settings))
            if (chosen := batch.filter(pc.and_(of_sources, training))).num_rows:
                yield chosen


def runs_of(texts: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(hashes uint64 [G], starts int64 [n + 1]): the runs of RUN words of n texts, one from each word on."""
    words = segment(texts, loose=True)
    upper_halves = (words.folded >> np.uint64(32)).astype(np.uint32)
    return gram_index.grams(upper_halves[words.ids], words.starts, RUN)


def occur_in(hashes: NDArray[np.uint64], variants: list[Variant], settings: Tokenize) -> NDArray[np.bool_]:
    """[G]: does the run occur in the training text of any variant?"""
    distinct, places = np.unique(hashes, return_inverse=True)
    seen = np.zeros(len(distinct), dtype=np.bool_)
    for variant in variants:
        for batch in training_batches(variant, settings):
            seen |= np.isin(distinct, runs_of(batch.column("text"))[0])
    return seen[places]


def tokens_in_runs(text: str, firsts: NDArray[np.int64], bytes_T: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[T]: does the token share a byte with a run, first to last word, that begins with one of the words `firsts`?

    bytes_T: UTF-8 bytes of each token of the text, 0 for its frame.
    """
    byte_of = np.cumsum([0, *(len(character.encode()) for character in text)])
    change = np.zeros(byte_of[-1] + 1, dtype=np.int64)
    np.add.at(change, byte_of[loose_spans(text, firsts)[:, 0]], 1)
    np.add.at(change, byte_of[loose_spans(text, firsts + RUN - 1)[:, 1]], -1)
    seen_before = np.concatenate([[0], np.cumsum(np.cumsum(change)[:-1] > 0)])
    return np.asarray(np.diff(seen_before[np.concatenate([[0], np.cumsum(bytes_T)])]) > 0)


def write_training(folder: Path, variant: Variant, tokenizer: Tokenizer, settings: Tokenize) -> dict[str, int]:
    """The training split and its counts, as the tokenize stage writes them; returns its size."""
    documents, occurrences = 0, np.zeros(tokenizer.size, dtype=np.int64)
    with tokens_in_pieces(folder / bin_name("train", 0), tokenizer.size) as write:
        for batch in training_batches(variant, settings):
            ids = put_on(tokenizer.encode_batch(batch.column("text")), frame_of(tokenizer)).ids
            write(ids)
            occurrences += np.bincount(ids, minlength=tokenizer.size)
            documents += batch.num_rows
    occurrences.astype("<i8").tofile(folder / "token_counts.bin")
    return {"split_documents": documents, "tokens": int(occurrences.sum())}


def trained(options: argparse.Namespace, groups: dict[str, Any], name: str, seed: int) -> dict[str, Any]:
    """Train one model; what it paid for each held-out document (nats), and for how much text (bytes)."""
    folder, train = options.work / "tokens" / name, recipe(groups["train"], options.steps, seed)
    work = str(options.work / "training" / f"{name}-{seed}")
    job = Job(model=groups["model"], train=train, tokens=str(folder), work=work, device="cpu", threads=options.threads)
    outcome = launch(job)
    read = {key: outcome.summary[key] for key in ("tokens", "epochs", "precision")}
    tokens, model = open_training_tokens(folder), AntiMatter.from_pretrained(outcome.result, device="cpu")
    selection = windows.select(tokens, options.validation_tokens, model.config.context)
    counted = selection.counted & ~np.load(options.work / "seen.npy")[: len(selection.ids)]
    documents, size = selection.document[counted], len(selection.source_of)
    nats = np.bincount(documents, scoring.losses(model, selection)[counted], size)
    sizes = np.bincount(documents, tokens.token_bytes[selection.ids[counted]], size).astype(np.int64)
    print(f"{name}, seed {seed}: {nats.sum() / (math.log(2) * sizes.sum()):.4f} bits per byte", flush=True)
    sources = [selection.sources[index] for index in selection.source_of]
    return {**read, "nats": nats.tolist(), "bytes": sizes.tolist(), "sources": sources}


def report(work: Path, variants: dict[str, Variant]) -> str:
    """Write WORK/ablation.json and WORK/ablation.md, the figures of all runs so far; returns the latter."""
    text, runs = read_json(work / "text.json"), {}
    for name in variants:
        paths = sorted((work / "runs").glob(f"{name}-[0-9]*.json"))
        runs[name] = {path.stem.split("-")[-1]: read_json(path) for path in paths}
    some = next(run for by_seed in runs.values() for run in by_seed.values())
    sources, bytes_D = np.array(some["sources"]), np.array(some["bytes"])
    columns = {"all": sources != "", **{name: sources == name for name in sorted({*sources[bytes_D > 0]})}}
    found: dict[str, list[dict[str, Any]]] = {"variants": [], "changes": []}
    for before, after in [(None, name) for name in variants] + PAIRS:
        seeds = sorted(runs.get(after, {}).keys() & runs.get(before or after, {}).keys())
        if not seeds:
            continue
        nats_SD = np.array([runs[after][seed]["nats"] for seed in seeds])
        size, epochs = text["training"][after], round(runs[after][seeds[0]]["epochs"], 4)
        row = {"text": after, "documents": size["split_documents"], "tokens": size["tokens"], "epochs": epochs}
        if before:
            nats_SD -= [runs[before][seed]["nats"] for seed in seeds]
            row = {"text": f"{before} to {after}"}
        figures = {column: spread(nats_SD[:, of], bytes_D[of]) for column, of in columns.items()}
        found["changes" if before else "variants"].append({**row, "seeds": len(seeds), **figures})
    write_json(work / "ablation.json", {"tokens_read": some["tokens"], **text, **found})
    lines = [
        f"{some['tokens']:,} tokens read by each model. Held out: {text['held_out']}; removed: {text['removed']}", "",
        "Bits per byte ± standard deviation over seeds", "", *table(found["variants"], ".4f", "sd"), "",
        "Change of bits per byte (less is better) ± standard error over seeds ± over held-out documents", "",
        *table(found["changes"], "+.4f", "se_seeds", "se_documents"),
    ]  # fmt: skip
    (work / "ablation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "\n".join(lines)


def spread(nats_SD: NDArray[np.float64], bytes_D: NDArray[np.int64]) -> dict[str, float | None]:
    """Bits per byte of S seeds on D documents, or a change of them, and how far to trust it; None where one is too few.

    sd, se_seeds   standard deviation over seeds, and of their mean
    se_documents   standard error over documents of the mean over seeds, a ratio of two sums
    """
    (seeds, documents), bits = nats_SD.shape, math.log(2) * bytes_D.sum()
    bits_S = nats_SD.sum(axis=1) / bits
    values = {"mean": bits_S.mean(), "sd": None, "se_seeds": None, "se_documents": None}
    if seeds > 1:
        values["sd"] = bits_S.std(ddof=1)
        values["se_seeds"] = values["sd"] / math.sqrt(seeds)
    if documents > 1:
        residual_D = nats_SD.mean(axis=0) - bits_S.mean() * math.log(2) * bytes_D
        values["se_documents"] = math.sqrt((residual_D**2).sum() * documents / (documents - 1)) / bits
    return {name: None if value is None else round(float(value), 6) for name, value in values.items()}


def table(rows: list[dict[str, Any]], mean: str, *errors: str) -> list[str]:
    """Lines of a markdown table: what is known of each row, and figures as mean (in this format) ± errors."""
    lines: list[str] = []
    for row in rows:
        lines = lines or [f"| {' | '.join(row)} |", f"|{'---|' * len(row)}"]
        cells = [str(value) for value in row.values() if not isinstance(value, dict)]
        for figure in [value for value in row.values() if isinstance(value, dict)]:
            known = [f"{figure[error]:.4f}" for error in errors if figure[error] is not None]
            cells.append(" ± ".join([format(figure["mean"], mean), *known]))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    entry.run(main)
