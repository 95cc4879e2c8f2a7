"""A small project after tokenize: data/deduplicated, data/tokenizer, data/tokens and the reports of that stage."""

import atexit
import functools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from antimatter.corpus.ledger import ledger_table
from antimatter.corpus.reports import write_json
from antimatter.corpus.schema import document_id
from antimatter.corpus.shards import shard_name, write_shard
from antimatter.execution.workspace import Workspace
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer import publish
from antimatter.tokens import corpus
from tests.documents import document_table
from tests.tokenizer.small_models import sentences, small_model

NASTY = "def f(x):\n    return '漢' # \x1b[2J\u202e \u0301 <0xE6>\n\n\tthe quick\u2028fox [BOS] </s>\n"
COPIED = " ".join(sentences("english", 40)[20:30])
SHARDS = {
    "wiki": [NASTY, *(" ".join(sentences("english", 8 * n + 8)[8 * n :]) for n in range(30)), *([COPIED] * 25)],
    "code": ["", *(" ".join(sentences("code", 8 * n + 8)[8 * n :]) for n in range(20))],
}
"""Texts by source, a shard each; of the copied ones the held-out are removed."""
SETTINGS = Tokenize(validation_share=0.2, max_overlap_share=0.5)


def copy(folder: Path) -> Path:
    """A project of SHARDS in the folder; it is built once, however many tests ask for it."""
    return Path(shutil.copytree(_built(), folder))


@functools.cache
def _built() -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(folder / "project")


def build(folder: Path, shards: dict[str, Sequence[str]] | None = None, settings: Tokenize = SETTINGS) -> Path:
    """A project in the folder, which must not hold one yet."""
    (folder / "data/tokenizer").mkdir(parents=True)
    publish.publish_trained(folder / "data/tokenizer", small_model("code, whitespace pieces"))
    for index, (source, texts) in enumerate((SHARDS if shards is None else shards).items()):
        write_shard(folder / "data/deduplicated/documents" / shard_name(index), document_table(texts, source))
        write_shard(folder / "data/deduplicated/removed" / shard_name(index), ledger_table("dedup", index, []))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ANTIMATTER_WORKERS", "1")
        work = Workspace("tokenize", settings, folder / "scratch", [], folder / "report.json")
        report = corpus.tokenize(work, Path("data/deduplicated/documents"), Path("data/tokenizer"), settings)
        work.executor.close()
    shutil.move(work.output / "tokens", folder / "data/tokens")
    shutil.copytree(work.folder / "reports", folder / "reports")
    shutil.rmtree(work.folder)
    write_json(folder / "reports/tokenize.json", report)
    return folder


def identity(source: str, place: int) -> str:
    """The id of a text of SHARDS."""
    return document_id(source, str(place)).hex()


def without(table: pa.Table, digits: str) -> pa.Table:
    """A table of documents that lacks one."""
    return table.filter(pc.not_equal(table.column("id").cast(pa.binary()), pa.scalar(bytes.fromhex(digits))))
