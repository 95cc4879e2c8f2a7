"""Group `report`: what the summary and its pictures show."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from antimatter.params.ranges import Matches, Range

MOST_SIGNALS = 12


@dataclass(frozen=True, kw_only=True)
class Report:
    """Group `report` of params.yaml. A change reruns report alone."""

    top_reasons: Annotated[int, Range(1, 1000)] = 12
    """Reasons of removal shown by name, most frequent first; the others are added up."""
    signals: tuple[Annotated[str, Matches(r"[a-z0-9_.]+")], ...] = (
        "language_score",
        "stop_words",
        "alphabetic_word_share",
        "bullet_line_share",
        "duplicate_line_share",
        "duplicate_5gram_share",
    )
    """Columns of data/filtered/signals (docs/filter.md lists them) whose histograms stand in reports/quality.svg."""

    def problems(self) -> Iterator[str]:
        """More signals than a picture holds, or one twice."""
        if len(self.signals) > MOST_SIGNALS:
            yield f"signals names {len(self.signals)}: {MOST_SIGNALS} at the most"
        for name in sorted({name for name in self.signals if self.signals.count(name) > 1}):
            yield f"signals names {name} twice"
