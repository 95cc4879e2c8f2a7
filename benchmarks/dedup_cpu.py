"""Deduplication at work: speed on one core, a million short documents, growth, bad shapes, and others beside it.

    python benchmarks/dedup_cpu.py [--scale 1] [--peer PYTHON] [--only speed,planted,growth,bands,bad,peers]

Text: data/filtered, else data/cleaned, if they are there; made-up documents for the rest (benchmarks/dedup_quality.py).
--scale multiplies their numbers: 1 makes a million documents, takes half an hour and 15 GB of disk.
--peer names the python of an environment with datatrove, datasketch 2, rensa, xxhash < 4: what they do with the same
documents, judged like ours against the exact similarity of all pairs.

Speed: CPU seconds of the fastest of three rounds. Whatever is measured for memory runs in a process of its own.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.corpus.shards import read_shard, shard_paths
from antimatter.dedup import corpus, shard
from antimatter.dedup.contents import canonical, content_digests
from antimatter.dedup.shingles import shingle_sets
from antimatter.dedup.signatures import permutations, signatures, sketch
from antimatter.dedup.verify import jaccard
from antimatter.execution.scratch import arrow_path, save, write_arrow
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup
from benchmarks.dedup_quality import (
    SHARD,
    Words,
    comparisons,
    drawn,
    judge,
    outcome,
    planted,
    ranks_of,
    run_stage,
    shingles_of,
    similar_pairs,
    write_texts,
    written,
)

ROOT = Path(__file__).resolve().parent.parent
DATATROVE, SKETCHES = ROOT / "benchmarks/peers/datatrove_dedup.py", ROOT / "benchmarks/peers/sketches_dedup.py"
ROUNDS = 3
MILLION = 1_000_000
GROWTH = (100_000, 400_000, 1_600_000)
BANDS = 10_000_000
TEMPLATED = 200_000
LONG = 21_000_000  # words: about 100 MB
COMPARED = ("licenses", "wiki_en")  # sources of the default corpus that peers get
COMPARED_MADE_UP = 50_000
PEERS = ("datasketch-9x13", "datasketch-14x8", "datasketch-14x8-checked", "rensa")


def cpu_seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def peak_memory() -> dict[str, float]:
    """Megabytes of this process and of the largest one that it waited for. On Linux rusage starts at the peak of the
    process that started one: so this one is asked of /proc; a worker's may be what this one had when it began."""
    own, worker = (
        resource.getrusage(who).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    status = Path("/proc/self/status")
    if status.exists():
        own = int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0]) * 1024 / 1e6
    return {"main": own, "worker": worker}


def step(name: str, *arguments: Any, workers: int = 1) -> Any:
    """One of STEPS in a process of its own; what it returns."""
    command = [sys.executable, __file__, "--step", name, *map(str, arguments)]
    ended = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "ANTIMATTER_WORKERS": str(workers)}
    )
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])


# --- steps: each in a process of its own ---------------------------------------------------------------------------


