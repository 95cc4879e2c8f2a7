"""A small project folder with everything that the page can show, made of any texts."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from antimatter.corpus.ledger import Removal, ledger_table
from antimatter.corpus.shards import shard_name, write_shard
from antimatter.dedup.parting import REMOVED
from antimatter.report import statistics
from tests.documents import document_table

TEXTS = ("the quick brown fox jumps over the lazy dog", "the quick red fox jumps over the lazy dog")


def flow(documents_in, documents_out, source, **removed):
    one = {"documents_in": documents_in, "documents_out": documents_out, "removed": removed}
    one |= {"bytes_in": documents_in * 1000, "bytes_out": documents_out * 1000}
    return {**one, "sources": {source: one}}


def figures(loss=3.0):
    bits = round(loss / 2.77, 6)
    return {
        "documents": 20, "tokens": 5000, "bytes": 20000, "loss": loss, "perplexity": 20.1, "bits_per_byte": bits,
        "unigram_loss": 6.0, "unigram_bits_per_byte": 2.2, "bigram_loss": 4.0, "bigram_bits_per_byte": 1.4,
        "improvement_over_unigram": 6 - loss, "improvement_over_bigram": 4 - loss,
        "interval": {"loss": [2.9, 3.1], "perplexity": [19.0, 21.2], "bits_per_byte": [bits - 0.02, bits + 0.04]},
    }  # fmt: skip


def evaluation(word="word", model_id="m1"):
    task = {
        "origin": "local", "items": 200, "kind": "multiple_choice", "chance": 0.25, "form": word, "version": 1,
        "metrics": {"acc": {"value": 0.25, "error": 0.03}, "acc_norm": {"value": 0.29, "error": 0.032}},
        "harness": "lm_eval 0.4.13",
    }  # fmt: skip
    both = {"model": 1.25, "shuffled": 0.5, "signature": word}
    return {
        "model_id": model_id,
        "subject": {"name": word, "kind": "antimatter", "parameters": 123456, "context": 64, "vocabulary": 300},
        "headline": {"loss": 3.0},
        "validation": figures(),
        "sources": {word: figures(3.5)},
        "unscored_sources": [word],
        "by_position": [{"from": 1, "to": 1, "tokens": 90, "loss": 6.0}, {"from": 2, "to": 3, "tokens": 90, "loss": 5}],
        "by_frequency": [{"class": 0, "entries": 3, "tokens": 90, "loss": 2.0}],
        "tasks": {"hellaswag": task, word: task},
        "factual": {"task": word, "accuracy": 0.25, "error": 0.03},
        "continuations": {"documents": 9, "after_tokens": 8, "tokens": 7, "bleu": both, "distinct_1": {"model": 0.1}},
        "coherence": {"value": 0.05, "interval": [0.01, 0.09], "documents": 9, "unit": word},
        "method": {name: f"{name} {word}" for name in ("model", "interval", "tasks", "coherence", "unheard_of")},
    }


def reports(word="word"):
    """reports/NAME.json by name; `word` stands wherever a word of the data or the user may stand."""
    rule = {"reason": "gopher_quality.word_count", "signal": "words", "at_least": 50, "source": "a paper"}
    rule |= {"policy": word, "failed": 20, "alone": 20, "first": 20, "sources": {word: {"failed": 20}}}
    quiz_set = {"name": "hellaswag", "items": 90, "sought": 80, "matched_items": 3, "documents": 2}
    back = {"number": 1, "reason": word, "trigger_step": 90, "target_step": 50, "skip_from": 5, "skip_to": 9, "rate": 1}
    return {
        "collect": {**flow(100, 90, word, **{word: 10}), "missing": [{"source": word, "cause": word}]},
        "clean": flow(90, 90, word),
        "filter": {
            **flow(90, 60, word, **{"gopher_quality.word_count": 20, "language.other": 10}),
            "rules": [rule],
            "policies": {word: word},
            "languages": {word: {word: 90}},
            "language": {"detector": word, "documents": 90, "arbitrated": 4},
            "decontamination": {"action": "remove", "sets": [{**quiz_set, "removed_documents": 2}]},
        },
        "dedup": {**flow(60, 55, word, **{"dedup.near": 5}), "scheme": word},
        "tokenize": {**flow(55, 55, word), "training_tokens": 1000, "tokens_by_source": {"training": {word: 1000}}},
        "tokenizer": {"vocabulary_size": 300},
        "train": {
            "model_id": "m1", "parameters": 123456, "steps": 100, "precision": word, "rollbacks": 1,
            "train_loss": {"first": 9.0, "last": 3.0, "last_is": word}, "interventions": [back],
            "validation": {"last": {"step": 100, "loss": 3.0}}, "skipped_steps": 2,
        },
        "evaluation": evaluation(word),
    }  # fmt: skip


def parts(word="word", texts=TEXTS) -> dict[str, Callable[[Path], None]]:
    """What may be there or not, by name: each writes its file or folder below a root. The summary comes last."""
    sample = {"prompt": word, "greedy": f"{word} {word}", "sampled": word}
    pair = {"source": word, "beginning": word, "model": word, "text": word}
    item = {"task": word, "query": word, "choices": [word, word], "gold": 0, "chosen": 1, "scores": [-1.0, -0.5]}
    edit = {"step": word, "source": word, "id": "00", "before": texts[0], "after": texts[1]}
    quiz = "step,tokens,accuracy,error,accuracy_norm,error_norm,items\n5,50,0.5,0.1,0.6,0.1,20\n"
    measured = {"tokens_per_second": [[1, 9.0], [2, 8.0]], "seconds": {"computing": 5.0}, "speed": {word: word}}
    speed = {"device": word, "prefill": [{"batch": 1, "tokens_per_second": 9.0}], "size_bytes": {"fp32": 9}}
    judge = {"model": word, "mean": 5.5, "error": 0.5, "texts": 3, "method": word}
    made: dict[str, Callable[[Path], None]] = {
        f"reports/{name}.json": _json(f"reports/{name}.json", content) for name, content in reports(word).items()
    }
    made["peers"] = _json("reports/peers/peer.json", evaluation(word, "m2"))
    made["samples"] = _json("data/examples/samples.json", {"sampling": {word: word}, "samples": [sample]})
    made["continuations"] = _json("data/examples/continuations.json", [pair] * 4)
    made["tasks"] = _json("data/examples/tasks.json", [item])
    made["written"] = _json("data/model/samples.json", [{"step": s, "prompt": word, "text": word} for s in (0, 9)])
    made["edits"] = _text("data/cleaned/examples/clean.jsonl", json.dumps(edit, ensure_ascii=False) + "\n")
    made["quiz"] = _text("reports/train_quiz.csv", quiz)
    made["training figures"] = _json("work/measured/train.json", measured)
    made["evaluation figures"] = _json("work/measured/evaluate.json", {"speed": speed, "judge": judge})
    made["runs"] = _json("work/runs/clean.json", {"seconds": 75.2, "workers": 2, "peak_bytes_self": 3e8})
    made["params"] = _text("params.yaml", f"report: {{}}\n# {word}\n")
    made["demo"] = _text("profiles/demo.yaml", "report:\n  top_reasons: 3\n")
    made["lock"] = _text(
        "dvc.lock", f"stages:\n  {json.dumps('x' + word)}:\n    outs:\n    - path: data/raw\n      md5: ab\n"
    )
    made["picture"] = _text("reports/loss.svg", '<?xml version="1.0"?>\n<svg viewBox="0 0 1 1"><path d=""/></svg>\n')
    made["cleaned"] = lambda root: _documents(root / "data/cleaned/documents", texts, word)
    made["filtered"] = lambda root: _documents(root / "data/filtered/documents", texts, word)
    made["filter's ledger"] = lambda root: _ledger(root / "data/filtered/removed", "filter", texts, word)
    made["dedup's ledger"] = lambda root: _near(root / "data/deduplicated/removed", texts, word)
    return made


def write(root: Path, chosen, word="word", texts=TEXTS) -> Path:
    """A project with these parts and the summary of those reports that are among them."""
    (root / "reports").mkdir(parents=True, exist_ok=True)
    made = parts(word, texts)
    for name in chosen:
        made[name](root)
    found = statistics.summary(statistics.read_reports(root / "reports"), top_reasons=12)
    _json("reports/summary.json", found)(root)
    return root


def _text(path: str, content: str) -> Callable[[Path], None]:
    def put(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8", errors="surrogatepass")

    return put


def _json(path: str, content) -> Callable[[Path], None]:
    return _text(path, json.dumps(content))


def _documents(folder: Path, texts, source: str) -> None:
    write_shard(folder / shard_name(0), document_table(texts, source))


def _ledger(folder: Path, stage: str, texts, source: str) -> None:
    (identity, _) = document_table(texts, source).column("id").to_pylist()
    removal = Removal(
        id=identity, source=source, reason="gopher_quality.word_count", row=0, value=9.0, threshold=50.0, detail=source
    )
    write_shard(folder / shard_name(0), ledger_table(stage, 0, [removal]))


def _near(folder: Path, texts, source: str) -> None:
    gone, kept = document_table(texts, source).column("id").to_pylist()
    row = {
        "id": gone, "source": source, "stage": "dedup", "reason": "dedup.near", "value": 0.8125, "threshold": 0.8,
        "shard": 0, "row": 0, "kept_id": kept, "similarity": 0.8125, "also_failed": [], "containment": 0.9,
        "estimated_similarity": 0.8, "bands": 3, "cluster": kept, "cluster_size": 2,
    }  # fmt: skip
    write_shard(folder / shard_name(0), pa.Table.from_pylist([row], schema=REMOVED))
