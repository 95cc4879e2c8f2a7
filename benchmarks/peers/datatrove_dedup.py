"""datatrove's four MinHash steps on JSON lines, for comparison; run by a Python that has datatrove and xxhash < 4.

    python benchmarks/peers/datatrove_dedup.py FILE.jsonl RESULT

14 buckets of 8, 5-grams, 64 bits, one worker: what these steps do is the closure of unverified matches. Prints
{"seconds", "megabytes"}: CPU from file to file, imports aside; peak memory of the process.
RESULT: {"kept": [line numbers], "cluster": {line number: cluster}}.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from memory import peak_megabytes

CONFIG = MinhashConfig(
    n_grams=5, num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(precision=64, hash_fc="xxhash")
)


def run(path: Path, work: Path) -> None:
    signatures, matches, removed = str(work / "signatures"), str(work / "matches"), str(work / "removed")
    reader = JsonlReader(str(path.parent), glob_pattern=path.name)
    kept = JsonlWriter(str(work / "kept"), output_filename="kept.jsonl", compression=None)
    steps = (
        ([reader, MinhashDedupSignature(output_folder=signatures, config=CONFIG)], 1),
        ([MinhashDedupBuckets(signatures, matches, config=CONFIG)], CONFIG.num_buckets),
        ([MinhashDedupCluster(matches, removed, config=CONFIG, save_cluster_id=True)], 1),
        ([reader, MinhashDedupFilter(removed, load_cluster_ids=True), kept], 1),
    )
    for number, (pipeline, tasks) in enumerate(steps):
        LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=1, logging_dir=str(work / f"log{number}")).run()


def main() -> None:
    path, result = map(Path, sys.argv[1:])
    work = Path(tempfile.mkdtemp())
    started = time.process_time()
    run(path, work)
    seconds = time.process_time() - started
    megabytes = peak_megabytes()
    with open(work / "kept/kept.jsonl", encoding="utf-8") as lines:
        kept = sorted(int(json.loads(line)["id"]) for line in lines)
    clusters = (work / "removed/000000.clusters").read_bytes() if (work / "removed/000000.clusters").exists() else b""
    numbers = memoryview(clusters).cast("I")
    cluster = {str(numbers[i]): numbers[i + 1] for i in range(0, len(numbers), 2)}
    result.write_text(json.dumps({"kept": kept, "cluster": cluster}))
    shutil.rmtree(work)
    print(json.dumps({"seconds": seconds, "megabytes": megabytes}))


if __name__ == "__main__":
    main()
