"""Group `clean`: the steps that edit text, in their order. Cleaning edits and never judges."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from antimatter.params.ranges import Range

StepName = Literal[
    "ftfy", "nfc", "line_ends", "invisible", "spaces", "blank_lines", "c4_lines", "refinedweb_lines", "pii"
]
PiiKind = Literal["email", "ipv4", "ipv6", "phone"]


@dataclass(frozen=True, kw_only=True)
class Clean:
    """Group `clean` of params.yaml. A change reruns clean and everything after it."""

    steps: tuple[StepName, ...] = ("ftfy", "line_ends", "invisible", "spaces", "blank_lines")
    """In this order, because what one step removes another may need. Mojibake is repaired first: no-break spaces, soft
    hyphens and controls are bytes of it. Line breaks become one before other controls go. Invisible characters go
    before the spaces that they keep apart; and lines are blank only when their spaces are gone.

    ftfy              equal to ftfy.fix_text: mojibake, entities, straight quotes, ligatures, widths, escapes, CRLF, NFC
    nfc               Unicode NFC alone, for those who do not want ftfy
    line_ends         CRLF, CR, NEL, VT, FF, U+2028 and U+2029 to line feeds
    invisible         controls, zero-width and bidi characters, unless they shape a letter or an emoji
    spaces            plain single spaces, none at line ends; indentation, code and tables keep theirs
    blank_lines       runs of blank lines cut to maximum_blank_lines, none at the ends
    c4_lines          line rules of C4 (Raffel et al. 2020): only lines that end like a sentence, no policy lines, ...
    refinedweb_lines  line rules of RefinedWeb (Penedo et al. 2023): no shouting, counters, single words, ...
    pii               e-mail and IP addresses and telephone numbers become <EMAIL>, <IP>, <PHONE>

    The line rules stand best before blank_lines, pii last."""
    maximum_blank_lines: Annotated[int, Range(0, 100)] = 1
    """Longer runs of blank lines shrink to this many; only with the step blank_lines."""
    pii_kinds: tuple[PiiKind, ...] = ("email", "ipv4", "ipv6", "phone")
    """What the step pii masks. Private, loopback and documentation addresses are nobody's and stay."""

    def problems(self) -> Iterator[str]:
        """What no single field can see."""
        for name in ("steps", "pii_kinds"):
            values = getattr(self, name)
            twice = [value for position, value in enumerate(values) if value in values[:position]]
            for value in dict.fromkeys(twice):
                yield f"{name} names {value} twice: each may stand once"
        if "pii" in self.steps and not self.pii_kinds:
            yield "pii_kinds is empty, but steps names pii: name a kind, or leave the step out"
        if "ftfy" in self.steps:
            before = self.steps[: self.steps.index("ftfy")]
            if before:
                yield f"steps has ftfy after {', '.join(before)}: put ftfy first, it needs what other steps remove"
