"""The part of the page about scores: how well held-out text is predicted, what is written, how fast; each with its
method."""

from collections.abc import Mapping
from typing import Any

from antimatter.report import numbers
from antimatter.report.markup import beside_each_other, block, cell, facts, fold, method, number, picture, table, words

Content = Mapping[str, Any]
_METHODS = {
    "model": "Loss: mean of -ln p over the scored tokens, nats; bits per byte: the same sum in bits, over UTF-8 bytes.",
    "by_position": "Mean loss of the tokens by their place in the window that the model sees.",
    "by_frequency": "Mean loss of the tokens by how often they occur in the training text.",
    "continuations": "Greedy continuations of held-out documents beside what really follows.",
    "coherence": "How much better the second half of a document is predicted after its own first half than after "
    "another document's.",
}
"""For evaluations that do not tell their methods."""
_TOLD_ELSEWHERE = ("tasks", "factual")


def parts(evaluation: Content, pictures: Mapping[str, str], peers: Mapping[str, Content]) -> list[str]:
    """How well text is predicted and continued; none for what is not there. `peers`: evaluations of other models."""
    methods = evaluation.get("method") or {}
    continuations, counted = _continuations(evaluation.get("continuations") or {})
    shown = {
        ("model", "interval", "baselines"): block(
            "Held-out text", picture(pictures.get("bits_per_byte", "")), _scores(evaluation), _unscored(evaluation)
        ),
        ("peers",): _peers(evaluation, peers),
        ("by_position", "by_frequency"): _where_the_loss_lies(evaluation, pictures),
        ("continuations",): continuations,
        ("coherence",): _coherence(evaluation.get("coherence") or {}),
    }
    told = {name for names in shown for name in names} | set(_TOLD_ELSEWHERE)
    rest = [f"{name.replace('_', ' ')}: {text}" for name, text in methods.items() if name not in told]
    blocks = [
        part
        + method(
            *(methods.get(name) or _METHODS.get(name, "") for name in names), counted if part == continuations else ""
        )
        for names, part in shown.items()
        if part
    ]
    return [*blocks, fold("Methods of other numbers", method(*rest))] if blocks else []


def _scores(evaluation: Content) -> str:
    total = evaluation.get("validation")
    if not total:
        return ""
    figures = [("all", total), *(evaluation.get("sources") or {}).items()]
    baselines = {
        "unigram_loss": "#unigram loss",
        "bigram_loss": "#bigram loss",
        "improvement_over_bigram": "#better than bigram by",
    }
    present = [name for name in baselines if any(name in found for _, found in figures)]
    rows = []
    for source, found in figures:
        cells = [number(numbers.count(found["tokens"]), _documents(found))]
        cells += [_with_interval(found, score, digits) for score, digits in _SCORES]
        cells += [
            number(f"{found[name]:{'+' if 'improvement' in name else ''}.3f}" if name in found else "")
            for name in present
        ]
        rows.append([cell(source), *cells])
    head = ["source", "#tokens", "#bits per byte", "#loss, nats", "#perplexity", *(baselines[name] for name in present)]
    return table(head, rows, marked=[0])


_SCORES = (("bits_per_byte", 3), ("loss", 3), ("perplexity", 1))


def _documents(figures: Content) -> str:
    if "documents" not in figures:
        return ""
    return f"{numbers.count(figures['documents'])} document{'s' * (figures['documents'] != 1)}"


def _with_interval(figures: Content, name: str, digits: int) -> str:
    """A score, below it its 95 % interval."""
    low_high = (figures.get("interval") or {}).get(name)
    below = f"{low_high[0]:.{digits}f} to {low_high[1]:.{digits}f}" if low_high else ""
    return number(f"{figures[name]:.{digits}f}", below)


def _unscored(evaluation: Content) -> str:
    names = ", ".join(evaluation.get("unscored_sources") or [])
    return (
        f'<p class="small soft">Not scored, no validation tokens within the budget: {words(names)}.</p>'
        if names
        else ""
    )


def _peers(evaluation: Content, peers: Mapping[str, Content]) -> str:
    """Bits per byte of other models on the same text: perplexities of other tokenizers do not compare."""
    scored = {name: peer["validation"] for name, peer in peers.items() if peer.get("validation")}
    if not scored or not evaluation.get("validation"):
        return ""
    rows = [
        [
            cell(name),
            number(_parameters(found)),
            _with_interval(scores, "bits_per_byte", 3),
            number(f"{scores['bytes']:,}"),
        ]
        for name, found, scores in [
            ("this model", evaluation, evaluation["validation"]),
            *((_name(name, peers[name]), peers[name], scores) for name, scores in scored.items()),
        ]
    ]
    told = method(
        "Models measured with `antimatter evaluate` on this validation text. Bits per byte compares models of "
        "different tokenizers; rows of other bytes were measured on other text."
    )
    return block("Beside other models", table(["model", "#parameters", "#bits per byte", "#bytes"], rows, [0]), told)


def _parameters(evaluation: Content) -> str:
    count = (evaluation.get("subject") or {}).get("parameters")
    return "" if count is None else numbers.count(count)


def _name(file: str, evaluation: Content) -> str:
    return str((evaluation.get("subject") or {}).get("name") or file)


