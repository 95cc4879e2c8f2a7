"""Group `clean`: how text is repaired. Cleaning edits and never judges."""

from dataclasses import dataclass
from typing import Annotated

from antimatter.params.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Clean:
    """Group `clean` of params.yaml. A change reruns clean and everything after it."""

    repair_unicode: bool = True
    """ftfy with its defaults: mojibake, entities, curly quotes, ligatures, control characters, CRLF, NFC."""
    collapse_whitespace: bool = True
    """Unicode spaces to a plain space, trailing spaces removed, the ends of the text stripped. Indentation stays."""
    maximum_blank_lines: Annotated[int, Range(0, 100)] = 1
    """Longer runs of blank lines shrink to this many; only with collapse_whitespace."""
