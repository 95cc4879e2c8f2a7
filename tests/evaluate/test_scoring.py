"""Every target is scored once, in its own document, as the model alone would score it."""

import math

import numpy as np
import pytest
import torch

from antimatter.evaluate import baselines, breakdown, figures, scoring, windows
from antimatter.model import AntiMatter, ModelConfig
from antimatter.train.frequency import frequency_classes
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


def test_a_document_is_read_from_its_beginning_and_ends_where_the_next_begins(write_tokens):
    selection = windows.select(write_tokens(DOCUMENTS), 10**6, context=4)
    texts = [[1, *ids, 2] for _, ids in reversed(DOCUMENTS)]
    assert [ids.tolist() for ids in selection.each()] == texts
    assert [selection.sources[index] for index in selection.source_of] == ["code", "wiki", "code", "wiki"]
    assert selection.document.tolist() == [index for index, ids in enumerate(texts) for _ in ids]


def test_excerpts_are_the_beginnings_of_the_first_documents_that_are_long_enough(write_tokens):
    found = windows.excerpts(write_tokens(DOCUMENTS), shortest=4, longest=6, most=2)
    assert [ids.tolist() for ids in found.ids] == [[8, 9, 10, 11, 12, 13], [9, 9, 3, 9]]
    assert (found.sources, found.available) == (["code", "wiki"], 3)


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


def scores_of(nats, document, sizes, source_of=None, sources=("wiki",)):
    ones = np.ones(len(nats), dtype=np.int64)
    source_of = np.zeros(len(sizes), dtype=np.int64) if source_of is None else np.array(source_of)
    return scoring.Scores(np.array(nats), ones, np.array(document), np.array(sizes), source_of, sources)


def test_figures_are_sums_over_targets_divided_once():
    scores = scores_of([1.0, 2.0, 6.0], [0, 0, 1], [4, 4])
    counting = figures.Baseline(np.array([8, 8, 9]), scores.nats + 1, scores.nats + 0.5)
    found = figures.figures(scores, np.array([True, True]), counting, samples=0, seed=0)
    assert (found["documents"], found["tokens"], found["bytes"], found["loss"]) == (2, 3, 8, 3.0)
    assert found["perplexity"] == pytest.approx(math.exp(3), abs=1e-5)
    assert found["bits_per_byte"] == pytest.approx(9 / math.log(2) / 8, abs=1e-6)
    assert (found["improvement_over_unigram"], found["improvement_over_bigram"]) == (1.0, 0.5)
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert found["improvement_over_unigram_entropy"] == pytest.approx(entropy - 3, abs=1e-5)
    assert found["interval"] is None


def test_the_interval_holds_the_figure_and_the_perplexity_is_its_exponential():
    scores = scores_of([1.0, 2.0, 6.0, 4.0], [0, 1, 2, 3], [4, 4, 5, 1])
    found = figures.figures(scores, np.ones(4, dtype=bool), None, samples=200, seed=0)
    for name in ("bits_per_byte", "loss", "perplexity"):
        low, high = found["interval"][name]
        assert low < found[name] < high
    assert found["interval"]["perplexity"] == [math.exp(loss) for loss in found["interval"]["loss"]]
    assert "bigram_loss" not in found


def test_sources_add_up_to_the_whole_and_unscored_ones_are_named(write_tokens, subject):
    tokens = write_tokens([*DOCUMENTS[:3], ("late", []), ("code", [8])])
    selection = windows.select(tokens, 10**6, context=4)
    counts = baselines.count(tokens.train, tokens.vocabulary_size, 10**6)
    scores = scoring.own_ids(subject, selection, tokens.token_bytes)
    found = figures.per_source(scores, figures.baseline(selection, counts), samples=20, seed=0)
    sources, total = found["sources"], found["validation"]
    assert found["unscored_sources"] == ["late"]
    for key in ("tokens", "bytes"):
        assert sum(source[key] for source in sources.values()) == total[key]
    nats = sum(source["loss"] * source["tokens"] for source in sources.values())
    assert nats == pytest.approx(total["loss"] * total["tokens"], rel=1e-5)
    assert sources["wiki"]["interval"] is not None


