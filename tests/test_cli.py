import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from antimatter.cli import main
from antimatter.corpus.ledger import Counts, Removal, ledger_table
from antimatter.corpus.reports import flow_report, write_json
from antimatter.corpus.schema import DOCUMENT, document_id
from antimatter.corpus.shards import write_shard
from antimatter.dedup import duplicates
from antimatter.filter import quality
from antimatter.params import loader
from antimatter.params.filter import Filter, HandRule, Policy, WatchedFile
from tests.corpus import made_copies
from tests.filter.made_signals import signal_table, write_data

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose demo has all defaults, and no data."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "runtime.yaml", tmp_path / "runtime.yaml")
    demo = loader.to_plain({name: loader.group_class(name)() for name in loader.group_names()})
    with open(tmp_path / "profiles/demo.yaml", "w") as file:
        file.write("# The demo.\n")
        YAML().dump(demo, file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def test_profiles_are_listed_with_their_sizes(project, capsys):
    main(["profile", "scratch-16m"])
    capsys.readouterr()
    assert main(["profile"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("  demo ") and lines[0].endswith("The demo.")
    assert "  antimatter-300m    355,871,744 parameters   The specification's model" in lines[1]
    assert [line[0] for line in lines[:5]] == [" ", " ", " ", " ", "*"]


def test_a_profile_becomes_params_yaml_and_gives_way_to_the_next(project, capsys):
    for name, layers in {"demo": 4, "antimatter-300m": 24, "compact-32k": 8, "demo ": 4}.items():
        assert main(["profile", name.strip()]) == 0
        assert loader.load_all()["model"].layers == layers
    assert "params.yaml is now profile demo" in capsys.readouterr().out
    assert (project / "params.yaml").read_text() == (project / "profiles/demo.yaml").read_text()


def test_edits_by_hand_are_overwritten_by_force_alone(project, capsys):
    main(["profile", "demo"])
    edited = (project / "params.yaml").read_text().replace("layers: 4", "layers: 5")
    (project / "params.yaml").write_text(edited)
    assert main(["profile", "antimatter-300m"]) == 1
    assert (project / "params.yaml").read_text() == edited
    assert "was edited by hand" in capsys.readouterr().err
    assert main(["profile", "antimatter-300m", "--force"]) == 0
    assert (project / "params.yaml").read_text() != edited


def test_an_unknown_profile_is_a_message(project, capsys):
    assert main(["profile", "antimatter-300"]) == 1
    error = capsys.readouterr().err
    assert error.endswith("there is no profile antimatter-300. Did you mean antimatter-300m?\n")
    assert not (project / "params.yaml").exists()


def test_check_tells_the_size_of_the_model_and_of_the_training(project, capsys):
    main(["profile", "antimatter-300m"])
    assert main(["check"]) == 0
    rows = {line[:22].strip(): line[22:].strip() for line in capsys.readouterr().out.splitlines()}
    assert rows["parameters"] == "355,871,744"
    assert rows["without embeddings"] == "302,311,424"
    assert rows["tying embeddings"] == "saves 51,463,168 parameters, 12.6 %"
    assert rows["tokens per step"] == "131,072 (64 x 2,048)"
    assert rows["tokens in total"] == "12,800,098,304 in 97,657 steps"


def test_check_shows_how_many_documents_each_stage_let_through(project, capsys):
    main(["profile", "demo"])
    counts = Counts()
    counts.arrived("wiki", 1000, 5000)
    counts.kept("wiki", 852, 4000)
    counts.removed("wiki", "too_short", 148)
    write_json(Path("reports/filter.json"), flow_report(counts))
    capsys.readouterr()
    assert main(["check"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["filter", "1,000", "852", "14.8", "%", "4,000"] in lines
    assert ["dedup", "not", "run", "yet"] in lines


def test_check_names_the_mistakes_of_both_files(project, capsys):
    (project / "params.yaml").write_text("model:\n  layer: 3\n")
    (project / "runtime.local.yaml").write_text("worker: 3\n")
    assert main(["check"]) == 1
    captured = capsys.readouterr()
    assert "error: params.yaml, line 2: model.layer is not a parameter. Did you mean model.layers?" in captured.err
    assert "worker is not a runtime setting. Did you mean workers?" in captured.err
    assert "Traceback" not in captured.err and captured.out == ""


def test_check_finds_files_that_are_not_the_ones_pinned(project, capsys):
    (project / "bad.txt").write_text("word\n")
    lines = "filter:\n  bad_words:\n    path: bad.txt\n    sha256: " + "ab" * 32 + "\n"
    (project / "params.yaml").write_text(lines)
    assert main(["check"]) == 1
    assert "filter.bad_words: bad.txt has sha256" in capsys.readouterr().err


def test_check_without_parameters_says_where_to_get_some(project, capsys):
    assert main(["check"]) == 1
    assert "`antimatter profile demo` writes one" in capsys.readouterr().err


def documents(*texts: tuple[str, str]) -> pa.Table:
    rows = [
        {"id": document_id("wiki", origin), "source": "wiki", "origin": origin, "text": text} for origin, text in texts
    ]
    return pa.Table.from_pylist(rows, schema=DOCUMENT)


def removed(stage: str, **more) -> pa.Table:
    return ledger_table(stage, 0, [Removal(source="wiki", row=1, **more)])


@pytest.fixture
def data(project):
    """Three documents: a.txt reaches the tokens, b.txt is filtered out, c.txt is a duplicate."""
    a, b, c = ("a.txt", "the cat\nsat\x1b[2J"), ("b.txt", "hm"), ("c.txt", "the  cat sat")
    shards = {
        "raw/documents": documents(a, b, c),
        "raw/removed": ledger_table("collect", 0, []),
        "cleaned/documents": documents(("a.txt", "the cat\nsat"), b, ("c.txt", "the cat sat")),
        "filtered/documents": documents(("a.txt", "the cat\nsat"), ("c.txt", "the cat sat")),
        "filtered/removed": removed(
            "filter", id=document_id("wiki", "b.txt"), reason="gopher_quality.word_count", value=1, threshold=50,
            also_failed=("gopher_quality.stop_words",),
        ),
        "deduplicated/documents": documents(("a.txt", "the cat\nsat")),
        "deduplicated/removed": removed(
            "dedup", id=document_id("wiki", "c.txt"), reason="dedup.near", value=0.9, threshold=0.8, similarity=0.9,
            kept_id=document_id("wiki", "a.txt"),
        ),
    }  # fmt: skip
    for folder, table in shards.items():
        write_shard(Path("data") / folder / "shard-00000.parquet", table)
    identity = pa.array([document_id("wiki", "a.txt")], pa.binary(16))
    tokens = {"id": identity, "split": ["training"], "start": [0], "length": [9]}
    Path("data/tokens").mkdir()
    pq.write_table(pa.table(tokens), "data/tokens/documents.parquet")
    return project


def explained(capsys, name: str) -> str:
    assert main(["explain", name]) == 0
    return capsys.readouterr().out


def test_the_life_of_a_document_that_stayed_reaches_its_tokens(data, capsys):
    out = explained(capsys, "wiki:a.txt")
    assert out.startswith(f"document {document_id('wiki', 'a.txt').hex()}\n  source    wiki\n  origin    a.txt\n")
    assert [line.split()[:2] for line in out.splitlines()[3:] if not line.startswith(" ")] == [
        ["collect", "kept"], ["clean", "kept"], ["filter", "kept"], ["dedup", "kept"], ["tokenize", "kept"],
    ]  # fmt: skip
    assert "data/tokens/documents.parquet, row 0" in out and "split training" in out and "length 9" in out


def test_the_text_is_shown_where_it_changed_and_never_drives_the_terminal(data, capsys):
    out = explained(capsys, "wiki:a.txt")
    assert r"15 bytes: the cat⏎sat\x1b[2J" in out
    assert "11 bytes: the cat⏎sat\n" in out
    assert out.count("11 bytes as before") == 2
    assert "\x1b" not in out


def test_no_fact_drives_the_terminal(data, capsys):
    nasty = "x\x1b[2J\u202e\u200b\nstage      kept\x9b31m\u2028"
    write_shard(Path("data/raw/documents/shard-00001.parquet"), documents((nasty, "text")))
    gone = removed("clean", id=document_id("wiki", nasty), reason="odd", detail=nasty, also_failed=(nasty,))
    write_shard(Path("data/cleaned/removed/shard-00000.parquet"), gone)
    out = explained(capsys, document_id("wiki", nasty).hex())
    shown = r"x\x1b[2J\u202e\u200b⏎stage      kept\x9b31m\u2028"
    assert f"  origin    {shown}\n" in out and f"detail {shown}\n" in out and f"also_failed {shown}\n" in out
    assert all(character.isprintable() for character in out.replace("\n", ""))


def test_where_a_removed_document_lay_is_told_once(data, capsys):
    out = explained(capsys, "wiki:b.txt")
    assert "data/cleaned/documents/shard-00000.parquet, row 1\n" in out
    assert not re.search(r"^ +(row|shard) ", out, re.MULTILINE)
    shutil.rmtree("data/cleaned")
    out = explained(capsys, "wiki:b.txt")
    assert not re.search(r"^ +shard ", out, re.MULTILINE) and re.search(r"^ +row 1$", out, re.MULTILINE)


def test_the_life_of_a_filtered_document_ends_with_the_reason_and_its_number(data, capsys):
    out = explained(capsys, document_id("wiki", "b.txt").hex()[:8])
    assert "filter     removed   data/filtered/removed/shard-00000.parquet, row 0" in out
    assert "reason gopher_quality.word_count  value 1  threshold 50" in out
    assert "also_failed gopher_quality.stop_words" in out
    assert "dedup" not in out and "tokenize" not in out


def test_what_a_kept_document_shares_with_an_evaluation_set_is_told(data, capsys):
    identity = pa.array([document_id("wiki", "b.txt"), document_id("wiki", "a.txt")], pa.binary(16))
    signals = {"id": identity, "contaminated_set": [None, "quiz"], "contaminated_item": [None, "7"]}
    write_shard(Path("data/filtered/signals/shard-00000.parquet"), pa.table({**signals, "masked_characters": [0, 12]}))
    out = explained(capsys, "wiki:a.txt")
    assert "contaminated_set quiz" in out and "contaminated_item 7" in out and "masked_characters 12" in out
    assert "contaminated" not in explained(capsys, "wiki:b.txt")


def test_a_duplicate_names_its_keeper(data, capsys):
    out = explained(capsys, document_id("wiki", "c.txt").hex().upper())
    assert f"kept_id {document_id('wiki', 'a.txt').hex()}" in out
    assert "reason dedup.near  similarity 0.9  threshold 0.8\n" in out


def test_a_stage_that_has_not_run_is_named(data, capsys):
    shutil.rmtree("data/deduplicated")
    shutil.rmtree("data/tokens")
    out = explained(capsys, "wiki:a.txt")
    assert "dedup      has not run\ntokenize   has not run\n" in out


def test_data_made_from_other_input_is_pointed_out(data, capsys):
    write_shard(Path("data/cleaned/documents/shard-00000.parquet"), documents(("z.txt", "z")))
    assert "clean      does not know it" in explained(capsys, "wiki:a.txt")


@pytest.mark.parametrize(
    "name, message",
    [
        ("wiki:z.txt", "no document wiki:z.txt in data/raw, data/cleaned"),
        ("ffffffffffff", "no document ffffffffffff in data/raw"),
        ("abc", "'abc' names no document: give its id (6 to 32 hex digits) or source:origin"),
        ("not hex at all", "'not hex at all' names no document"),
    ],
)
def test_a_name_without_a_document_is_a_message(data, capsys, name, message):
    assert main(["explain", name]) == 1
    assert message in capsys.readouterr().err


def test_a_prefix_of_several_documents_lists_them(data, capsys):
    ids = [bytes.fromhex("abcdef") + bytes([n]) * 13 for n in range(7)]
    rows = [{"id": identity, "source": "s", "origin": str(n), "text": "x"} for n, identity in enumerate(ids)]
    write_shard(Path("data/raw/documents/shard-00001.parquet"), pa.Table.from_pylist(rows, schema=DOCUMENT))
    assert main(["explain", "abcdef"]) == 1
    assert "7 documents begin with abcdef: abcdef0000" in capsys.readouterr().err
    assert "row 3" in explained(capsys, "abcdef030")


def test_no_data_names_the_stage_to_run(project, capsys):
    assert main(["explain", "abcdef"]) == 1
    assert "Run `dvc repro collect`" in capsys.readouterr().err


def test_report_builds_the_page_of_this_folder_and_repeats_its_warnings(project, monkeypatch, capsys):
    built = []
    page = types.ModuleType("antimatter.report.page")
    page.build_page = built.append
    summary = {"warnings": ["few documents"], "missing_sources": [{"stage": "collect", "source": "wiki"}]}
    write_json(Path("reports/summary.json"), summary)
    monkeypatch.setitem(sys.modules, "antimatter.report.page", page)
    monkeypatch.setitem(sys.modules, "antimatter.report", types.ModuleType("antimatter.report"))
    assert main(["report"]) == 0
    assert built == [Path(".")]
    told = capsys.readouterr().err
    assert "few documents" in told
    assert "source wiki is missing" in told


STUDY = """
filter:
  policies: [{name: prose, rule_sets: [gopher_quality]}]
"""


def test_the_filter_study_prints_a_table_and_says_last_where_its_page_is(project, capsys):
    (project / "params.yaml").write_text(STUDY)
    write_data(project, [signal_table(["books"] * 80 + ["wiki"] * 20, 0)])
    assert main(["filter-study"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("books (policy prose): 80 documents") for line in lines)
    page = project / "work/filter-study/index.html"
    assert lines[-1] == f"open {page} in a browser" and page.exists()
    tried = ["--set", "gopher_quality.stop_words=9", "--signal", "url_share", "--examples", "1", "--output", "here"]
    assert main(["filter-study", "--source", "wiki", "--rules", "gopher_quality", "--all", *tried]) == 0
    out = capsys.readouterr().out
    assert "books" not in out and re.search(r"gopher_quality.stop_words  >= 9 +20 +100.0 %", out)
    assert (project / "here/index.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "gopher_quality.stop_words"], "expected REASON=NUMBER"),
        (["--set", "gopher_quality.stop_words=none"], "expected REASON=NUMBER"),
        (["--source", "wikis"], "Did you mean wiki?"),
        (["--rules", "gopher"], "gopher is not a rule set"),
        (["--output", "params.yaml"], "params.yaml is no folder. Name another one with --output"),
        (["--output", "params.yaml/below/it"], "params.yaml is no folder. Name another one with --output"),
    ],
)
def test_a_filter_study_of_what_does_not_exist_is_a_message(project, capsys, arguments, message):
    (project / "params.yaml").write_text(STUDY)
    write_data(project, [signal_table(["wiki"] * 20, 0)])
    assert main(["filter-study", *arguments]) == 1
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == ""


@pytest.mark.parametrize("count", ["-3", "many", "1.5"])
def test_a_filter_study_shows_no_number_of_examples_that_cannot_be(project, capsys, count):
    with pytest.raises(SystemExit) as stopped:
        main(["filter-study", "--examples", count])
    assert stopped.value.code == 2
    assert f"argument --examples: {count} is no number of texts" in capsys.readouterr().err


def test_a_quality_model_is_trained_and_its_lines_for_params_yaml_are_right(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("good").mkdir()
    for i in range(60):
        Path(f"good/{i}.txt").write_text(f"the proof of lemma {i} follows from theorem {i}")
    Path("good/notes.pdf").write_text("")
    Path("bad.jsonl").write_text(
        "".join(f'{{"body": "click here to buy offer {i} now"}}\n' for i in range(60)) + "[]\n"
    )
    command = ["train-quality", "good", "bad.jsonl", "--output", "models/quality.safetensors", "--text-field", "body"]
    assert main([*command, "--bucket-bits", "12"]) == 0
    captured = capsys.readouterr()
    assert "good              60 texts   good\n" in captured.out
    assert "accuracy      1.0000 +- " in captured.out and "speak for bad text:  " in captured.out
    assert "warning: good: nobody reads 1 files of kind .pdf" in captured.err
    assert "warning: bad.jsonl: 1 records or files could not be read" in captured.err
    model_lines, rule_lines = captured.out.split("In params.yaml, group filter:")[1].split("and in the policies", 1)
    advised = {**YAML().load(model_lines), **YAML().load(rule_lines.split(":", 1)[1])}
    settings = Filter(
        quality_model=WatchedFile(**advised["quality_model"]),
        policies=(Policy(name="prose", rules=(HandRule(**advised["rules"][0]),)),),
    )
    assert not list(settings.problems())
    model = quality.load(settings.quality_model)
    assert len(model.weights) == 1 << 12
    assert main([*command, "--bucket-bits", "12"]) == 0
    assert quality.load(settings.quality_model).provenance == model.provenance  # the same digest: the same bytes


def test_a_quality_model_without_examples_is_a_message(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("good.txt").write_text("a text")
    assert main(["train-quality", "good.txt", "bad", "--output", "model.safetensors"]) == 1
    assert "there is no folder or file bad" in capsys.readouterr().err
    assert main(["train-quality", "good.txt", "good.txt", "--output", "model.safetensors"]) == 1
    assert "give at least 100" in capsys.readouterr().err
    assert not Path("model.safetensors").exists()


@pytest.mark.parametrize("arguments", [[], ["explain"], ["profil"], ["check", "--verbose"]])
def test_a_wrong_command_line_is_exit_status_two(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_the_module_runs_as_a_command(project):
    result = subprocess.run(
        [sys.executable, "-m", "antimatter", "explain", "zz"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: 'zz' names no document")


def piped(project, *arguments: str, **how) -> subprocess.CompletedProcess:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "antimatter", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **how.pop("environment", {})}
    return subprocess.run(command, cwd=project, stderr=subprocess.PIPE, env=environment, check=False, **how)


def test_what_an_output_cannot_encode_is_written_out(data):
    for encoding, shown in (("ascii", rb"the cat\u23cesat"), ("latin-1", rb"the cat\u23cesat")):
        environment = {"PYTHONIOENCODING": encoding}
        done = piped(data, "explain", "wiki:a.txt", environment=environment, stdout=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"") and shown in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("name", ["wiki:a.txt", "wiki:none.txt"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_takes_nothing_more_is_a_message(data, name, unbuffered):
    with open("/dev/full", "w") as full:
        done = piped(data, "explain", name, stdout=full, environment={"PYTHONUNBUFFERED": unbuffered})
    told = done.stderr.decode()
    assert done.returncode == 1 and told.startswith("error: ") and told.count("\n") == 1
    assert ("cannot write" in told) == (name == "wiki:a.txt")


def test_clean_work_keeps_what_a_killed_run_could_go_on_from(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ANTIMATTER_WORK", str(tmp_path / "work"))
    unfinished = tmp_path / "work/train/abc"
    unfinished.mkdir(parents=True)
    (unfinished / "code.json").write_text("{}")
    assert main(["clean-work"]) == 1
    assert str(unfinished) in capsys.readouterr().err
    assert main(["clean-work", "--force"]) == 0
    assert not (tmp_path / "work").exists()


@pytest.fixture
def copied(project):
    """A project after dedup: three documents left for wiki:kept.txt, two stand alone, one was filtered out."""
    made_copies.write_data(project)
    main(["profile", "demo"])
    return project


def duplicated(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main(["duplicates", *arguments]) == 0
    return capsys.readouterr().out


KEPT = made_copies.identity("wiki:kept.txt").hex()


def test_a_removed_document_stands_beside_the_one_that_it_left_for(copied, capsys):
    out = duplicated(capsys, "wiki:near.txt", "--width", "120")
    lines = out.splitlines()
    assert lines[0] == f"removed      {made_copies.identity('wiki:near.txt').hex()}  wiki:near.txt"
    assert lines[1] == f"left for     {KEPT}  wiki:kept.txt"
    assert "reason       dedup.near, threshold 0.8\nJaccard      0.8100  exact\ncontainment  0.8400" in out
    assert f"cluster      {KEPT}  4 documents" in out and "bands        3 " in out and "estimated    0.7900" in out
    assert "of [-mansion five-]." in out and "of {+house 5+}." in out
    assert "... 7 equal lines ..." in out and "\x1b" not in out
    assert max(map(len, lines)) <= 120


def test_an_exact_copy_has_no_bands_and_shows_its_other_whitespace(copied, capsys):
    out = duplicated(capsys, "web:exact.txt", "--width", "80")
    assert "reason       dedup.exact" in out and "bands" not in out and "estimated" not in out
    assert "[-⏎-]Paragraph 1" in out and "{+⏎⏎+}Paragraph 1" in out


def test_of_a_kept_document_its_copies_are_listed_and_the_least_similar_is_shown(copied, capsys):
    out = duplicated(capsys, KEPT[:10])
    assert out.startswith(f"3 documents left for {KEPT}, the least similar first:\n")
    rows = [line for line in out.splitlines() if re.match("[0-9a-f]{32} dedup", line)]
    assert [row.split()[-1] for row in rows] == ["wiki:near.txt", "wiki:nearer.txt", "web:exact.txt"]
    assert "[-mansion five-]" in out
    assert "[-all-]" in duplicated(capsys, KEPT, "--with", "wiki:nearer.txt", "--whole")


def test_a_long_list_of_copies_is_cut_unless_all_are_asked_for(copied, capsys, monkeypatch):
    monkeypatch.setattr(duplicates, "LISTED", 1)
    assert "2 more documents: --all lists them." in duplicated(capsys, KEPT)
    assert "--all lists" not in duplicated(capsys, KEPT, "--all")


def test_a_kept_document_without_copies_names_the_nearest_one(copied, capsys):
    out = duplicated(capsys, "web:alone.txt")
    assert "no document left for" in out and f"--with {KEPT}` shows it" in out


def test_any_two_documents_are_compared_exactly(copied, capsys):
    out = duplicated(capsys, "wiki:near.txt", "--with", "wiki:nearer.txt", "--context", "0")
    jaccard, containment = duplicates.jaccard_and_containment(
        made_copies.TEXTS["wiki:near.txt"], made_copies.TEXTS["wiki:nearer.txt"], loader.load_all()["dedup"]
    )
    assert 0.8 < jaccard < containment < 1
    assert f"Jaccard {jaccard:.4f} (at least the threshold, 0.8)" in out and f"{containment:.4f}" in out
    assert f"left         removed: dedup.near, left for {KEPT}" in out
    out = duplicated(capsys, "web:alone.txt", "--with", KEPT)
    assert "Jaccard 0.0000 (below" in out and "right        kept; 3 documents left for it" in out
    assert r"says\x1b[2J such" in out


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("same", "same"), "the texts are equal, character by character"),
        (("", ""), "both texts are empty"),
        (("\n", " "), "both texts are whitespace alone"),
    ],
)
def test_texts_without_a_difference_to_see_are_said_to_be_so(project, capsys, monkeypatch, texts, words):
    monkeypatch.setitem(made_copies.TEXTS, "wiki:near.txt", texts[0])
    monkeypatch.setitem(made_copies.TEXTS, "wiki:nearer.txt", texts[1])
    made_copies.write_data(project)
    main(["profile", "demo"])
    out = duplicated(capsys, "wiki:near.txt", "--with", "wiki:nearer.txt")
    assert words in out and ("neither text has a word" in out) == (texts[0] != "same")


def test_texts_too_long_to_compare_are_cut_around_their_first_difference(copied, capsys, monkeypatch):
    monkeypatch.setattr(duplicates, "LONGEST", 200)
    monkeypatch.setattr(duplicates, "PART", 100)
    out = duplicated(capsys, "wiki:near.txt", "--whole")
    first = made_copies.PARAGRAPHS.index("house 5")
    assert f"below are 100 of them, from number {first - 10 + 1:,} on" in out
    assert "[-mansion five-]" in out and "{+house 5+}" in out and "Paragraph 4 " not in out and "The end" not in out


def test_an_exact_copy_was_judged_by_no_threshold(copied, capsys):
    assert "threshold" not in duplicated(capsys, "web:exact.txt")
    assert "threshold" not in explained(capsys, "web:exact.txt").split("dedup      removed")[1]


def test_what_the_pass_over_lines_did_is_told(copied, capsys):
    made_copies.write_lines(copied)
    told = "2 of 25 lines or paragraphs were cut (1,140 characters): they stand in other documents"
    assert told in explained(capsys, KEPT) and "were cut" not in explained(capsys, "web:alone.txt")
    why = "1 sentence was left (dedup.lines.min_sentences is 3)"
    out = explained(capsys, "web:empty lines.txt")
    assert "8 of 9 lines or paragraphs were cut (40 characters)" in out and why in out
    out = duplicated(capsys, "web:empty lines.txt")
    assert "left for no other document" in out and "8 of 9 lines or paragraphs were cut" in out and why in out


def test_a_document_that_is_no_longer_in_the_input_of_dedup_is_said_to_be_missing(copied, capsys):
    for path in Path("data/filtered/documents").glob("*.parquet"):
        table = pq.read_table(path)
        write_shard(path, table.slice(table.num_rows if "00000" in path.name else 0))
    assert duplicated(capsys).splitlines()[1].split()[3:6] == ["(not", "in", "data/filtered)"]


def test_without_a_document_the_largest_clusters_are_listed(copied, capsys):
    head, row = duplicated(capsys).splitlines()[:2]
    assert head.split() == ["best", "ranked", "document", "documents", "removed", "source:origin"]
    assert row.split() == [KEPT, "4", "3", "wiki:kept.txt", "(2", "sources)"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wiki:none.txt"], "no document wiki:none.txt"),
        (["wiki:short.txt"], "stage filter removed it (gopher_quality.words)"),
        (["--with", "wiki:kept.txt"], "--with ID needs a document to show it with"),
        (["wiki:kept.txt", "--with", "zz"], "'zz' names no document"),
        (["wiki:kept.txt", "--with", KEPT[:8]], f"wiki:kept.txt and {KEPT[:8]} are one document"),
        (["wiki:kept.txt", "--from", "data/filtered"], "data/filtered is no output of dedup"),
        (["--from", "data/none"], "data/none is no output of dedup"),
    ],
)
def test_duplicates_of_what_cannot_be_compared_are_a_message(copied, capsys, arguments, message):
    assert main(["duplicates", *arguments]) == 1
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == ""


def test_duplicates_before_dedup_name_the_stage_to_run(project, capsys):
    for arguments in ([], ["abcdef"]):
        assert main(["duplicates", *arguments]) == 1
        assert "Run `dvc repro dedup`" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--width", "39"], ["--context", "-1"], ["--context", "1", "--whole"]])
def test_a_view_that_cannot_be_is_exit_status_two(arguments):
    with pytest.raises(SystemExit) as caught:
        main(["duplicates", "abcdef", *arguments])
    assert caught.value.code == 2


def test_on_a_terminal_differences_are_coloured_unless_that_is_switched_off(copied, capsys, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "\x1b[31mmansion five\x1b[0m" in duplicated(capsys, "wiki:near.txt")
    assert "\x1b" not in duplicated(capsys, "wiki:near.txt", "--no-color")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in duplicated(capsys, "wiki:near.txt")


def test_explain_tells_what_a_duplicate_shares_and_what_a_kept_document_stands_for(copied, capsys):
    out = explained(capsys, "wiki:near.txt")
    assert (
        "reason dedup.near  similarity 0.81  threshold 0.8  containment 0.84  estimated_similarity 0.79  bands 3\n"
        in out
    )
    assert f"cluster {KEPT} of 4 documents\n" in out and "cluster_size" not in out
    assert f"antimatter duplicates {made_copies.identity('wiki:near.txt').hex()} shows both texts" in out
    out = explained(capsys, KEPT)
    assert "stands_for 4 documents: 3 left for it\n" in out and f"antimatter duplicates {KEPT} shows" in out
    assert "stands_for" not in explained(capsys, "web:alone.txt")


def test_check_tells_which_pairs_the_bands_find(project, capsys):
    main(["profile", "demo"])
    main(["check"])
    curve = ".50 5 %, .60 21 %, .70 56 %, .80 92 %, .90 over 99 %"
    assert f"\ndedup  14 bands x 8 rows find a pair of similarity {curve}\n" in capsys.readouterr().out
