"""Cleaning on one core: ftfy on every text against our step ftfy and against all default steps, per source.

The texts are data/raw if collect has run, else made up here (and the heading says so); the last rows are dirty text,
made from the first by reading UTF-8 in a wrong encoding. Candidates take turns, the fastest round speaks; ours must
return what ftfy returns, or the benchmark stops. Processor time, so that a busy machine disturbs less.
"""

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import ftfy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.clean.steps import steps_of
from antimatter.clean.unicode import repair
from antimatter.corpus.shards import read_shard
from antimatter.params.clean import Clean

DOCUMENTS = Path(__file__).resolve().parent.parent / "data/raw/documents"
STEPS = steps_of(Clean())  # the defaults
ROUNDS = 3
MOST_BYTES = 1_500_000  # of each source


def collected() -> dict[str, list[str]]:
    """Texts of data/raw by source, at most MOST_BYTES each; empty if there are none."""
    texts: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for path in sorted(DOCUMENTS.glob("shard-*.parquet")):
        table = read_shard(path, ["source", "text"])
        for source, text in zip(table.column("source").to_pylist(), table.column("text").to_pylist(), strict=True):
            if sizes.get(source, 0) < MOST_BYTES:
                texts.setdefault(source, []).append(text)
                sizes[source] = sizes.get(source, 0) + len(text.encode())
    return texts


def made_up() -> dict[str, list[str]]:
    """ASCII prose, the same with a curly quote, accent or entity in one line of ten, and French, 1.5 MB each."""
    draw = random.Random(1)
    plain = "time river house letter answer winter engine market garden station people water".split()
    french = "été où façade cœur l’œuvre « déjà » naïf maison le la rivière hôtel ; jamais".split()
    odd = ["caf\u00e9", "\u201cquoted\u201d", "isn\u2019t", "fish &amp; chips", "na\u00efve \u2014"]

    def text(words: list[str], share: float) -> str:
        lines = []
        for _ in range(50):
            line = [draw.choice(words) for _ in range(12)]
            if draw.random() < share:
                line[draw.randrange(12)] = draw.choice(odd)
            lines.append(" ".join(line))
        return "\n".join(lines)

    kinds = {"plain": (plain, 0.0), "mixed": (plain, 0.1), "french": (french, 0.0)}
    return {name: [text(*kind) for _ in range(400)] for name, kind in kinds.items()}


def dirty(texts: dict[str, list[str]]) -> dict[str, list[str]]:
    """Lines with letters beyond ASCII, one in ten or every one of them garbled, about 1 MB each."""
    draw = random.Random(2)
    lines = [line for many in texts.values() for text in many for line in text.split("\n") if not line.isascii()]
    lines = [line + "\n" for line in draw.sample(lines, min(len(lines), 4000)) if len(line) < 1000]
    documents = ["".join(lines[start : start + 20]) for start in range(0, len(lines), 20)]

    def garbled(text: str, share: float) -> str:
        wrong = draw.choice(["latin-1", "cp1252", "cp1251", "macroman"])
        return "".join(
            line.encode().decode(wrong, "replace") if draw.random() < share else line
            for line in text.splitlines(keepends=True)
        )

    return {
        "dirty 10 %": [garbled(text, 0.1) for text in documents],
        "dirty 100 %": [garbled(text, 1.0) for text in documents],
    }


def seconds(function: Callable[[str], str], texts: list[str]) -> tuple[float, list[str]]:
    started = time.process_time()
    results = [function(text) for text in texts]
    return time.process_time() - started, results


def all_steps(text: str) -> str:
    for step in STEPS.values():
        text = step(text).text
    return text


def main() -> None:
    texts = collected()
    origin = "data/raw (at most 1.5 MB a source)"
    if not texts:
        texts, origin = made_up(), "made-up text, because data/raw is empty"
    print(f"{origin}; ftfy {ftfy.__version__}; MB/s of UTF-8, one core, fastest of {ROUNDS}")
    print(f"{'text':<14}{'MB':>6}{'ftfy':>8}{'our ftfy':>10}{'ratio':>8}{'all default steps':>19}")
    total = [0.0, 0.0, 0.0, 0.0]
    for name, many in {**texts, **dirty(texts)}.items():
        size = sum(len(text.encode()) for text in many) / 1e6
        fastest = [float("inf")] * 3
        for _ in range(ROUNDS):
            spent, expected = seconds(ftfy.fix_text, many)
            fastest[0] = min(fastest[0], spent)
            spent, found = seconds(repair, many)
            fastest[1] = min(fastest[1], spent)
            if found != expected:
                raise SystemExit(f"{name}: our repair differs from ftfy.fix_text")
            fastest[2] = min(fastest[2], seconds(all_steps, many)[0])
        row(name, size, *fastest)
        if name in texts:
            total = [before + new for before, new in zip(total, (size, *fastest), strict=True)]
    row("all but dirty", *total)


def row(name: str, size: float, theirs: float, ours: float, steps: float) -> None:
    print(
        f"{name:<14}{size:>6.1f}{size / theirs:>8.1f}{size / ours:>10.1f}{theirs / ours:>8.1f}{size / steps:>19.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
