"""Shapes of single datasets, one small function each: (name, bytes) -> drafts.

A file that does not have the shape raises ValueError (a UnicodeDecodeError is one) and is quarantined whole.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from antimatter.collect import drafts
from antimatter.collect.compression import read_whole
from antimatter.collect.conversations import read_dialogues, spoken_turns
from antimatter.collect.drafts import Broken, Draft, Oversized, decode, parse_json
from antimatter.collect.formats.html import fragment_text
from antimatter.params.collect import Source

Shape = Callable[[str, bytes], Iterator[Draft]]


def read(stream: BinaryIO, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized]:
    """The documents of a stream in the shape that source.format names."""
    data, size = read_whole(stream, drafts.LARGEST_DOCUMENT_BYTES)
    if size > drafts.LARGEST_DOCUMENT_BYTES:
        yield Oversized(origin, size, drafts.LARGEST_DOCUMENT_BYTES)
        return
    try:
        found = list(SHAPES[source.format](origin, data))
    except ValueError as error:
        yield Broken.by(error, origin, 0, data)
        return
    yield from found


def wiki_summaries(name: str, data: bytes) -> Iterator[Draft]:
    """{"Title": {"title": .., "extract": .., "description": .., "topic": ..}}: title, newline, extract."""
    for key, entry in _mapping(parse_json(data)).items():
        fields = {field: str(value) for field, value in _mapping(entry).items() if value}
        if "title" not in fields:
            raise ValueError(f"entry {key} has no title")
        extract = fields.pop("extract", "")
        yield Draft(f"{name}#{key}", f"{fields['title']}\n{extract}" if extract else "", key, fields)


def licensedcode(name: str, data: bytes) -> Iterator[Draft]:
    """Front matter between two lines `---`, the licence's text after it. What labels the text goes to metadata."""
    lines = decode(data).split("\n")
    if lines[0].rstrip() != "---" or "---" not in (fence := [line.rstrip() for line in lines[1:]]):
        raise ValueError("no front matter between two lines of ---")
    end = fence.index("---") + 1
    wanted = ("key", "license_expression", "is_license_text", "language")
    pairs = [line.partition(":") for line in lines[1:end]]
    labels = {field: value.strip() for field, _, value in pairs if field in wanted and value.strip()}
    yield Draft(name, "\n".join(lines[end + 1 :]).strip("\n"), labels.get("key", ""), labels)


def factbook(name: str, data: bytes) -> Iterator[Draft]:
    """Nested headings with texts at the leaves, in HTML: a line a heading, `heading: text` at the leaves."""
    blocks: list[str] = []
    for section, fields in _mapping(parse_json(data)).items():
        entries = ["\n".join(_lines(heading.strip(), content)) for heading, content in _mapping(fields).items()]
        if any(entries):
            blocks += [section, *filter(None, entries)]
    yield Draft(name, "\n\n".join(blocks))


def _lines(heading: str, content: Any) -> Iterator[str]:
    """The lines of one heading; none where no text lies below it."""
    if not isinstance(content, Mapping):
        if text := _entry(heading, str(content)):
            yield text
        return
    own = _entry(heading, str(content["text"])) if "text" in content else ""
    below = [line for inner, deeper in content.items() if inner != "text" for line in _lines(inner.strip(), deeper)]
    if own or below:
        yield own or heading
        yield from below


def _entry(heading: str, html: str) -> str:
    """heading: text, without saying twice what the text itself begins with.

    >>> _entry("agricultural land: arable land", "arable land: 3.2% (2023 est.)")
    'agricultural land: arable land: 3.2% (2023 est.)'
    """
    text = fragment_text(html)
    last = heading.rpartition(": ")[2]
    if text.startswith(f"{last}:"):
        text = text[len(last) + 1 :].lstrip()
    return f"{heading}: {text}" if text else ""


def chitchat(name: str, data: bytes) -> Iterator[Draft]:
    """One dialogue, one document; one turn, one line. Nothing tells the speakers apart."""
    for key, turns in read_dialogues(data):
        lines = [" ".join(" ".join(turn.messages).split()) for turn in spoken_turns(turns)]
        yield Draft(f"{name}#{key}", "\n".join(lines), key)


SHAPES: dict[str, Shape] = {
    "wiki_summaries": wiki_summaries,
    "licensedcode": licensedcode,
    "factbook": factbook,
    "chitchat": chitchat,
}


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"a JSON object is expected, found {type(value).__name__}")
    return value
