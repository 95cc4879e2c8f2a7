"""What every tokenizer promises (interface.Tokenizer), for tests of each; and text that is hard for them."""

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from tests.clean.nasty_text import ODD, SENTENCES

NAMES = ["<s>", "</s>", "<unk>", "[UNK]", "[BOS]", "<|endoftext|>", "<|end|>", "<|user|>", "<0x41>", "<0xFF>", "Ġthe"]
PARTS = [*SENTENCES, *NAMES, *ODD, "  ", "\n\n    ", "\t\t", "the fox ", "def f(x):\n\treturn x ** 2", "a" * 50]


def texts(without: str = "") -> st.SearchStrategy[str]:
    """Any text, and text of fragments, scripts, names of special tokens; `without` some characters."""
    parts = [
        part
        for part in PARTS
        if not set(part) & {*without} and part.isascii() | (part.encode("utf-8", "ignore").decode() == part)
    ]
    characters = st.characters(exclude_categories=["Cs"], exclude_characters=without)
    return st.one_of(
        st.text(characters), st.lists(st.one_of(st.sampled_from(parts), st.text(characters, max_size=3))).map("".join)
    )


def require_exact(tokenizer, text: str, extra_bytes: int = 0) -> None:
    """The text comes back, its bytes add up, and no special token comes from it."""
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert sum(int(tokenizer.token_bytes()[i]) for i in ids) == len(text.encode()) + (extra_bytes if text else 0)
    assert not set(ids) & {*tokenizer.specials.values(), *tokenizer.markers.values()}


def require_batch_equals_single(tokenizer, batch: list[str]) -> None:
    """encode_batch gives what encode gives for each text, in arrays of both types and in slices of arrays."""
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(["before", *batch, "after"], type=kind).slice(1, len(batch))
        ids, starts = tokenizer.encode_batch(array)
        assert (ids.dtype, starts.dtype, len(starts)) == (np.uint32, np.int64, len(batch) + 1)
        assert (starts[0], starts[-1]) == (0, len(ids))
        for text, start, end in zip(batch, starts[:-1], starts[1:], strict=True):
            assert ids[start:end].tolist() == tokenizer.encode(text)


def require_tables(tokenizer) -> None:
    """The arrays by id have one entry for each, and special tokens stand for nothing."""
    lengths, pieces, single = tokenizer.token_bytes(), tokenizer.pieces(), tokenizer.byte_tokens()
    assert len(lengths) == len(pieces) == len(single) == tokenizer.size
    assert (lengths.dtype, single.dtype) == (np.uint16, np.bool_)
    assert all(lengths[i] == 0 and not single[i] for i in tokenizer.specials.values())
    assert set(lengths[single].tolist()) == {1}
    assert tokenizer.decode(list(tokenizer.specials.values())) == ""
