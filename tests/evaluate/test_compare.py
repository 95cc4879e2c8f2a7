"""Published rows are complete and plausible; the table shows ours, peers and them, in 100 columns."""

import argparse
import json
import math
import re

import pytest

from antimatter import cli_evaluate
from antimatter.corpus.reports import read_json
from antimatter.errors import AntiMatterError
from antimatter.evaluate import compare, references
from tests.evaluate.models import choice_items, tiny_model

CHANCE = {"hellaswag": 0.25, "lambada": 0.0, "piqa": 0.5, "arc_easy": 0.25, "winogrande": 0.5}


def task(accuracy, kind="multiple_choice", items=1000):
    figures = {"value": accuracy, "error": 0.0123}
    return {
        "origin": "local", "items": items, "kind": kind, "chance": 0.25 if kind == "multiple_choice" else None,
        "form": "words about the form " * 8, "harness": "lm_eval 0.4.13", "version": 1.0,
        "metrics": {"acc": figures, "acc_norm": figures} if kind == "multiple_choice" else {"acc": figures},
    }  # fmt: skip


def evaluation(name, tasks, bits=1.5):
    validation = {"documents": 80, "bytes": 700_000, "bits_per_byte": bits, "interval": {"bits_per_byte": [1.4, 1.6]}}
    subject = {"name": name, "kind": "antimatter", "parameters": 4_273_664, "context": 256, "vocabulary": 4096}
    return {"subject": subject, "headline": {}, "validation": validation, "tasks": tasks, "method": {}}


# --- published rows -------------------------------------------------------------------------------------------------


def test_every_published_row_is_whole_and_plausible():
    rows = references.rows()
    assert len(rows) > 40
    for row in rows:
        assert row.task in references.TASKS and row.metric in ("acc", "acc_norm")
        assert max(0.1, CHANCE[row.task] - 0.02) < row.value < 0.75
        assert 50e6 < row.parameters < 3e9
        assert row.error is None or row.error == pytest.approx(row.binomial_error, abs=2e-3)
        assert re.search(r"commit [0-9a-f]{7}|arXiv", row.source) and len(row.form) > 20
        assert row.shots in (0, 10)


def test_no_row_stands_twice_and_no_source_is_unused():
    rows = references.rows()
    assert len({(row.model, row.task, row.metric, row.source, row.form) for row in rows}) == len(rows)
    table = read_json(references.TABLE)
    assert {row["source"] for row in table["rows"]} == set(table["sources"])
    assert {row["model"] for row in table["rows"]} == set(table["models"])


def test_the_larger_model_of_a_family_scores_higher_in_the_same_form():
    for task in ("hellaswag", "lambada", "piqa", "arc_easy"):
        family = [row for row in references.for_task(task) if row.model.startswith("GPT-2") and "CORE" in row.form]
        assert len(family) == 4
        assert [row.value for row in family] == sorted(row.value for row in family)


def test_a_task_is_found_by_the_harness_s_name_too():
    assert references.for_task("lambada_openai") == references.for_task("lambada") != ()
    assert references.for_task("lambada_standard") == references.for_task("unheard_of") == ()


def test_the_stated_errors_follow_from_the_sizes_of_the_sets():
    row = next(row for row in references.rows() if row.model == "OPT-125M" and row.task == "piqa")
    assert math.isclose(row.error, math.sqrt(row.value * (1 - row.value) / 1837), abs_tol=1e-4)


# --- the table ------------------------------------------------------------------------------------------------------


def test_the_table_shows_ours_peers_chance_and_published_rows_with_errors():
    tasks = {"hellaswag": task(0.2634), "lambada": task(0.01, "cloze")}
    text = "\n".join(compare.lines([evaluation("ours", tasks), evaluation("a peer", tasks, 1.2)]))
    assert re.search(r"^ours +4\.3M +1\.5000  \[1\.4000, 1\.6000\] +80 documents", text, re.M)
    assert re.search(r"^ours +4\.3M +26\.34 ±1\.23 +26\.34 ±1\.23 +1\.00 ±1\.23$", text, re.M)
    assert re.search(r"^a peer +4\.3M +26\.34", text, re.M)
    assert re.search(r"^by chance +25\.00 +25\.00 +-$", text, re.M)
    assert re.search(r"^GPT-2 Medium \[\d\] +355M +- +39\.00 +42\.60$", text, re.M)
    for row in (*references.for_task("hellaswag"), *references.for_task("lambada")):
        assert f"{100 * row.value:.2f}" in text
        assert row.source.split(",")[0] in text
    assert "1,000 items; words about the form" in text


