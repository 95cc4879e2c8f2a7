"""Documents for tests: made from texts, written as shards."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from antimatter.corpus.schema import DOCUMENT, document_id
from antimatter.corpus.shards import shard_name, write_shard


def document_table(texts: Sequence[str], source: str = "test", prefix: str = "") -> pa.Table:
    """A document a text; origins are <prefix>0, <prefix>1, ..."""
    origins = [f"{prefix}{number}" for number in range(len(texts))]
    rows = [
        {"id": document_id(source, origin), "text": text, "source": source, "origin": origin, "metadata": []}
        for origin, text in zip(origins, texts, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=DOCUMENT)


def write_documents(folder: Path, shards: Sequence[Sequence[str]], source: str = "test") -> list[pa.Table]:
    """Shards of documents; origins are <shard>-<row>."""
    tables = [document_table(texts, source, f"{index}-") for index, texts in enumerate(shards)]
    for index, table in enumerate(tables):
        write_shard(folder / shard_name(index), table)
    return tables
