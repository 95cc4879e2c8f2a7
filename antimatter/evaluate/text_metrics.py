"""How like two sets of texts are, and how much a text repeats itself: BLEU, chrF, ROUGE-L, repetition, distinct-n.

Words here are runs of letters, digits and their marks in any script, in lower case; a letter of a script without spaces
is a word of its own. (rouge-score's own tokenizer keeps [a-z0-9] alone: Cyrillic beside itself would score 0.)
"""

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.text.characters import ALNUM, MARK, STANDS_ALONE, tables

REPEATED_NGRAM = 4


class MissingMetrics(AntiMatterError, ImportError):
    """sacrebleu or rouge-score is not installed."""


class Words:
    """The tokenizer that rouge-score is given.

    >>> Words().tokenize("Don't stop: Привет, 3.5 天气!")
    ['don', 't', 'stop', 'привет', '3', '5', '天', '气']
    """

    def tokenize(self, text: str) -> list[str]:
        """The words of a text, as the module says."""
        flags = tables().flags
        words: list[str] = []
        takes_letters = takes_marks = False  # of the last word: may the next character join it?
        for character in text.lower():
            flag = int(flags[ord(character)])
            if flag & STANDS_ALONE:
                words.append(character)
                takes_letters, takes_marks = False, True
            elif flag & ALNUM and not takes_letters:
                words.append(character)
                takes_letters = takes_marks = True
            elif flag & ALNUM or (flag & MARK and takes_marks):
                words[-1] += character
            else:
                takes_letters = takes_marks = False
        return words


def bleu(texts: Sequence[str], references: Sequence[str]) -> tuple[float | None, str]:
    """(corpus BLEU 0 .. 100, sacrebleu's signature). None where no text has four words: there BLEU is 0 by definition,
    even beside itself."""
    _require_libraries()
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU()
    found = metric.corpus_score(list(texts), [list(references)])
    return (found.score if found.totals[-1] else None), str(metric.get_signature())


def chrf(texts: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    """(corpus chrF 0 .. 100, sacrebleu's signature)."""
    _require_libraries()
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    return metric.corpus_score(list(texts), [list(references)]).score, str(metric.get_signature())


def rouge_l(texts: Sequence[str], references: Sequence[str]) -> float:
    """Mean ROUGE-L F1 of the pairs, 0 .. 1 (the longest common subsequence of words)."""
    _require_libraries()
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=Words())
    scores = [scorer.score(true, text)["rougeL"].fmeasure for text, true in zip(texts, references, strict=True)]
    return float(sum(scores) / len(scores))


def repetition(texts: Iterable[str], n: int = REPEATED_NGRAM) -> float | None:
    """Mean over texts of the share of n-grams of words that stood before in the same text; None if none has n words.

    1 - distinct / all, the seq-rep-n of Welleck et al. 2020, arXiv 1908.04319.
    """
    shares = []
    for text in texts:
        grams = _ngrams(Words().tokenize(text), n)
        if grams:
            shares.append(1 - len(set(grams)) / len(grams))
    return sum(shares) / len(shares) if shares else None


def distinct(texts: Iterable[str], n: int) -> float | None:
    """Distinct n-grams of words of all texts together / all their n-grams (Li et al. 2016, arXiv 1510.03055)."""
    grams = [gram for text in texts for gram in _ngrams(Words().tokenize(text), n)]
    return len(set(grams)) / len(grams) if grams else None


def _ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]


def _require_libraries() -> None:
    missing = [name for name in ("sacrebleu", "rouge_score") if find_spec(name) is None]
    if missing:
        raise MissingMetrics(
            f"BLEU, chrF and ROUGE-L need {' and '.join(missing)}. Run `pip install -e '.[pipeline]'`, or set "
            "evaluate.continued_documents to 0."
        )


def compared(texts: Sequence[str], references: Sequence[str], shuffled: Sequence[str]) -> dict[str, Any]:
    """{"bleu", "chrf", "rouge_l"}: each {"model", "shuffled"} and, where the library has one, its signature."""
    found: dict[str, Any] = {}
    for name, metric in (("bleu", bleu), ("chrf", chrf)):
        score, signature = metric(texts, references)
        found[name] = {"model": score, "shuffled": metric(texts, shuffled)[0], "signature": signature}
    found["rouge_l"] = {"model": rouge_l(texts, references), "shuffled": rouge_l(texts, shuffled)}
    return found