def test_the_table_fits_100_columns_without_control_characters():
    names = ("hellaswag", "piqa", "arc_easy", "winogrande", "a_task_with_a_very_long_name_indeed")
    tasks = {name: task(0.5) for name in names} | {"lambada": task(0.2, "cloze")}
    lines = compare.lines([evaluation("a model with a name that is much too long", tasks)])
    assert max(map(len, lines)) <= compare.WIDTH
    assert all(line.isprintable() and line == line.rstrip() for line in lines)
    assert sum("%" in line for line in lines) >= 3, "many columns come in several blocks"


def test_solved_examples_in_a_prompt_are_marked():
    text = "\n".join(compare.lines([evaluation("ours", {"piqa": task(0.55)})]))
    assert "67.00*" in text and "62.02 ±1.13" in text and "62.02 ±1.13*" not in text


def test_an_evaluation_without_text_or_without_tasks_is_shown_as_far_as_it_goes():
    no_text = {key: value for key, value in evaluation("a", {"piqa": task(0.5)}).items() if key != "validation"}
    assert any("not scored" in line for line in compare.lines([no_text]))
    assert len(compare.lines([evaluation("b", {})])) == 2


# --- antimatter evaluate --------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a benchmark, params.yaml and a model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("evaluate: {local_tasks: ['*'], task_items: 20}\n")
    folder = tmp_path / "data" / "benchmarks"
    folder.mkdir(parents=True)
    items = [json.dumps({"name": "piqa", **item}) + "\n" for item in choice_items(30)]
    (folder / "piqa.jsonl").write_text("".join(items))
    manifest = {"benchmarks": [{"name": "piqa", "format": "multiple_choice", "items": 30}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    tiny_model(tmp_path / "model")
    return tmp_path


def evaluate(*arguments):
    parser = argparse.ArgumentParser()
    cli_evaluate.add_evaluate(parser)
    options = parser.parse_args([*arguments, "--device", "cpu"])
    options.run(options)


def test_a_model_is_evaluated_kept_and_shown_beside_ours(project, capsys):
    (project / "reports").mkdir()
    ours = evaluation("model", {"piqa": task(0.6)})
    (project / "reports" / "evaluation.json").write_text(json.dumps(ours))
    evaluate("model", "--no-text", "--name", "tiny", "--items", "7")
    kept = read_json(project / "reports" / "peers" / "tiny.json")
    assert kept["subject"]["name"] == "tiny" and kept["tasks"]["piqa"]["items"] == 7
    assert kept["headline"] == {"task.piqa": kept["tasks"]["piqa"]["metrics"]["acc_norm"]["value"]}
    shown = capsys.readouterr().out
    assert re.search(r"^ours .*60\.00 ±1\.23", shown, re.M) and re.search(r"^tiny .*±", shown, re.M)
    evaluate("model", "--no-text", "--name", "again")
    assert read_json(project / "reports" / "peers" / "again.json")["tasks"]["piqa"]["items"] == 20
    assert re.search(r"^tiny .*±", capsys.readouterr().out, re.M), "a peer stays in the table"


def test_a_factual_task_that_is_not_asked_of_a_peer_does_not_cost_its_evaluation(project, monkeypatch):
    asked = []

    def found(subject, tokens, settings, tasks, *_):
        asked.append(settings.factual_task)
        return {"subject": subject.facts(), "tasks": tasks or {}}, {}

    monkeypatch.setattr("antimatter.evaluate.evaluation.evaluate", found)
    monkeypatch.setattr("antimatter.evaluate.evaluation.shares_tokenizer", lambda *_: True)
    monkeypatch.setattr("antimatter.train.tokens.open_tokens", lambda folder: None)
    (project / "params.yaml").write_text("evaluate: {factual_task: piqa, task_items: 2}\n")
    evaluate("model", "--local-tasks", "")
    evaluate("model", "--local-tasks", "piqa")
    assert asked == ["", "piqa"]


def test_a_name_that_is_no_file_and_a_model_that_is_not_there_are_refused(project):
    with pytest.raises(AntiMatterError, match="--name"):
        evaluate("model", "--name", "../elsewhere", "--no-text")
    with pytest.raises(AntiMatterError, match="no such folder"):
        evaluate("./nowhere", "--no-text")
    assert not (project / "reports").exists()
