"""A small token folder with documents of two sources."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from antimatter.train.tokens import open_tokens

VOCABULARY = 20


@pytest.fixture
def write_tokens(tmp_path):
    """write_tokens([(source, ids), ...]) -> Tokens; the same documents in both splits, BOS and EOS added."""

    def write(documents):
        folder, rows, splits = tmp_path / "tokens", [], {}
        for split in ("train", "validation"):
            (folder / split).mkdir(parents=True)
            texts, start = [], 0
            for index, (source, ids) in enumerate(documents):
                text = [1, *ids, 2]
                rows.append((bytes([255 - index]) * 16, source, "", split, 0, start, len(text)))
                start += len(text)
                texts += text
            np.array(texts, dtype="<u2").tofile(folder / split / "shard-00000.bin")
            shards = [{"file": f"{split}/shard-00000.bin", "tokens": start}]
            splits[split] = {"tokens": start, "documents": len(documents), "shards": shards}
        np.where(np.arange(VOCABULARY) < 8, 0, 3).astype("<u2").tofile(folder / "token_bytes.bin")
        np.ones(VOCABULARY, dtype="<i8").tofile(folder / "token_counts.bin")
        names = ("id", "source", "origin", "split", "shard", "start", "length")
        types = (pa.binary(16), pa.string(), pa.string(), pa.string(), pa.int32(), pa.int64(), pa.int64())
        columns = pa.schema(list(zip(names, types, strict=True)))
        table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=columns)
        pq.write_table(table, folder / "documents.parquet")
        meta = {
            "format": 2,
            "dtype": "uint16",
            "vocabulary_size": VOCABULARY,
            "tokenizer_digest": "t",
            "digest": "d",
            "bos": 1,
            "eos": 2,
            "token_counts": "token_counts.bin",
        }
        (folder / "meta.json").write_text(json.dumps({**meta, "splits": splits, "token_bytes": "token_bytes.bin"}))
        return open_tokens(folder)

    return write
