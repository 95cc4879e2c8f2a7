"""What `antimatter tokens compare` prints: how our tokenizer and another one spell the same held-out documents.

Both encode the same texts in the same run, measured alike (fit.py). Of each source those documents are taken whose ids
are the smallest: ids are hashes, so this is a random sample that is the same every time. Of a corpus split by position
documents are taken whole, though only their ends are held out.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from antimatter.corpus.shards import read_shard, require, shard_name
from antimatter.errors import AntiMatterError
from antimatter.terminal import visible
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokenizer.errors import UnfitTokenizer
from antimatter.tokenizer.interface import Tokenizer
from antimatter.tokenizer.opened import open_tokenizer, read_meta
from antimatter.tokens import fit
from antimatter.tokens.binary import open_tokens

DOCUMENTS, TOKENS, TOKENIZER = Path("data/deduplicated/documents"), Path("data/tokens"), Path("data/tokenizer")
SAMPLED = 200
"""Documents of each source, unless another number is asked for."""
_BATCH = 64  # documents encoded at a time


class UnknownTokenizer(AntiMatterError, LookupError):
    """Nothing that can be compared goes by that name."""


class OtherDocuments(AntiMatterError, ValueError):
    """data/deduplicated does not hold the documents of data/tokens."""


class Spelt(NamedTuple):
    """What one tokenizer made of the documents."""

    figures: fit.Figures
    changed: int
    """Documents that it does not give back as they were."""


def table(other: str, cache: Path, most: int = SAMPLED) -> Iterator[str]:
    """Bytes per token, tokens per word and the share of byte tokens, of ours and of the other one, source by source.

    other   gpt2, a *.model of SentencePiece, a tokenizer.json of Hugging Face, or a folder like data/tokenizer
    cache   where downloads are kept
    most    documents of each source
    Raises: UnknownTokenizer, UnfitTokenizer, MissingLibrary, MissingRanks, OtherDocuments, MissingData, and what
            damaged tokens raise.
    """
    ours = open_tokenizer(TOKENIZER)
    open_tokens(TOKENS, read_meta(TOKENIZER)["digest"])
    theirs = open_other(other, cache)
    texts = held_out(most)
    mine, foreign = (spell(tokenizer, texts) for tokenizer in (ours, theirs))
    numbers = [number for languages in mine.figures.values() for number in languages.values()]
    documents, text_bytes = (sum(number[key] for number in numbers) for key in ("documents", "bytes"))
    yield f"ours       {TOKENIZER}: {ours.kind}, {ours.size:,} entries"
    yield f"other      {visible(other, exactly=True)}: {theirs.kind}, {theirs.size:,} entries"
    kind, note = ("whole", "; only their ends are held out") if are_split_inside(texts) else ("held-out", "")
    yield f"text       {documents:,} {kind} documents, at most {most:,} of a source: {text_bytes:,} bytes{note}"
    yield ""
    yield from _rows(mine.figures, foreign.figures)
    for name, spelt in (("our tokenizer", mine), ("the other one", foreign)):
        if spelt.changed:
            told = f"{name} does not give {spelt.changed:,} of the {documents:,} documents back as they were"
            yield f"{told}: what it leaves out costs no tokens"


def open_other(name: str, cache: Path) -> Tokenizer:
    """The tokenizer that a name on the command line means."""
    path = Path(name)
    if name == "gpt2":
        from antimatter.tokenizer import gpt2

        with tempfile.TemporaryDirectory() as folder:
            return gpt2.Gpt2(gpt2.fetch(Path(folder), cache / "tiktoken"))
    if (path / "meta.json").is_file():
        return open_tokenizer(path)
    if not path.is_file() or path.suffix not in (".model", ".json"):
        found = "exists, but is none of these" if path.exists() else "does not exist"
        raise UnknownTokenizer(
            f"{name} {found}: give gpt2, a *.model of SentencePiece, a tokenizer.json, or a folder like {TOKENIZER}."
        )
    if path.suffix == ".json":
        from antimatter.tokenizer.huggingface import HuggingFace

        return HuggingFace(path)
    try:
        return SentencePieceBpe(path.read_bytes(), "sentencepiece")
    except UnfitTokenizer as error:
        raise UnfitTokenizer(f"{name} is no SentencePiece model, or a damaged one: {error}.") from error


def held_out(most: int) -> list[pa.Table]:
    """id, source and whole text of at most so many validation documents of each source, shard by shard.

    Raises: OtherDocuments if a text is not where it was tokenized.
    """
    columns = ["id", "source", "shard"]
    index = pq.read_table(TOKENS / "documents.parquet", columns=columns, filters=[("split", "==", "validation")])
    index = index.set_column(0, "id", index.column("id").cast(pa.binary())).sort_by("id")
    taken: dict[str, int] = {}
    wanted: dict[int, list[bytes]] = {}
    for row in index.to_pylist():
        taken[row["source"]] = taken.get(row["source"], 0) + 1
        if taken[row["source"]] <= most:
            wanted.setdefault(row["shard"], []).append(row["id"])
    tables = []
    for shard, ids in sorted(wanted.items()):
        whole = read_shard(require(DOCUMENTS / shard_name(shard)), ["id", "source", "text"])
        found = whole.filter(pc.is_in(whole.column("id").cast(pa.binary()), value_set=pa.array(ids, pa.binary())))
        if found.num_rows < len(ids):
            raise OtherDocuments(
                f"{DOCUMENTS / shard_name(shard)} lacks {len(ids) - found.num_rows:,} documents of {TOKENS}, which was "
                "made from other documents. Run `dvc repro tokenize`."
            )
        tables.append(found)
    return tables


def are_split_inside(texts: Sequence[pa.Table]) -> bool:
    """Whether the beginnings of these validation documents are training text: then that of the first one is too."""
    if not texts:
        return False
    first = texts[0].column("id")[0].cast(pa.binary(16))
    rows = (pc.field("id") == first) & (pc.field("split") == "train")
    return bool(pq.read_table(TOKENS / "documents.parquet", columns=["split"], filters=rows).num_rows)


def spell(tokenizer: Tokenizer, texts: Sequence[pa.Table]) -> Spelt:
    """Encode and decode all documents."""
    figures: fit.Figures = {}
    changed, is_byte = 0, tokenizer.byte_tokens()
    for batch in (batch for part in texts for batch in part.to_batches(max_chunksize=_BATCH)):
        encoded = tokenizer.encode_batch(batch.column("text"))
        languages = pa.nulls(batch.num_rows, pa.string())
        fit.add_up(figures, batch.column("source"), languages, fit.measure(batch.column("text"), encoded, is_byte))
        for place, text in enumerate(batch.column("text").to_pylist()):
            ids = encoded.ids[encoded.starts[place] : encoded.starts[place + 1]].tolist()
            changed += tokenizer.decode(ids) != text
    return Spelt(fit.combined([figures]), changed)


_COLUMNS = {
    "bytes_per_token": "bytes per token",
    "tokens_per_word": "tokens per word",
    "byte_token_share": "byte tokens",
}


def _rows(ours: fit.Figures, other: fit.Figures) -> Iterator[str]:
    """The table: all sources together, then each one."""
    mine, theirs = fit.report(ours), fit.report(other)
    names = {name: visible(name, exactly=True) for name in mine["fit"]}
    width = max(map(len, ["source", *names.values()]))
    yield " " * (width + 11) + "".join(f"{title:>20}" for title in _COLUMNS.values())
    yield f"{'source':<{width}}{'documents':>11}" + f"{'ours':>11}{'other':>9}" * len(_COLUMNS)
    documents = {name: sum(numbers["documents"] for numbers in ours[name].values()) for name in names}
    yield _row("all", width, sum(documents.values()), mine, theirs)
    for name, title in names.items():
        yield _row(title, width, documents[name], mine["fit"][name], theirs["fit"][name])


def _row(title: str, width: int, documents: int, mine: dict[str, Any], theirs: dict[str, Any]) -> str:
    cells = [f"{_number(mine, key):>11}{_number(theirs, key):>9}" for key in _COLUMNS]
    return f"{title:<{width}}{documents:>11,}" + "".join(cells)


def _number(ratios: dict[str, Any], key: str) -> str:
    return f"{100 * ratios[key]:.1f} %" if key == "byte_token_share" else f"{ratios[key]:.2f}"
