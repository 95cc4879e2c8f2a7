"""The part of the page about training: curves, what the guard did, where time went, how the text became text."""

from collections.abc import Mapping, Sequence
from typing import Any

from antimatter.report import numbers
from antimatter.report.markup import beside_each_other, block, cell, facts, fold, method, number, picture, table, words

MOST_COLUMNS = 8
"""Steps shown beside each other; of more the first, the last and some between them."""


def parts(
    training: Mapping[str, Any],
    pictures: Mapping[str, str],
    figures: Mapping[str, Any],
    quiz: Sequence[Mapping[str, str]],
    texts: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Pictures and tables; none for what is not there.

    training   of the summary
    figures    work/measured/train.json
    quiz       rows of reports/train_quiz.csv
    texts      data/model/samples.json: step, prompt, text
    """
    return [
        beside_each_other(pictures.get("loss", ""), pictures.get("rate", "")),
        _facts(training),
        _guard(training),
        _time(figures),
        _quiz(quiz, training.get("quiz") or {}, pictures.get("quiz", "")),
        _written(texts),
    ]


def _facts(training: Mapping[str, Any]) -> str:
    named: dict[str, str] = {}
    for name, label in (
        ("parameters", "parameters"),
        ("parameters_without_embeddings", "parameters without embeddings"),
        ("steps", "steps"),
        ("tokens", "tokens read"),
        ("epochs", "passes over the text"),
        ("precision", "arithmetic"),
    ):
        if training.get(name) is not None:
            named[label] = _readable(training[name])
    for part, label in (("first", "first training loss"), ("last", "last training loss")):
        loss = (training.get("train_loss") or {}).get(part)
        if loss is not None:
            named[label] = f"{loss:.4f}"
    for part in ("first", "last", "best"):
        found = (training.get("validation") or {}).get(part) or {}
        if found.get("loss") is not None:
            at = f" (step {found['step']:,})" if "step" in found else ""
            named[f"{part} validation loss{at}"] = f"{found['loss']:.4f}"
    if not named:
        return ""
    last = (training.get("train_loss") or {}).get("last_is")
    told = method(
        "Loss: mean cross-entropy of the next token, nats.",
        f"The last training loss is the {last}." if last else "",
        "Validation during training scores the same few windows each time (train.validation_sequences); the chapter "
        "Evaluation scores more text, document by document.",
    )
    return facts(named) + told


def _guard(training: Mapping[str, Any]) -> str:
    """Every time that training went back, and how many steps were left out."""
    if not training:
        return ""
    skipped, overflowed = training.get("skipped_steps", 0), training.get("overflowed_steps", 0)
    events = [event for event in training.get("interventions") or [] if isinstance(event, Mapping)]
    told = []
    if skipped:
        told.append(f"{skipped:,} step{'s were' if skipped > 1 else ' was'} left out: far out of line, or no number.")
    if overflowed:
        told.append(f"{overflowed:,} left out in fp16 because gradients overflowed, and the loss scale lowered.")
    if not events:
        told.append(
            "Training never went back to an earlier step."
            if told
            else "There were none: no step was skipped, and training never went back to an earlier step."
        )
    rows = [
        [
            number(f"{event['trigger_step']:,}"),
            number(f"{event['target_step']:,}"),
            cell(event["reason"], kind="long"),
            number(f"{event['skip_to'] - event['skip_from']:,}"),
            number(f"x {event['rate']:g}"),
        ]
        for event in events
    ]
    head = ["#at step", "#back to step", "reason", "#samples not read again", "#learning rate from there"]
    shown = table(head, rows) if rows else ""
    return block("Guard events", f"<p>{words(' '.join(told))}</p>", shown)


def _time(figures: Mapping[str, Any]) -> str:
    """Speed over the steps, and what the seconds were spent on."""
    points = [(float(step), float(value)) for step, value in figures.get("tokens_per_second") or []]
    seconds = {str(name): float(value) for name, value in (figures.get("seconds") or {}).items()}
    drawn = ""
    if points or seconds:
        from antimatter.report import plots_training  # a plotting library: a second to load

        drawn = beside_each_other(
            plots_training.throughput(points) if points else "", plots_training.time(seconds) if seconds else ""
        )
    speed = {
        str(name).replace("_", " "): _readable(value)
        for name, value in (figures.get("speed") or {}).items()
        if isinstance(value, int | float | str)
    }
    if not drawn and not speed:
        return ""
    told = method(
        "Tokens per second: training tokens read, over wall time between logged steps on the machine of this run. "
        "Seconds: wall clock. They differ from run to run, so they stand here and in MLflow only."
    )
    return block("Speed, and where time went", drawn, fold("Figures", facts(speed)), told)


def _quiz(rows: Sequence[Mapping[str, str]], last: Mapping[str, Any], drawn: str) -> str:
    """Accuracy on a few benchmark items while training went on."""
    if not rows:
        return ""
    has_norm = all(row.get("accuracy_norm") for row in rows)
    head = ["#step", "#tokens", "#accuracy", *(["#accuracy, by length"] if has_norm else []), "#items"]
    shown = []
    for row in rows:
        cells = [number(f"{int(row['step']):,}"), number(numbers.count(float(row["tokens"])))]
        cells.append(number(_with_error(row["accuracy"], row.get("error"))))
        if has_norm:
            cells.append(number(_with_error(row["accuracy_norm"], row.get("error_norm"))))
        shown.append([*cells, number(row.get("items", ""))])
    told = method(
        f"Multiple-choice items{' of ' + str(last['name']) if last.get('name') else ''}, the same ones each time: the "
        "ending with the highest log-likelihood is the answer, by length: per character of it. ± is the standard "
        "error of a mean over the items."
    )
    return block("Quiz during training", picture(drawn), table(head, shown), told)


def _with_error(value: str, error: str | None) -> str:
    return f"{100 * float(value):.1f} %" + (f" ± {100 * float(error):.1f}" if error else "")


def _written(texts: Sequence[Mapping[str, Any]]) -> str:
    """What the model wrote to each prompt, a column a step."""
    prompts = list(dict.fromkeys(str(entry["prompt"]) for entry in texts))
    shown = []
    for prompt in prompts:
        own = sorted((entry for entry in texts if str(entry["prompt"]) == prompt), key=lambda entry: entry["step"])
        columns = "".join(
            f'<div><h4>step {entry["step"]:,}</h4><div class="text small" dir="auto">{continued(prompt, entry["text"])}'
            "</div></div>"
            for entry in _few(own)
        )
        shown.append(f'<div class="steps">{columns}</div>')
    if not shown:
        return ""
    told = method(
        "Greedy continuations of the prompts in train.samples, written by the weights of that step; in colour what the "
        "model was given."
    )
    return block("How its text became text", *shown, told)


def _few(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if len(entries) <= MOST_COLUMNS:
        return list(entries)
    return [entries[place * (len(entries) - 1) // (MOST_COLUMNS - 1)] for place in range(MOST_COLUMNS)]


def continued(prompt: str, text: Any) -> str:
    """A text with its beginning, the prompt, in colour."""
    whole = str(text)
    rest = whole[len(prompt) :] if whole.startswith(prompt) else f" {whole}"
    return f"<b>{words(prompt)}</b>{words(rest)}"


def _readable(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return numbers.count(value) if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3g}"
