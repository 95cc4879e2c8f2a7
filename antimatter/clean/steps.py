"""The steps of clean by name, and a text's way through them."""

from collections.abc import Mapping
from functools import partial

from antimatter.clean import c4_lines, refinedweb_lines
from antimatter.clean.edits import Edit, Step
from antimatter.clean.invisible import invisible
from antimatter.clean.pii import mask_pii
from antimatter.clean.unicode import nfc, repair_counted
from antimatter.clean.whitespace import blank_lines, line_ends, spaces
from antimatter.params.clean import Clean


def steps_of(settings: Clean) -> dict[str, Step]:
    """The chosen steps by name, in their order."""
    every: Mapping[str, Step] = {
        "ftfy": repair_counted,
        "nfc": nfc,
        "line_ends": line_ends,
        "invisible": invisible,
        "spaces": spaces,
        "blank_lines": partial(blank_lines, maximum=settings.maximum_blank_lines),
        "c4_lines": c4_lines.c4_lines,
        "c4_datatrove_lines": partial(
            c4_lines.c4_lines, variant=c4_lines.DATATROVE if settings.c4_end_marks else c4_lines.FINEWEB
        ),
        "refinedweb_lines": refinedweb_lines.refinedweb_lines,
        "pii": partial(mask_pii, kinds=settings.pii_kinds),
    }
    return {name: every[name] for name in settings.steps}


def facts_of(settings: Clean) -> dict[str, tuple[str, ...]]:
    """Names of what each chosen step counts beside characters."""
    every: Mapping[str, tuple[str, ...]] = {
        "c4_lines": c4_lines.FACTS,
        "c4_datatrove_lines": c4_lines.FACTS,
        "refinedweb_lines": refinedweb_lines.FACTS,
        "pii": settings.pii_kinds,
    }
    return {name: every.get(name, ()) for name in settings.steps}


def clean_text(text: str, settings: Clean) -> tuple[str, dict[str, Edit]]:
    """The text after all steps, and what each of them made of it.

    >>> text, edits = clean_text("schÃ¶n  ", Clean())
    >>> text, edits["ftfy"].characters, edits["spaces"].characters
    ('schön', 2, 2)
    """
    edits = {}
    for name, step in steps_of(settings).items():
        edits[name] = step(text)
        text = edits[name].text
    return text, edits
