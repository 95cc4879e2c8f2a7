"""Evaluation sets that the user brings: one form, nothing dropped."""

import gzip
import hashlib
import json

import pytest

from antimatter.collect.benchmarks import BrokenItem
from antimatter.collect.errors import MissingSource, WrongDigest


def benchmark(project, name, lines, suffix=".jsonl", **settings):
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    path = project.root / f"{name}{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": name, "path": path.name, "sha256": sha256, "format": "multiple_choice", **settings}


def run(project, *sources):
    from stages import benchmarks

    project.write_params(benchmarks={"sources": list(sources)})
    benchmarks.main()
    return json.loads((project.root / "data/benchmarks/manifest.json").read_text())


def items(project, name):
    path = project.root / f"data/benchmarks/{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_without_benchmarks_there_is_still_a_manifest(project):
    assert run(project) == {"benchmarks": []}
    assert project.report("benchmarks") == {"benchmarks": [], "items": 0}


def test_multiple_choice_under_any_of_its_names(project):
    lines = [
        {"query": "2 + 2 =", "choices": ["3", "4"], "gold": 1},
        {"ind": 24, "ctx": "The cat", "endings": ["sat", "ran", "flew"], "label": "0"},
        {"id": "q7", "question": "Who?", "choices": ["me", "you"], "answer": 0},
    ]
    manifest = run(project, benchmark(project, "mine", lines, licence="CC0"))
    assert items(project, "mine") == [
        {"name": "mine", "id": "1", "query": "2 + 2 =", "choices": ["3", "4"], "gold": 1},
        {"name": "mine", "id": "24", "query": "The cat", "choices": ["sat", "ran", "flew"], "gold": 0},
        {"name": "mine", "id": "q7", "query": "Who?", "choices": ["me", "you"], "gold": 0},
    ]
    assert (manifest["benchmarks"][0]["items"], manifest["benchmarks"][0]["licence"]) == (3, "CC0")


def test_a_cloze_asks_the_last_word(project):
    run(project, benchmark(project, "last", [{"text": "To be or not to be "}], ".jsonl.gz", format="cloze"))
    assert items(project, "last") == [
        {"name": "last", "id": "1", "query": "To be or not to", "choices": ["be"], "gold": 0}
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"query": "x", "choices": ["a", "b"]}, "no field gold or label or answer"),
        ({"query": "x", "choices": ["a", "b"], "gold": 2}, "the right answer is 2, no index of the 2 choices"),
        ({"query": "x", "choices": ["a"], "gold": 0}, "no list of two texts"),
        ({"query": 1, "choices": ["a", "b"], "gold": 0}, "the query is no text"),
        ([], "no JSON object"),
    ],
)
def test_a_broken_item_is_an_error_that_names_file_and_line(project, line, complaint):
    good = {"query": "x", "choices": ["a", "b"], "gold": 0}
    with pytest.raises(BrokenItem, match=rf"mine\.jsonl, line 2: .*{complaint}"):
        run(project, benchmark(project, "mine", [good, line]))


def test_another_file_than_the_pinned_one_is_an_error(project):
    source = benchmark(project, "mine", [{"text": "a b"}], format="cloze")
    with pytest.raises(WrongDigest, match=r"mine\.jsonl has sha256"):
        run(project, {**source, "sha256": "0" * 64})
    with pytest.raises(MissingSource, match=r"no file gone\.jsonl"):
        run(project, {**source, "path": "gone.jsonl"})
