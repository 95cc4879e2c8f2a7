"""datasketch and rensa on JSON lines, for comparison; run by a Python that has datasketch 2, rensa 0.5, xxhash, numpy.

    python benchmarks/peers/sketches_dedup.py FILE.jsonl RESULT METHOD

METHOD  datasketch-9x13          MinHashLSH(threshold=0.8, num_perm=128), which takes 9 bands of 13
        datasketch-14x8          MinHashLSH(params=(14, 8))
        datasketch-14x8-checked  the same; a match counts if the signatures' estimate reaches 0.8
        rensa                    RMinHashDeduplicator(threshold=0.8, num_perm=112, use_lsh=True, num_bands=14)

rensa's faster rho pipeline is not here: it flags every member of a group and says of none that it stays.
Both get word 5-grams: runs of \\w in lower case, a shorter text as one. Each document in the order of lines is sought
among those kept so far. Prints {"seconds", "megabytes"}: CPU from file to verdicts, imports aside; peak memory of the
process. RESULT: {"kept": [line numbers], "keeper": {removed: kept}}, without keepers for rensa, which names none.
"""

import json
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import rensa
import xxhash
from datasketch import MinHash, MinHashLSH
from memory import peak_megabytes

WORD = re.compile(r"\w+")
SIZE = 5


def texts(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def shingles(text: str) -> list[str]:
    words = WORD.findall(text.lower())
    return [" ".join(words[i : i + SIZE]) for i in range(max(1, len(words) - SIZE + 1))]


def hashed(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def by_datasketch(path: str, bands: tuple[int, int] | None, checked: bool) -> dict[str, Any]:
    places = bands[0] * bands[1] if bands else 128
    index = MinHashLSH(threshold=0.8, num_perm=places, params=bands)
    empty = MinHash(num_perm=places, seed=1, scheme="affine64", hashfunc=hashed)
    sketches: dict[int, MinHash] = {}
    kept, keeper = [], {}
    for number, text in enumerate(texts(path)):
        sketch = empty.copy()
        sketch.update_batch(set(shingles(text)))
        found = sorted(index.query(sketch))
        if checked and found:
            estimates = [float(np.mean(sketch.hashvalues == sketches[other].hashvalues)) for other in found]
            best = int(np.argmax(estimates))
            found = [found[best]] if estimates[best] >= 0.8 else []
        if found:
            keeper[number] = found[0]
        else:
            index.insert(number, sketch)
            kept.append(number)
            if checked:
                sketches[number] = sketch
    return {"kept": kept, "keeper": keeper}


def by_rensa(path: str) -> dict[str, Any]:
    found = rensa.RMinHashDeduplicator(threshold=0.8, num_perm=112, use_lsh=True, num_bands=14)
    flags = found.add_pairs((str(number), shingles(text)) for number, text in enumerate(texts(path)))
    return {"kept": [number for number, flag in enumerate(flags) if flag]}


METHODS = {
    "datasketch-9x13": lambda path: by_datasketch(path, None, checked=False),
    "datasketch-14x8": lambda path: by_datasketch(path, (14, 8), checked=False),
    "datasketch-14x8-checked": lambda path: by_datasketch(path, (14, 8), checked=True),
    "rensa": by_rensa,
}


def main() -> None:
    path, result, method = sys.argv[1:]
    started = time.process_time()
    found = METHODS[method](path)
    seconds = time.process_time() - started
    megabytes = peak_megabytes()
    with open(result, "w", encoding="utf-8") as file:
        json.dump(found, file)
    print(json.dumps({"seconds": seconds, "megabytes": megabytes}))


if __name__ == "__main__":
    main()
