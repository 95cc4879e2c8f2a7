"""Group `clean`: the steps that edit text, in their order. Cleaning edits and never judges."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from antimatter.params.ranges import Range

StepName = Literal[
    "ftfy",
    "nfc",
    "line_ends",
    "invisible",
    "spaces",
    "blank_lines",
    "c4_lines",
    "c4_datatrove_lines",
    "refinedweb_lines",
    "pii",
]
LINE_RULES: tuple[StepName, ...] = ("c4_lines", "c4_datatrove_lines", "refinedweb_lines")
PiiKind = Literal["email", "ipv4", "ipv6", "phone"]


@dataclass(frozen=True, kw_only=True)
class Clean:
    """Group `clean` of params.yaml. A change reruns clean and everything after it."""

    steps: tuple[StepName, ...] = ("line_ends", "ftfy", "invisible", "spaces", "blank_lines")
    """In this order, because what one step removes another may need. Line breaks become one first, because ftfy deletes
    a vertical tab and would glue the words around it. Then mojibake is repaired, before all else: no-break spaces,
    soft hyphens and controls are bytes of it. Invisible characters go before the spaces that they keep apart; and
    lines are blank only when their spaces are gone.

    ftfy                equals ftfy.fix_text: mojibake, entities, straight quotes, ligatures, widths, escapes, CRLF, NFC
    nfc                 Unicode NFC alone, for those who do not want ftfy
    line_ends           CRLF, CR, VT, FF, U+2028 and U+2029 to line feeds; U+0085 is left to ftfy
    invisible           controls, zero-width and bidi characters, unless they shape a letter or an emoji
    spaces              plain single spaces, none at line ends; indentation, code and tables keep theirs
    blank_lines         runs of blank lines cut to maximum_blank_lines, none at the ends
    c4_lines            line rules of C4 (Raffel et al. 2020): only lines that end like a sentence, no policy lines, ...
    c4_datatrove_lines  the same in datatrove's reading, which the rule set c4_datatrove of filter needs
    refinedweb_lines    line rules of RefinedWeb (Penedo et al. 2023): no shouting, counters, single words, ...
    pii                 e-mail and IP addresses and telephone numbers become <EMAIL>, <IP>, <PHONE>

    The line rules stand before blank_lines, pii last."""
    maximum_blank_lines: Annotated[int, Range(0, 100)] = 1
    """Longer runs of blank lines shrink to this many; only with the step blank_lines."""
    c4_end_marks: bool = True
    """Whether c4_datatrove_lines removes lines without an end mark; FineWeb leaves this rule out."""
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
        place = {step: self.steps.index(step) for step in self.steps}
        if "ftfy" in place:
            before = [step for step in self.steps[: place["ftfy"]] if step != "line_ends"]
            if before:
                yield (
                    f"steps has ftfy after {', '.join(before)}: only line_ends may stand before ftfy, "
                    "it needs what other steps remove"
                )
        if place.get("spaces", len(place)) < place.get("invisible", -1):
            yield "steps has spaces before invisible: put invisible first, it may leave two spaces side by side"
        if "blank_lines" in place:
            late = [step for step in LINE_RULES if place.get(step, -1) > place["blank_lines"]]
            if late:
                yield f"steps has blank_lines before {', '.join(late)}: put it after, lines that go leave blank ones"
        if "pii" in place and self.steps[-1] != "pii":
            after = ", ".join(self.steps[place["pii"] + 1 :])
            yield f"steps has pii before {after}: put pii last, so that it sees the text as it will be stored"
