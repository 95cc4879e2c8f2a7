"""Train a SentencePiece BPE whose ids llama.cpp reproduces exactly (vocabulary.py draws the ids).

No normalization, no added or removed spaces, byte fallback: every text but a literal U+2581 comes back from its ids
unchanged. SentencePiece trains line by line, so newlines are never part of a piece: each costs the byte token <0x0A>.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import pyarrow.compute as pc
import sentencepiece
import xxhash

from antimatter.corpus.shards import atomic_path, read_shard
from antimatter.errors import AntiMatterError
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer.vocabulary import BOS, CONTROL, EOS, PAD, UNK, parse, vocabulary

_LONGEST_LINE = 16_384  # bytes; SentencePiece leaves longer lines out without a word, so we cut them


class TooLittleText(AntiMatterError, ValueError):
    """The corpus does not hold enough different words for the vocabulary."""


def train(lines: Iterable[str], settings: Tokenizer, threads: int) -> bytes:
    """A SentencePiece model as bytes, equal for equal lines whatever the number of threads.

    Raises: TooLittleText with the largest possible vocabulary.
    """
    model = BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="bpe",
            vocab_size=settings.vocabulary_size,
            character_coverage=settings.character_coverage,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            byte_fallback=True,
            split_digits=settings.split_digits,
            max_sentence_length=_LONGEST_LINE,
            pad_id=PAD,
            bos_id=BOS,
            eos_id=EOS,
            unk_id=UNK,
            pad_piece="[PAD]",
            bos_piece="[BOS]",
            eos_piece="[EOS]",
            unk_piece="[UNK]",
            control_symbols=list(CONTROL),
            num_threads=threads,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise TooLittleText(
            f"SentencePiece cannot make {settings.vocabulary_size} entries from this corpus ({_last_sentence(error)}). "
            "Lower tokenizer.vocabulary_size or add text."
        ) from error
    return without_run_details(model.getvalue())


def without_run_details(model: bytes) -> bytes:
    """The model without what depends on the run: number of threads, input name and output prefix."""
    proto = parse(model)
    for field in ("num_threads", "input", "model_prefix"):
        proto.trainer_spec.ClearField(field)
    return bytes(proto.SerializeToString(deterministic=True))


def _last_sentence(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1].split("] ")[-1]


def sample_fraction(shards: Iterable[Path], settings: Tokenizer) -> float:
    """Share of the corpus that sample_bytes asks for, in (0, 1]."""
    if settings.sample_bytes == 0:
        return 1.0
    total = sum(pc.sum(pc.binary_length(read_shard(path, ["text"]).column("text"))).as_py() or 0 for path in shards)
    return min(1.0, settings.sample_bytes / max(1, total))


def sample_lines(shards: Iterable[Path], fraction: float) -> Iterator[str]:
    """The lines of the documents whose keyed hash falls into `fraction`, in corpus order, long ones cut.

    The choice depends on the document's id alone: not on sharding, order or the other documents.
    """
    bound = int(fraction * 2**64)
    for path in shards:
        table = read_shard(path, ["id", "text"])
        for id_, text in zip(table.column("id").to_pylist(), table.column("text").to_pylist(), strict=True):
            if fraction >= 1 or xxhash.xxh3_64_intdigest(id_, seed=_SAMPLE_SEED) < bound:
                for line in text.split("\n"):
                    if line:
                        yield from cut_line(line)


_SAMPLE_SEED = 0x746F6B656E697A65  # "tokenize": independent of the split's key


def cut_line(line: str) -> Iterator[str]:
    """The line in pieces of at most 16,384 bytes, cut at a space where there is one; joined they are the line."""
    while len(line) * 4 > _LONGEST_LINE and len(line.encode()) > _LONGEST_LINE:
        longest = len(line.encode()[:_LONGEST_LINE].decode(errors="ignore"))
        end = line.rfind(" ", 1, longest)
        end = end if end > 0 else longest
        yield line[:end]
        line = line[end:]
    if line:
        yield line


def save(folder: Path, model: bytes) -> None:
    """antimatter.model and antimatter.vocab (piece TAB score, one line an id)."""
    with atomic_path(folder / "antimatter.model") as path:
        path.write_bytes(model)
    with atomic_path(folder / "antimatter.vocab") as path:
        rows = "".join(f"{entry['piece']}\t{entry['score']:g}\n" for entry in vocabulary(model))
        path.write_text(rows, encoding="utf-8")