def _where_the_loss_lies(evaluation: Content, pictures: Mapping[str, str]) -> str:
    """Loss by what stands before a token, and by how frequent it is."""
    positions = [
        [
            cell(f"{entry['from']:,}" if entry["from"] == entry["to"] else f"{entry['from']:,} to {entry['to']:,}"),
            number(numbers.count(entry["tokens"])),
            number("" if entry["loss"] is None else f"{entry['loss']:.3f}"),
        ]
        for entry in evaluation.get("by_position") or []
    ]
    classes = [
        [
            cell(f"{entry['class']}"),
            number(numbers.count(entry["entries"])),
            number(numbers.count(entry["tokens"])),
            number("" if entry["loss"] is None else f"{entry['loss']:.3f}"),
        ]
        for entry in evaluation.get("by_frequency") or []
    ]
    by_position = table(["tokens before it in the window", "#tokens", "#loss, nats"], positions) if positions else ""
    by_frequency = (
        table(["class, 0 the most frequent", "#entries", "#tokens", "#loss, nats"], classes) if classes else ""
    )
    if not by_position and not by_frequency:
        return ""
    drawn = beside_each_other(
        pictures.get("position", "") if positions else "", pictures.get("frequency", "") if classes else ""
    )
    return block("By position and by frequency", drawn, fold("As numbers", by_position, by_frequency))


_COMPARED = {"bleu": "BLEU, of 100", "chrf": "chrF, of 100", "rouge_l": "ROUGE-L, of 1"}
_FORM = {
    "repetition": "repeated 4-grams, share", "distinct_1": "distinct words, share (distinct-1)",
    "distinct_2": "distinct pairs of words, share (distinct-2)",
}  # fmt: skip


def _continuations(found: Content) -> tuple[str, str]:
    """The tables, and what was compared with what."""
    rows = [
        [cell(label), *(_score(found[name].get(column)) for column in ("model", "shuffled"))]
        for name, label in _COMPARED.items()
        if name in found
    ]
    forms = [
        [cell(label), *(_score(found[name].get(column)) for column in ("model", "text"))]
        for name, label in _FORM.items()
        if name in found
    ]
    if not rows and not forms:
        return "", ""
    likeness = table(["likeness to the true text", "#model", "#shuffled texts"], rows) if rows else ""
    form = table(["form", "#model", "#true text"], forms) if forms else ""
    signatures = [str(found[name]["signature"]) for name in _COMPARED if found.get(name, {}).get("signature")]
    sizes = {"documents": "held-out documents", "after_tokens": "tokens given", "tokens": "tokens added"}
    counted = ", ".join(f"{numbers.count(found[name])} {label}" for name, label in sizes.items() if name in found)
    told = f"Here: {counted}. Shuffled texts: the model's texts beside continuations of other documents: chance."
    told += f" Signatures: {'; '.join(signatures)}." if signatures else ""
    return block("Continuations of held-out documents", f'<div class="short">{likeness}{form}</div>'), told


def _score(value: Any) -> str:
    return number("" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.2f}")


def _coherence(found: Content) -> str:
    if found.get("value") is None:
        return ""
    shown = {"coherence": f"{found['value']:.3f} {found.get('unit', '')}".strip()}
    if found.get("interval"):
        shown["95 % interval"] = f"{found['interval'][0]:.3f} to {found['interval'][1]:.3f}"
    if "documents" in found:
        shown["documents"] = numbers.count(found["documents"])
    return block("Coherence", facts(shown))


def speed(figures: Content) -> str:
    """Speed, memory and the marks of a judge, which differ from run to run.

    figures    work/measured/evaluate.json
    """
    found, judge = figures.get("speed") or {}, figures.get("judge") or {}
    prefill = {row["batch"]: row for row in found.get("prefill") or []}
    decode = {row["batch"]: row for row in found.get("decode") or []}
    rows = [
        [
            number(batch),
            number(numbers.count(prefill[batch]["tokens_per_second"]) if batch in prefill else ""),
            number(numbers.count(decode[batch]["tokens_per_second"]) if batch in decode else ""),
            *(
                number(f"{decode[batch][name]:.2f}" if decode.get(batch, {}).get(name) is not None else "")
                for name in ("ms_per_token_p50", "ms_per_token_p95")
            ),
        ]
        for batch in sorted({*prefill, *decode})
    ]
    head = ["#texts at once", "#prefill tokens/s", "#decode tokens/s", "#ms per token, median", "#95th percentile"]
    sizes = {f"weights in {name}": numbers.size(size) for name, size in (found.get("size_bytes") or {}).items()}
    if found.get("memory_bytes") is not None:
        sizes["memory at the peak"] = numbers.size(found["memory_bytes"])
    told = method(
        f"Measured on {found.get('device', 'this machine')}" + (f": {found['method']}" if found.get("method") else "."),
        "Prefill: prompt tokens read a second; decode: tokens written a second, all texts together, after warming up. "
        "They differ from run to run, so they stand here and in MLflow, in no report of DVC.",
    )
    shown = (
        block("Reading and writing text", table(head, rows) if rows else "", facts(sizes), told)
        if rows or sizes
        else ""
    )
    return shown + _judge(judge)


def _judge(judge: Content) -> str:
    if judge.get("mean") is None:
        return ""
    error = f" ± {judge['error']:.2f}" if judge.get("error") is not None else ""
    value = {f"mean mark out of 10, by {judge.get('model', 'a model')}": f"{judge['mean']:.2f}{error}"}
    if judge.get("texts") is not None:
        value["texts"] = numbers.count(judge["texts"])
    return block(
        "Marks of a judge", facts(value), method(judge.get("method", ""), "± is the standard error of the mean.")
    )
