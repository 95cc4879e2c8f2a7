"""Group `benchmarks`: evaluation sets that the user brings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from antimatter.params.ranges import Matches


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One entry of benchmarks.sources."""

    name: Annotated[str, Matches(r"[a-z][a-z0-9_]{0,62}")]
    """Names the file in data/benchmarks."""
    path: Annotated[str, Matches(r".+\.jsonl(\.gz)?")]
    """A local .jsonl or .jsonl.gz."""
    sha256: Annotated[str, Matches(r"[0-9a-f]{64}")]
    """Digest of that file: DVC does not watch it."""
    format: Literal["multiple_choice", "cloze"]
    """multiple_choice: query, choices, gold (or their other names, see antimatter/collect/benchmarks.py). cloze: text,
    whose last word is asked."""
    licence: str = ""
    """In words, for the report."""


@dataclass(frozen=True, kw_only=True)
class Benchmarks:
    """Group `benchmarks` of params.yaml. A change reruns benchmarks, filter (decontamination) and what follows."""

    sources: tuple[Benchmark, ...] = ()
    """Evaluation sets; none by default."""

    def problems(self) -> Iterator[str]:
        """Names that two sets share."""
        names = [source.name for source in self.sources]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"sources: {names.count(name)} are named {name}; a name belongs to one benchmark"
        if "manifest" in names:
            yield "sources: the name manifest is reserved"
