"""A small token folder with documents of two sources, and a small model whose tokens are letters."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from antimatter.evaluate.subject import OurModel
from antimatter.model import AntiMatter, ModelConfig
from antimatter.model.text import Text
from antimatter.train.tokens import open_tokens

VOCABULARY = 20


@pytest.fixture(autouse=True)
def one_thread():
    """Models this small only lose by more threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


def letters(ids):
    """Ids from 8 on are a, b, c ...; the others stand for no text."""
    return "".join(chr(ord("a") + i - 8) for i in ids if i >= 8)


class LetterModel(OurModel):
    """A network with a tokenizer of letters, made instead of loaded."""

    def __init__(self, context=4, seed=3):
        torch.manual_seed(0)
        shape = {"layers": 2, "width": 16, "heads": 2, "feed_forward": 32, "context": context, "initial_std": 0.5}
        self.model = AntiMatter(ModelConfig(vocabulary_size=VOCABULARY, vocabulary_multiple=8, **shape), seed=seed)
        self.model.eval()
        self._text = Text(lambda text: [ord(c) - ord("a") + 8 for c in text], letters, 1, 2, (0, *range(3, 8)))
        self.name, self.context, self.bos, self.eos = "letters", context, 1, 2
        self.device = torch.device("cpu")


@pytest.fixture
def subject():
    """A LetterModel with a context of 4."""
    return LetterModel()


@pytest.fixture
def letter_model():
    """letter_model(context) -> LetterModel"""
    return LetterModel
