"""Group `report`: what the summary and its pictures show."""

from dataclasses import dataclass
from typing import Annotated

from antimatter.params.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Report:
    """Group `report` of params.yaml. A change reruns report alone."""

    top_reasons: Annotated[int, Range(1, 1000)] = 12
    """Reasons of removal shown by name, most frequent first; the others are added up."""
