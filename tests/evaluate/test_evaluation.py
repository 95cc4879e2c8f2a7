"""One evaluation as a whole: its shape for a model of the tokens' own tokenizer, and for any other."""

import io
import json

import pytest
import sentencepiece

from antimatter.corpus.reports import read_json
from antimatter.evaluate import evaluation
from antimatter.params.evaluate import Evaluate
from antimatter.tokenizer import opened, publish
from antimatter.train.tokens import open_tokens

DOCUMENTS = [(f"source{n % 2}", [8 + (3 * n + at * at) % 12 for at in range(60)]) for n in range(6)]
SETTINGS = Evaluate(
    prompts=("ab",), max_new_tokens=3, continued_after=4, continued_tokens=6, bootstrap_samples=20, factual_task="facts"
)
FACTS = {"facts": {"metrics": {"acc": {"value": 0.5, "error": 0.1}}, "items": 9}, "lm": {"metrics": {}, "items": 1}}


def test_every_kind_of_number_has_its_method_beside_it(write_tokens, letter_model):
    tokens = write_tokens(DOCUMENTS)
    content, texts = evaluation.evaluate(letter_model(40), tokens, SETTINGS, FACTS, True)
    assert list(content) == [
        "subject", "headline", "validation", "sources", "unscored_sources", "by_position", "by_frequency", "tasks",
        "factual", "continuations", "coherence", "baseline_tokens", "method",
    ]  # fmt: skip
    assert list(content["method"]) == [
        "model", "interval", "by_position", "by_frequency", "baselines", "continuations", "coherence", "tasks",
        "factual",
    ]  # fmt: skip
    assert content["headline"]["task.facts"] == 0.5 and "task.lm" not in content["headline"]
    assert content["factual"] == {"task": "facts", "accuracy": 0.5, "error": 0.1}
    assert set(texts) == {"samples.json", "continuations.json"}
    assert content["baseline_tokens"] > 0
    again = evaluation.evaluate(letter_model(40), tokens, SETTINGS, FACTS, True)
    assert json.dumps((content, texts)) == json.dumps(again)


def test_another_tokenizer_pays_for_the_same_bytes_and_has_no_baselines(write_tokens, letter_model, tmp_path):
    tokens = with_tokenizer(write_tokens(DOCUMENTS), tmp_path)
    content, _ = evaluation.evaluate(letter_model(40), tokens, SETTINGS, FACTS, False)
    assert not {"by_frequency"} & set(content)
    assert "bigram_loss" not in content["validation"] and "improvement_over_bigram" not in content["headline"]
    assert content["validation"]["documents"] == 6
    assert content["by_position"] and content["continuations"] and content["coherence"]


def test_text_of_tokens_needs_the_tokenizer_that_wrote_them(write_tokens, letter_model, tmp_path):
    tokens = with_tokenizer(write_tokens(DOCUMENTS), tmp_path, digest="other")
    with pytest.raises(evaluation.OtherTokenizer, match="dvc repro tokenize"):
        evaluation.evaluate(letter_model(40), tokens, SETTINGS, FACTS, False)
    assert not evaluation.shares_tokenizer(tmp_path, tokens)


def test_a_factual_task_without_an_accuracy_is_an_error_that_names_those_with_one(write_tokens, letter_model):
    changed = Evaluate(prompts=("ab",), max_new_tokens=1, factual_task="lm")
    with pytest.raises(evaluation.NoFactualTask, match="tasks that have one: facts"):
        evaluation.evaluate(letter_model(8), write_tokens(DOCUMENTS), changed, FACTS, True)


def test_the_factual_task_is_asked_for_by_name_or_lies_in_the_benchmarks(tmp_path):
    (tmp_path / "manifest.json").write_text('{"benchmarks": [{"name": "mine"}]}')
    for fine in ({"factual_task": "mine"}, {"factual_task": "piqa", "tasks": ("piqa",)}, {}):
        evaluation.require_factual(Evaluate(**fine), tmp_path)
    for wrong in ({"factual_task": "other"}, {"factual_task": "mine", "local_tasks": ()}):
        with pytest.raises(evaluation.NoFactualTask, match="tasks to be scored are"):
            evaluation.require_factual(Evaluate(**wrong), tmp_path)


def with_tokenizer(tokens, folder, digest=None):
    """The tokens with a tokenizer of characters beside them, written under its digest."""
    model, target = io.BytesIO(), folder / "tokenizer"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["abcdefghijkl"] * 3), model_writer=model, vocab_size=20, hard_vocab_limit=False,
        model_type="char", pad_id=0, bos_id=1, eos_id=2, unk_id=3, minloglevel=2,
        control_symbols=["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"], add_dummy_prefix=False,
    )  # fmt: skip
    target.mkdir()
    (target / "antimatter.model").write_bytes(model.getvalue())
    publish.publish(target, "sentencepiece", "antimatter.model", {})
    meta = read_json(tokens.folder / "meta.json")
    meta["tokenizer_digest"] = digest or opened.read_meta(target)["digest"]
    (tokens.folder / "meta.json").write_text(json.dumps(meta))
    return open_tokens(tokens.folder)
