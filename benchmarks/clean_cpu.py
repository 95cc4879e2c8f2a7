"""Unicode repair against ftfy on every line, one core, on text that the benchmark makes itself.

plain:  ASCII prose            mixed:  one line in ten with an accent, a curly quote or an entity
The two take turns; the fastest of the rounds speaks. Both must return the same text.
"""

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import ftfy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.clean.unicode import repair

ROUNDS = 3


def documents(share_of_odd_lines: float, count: int = 400) -> list[str]:
    """About 1.6 MB of made-up lines."""
    draw = random.Random(1)
    words = "time river house letter answer winter engine market garden station people water".split()
    odd = ["caf\u00e9", "\u201cquoted\u201d", "fish &amp; chips", "na\u00efve", "sch\u00c3\u00b6n"]

    def line() -> str:
        chosen = [draw.choice(words) for _ in range(12)]
        if draw.random() < share_of_odd_lines:
            chosen[draw.randrange(12)] = draw.choice(odd)
        return " ".join(chosen)

    return ["\n".join(line() for _ in range(50)) for _ in range(count)]


def seconds(function: Callable[[str], str], texts: list[str]) -> tuple[float, list[str]]:
    started = time.perf_counter()
    results = [function(text) for text in texts]
    return time.perf_counter() - started, results


def main() -> None:
    print(f"{'text':<8} {'ftfy MB/s':>10} {'ours MB/s':>10} {'ratio':>7}")
    for name, share in (("plain", 0.0), ("mixed", 0.1)):
        texts = documents(share)
        size = sum(len(text.encode()) for text in texts) / 1e6
        theirs, ours = [], []
        for _ in range(ROUNDS):
            spent, expected = seconds(ftfy.fix_text, texts)
            theirs.append(spent)
            spent, found = seconds(repair, texts)
            ours.append(spent)
            assert found == expected
        print(f"{name:<8} {size / min(theirs):>10.1f} {size / min(ours):>10.1f} {min(theirs) / min(ours):>7.1f}")


if __name__ == "__main__":
    main()
