"""Group `tokenize`: from documents to binary tokens, split into training and validation."""

from dataclasses import dataclass
from typing import Annotated

from antimatter.params.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Tokenize:
    """Group `tokenize` of params.yaml. A change reruns tokenize and everything after it."""

    validation_share: Annotated[float, Range(0.0001, 0.5)] = 0.05
    """Share of the documents held out, chosen by a keyed hash of their id (the specification: 5 %)."""
    split_seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    """Key of that hash."""
    overlap_ngram: Annotated[int, Range(2, 100)] = 13
    """Tokens in the n-grams with which held-out documents are compared with the training text."""
    max_overlap_share: Annotated[float, Range(0.0, 1.0)] = 0.2
    """A held-out document with a larger share of its n-grams in the training text is removed (split.overlap)."""
    dropout: Annotated[float, Range(0.0, 0.9)] = 0.0
    """BPE dropout: each merge of the training text is left out with this probability (Provilkov et al. 2020, arXiv
    1910.13267), so words are spelt in several ways. Held-out documents are encoded without."""
    dropout_seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    """Key of these choices: they depend on it and on the document alone."""
