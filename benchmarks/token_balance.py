"""Rare-token balancing on the corpus in data/tokens: what the rare tokens gain, what the text as a whole pays.

    python benchmarks/token_balance.py [--steps 400] [--seeds 1337 1] [--modes off class_balanced dynamic]

Runs params.yaml's model and recipe at this length, once for each mode and seed, and prints bits a byte and the loss of
each tenth of the training occurrences, from the most frequent tokens to the rarest, on the validation windows.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.params import loader
from antimatter.params.train import Samples
from antimatter.train import Job, launch


def main() -> None:
    """Train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1337, 1])
    parser.add_argument("--modes", nargs="+", default=["off", "class_balanced", "dynamic"])
    options = parser.parse_args()
    groups = loader.load_all()
    print(f"{options.steps} steps; nats a token by class of frequency, 0 the most frequent")
    print(f"{'mode':16s} {'seed':>6s} {'bits/byte':>9s} {'loss':>7s}  " + " ".join(f"{i:6d}" for i in range(10)))
    for mode in options.modes:
        found = []
        for seed in options.seeds:
            train = dataclasses.replace(
                groups["train"], steps=options.steps, seed=seed, samples=Samples(), checkpoints_at=(),
                validation_sequences=512, validate_every=options.steps, save_every=options.steps,
                token_balance=dataclasses.replace(groups["train"].token_balance, mode=mode),
            )  # fmt: skip
            with tempfile.TemporaryDirectory() as work:
                job = Job(model=groups["model"], train=train, tokens="data/tokens", work=work, device="cpu")
                last = launch(job).summary["validation"]["last"]
            found.append((last["bits_per_byte"], last["loss"], *last["loss_by_token_frequency"]))
            print(_row(mode, str(seed), found[-1]), flush=True)
        print(_row(mode, "mean", [statistics.mean(column) for column in zip(*found, strict=True)]), flush=True)


def _row(mode: str, seed: str, values: list[float] | tuple[float, ...]) -> str:
    bits, loss, *classes = values
    return f"{mode:16s} {seed:>6s} {bits:9.4f} {loss:7.4f}  " + " ".join(f"{value:6.3f}" for value in classes)


if __name__ == "__main__":
    main()