def test_a_document_without_a_target_counts_as_a_document_but_not_for_the_interval(write_tokens, subject):
    tokens = write_tokens([("wiki", [8, 9]), ("wiki", []), ("wiki", [3])])
    scores = scoring.own_ids(subject, windows.select(tokens, 10**6, context=4), tokens.token_bytes)
    found = figures.per_source(scores, None, samples=20, seed=0)["validation"]
    assert (found["documents"], found["interval"]) == (3, None)


def test_places_are_counted_inside_the_window_and_lie_in_buckets_of_powers_of_two(write_tokens, letter_model):
    selection = windows.select(write_tokens([("wiki", list(range(8, 18)))]), 10**6, context=5)
    scores = scoring.own_ids(letter_model(context=5), selection, np.where(np.arange(20) < 8, 0, 3))
    assert scores.seen.tolist() == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
    found = breakdown.by_position(scores, context=5)
    places = [(bucket["from"], bucket["to"], bucket["tokens"]) for bucket in found]
    assert places == [(1, 1, 2), (2, 2, 2), (3, 4, 4), (5, 5, 2)]
    assert found[2]["loss"] == pytest.approx(scores.nats[[2, 3, 7, 8]].mean())


def test_classes_of_frequency_share_the_targets_and_their_nats(write_tokens, subject):
    tokens = write_tokens(DOCUMENTS)
    selection = windows.select(tokens, 10**6, context=4)
    scores = scoring.own_ids(subject, selection, tokens.token_bytes)
    ids = selection.ids[selection.counted]
    occurrences = np.where(np.arange(20) < 8, 0, np.arange(20) ** 2)
    found = breakdown.by_frequency(scores, ids, occurrences, tokens.token_bytes)
    classes = frequency_classes(occurrences)
    assert [entry["class"] for entry in found] == list(range(10))
    assert sum(entry["entries"] for entry in found) == 12
    for entry in found:
        own = scores.nats[classes[ids] == entry["class"]]
        assert (entry["tokens"], entry["loss"]) == (len(own), pytest.approx(own.mean()) if len(own) else None)


def test_through_text_a_model_of_the_same_tokens_pays_the_same(write_tokens, subject):
    tokens = write_tokens([*DOCUMENTS[:2], ("wiki", [9, 9, 10, 9]), DOCUMENTS[3]])
    selection = windows.select(tokens, 24, context=4)  # cuts the last document
    ours = scoring.own_ids(subject, selection, np.where(np.arange(20) < 8, 0, 1))
    text = scoring.through_text(subject, selection, subject.decode)
    for name in ("nats", "seen", "document", "bytes", "source_of"):
        assert getattr(text, name).tolist() == pytest.approx(getattr(ours, name).tolist()), name
    assert text.sources == ours.sources


def test_documents_that_a_tokenizer_does_not_give_back_are_counted(write_tokens, letter_model):
    class Shouting(type(letter_model())):
        def encode(self, words):
            return super().encode(words.replace("b", "a"))

    selection = windows.select(write_tokens(DOCUMENTS), 10**6, context=4)
    decode = letter_model().decode
    assert scoring.through_text(letter_model(), selection, decode).altered == 0
    with_b = sum("b" in decode(ids) for ids in selection.each())
    assert scoring.through_text(Shouting(), selection, decode).altered == with_b > 0


def test_through_text_a_document_is_cut_into_windows_of_the_subjects_own_context(write_tokens, subject):
    selection = windows.select(write_tokens([("wiki", list(range(8, 18)))]), 10**6, context=100)
    assert scoring.through_text(subject, selection, subject.decode).seen.tolist() == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
