"""A Subject as lm-evaluation-harness sees a model: log-likelihoods of continuations, of whole texts, texts written.

    request               read as                               scored
    (context, choice)     BOS context choice                    choice
    (whole text,)         BOS text, in windows of the context   every token of the text, once
    (context, until ..)   BOS context                           -

BOS stands in front of everything exactly once, as in training: the harness itself puts it before empty contexts and
whole texts alone. What is longer than the model's context loses its beginning, BOS too. Importing this module needs the
extra `eval`, and takes seconds: harness.py does so when there are tasks.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TextIO

import torch
from lm_eval import utils
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text

from antimatter.evaluate.local_tasks import UnfitItem
from antimatter.evaluate.subject import Subject
from antimatter.execution.progress import Progress
from antimatter.model.generate import Sampling

PASS_TOKENS = 4096
"""Tokens of one forward pass, padding included: as in training on a processor (train.device)."""
ROWS_WRITTEN = 32
"""Texts that are written together."""
LONGEST_ANSWER = 256
"""Tokens that a task may ask for without saying how many (the harness's own default)."""


class Read(NamedTuple):
    """A continuation after what stands before it, in ids; neither is empty."""

    before: list[int]
    continuation: list[int]


class Adapter(TemplateLM):  # type: ignore[misc]
    """The harness's interface to a Subject."""

    def __init__(self, subject: Subject, terminal: TextIO | None = None) -> None:
        """terminal: where progress is shown (the harness's own bars are not)."""
        super().__init__()
        self.subject, self._terminal = subject, terminal or sys.stderr

    @property
    def eot_token_id(self) -> int:
        return self.subject.eos

    @property
    def prefix_token_id(self) -> int:
        return self.subject.bos

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Without special tokens: BOS is put where the ids are read."""
        return self.subject.encode(string)

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """The harness's ids of both: what the whole has beyond the length of the context's is the continuation.

        A token over the border can leave nothing there, which would cost nothing and so be the best choice: then
        everything from the first id that the continuation changes is scored.
        Raises: UnfitItem for a continuation that the tokenizer does not see.
        """
        before: list[int]
        after: list[int]
        before, after = super()._encode_pair(context, continuation)
        if after:
            return before, after
        whole = self.tok_encode(context + continuation)
        border = next(
            (at for at, pair in enumerate(zip(before, whole, strict=False)) if pair[0] != pair[1]), len(whole)
        )
        if border == len(whole):
            raise UnfitItem(f"{self.subject.name}: its tokenizer has no token for {continuation!r:.80}, so no score.")
        return whole[:border], whole[border:]

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """For each (context, continuation): ln p, and whether every token was the most probable one."""
        scores: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return scores

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[tuple[str, str], list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        bos, context = self.subject.bos, self.subject.context
        return self._summed(
            [
                [Read(before if before[:1] == [bos] else [bos, *before], after)]
                if len(after) <= context
                else self._windows(after, [bos, *before][-1])  # the harness's own backend refuses these
                for _, before, after in requests
            ]
        )

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = True) -> list[float]:
        """For each (text,): ln p of the whole text."""
        texts = [self._windows(self.tok_encode(request.args[0]), self.subject.bos) for request in requests]
        return [score for score, _ in self._summed(texts)]

    def _windows(self, ids: list[int], first: int) -> list[Read]:
        """Windows as long as the context, each token scored once; `first` stands before the first one. The last window
        is as long as the others, so that its first tokens are read a second time (the harness's rule)."""
        rolled = utils.get_rolling_token_windows(ids, first, self.subject.context, context_len=1)
        return [Read(*utils.make_disjoint_window(pair)) for pair in rolled]

    def _summed(self, texts: Sequence[Sequence[Read]]) -> list[tuple[float, bool]]:
        """The score of each text, which is that of all its windows."""
        found = iter(self._scores([window for windows in texts for window in windows]))
        scores = [[next(found) for _ in windows] for windows in texts]
        return [(sum(score for score, _ in each), all(greedy for _, greedy in each)) for each in scores]

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        """For each (context, options): what the model writes, up to a stop sequence. Greedy unless options sample.

        A model with a shorter context than an answer may be long writes half a context at the most.
        """
        texts = [""] * len(requests)
        for options, members in _alike([dict(request.args[1]) for request in requests]):
            wanted = normalize_gen_kwargs(options, LONGEST_ANSWER)
            asked = int(wanted["max_gen_toks"])
            room = asked if asked < self.subject.context else self.subject.context // 2
            for start in range(0, len(members), ROWS_WRITTEN):
                rows = members[start : start + ROWS_WRITTEN]
                sampling = _sampling(wanted, start)  # another seed: a request may stand here many times
                prompts = [[self.subject.bos, *self.tok_encode(requests[row].args[0])] for row in rows]
                prompts = [ids[-(self.subject.context - room) :] for ids in prompts]
                for row, ids in zip(rows, self.subject.generate(prompts, room, sampling), strict=True):
                    texts[row] = postprocess_generated_text(self.subject.decode(ids), wanted["until"], None)
        return texts

    def _scores(self, reads: Sequence[Read]) -> list[tuple[float, bool]]:
        """ln p of each continuation, and whether it is the greedy one; in the order given.

        Each is read with its whole context. Reading a context once for the four endings of an item (keys and values
        kept) halves the tokens, but its masks and copies cost more than that saves at this size: 150 items of
        HellaSwag, 4.3M parameters, one thread: 4.8 s of processor time for 19k tokens, against 3.9 s for 39k.
        """
        scores: list[tuple[float, bool]] = [(0.0, True)] * len(reads)
        order = sorted(range(len(reads)), key=lambda number: -sum(map(len, reads[number])))  # equal lengths together
        passes = []
        while order:
            longest = min(sum(map(len, reads[order[0]])) - 1, self.subject.context)
            count = max(1, PASS_TOKENS // longest)
            passes.append(order[:count])
            order = order[count:]
        with Progress("benchmarks", len(passes), self._terminal) as progress:
            for rows in passes:
                for number, score in zip(rows, self._pass([reads[row] for row in rows]), strict=True):
                    scores[number] = score
                progress.advance()
        return scores

    def _pass(self, reads: Sequence[Read]) -> list[tuple[float, bool]]:
        """One forward pass, padded on the right: what stands behind a text changes nothing before it."""
        kept = [(read.before + read.continuation)[-(self.subject.context + 1) :] for read in reads]
        length = max(len(ids) for ids in kept) - 1
        inputs_BT = torch.zeros((len(kept), length), dtype=torch.long)
        targets_BT, chosen_BT = inputs_BT.clone(), torch.zeros((len(kept), length), dtype=torch.bool)
        counts = []
        for row, (ids, read) in enumerate(zip(kept, reads, strict=True)):
            inputs_BT[row, : len(ids) - 1] = torch.tensor(ids[:-1])
            targets_BT[row, : len(ids) - 1] = torch.tensor(ids[1:])
            counts.append(min(len(read.continuation), len(ids) - 1))
            chosen_BT[row, len(ids) - 1 - counts[-1] : len(ids) - 1] = True
        device = self.subject.device
        losses_N, greedy_N = self.subject.chosen(inputs_BT.to(device), targets_BT.to(device), chosen_BT.to(device))
        parts = zip(torch.split(losses_N.cpu().double(), counts), torch.split(greedy_N.cpu(), counts), strict=True)
        return [(-float(losses.sum()), bool(greedy.all())) for losses, greedy in parts]


def _sampling(wanted: Mapping[str, Any], seed: int) -> Sampling:
    """Greedy unless the options say do_sample or a temperature."""
    if not wanted["do_sample"]:
        return Sampling(temperature=0.0)
    return Sampling(
        temperature=float(wanted.get("temperature", 1.0)),
        top_k=max(0, int(wanted.get("top_k") or 0)),
        top_p=float(wanted.get("top_p") or 1.0),
        seed=seed,
    )


def _alike(options: Sequence[Mapping[str, Any]]) -> list[tuple[dict[str, Any], list[int]]]:
    """Requests by their options, in the order of the first of each kind."""
    found: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for number, each in enumerate(options):
        found.setdefault(repr(sorted(each.items(), key=lambda item: item[0])), (dict(each), []))[1].append(number)
    return list(found.values())
