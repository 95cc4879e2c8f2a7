"""What the model adds to held-out beginnings, and what a first half is worth to a second."""

import math

import numpy as np
import pytest
import torch

from antimatter.evaluate import coherence, continuations, samples
from antimatter.params.evaluate import Evaluate

LONG = [(f"source{n % 2}", [8 + (n + at) % 12 for at in range(12 + n)]) for n in range(5)]


class Recite:
    """Whatever the beginning, it goes on with what the alphabet of twelve letters has next."""

    name, context, bos, eos = "recite", 64, 1, 2
    device = torch.device("cpu")

    def encode(self, words):
        return [ord(c) - ord("a") + 8 for c in words]

    def decode(self, ids):
        return "".join(chr(ord("a") + i - 8) for i in ids if i >= 8)

    def generate(self, prompts, max_new_tokens, sampling):
        assert sampling.temperature == 0
        return [[8 + (ids[-1] - 8 + 1 + at) % 12 for at in range(max_new_tokens)] for ids in prompts]


class Copyist(Recite):
    """Pays 1 nat for a token that stands in the window before it, 3 nats for another."""

    def losses(self, inputs_BT, targets_BT):
        found = torch.full(targets_BT.shape, 3.0)
        for row, ids in enumerate(inputs_BT.tolist()):
            for at, target in enumerate(targets_BT[row].tolist()):
                if target in ids[: at + 1]:
                    found[row, at] = 1.0
        return found


def settings(**changed):
    chosen = {"continued_documents": 4, "continued_after": 5, "continued_tokens": 6, "bootstrap_samples": 50}
    return Evaluate(**{**chosen, **changed})


@pytest.mark.parametrize("has_own_ids", [True, False])
def test_a_model_that_knows_what_follows_is_like_the_true_text_and_less_like_others(write_tokens, has_own_ids):
    subject, tokens = Recite(), write_tokens(LONG)
    figures, shown, method = continuations.measure(subject, tokens, settings(), subject.decode, has_own_ids)
    assert (figures["documents"], figures["after_tokens"], figures["tokens"]) == (4, 5, 6)
    assert figures["rouge_l"] == {"model": 1.0, "shuffled": 0.0}  # one word each
    assert figures["chrf"]["model"] == pytest.approx(100)
    assert figures["chrf"]["shuffled"] < 100
    assert figures["bleu"]["model"] is None and "bleu null" in method
    assert "(5 have so many)" in method
    # ids of documents descend with their place
    assert [text["beginning"] for text in shown] == [subject.decode(LONG[n][1][:5]) for n in (4, 3, 2, 1)]
    assert [text["source"] for text in shown] == ["source0", "source1", "source0", "source1"]
    assert all(text["model"] == text["text"] for text in shown)


