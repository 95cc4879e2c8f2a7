"""Buckets as datasketch's MinHashLSH finds them: in memory, 5.5 KB a document, for small corpora and to compare."""

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
from datasketch import MinHash, MinHashLSH

from antimatter.dedup.shard import Places, save_buckets, source_salts
from antimatter.dedup.signatures import SCHEME
from antimatter.execution.scratch import array_path, arrow_path, map_arrow
from antimatter.params.dedup import Dedup


def find_buckets(places: Places, settings: Dedup, starts: np.ndarray) -> dict[str, Any]:
    """As shard.merge_bands for all bands at once: documents of equal rows in one of datasketch's hash tables."""
    count = settings.bands * settings.rows
    index = MinHashLSH(num_perm=count, params=(settings.bands, settings.rows))
    is_copy = np.load(places.scratch / "is_copy.npy")
    salts: dict[int, int] = {}
    for number in range(len(starts) - 1):
        batch = map_arrow(arrow_path(places.scratch, "index", number))
        signed = np.load(array_path(places.scratch, "signatures", number))
        salted = source_salts(pa.chunked_array([batch.column("source")]), settings)
        pieces = batch.column("pieces").to_numpy()
        for row in np.flatnonzero((pieces > 0) & ~is_copy[starts[number] : starts[number + 1]]).tolist():
            document = int(starts[number]) + row
            salts[document] = int(salted[row])
            index.insert(document, MinHash(num_perm=count, seed=settings.seed, scheme=SCHEME, hashvalues=signed[row]))
    buckets: list[list[int]] = []
    for table in index.hashtables:
        for key in table.keys():  # noqa: SIM118 - a storage of datasketch, not a dict
            members = sorted(table.get(key), key=lambda document: (salts[document], document))
            groups = itertools.groupby(members, key=salts.__getitem__)
            buckets += [group for group in (list(found) for _, found in groups) if len(group) > 1]
    sizes = [len(bucket) for bucket in buckets]
    documents = np.array(list(itertools.chain.from_iterable(buckets)), dtype=np.int64)
    return save_buckets(0, np.repeat(np.arange(len(buckets)), sizes), documents, places)
