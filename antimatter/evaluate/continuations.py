"""Held-out documents continued by the model, beside what really follows.

document     | beginning: after tokens | true text: new tokens | ...
model        | beginning               | greedy continuation
chance       | the model's texts beside the true texts of other documents
"""

from collections.abc import Callable, Sequence
from typing import Any

from antimatter.evaluate import text_metrics
from antimatter.evaluate.shuffling import derangement
from antimatter.evaluate.subject import Subject
from antimatter.evaluate.windows import Excerpts, excerpts
from antimatter.model.generate import Sampling
from antimatter.model.text import Text
from antimatter.params.evaluate import Evaluate
from antimatter.train.tokens import Tokens

FEWEST = 2
"""Documents: with one there is none to shuffle with."""
BATCH_ROWS = 64
SHOWN = 8
"""Continuations kept for the page."""

METHOD = (
    "The first {asked} validation documents, in the order of a hash of their ids, with at least {needed} tokens of "
    "text ({available} have so many) are cut after {after} tokens; the model continues each greedily, fp32, by as many "
    "tokens as its own tokenizer needs for the next {new} tokens of our tokenizer, which are the true text; it may end "
    "earlier. Corpus BLEU (Papineni et al. 2002) and chrF (Popovic 2015) by sacrebleu 0 to 100, mean ROUGE-L F1 (Lin "
    "2004) by rouge-score 0 to 1, over words of any script: runs of letters and digits, a letter of a script without "
    "spaces by itself. shuffled: the same texts of the model beside the true texts of other documents (one random "
    "cycle, seed {seed}): what chance gives. repetition: share of 4-grams of words that stood before in the same text, "
    "mean over texts (seq-rep-4, Welleck et al. 2020). distinct-1, -2: distinct words and pairs of all texts over "
    "their number (Li et al. 2016). Open-ended text has many right continuations: these scores are low and noisy."
)


def measure(
    subject: Subject,
    tokens: Tokens,
    settings: Evaluate,
    decode: Callable[[Sequence[int]], str],
    has_own_ids: bool,
) -> tuple[dict[str, Any] | None, list[dict[str, str]], str]:
    """(figures, a few texts for the page, the method; or without figures why there are none).

    decode: ids of the tokens to text. has_own_ids: the subject's ids are those of the tokens.
    """
    after, new = settings.continued_after, settings.continued_tokens
    if not settings.continued_documents:
        return None, [], "not asked for (evaluate.continued_documents is 0)"
    found = excerpts(tokens, after + new, after + new, settings.continued_documents)
    if len(found.ids) < FEWEST:
        why = f"none: {found.available} validation documents have {after + new} tokens of text, {FEWEST} are needed"
        return None, [], f"{why} (evaluate.continued_after + continued_tokens)"
    beginnings, references = _texts(found, after, decode)
    texts = _continue(subject, found, beginnings, references, after, has_own_ids)
    others = derangement(len(texts), settings.seed)
    figures: dict[str, Any] = {
        "documents": len(texts),
        "after_tokens": after,
        "tokens": new,
        **text_metrics.compared(texts, references, [references[other] for other in others]),
        "repetition": {"model": text_metrics.repetition(texts), "text": text_metrics.repetition(references)},
    }
    for n in (1, 2):
        pair = {"model": text_metrics.distinct(texts, n), "text": text_metrics.distinct(references, n)}
        figures[f"distinct_{n}"] = pair
    method = METHOD.format(
        asked=settings.continued_documents, needed=after + new, available=found.available, after=after, new=new,
        seed=settings.seed,
    )  # fmt: skip
    if figures["bleu"]["model"] is None:
        method += " bleu null: no text of the model has four words."
    columns = zip(found.sources, beginnings, texts, references, strict=True)
    names = ("source", "beginning", "model", "text")
    return figures, [dict(zip(names, row, strict=True)) for row in list(columns)[:SHOWN]], method


def _texts(found: Excerpts, after: int, decode: Callable[[Sequence[int]], str]) -> tuple[list[str], list[str]]:
    """(beginnings, what follows them); a character that a cut parts belongs to what follows, at the end to nothing."""
    reader = Text(lambda text: [], decode, 0, 0, ())  # `after` needs decoding alone
    heads = [ids[:after].tolist() for ids in found.ids]
    beginnings = [decode(head).rstrip("\ufffd") for head in heads]
    follow = [
        reader.after(head, ids[after:].tolist()).strip("\ufffd") for head, ids in zip(heads, found.ids, strict=True)
    ]
    return beginnings, follow


def _continue(
    subject: Subject,
    found: Excerpts,
    beginnings: Sequence[str],
    references: Sequence[str],
    after: int,
    has_own_ids: bool,
) -> list[str]:
    """What the subject writes after each beginning."""
    if has_own_ids:
        heads = [ids[:after].tolist() for ids in found.ids]
        wanted = [len(ids) - after for ids in found.ids]
    else:
        heads = [subject.encode(text) for text in beginnings]
        wanted = [len(subject.encode(text)) for text in references]
    reader = Text(subject.encode, subject.decode, subject.bos, subject.eos, ())
    texts = []
    for start in range(0, len(heads), BATCH_ROWS):
        rows = range(start, min(start + BATCH_ROWS, len(heads)))
        prompts = [[subject.bos, *heads[row]] for row in rows]
        written = subject.generate(prompts, max(wanted[row] for row in rows), Sampling(temperature=0.0))
        texts += [
            reader.after(heads[row], ids[: wanted[row]]).rstrip("\ufffd")
            for row, ids in zip(rows, written, strict=True)
        ]
    return texts
