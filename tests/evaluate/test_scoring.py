"""Every target is scored once, in its own document, as the model alone would score it."""

import math

import numpy as np
import pytest
import torch

from antimatter.evaluate import baselines, figures, samples, scoring, windows
from antimatter.model import AntiMatter, ModelConfig
from antimatter.params.evaluate import Evaluate
from antimatter.train.tokens import TokensError

DOCUMENTS = [("wiki", [8, 9, 10, 11, 12, 13, 14]), ("code", [15]), ("wiki", [9, 9, 3, 9]), ("code", list(range(8, 19)))]


@pytest.fixture
def model():
    torch.manual_seed(0)
    shape = {"layers": 2, "width": 16, "heads": 2, "feed_forward": 32, "context": 4, "initial_std": 0.5}
    return AntiMatter(ModelConfig(vocabulary_size=20, vocabulary_multiple=8, **shape), seed=3).eval()


def one_by_one(model, ids, context):
    """-ln p of each target with what precedes it in its window: a forward pass for every single one."""
    losses = [0.0]
    for target in range(1, len(ids)):
        first = (target - 1) // context * context
        logits = model(torch.tensor([ids[first:target]]))[0, -1].double()
        losses.append(float(-torch.log_softmax(logits, -1)[ids[target]]))
    return losses


def test_batched_losses_equal_a_forward_pass_for_every_target(write_tokens, model):
    selection = windows.select(write_tokens(DOCUMENTS), 10**6, context=4)
    with torch.inference_mode():
        expected = [x for _, ids in reversed(DOCUMENTS) for x in one_by_one(model, [1, *ids, 2], 4)]  # ids descend
    assert scoring.losses(model, selection) == pytest.approx(expected, rel=1e-5)


def test_every_target_lies_in_exactly_one_window(write_tokens):
    selection = windows.select(write_tokens(DOCUMENTS), 10**6, context=4)
    targets = [at for start, length in selection.windows for at in range(start + 1, start + length + 1)]
    starts = set(np.flatnonzero(selection.ids == 1).tolist())
    assert sorted(targets) == [at for at in range(len(selection.ids)) if at not in starts]


def test_control_tokens_are_predicted_but_not_counted(write_tokens):
    selection = windows.select(write_tokens([("wiki", [8, 3, 9])]), 10**6, context=8)
    assert selection.ids[selection.counted].tolist() == [8, 9]


def test_the_budget_takes_documents_in_the_order_of_their_ids_and_may_cut_the_last(write_tokens):
    selection = windows.select(write_tokens(DOCUMENTS), 16, context=4)
    assert selection.ids.tolist() == [1, *range(8, 19), 2, 1, 9, 9]
    assert dict(zip(selection.sources, selection.documents.tolist(), strict=True)) == {"code": 1, "wiki": 1}


def test_scoring_twice_gives_the_same_bytes(write_tokens, model):
    selection = windows.select(write_tokens(DOCUMENTS), 10**6, context=4)
    assert scoring.losses(model, selection).tobytes() == scoring.losses(model, selection).tobytes()


def test_no_batch_is_larger_than_the_budget_and_no_window_is_lost(monkeypatch):
    monkeypatch.setattr(scoring, "BATCH_TOKENS", 10)
    all_windows = np.array([[index * 20, 1 + index % 7] for index in range(23)])
    groups = list(scoring.batches(all_windows))
    assert all(len(group) * group[:, 1].max() <= 10 for group in groups)
    assert sorted(start for group in groups for start, _ in group.tolist()) == all_windows[:, 0].tolist()


def test_validation_text_without_documents_is_an_error_that_names_the_stage(write_tokens):
    with pytest.raises(TokensError, match="dvc repro tokenize"):
        windows.select(write_tokens([]), 100, context=4)


def test_figures_are_sums_over_targets_divided_once():
    nats, bytes_N = np.array([1.0, 2.0, 6.0]), np.array([1, 3, 4])
    found = figures.figures(nats, nats + 1, nats + 0.5, np.array([8, 8, 9]), bytes_N)
    assert found["loss"] == 3.0
    assert found["perplexity"] == pytest.approx(math.exp(3), abs=1e-5)
    assert found["bits_per_byte"] == pytest.approx(9 / math.log(2) / 8, abs=1e-6)
    assert (found["improvement_over_unigram"], found["improvement_over_bigram"]) == (1.0, 0.5)
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert found["improvement_over_unigram_entropy"] == pytest.approx(entropy - 3, abs=1e-5)


def test_sources_add_up_to_the_whole_and_unscored_ones_are_named(write_tokens, model):
    tokens = write_tokens([*DOCUMENTS[:3], ("late", []), ("code", [8])])
    selection = windows.select(tokens, 10**6, context=4)
    counts = baselines.count(tokens.train, tokens.vocabulary_size, 10**6)
    found = figures.per_source(selection, scoring.losses(model, selection), counts, tokens.token_bytes)
    sources, total = found["sources"], found["validation"]
    assert found["unscored_sources"] == ["late"]
    for key in ("tokens", "bytes"):
        assert sum(source[key] for source in sources.values()) == total[key]
    nats = sum(source["loss"] * source["tokens"] for source in sources.values())
    assert nats == pytest.approx(total["loss"] * total["tokens"], rel=1e-5)


def test_samples_hold_a_greedy_and_a_sampled_text_for_every_prompt():
    calls = []

    class Writer:
        def generate(self, prompt, **options):
            calls.append(options)
            return prompt + " and on"

    found = samples.write_samples(Writer(), "m1", Evaluate(prompts=("One", "Two"), seed=5))
    assert [sample["prompt"] for sample in found["samples"]] == ["One", "Two"]
    assert found["samples"][0]["greedy"] == "One and on"
    assert calls[0] == {"max_length": 60, "temperature": 0.0}
    assert calls[1] == {"max_length": 60, "temperature": 0.7, "top_k": 40, "top_p": 0.9, "seed": 5}