def make(kind: str, count: str, folder: str) -> dict[str, Any]:
    """FOLDER/documents, and FOLDER/pairs.npy of what was planted; {"documents", "megabytes"}."""
    pairs = np.empty((0, 2), dtype=np.int64)
    draw = np.random.default_rng(7)
    number = int(count)
    if kind == "planted":
        words, pairs = planted(number, seed=1)
    elif kind == "identical":
        one = written(np.array([35]), draw)
        words = one.cut(np.zeros(number, dtype=np.int64))
    elif kind == "templated":  # 96 shingles of the template, 16 of each: J = 96 / 128
        one = written(np.array([116]), draw)
        words = one.cut(np.zeros(number, dtype=np.int64)).other_ends(np.full(number, 16), draw)
    else:  # one long document, and another that differs in its last thousand words
        one = Words(np.array([0, number]), drawn(number, draw))
        words = one.joined(one.other_ends(np.array([min(1000, number // 2)]), draw))
    size = 0
    total = len(words.starts) - 1
    for first in range(0, total, SHARD):
        texts = words.cut(np.arange(first, min(first + SHARD, total))).texts()
        size += texts.nbytes
        write_texts(texts, Path(folder) / "documents", first // SHARD)
    np.save(Path(folder) / "pairs.npy", pairs)
    return {"documents": total, "megabytes": size / 1e6}


def stage(documents: str, folder: str) -> dict[str, Any]:
    """The whole stage: seconds by the clock and of CPU, peak memory of this process and of the largest worker."""
    with tempfile.TemporaryDirectory(dir=folder) as warm:  # kernels are loaded, or compiled
        words = written(np.array([60]), np.random.default_rng(0)).cut(np.array([0, 0, 0]), np.array([0, 0, 1]))
        write_texts(words.texts(), Path(warm) / "d")
        run_stage(Path(warm) / "d", Path(warm), Dedup())
    usage = cpu_of_all()
    started = time.perf_counter()
    work = run_stage(Path(documents), Path(folder), Dedup())
    compared, left_out = comparisons(work.reported())
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": cpu_of_all() - usage,
        **peak_memory(),
        "removed": work.reported()["documents_in"] - work.reported()["documents_out"],
        "compared": compared,
        "left_out": left_out,
    }


def cpu_of_all() -> float:
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def check(folder: str) -> dict[str, Any]:
    """What became of the planted pairs: {"J from..": [pairs, found], "removed", "right"}."""
    settings = Dedup()
    pairs = np.load(Path(folder) / "pairs.npy")
    paths = shard_paths(Path(folder) / "documents")
    texts = pa.concat_arrays(
        [chunk for path in paths for chunk in read_shard(path, ["text"]).column("text").cast(pa.large_string()).chunks]
    )
    work = Workspace("dedup", settings, Path(folder) / "work", [], Path(folder) / "report.json")
    keeper = outcome(work, len(texts)).keeper
    left, right = (shingle_sets(texts.take(pa.array(side)), settings.normalization, 5) for side in pairs.T)
    similarity = np.array([jaccard(of(left, k), of(right, k)) for k in range(len(pairs))])
    found = (keeper[pairs[:, 0]] == pairs[:, 1]) | (keeper[pairs[:, 1]] == pairs[:, 0])
    rows: dict[str, Any] = {}
    for low, high in ((0.8, 0.85), (0.85, 0.9), (0.9, 0.95), (0.95, 1.01)):
        chosen = (similarity >= low) & (similarity < high)
        rows[f"{low:.2f}"] = [int(chosen.sum()), int(found[chosen].sum())]
    return {"found": rows, "removed": int((keeper >= 0).sum()), "right": int(found.sum())}


def of(shingles: Any, document: int) -> np.ndarray:
    return np.asarray(shingles.hashes[shingles.starts[document] : shingles.starts[document + 1]])


def sketched(count: str, folder: str) -> dict[str, Any]:
    """What the sketch of so many documents leaves behind, made up: every tenth document shares 9 of its keys."""
    settings, draw = Dedup(), np.random.default_rng(3)
    scratch = Path(folder) / "scratch"
    number = int(count)
    for index, first in enumerate(range(0, number, SHARD)):
        n = min(SHARD, number - first)
        keys = draw.integers(0, 2**64, (n, settings.bands), dtype=np.uint64)
        keys[1::10, :9] = keys[::10][: len(keys[1::10]), :9]
        save(shard.keys_path(scratch, index), keys)
        table = pa.table({"pieces": np.full(n, 35, dtype=np.int64)})
        write_arrow(arrow_path(scratch, "index", index), table)
    save(scratch / "is_copy.npy", np.zeros(number, dtype=bool))
    return {}


def banded(count: str, folder: str) -> dict[str, Any]:
    """The bands of what `sketched` made."""
    settings, number = Dedup(), int(count)
    work = Workspace("dedup", settings, Path(folder), [], Path(folder) / "report.json")
    places = shard.Places(documents=Path(), signals=Path(), output=work.output, scratch=work.scratch)
    starts = np.minimum(np.arange(0, number + SHARD, SHARD), number)
    started = time.perf_counter()
    found = corpus.find_buckets(work, places, settings, starts)
    work.executor.close()
    return {
        "seconds": time.perf_counter() - started,
        **peak_memory(),
        "buckets": int(found.first[-1]),
    }


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "make": make,
    "stage": stage,
    "check": check,
    "sketched": sketched,
    "banded": banded,
}


# --- speed --------------------------------------------------------------------------------------------------------


def default_corpus() -> Path | None:
    """Shards of the default corpus before deduplication."""
    for name in ("filtered", "cleaned"):
        if (ROOT / "data" / name / "documents/shard-00000.parquet").exists():
            return ROOT / "data" / name / "documents"
    return None


def speed(folder: Path, scale: float) -> None:
    """Kernels on all texts, then the whole stage with one worker."""
    documents = default_corpus()
    if documents is None:
        print("no data/filtered, no data/cleaned: made-up documents (`make run` first for the default corpus)")
        step("make", "planted", int(MILLION * scale / 5), folder)
        documents = folder / "documents"
    chunks = [chunk for path in shard_paths(documents) for chunk in read_shard(path, ["text"]).column("text").chunks]
    texts = [canonical(chunk) for chunk in chunks]
    size, settings = sum(len(part.buffers()[2]) for part in texts) / 1e6, Dedup()
    places = permutations(settings.bands * settings.rows, settings.seed)
    shingles = [shingle_sets(part, settings.normalization, settings.shingle_words) for part in texts]

    def sketch_all() -> None:
        for part in texts:
            salts = np.zeros(len(part), dtype=np.uint64)
            sketch(part, settings.normalization, settings.shingle_words, places, settings.bands, salts)

    work: dict[str, Callable[[], Any]] = {
        "NFC": lambda: [canonical(chunk) for chunk in chunks],
        "content digests": lambda: [content_digests(part) for part in texts],
        "shingles, sorted": lambda: [shingle_sets(part, settings.normalization, 5) for part in texts],
        "signatures of these": lambda: [signatures(part, places) for part in shingles],
        "sketch: text to band keys": sketch_all,
    }
    best = dict.fromkeys(work, float("inf"))
    for _ in range(ROUNDS + 1):  # the first one loads kernels
        for name, run in work.items():
            best[name] = min(best[name], cpu_seconds(run))
    rounds = []
    for number in range(ROUNDS):
        (folder / f"round{number}").mkdir()
        rounds.append(step("stage", documents, folder / f"round{number}"))
    best["whole stage, Parquet to Parquet"] = min(result["cpu_seconds"] for result in rounds)
    print(f"\n{sum(map(len, texts))} documents, {size:.1f} MB; one core, fastest of {ROUNDS}")
    print(f"{'':<54}{'CPU seconds':>13}{'MB/s':>8}")
    for name, seconds in best.items():
        print(f"{name:<54}{seconds:>13.3f}{size / seconds:>8.1f}")
    print(f"peak memory {rounds[0]['main']:.0f} MB, documents removed {rounds[0]['removed']}")


# --- made-up corpora ----------------------------------------------------------------------------------------------

HEAD = (
    f"{'':<28}{'documents':>10}{'MB':>7}{'seconds':>9}{'CPU':>8}{'MB/s':>7}{'main MB':>9}{'worker MB':>11}"
    f"{'removed':>9}{'compared':>11}{'left out':>14}"
)


def run_made_up(name: str, kind: str, count: int, folder: Path, workers: int = 2) -> None:
    """Make a corpus, deduplicate it, print a row of HEAD."""
    made = step("make", kind, count, folder)
    told = step("stage", folder / "documents", folder, workers=workers)
    print(
        f"{name:<28}{made['documents']:>10}{made['megabytes']:>7.0f}{told['seconds']:>9.1f}{told['cpu_seconds']:>8.1f}"
        f"{made['megabytes'] / told['seconds']:>7.1f}{told['main']:>9.0f}{told['worker']:>11.0f}{told['removed']:>9}"
        f"{told['compared']:>11}{told['left_out']:>14}",
        flush=True,
    )


def planted_pairs(folder: Path, scale: float) -> None:
    print(f"\n{HEAD}")
    run_made_up("planted, 2 workers", "planted", int(MILLION * scale), folder)
    told = step("check", folder)
    print(f"\n{'planted similarity from':<24}{'pairs':>8}{'found':>8}{'recall':>8}")
    for low, (pairs, found) in told["found"].items():
        print(f"{low:<24}{pairs:>8}{found:>8}{found / max(1, pairs):>8.4f}")
    print(f"removed {told['removed']}, for the planted partner {told['right']}")


def growth(folder: Path, scale: float) -> None:
    print(f"\n{HEAD}")
    for count in GROWTH:
        own = folder / str(count)
        own.mkdir()
        run_made_up("growth, 2 workers", "planted", int(count * scale), own)
        shutil.rmtree(own)


def bad_shapes(folder: Path, scale: float) -> None:
    print(f"\n{HEAD}")
    shapes = {
        "identical texts": ("identical", MILLION),
        "one template, J = 0.75": ("templated", TEMPLATED),
        "one long text, nearly twice": ("long", LONG),
    }
    for name, (kind, count) in shapes.items():
        own = folder / kind
        own.mkdir()
        run_made_up(name, kind, int(count * scale), own)
        shutil.rmtree(own)


def bands_alone(folder: Path, scale: float) -> None:
    count = int(BANDS * scale)
    step("sketched", count, folder)
    told = step("banded", count, folder, workers=2)
    print(
        f"\nbands alone, {count} documents: {told['seconds']:.1f} seconds, {told['buckets']} buckets, "
        f"peak memory {told['main']:.0f} MB, of a worker {told['worker']:.0f} MB"
    )


# --- peers --------------------------------------------------------------------------------------------------------


def peers(folder: Path, python: str) -> None:
    documents = default_corpus()
    if documents is not None:
        tables = [read_shard(path) for path in shard_paths(documents)]
        kept = [
            table.filter(pa.compute.is_in(table["source"], value_set=pa.array(COMPARED, table["source"].type)))
            for table in tables
        ]
        texts = pa.concat_arrays(
            [chunk for table in kept for chunk in table.column("text").cast(pa.large_string()).chunks]
        )
        (folder / "default").mkdir()
        beside(f"default corpus: {', '.join(COMPARED)}", texts, folder / "default", python)
    words, _ = planted(COMPARED_MADE_UP, seed=2)
    (folder / "made_up").mkdir()
    beside("made-up documents", words.texts().cast(pa.large_string()), folder / "made_up", python)


def beside(title: str, texts: pa.Array, folder: Path, python: str) -> None:
    """Ours and theirs on the same documents."""
    write_texts(texts, folder / "documents")
    plain = texts.to_pylist()
    with open(folder / "texts.jsonl", "w", encoding="utf-8") as file:
        for number, text in enumerate(plain):
            file.write(json.dumps({"id": str(number), "text": text}) + "\n")
    size = sum(len(text.encode()) for text in plain) / 1e6
    shingles, ranks = shingles_of(texts, Dedup()), ranks_of(plain)
    pairs = similar_pairs(shingles, Dedup().threshold)
    print(f"\n{title}: {len(plain)} documents, {size:.1f} MB, {len(pairs.left)} pairs of J >= {Dedup().threshold}")
    print(
        f"{'':<26}{'CPU seconds':>12}{'MB/s':>8}{'peak MB':>9}"
        f"{'removed':>9}{'right':>8}{'missed':>8}{'recall':>8}{'precision':>11}{'keeper right':>14}"
    )

    def row(name: str, told: dict[str, Any], kept: np.ndarray, keeper: np.ndarray | None) -> None:
        found = judge(kept, pairs, ranks)
        named = "-"
        if keeper is not None:
            removed = np.flatnonzero(~kept)
            right = [jaccard(of(shingles, d), of(shingles, keeper[d])) >= Dedup().threshold for d in removed.tolist()]
            named = f"{np.mean(right):.4f}" if right else "-"
        print(
            f"{name:<26}{told['seconds']:>12.2f}{size / told['seconds']:>8.2f}{told['megabytes']:>9.0f}"
            f"{found.removed:>9}{found.right:>8}{found.missed:>8}{found.recall:>8.4f}{found.precision:>11.4f}"
            f"{named:>14}",
            flush=True,
        )

    told = step("stage", folder / "documents", folder)
    work = Workspace("dedup", Dedup(), folder / "work", [], folder / "report.json")
    result = outcome(work, len(plain))
    row("ours", {"seconds": told["cpu_seconds"], "megabytes": told["main"]}, result.kept, result.keeper)
    for name, run in {
        "datatrove": partial(peer, python, DATATROVE, folder),
        **{name: partial(peer, python, SKETCHES, folder, name) for name in PEERS},
    }.items():
        told, answer = run()
        kept = np.zeros(len(plain), dtype=bool)
        kept[answer["kept"]] = True
        row(name, told, kept, named_keepers(answer, kept))


def peer(python: str, script: Path, folder: Path, *more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(seconds and megabytes, verdicts)."""
    command = [python, str(script), str(folder / "texts.jsonl"), str(folder / "result.json"), *more]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{ended.stderr[-3000:]}")
    return json.loads(ended.stdout.splitlines()[-1]), json.loads((folder / "result.json").read_text())


def named_keepers(answer: dict[str, Any], kept: np.ndarray) -> np.ndarray | None:
    """int64[n]: for whom each document left, itself if it stayed; None if the peer does not say."""
    keeper = np.arange(len(kept))
    if "keeper" in answer:
        keeper[[int(number) for number in answer["keeper"]]] = list(answer["keeper"].values())
        return keeper
    if "cluster" not in answer:
        return None
    stays = {cluster: int(number) for number, cluster in answer["cluster"].items() if kept[int(number)]}
    for number, cluster in answer["cluster"].items():
        keeper[int(number)] = stays[cluster]
    return keeper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.05, help="of the made-up corpora; 1: a million documents")
    parser.add_argument("--peer", default="", help="python of an environment with datatrove, datasketch, rensa")
    parser.add_argument("--only", default="speed,planted,growth,bands,bad,peers", help="parts, with commas")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, *arguments = options.step
        print(json.dumps(STEPS[name](*arguments)))
        return
    parts: dict[str, Callable[[Path], None]] = {
        "speed": partial(speed, scale=options.scale),
        "planted": partial(planted_pairs, scale=options.scale),
        "growth": partial(growth, scale=options.scale),
        "bands": partial(bands_alone, scale=options.scale),
        "bad": partial(bad_shapes, scale=options.scale),
    }
    if options.peer:
        parts["peers"] = partial(peers, python=options.peer)
    for name in options.only.split(","):
        if name in parts:
            with tempfile.TemporaryDirectory() as folder:
                parts[name](Path(folder))


if __name__ == "__main__":
    main()
