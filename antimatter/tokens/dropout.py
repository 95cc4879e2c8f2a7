"""BPE dropout of documents: what is left out depends on the seed and on the document alone, not on order or workers."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import xxhash

from antimatter.errors import AntiMatterError
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokenizer.interface import Encoded, Tokenizer


class NoDropout(AntiMatterError, ValueError):
    """BPE dropout is asked of a tokenizer that has none."""


def require_dropout(tokenizer: Tokenizer) -> None:
    """Raises NoDropout for a tokenizer whose merges are not ours."""
    if not (isinstance(tokenizer, SentencePieceBpe) and tokenizer.is_cached):
        raise NoDropout(
            f"tokenize.dropout needs a BPE tokenizer of SentencePiece's without normalizer; this one is of kind "
            f"{tokenizer.kind}. Set tokenize.dropout to 0."
        )


def spelt_at_random(tokenizer: Tokenizer, texts: pa.Array, ids: Iterable[bytes], settings: Tokenize) -> Encoded:
    """Texts with tokenize.dropout; ids: of their documents.

    Raises: NoDropout.
    """
    require_dropout(tokenizer)
    assert isinstance(tokenizer, SentencePieceBpe)
    keys = np.array([xxhash.xxh3_64_intdigest(id_, seed=settings.dropout_seed) for id_ in ids], dtype=np.uint64)
    return tokenizer.encode_batch(texts, settings.dropout, keys)