def test_another_tokenizer_writes_as_many_of_its_own_tokens_as_the_true_text_needs(write_tokens):
    class Pairs(Recite):
        """Two letters a token."""

        def encode(self, words):
            return [ord(words[at]) * 256 + (ord(words[at + 1]) if at + 1 < len(words) else 0) for at in
                    range(0, len(words), 2)]  # fmt: skip

        def decode(self, ids):
            return "".join(chr(i // 256) + (chr(i % 256) if i % 256 else "") for i in ids)

        def generate(self, prompts, max_new_tokens, sampling):
            asked.append(max_new_tokens)
            return [[ord("z") * 257] * (max_new_tokens + 5) for _ in prompts]

    asked = []
    found = continuations.measure(Pairs(), write_tokens(LONG), settings(), Recite().decode, False)
    assert asked == [3]
    assert {text["model"] for text in found[1]} == {"zzzzzz"}


@pytest.mark.parametrize("changed", [{"continued_documents": 0}, {"continued_after": 500}, {"continued_after": 10}])
def test_too_few_documents_to_continue_are_a_reason_and_no_figures(write_tokens, changed):
    figures, shown, why = continuations.measure(
        Recite(), write_tokens(LONG), settings(**changed), Recite().decode, True
    )
    assert (figures, shown) == (None, [])
    assert "none: " in why or "not asked for" in why


def test_coherence_is_the_mean_drop_by_definition(write_tokens, letter_model):
    subject, tokens = letter_model(context=16), write_tokens(LONG)
    firsts = [ids[:5] for _, ids in LONG]
    seconds = [ids[5:9] for _, ids in LONG]
    others = np.array([1, 2, 3, 4, 0])
    found = coherence.drops(subject, firsts, seconds, np.full(5, 12), others)

    def paid(before, second):
        with torch.inference_mode():
            logits = subject.model(torch.tensor([[1, *before, *second]]))[0].double().log_softmax(-1)
        return -sum(float(logits[len(before) + at, target]) for at, target in enumerate(second))

    expected = [
        (paid(firsts[other], seconds[own]) - paid(firsts[own], seconds[own])) / math.log(2) / 12
        for own, other in enumerate(others)
    ]
    assert found == pytest.approx(expected, abs=1e-5)
    assert tokens.token_bytes[8] == 3


def test_both_contexts_have_the_same_number_of_tokens_the_last_ones_and_fit():
    seen = []

    class Watched(Copyist):
        context = 8

        def losses(self, inputs_BT, targets_BT):
            seen.extend(inputs_BT.tolist())
            return torch.ones(targets_BT.shape)

    coherence.drops(Watched(), [[8, 9, 10, 11, 12], [13, 14]], [[15, 16], [17, 18]], np.ones(2), np.array([1, 0]))
    assert sorted(seen) == [[1, 11, 12, 15], [1, 11, 12, 17], [1, 13, 14, 15], [1, 13, 14, 17]]
    seen.clear()
    coherence.drops(Watched(), [list(range(8, 16))] * 2, [[15, 16, 17]] * 2, np.ones(2), np.array([1, 0]))
    assert {len(row) for row in seen} == {8}


@pytest.mark.parametrize("has_own_ids", [True, False])
def test_a_model_that_copies_gains_from_the_documents_own_first_half(write_tokens, has_own_ids):
    halves = [("wiki", [8 + n] * 40) for n in range(4)]  # only the first target is new after another
    subject = Copyist()
    figures, method = coherence.measure(subject, write_tokens(halves), settings(), subject.decode, has_own_ids)
    size = 20 * (3 if has_own_ids else 1)  # bytes of a second half, by the table of the tokens or of the letters
    assert figures["value"] == pytest.approx(2 / (math.log(2) * size))
    assert figures["interval"][0] <= figures["value"] <= figures["interval"][1]
    assert (figures["documents"], figures["unit"]) == (4, "bits per byte")
    assert "(4 are long enough" in method


def test_a_character_that_the_middle_parts_and_the_space_before_a_word_reach_another_tokenizer_whole(write_tokens):
    seen = []

    class Spelling(Copyist):
        """Takes any text."""

        def encode(self, words):
            seen.append(words)
            return [8] * len(words)

    def decode(ids):  # 12 and 13 together are a character; a space in front is lost, as SentencePiece loses it
        text = "".join(chr(ord("a") + i - 8) for i in ids).replace("ef", "é").replace("e", "\ufffd")
        return text.replace("f", "\ufffd").replace("t", " ").removeprefix(" ")

    parted = [8, 9, 12, 13, 10, 11]
    spaced = [8, 9, 10, 27, 11, 8]
    documents = [("wiki", parted), ("wiki", spaced)]
    tokens = write_tokens([(source, [i if i < 20 else 19 for i in ids]) for source, ids in documents])
    table = {19: 27}
    subject = Spelling()
    subject.context = 6
    figures, _ = coherence.measure(
        subject, tokens, settings(), lambda ids: decode([table.get(i, i) for i in ids]), has_own_ids=False
    )
    assert figures["documents"] == 2
    assert seen == ["abc", " da", "ab", "écd"]


@pytest.mark.parametrize("documents", [[("wiki", [8] * 40)], [("wiki", [8] * 10)] * 3])
def test_too_few_documents_for_coherence_are_a_reason_and_no_figure(write_tokens, documents):
    figures, why = coherence.measure(Copyist(), write_tokens(documents), settings(), Recite().decode, True)
    assert figures is None
    assert why.startswith("none: ")


def test_samples_hold_a_greedy_and_a_sampled_text_for_every_prompt(subject):
    chosen = Evaluate(prompts=("abc", "k"), seed=5, max_new_tokens=4)
    calls = []

    class Writer(Recite):
        def generate(self, prompts, max_new_tokens, sampling):
            calls.append((prompts, max_new_tokens, sampling.temperature, sampling.top_k, sampling.top_p, sampling.seed))
            return [[9, 10] for _ in prompts]

    found = samples.write_samples(Writer(), chosen)
    assert found["samples"] == [
        {"prompt": "abc", "greedy": "abcbc", "sampled": "abcbc"},
        {"prompt": "k", "greedy": "kbc", "sampled": "kbc"},
    ]
    prompts = [[1, 8, 9, 10], [1, 18]]
    assert calls == [(prompts, 4, 0.0, 0, 1.0, 0), (prompts, 4, 0.7, 40, 0.9, 5)]
    assert samples.write_samples(subject, chosen) == samples.write_samples(subject, chosen)
