"""The real DAG in a repository of its own: a copy of this tree under git and DVC, with a tiny corpus and model."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PARAMS = """\
collect:
  shard_bytes: 20000
  sources:
    - {name: notes, kind: files, path: input, licence: none}
conversations:
  package: ""
  file: ""
  sha256: ""
benchmarks: {sources: []}
clean: {}
filter:
  policies:
    - {name: prose, rule_sets: [gopher_quality], languages: [en]}
dedup: {bands: 14, rows: 8}
tokenizer: {vocabulary_size: 420}
tokenize: {validation_share: 0.1, max_overlap_share: 0.9}
model: {layers: 1, width: 32, heads: 2, feed_forward: 64, context: 32}
# a comment that a test edits
train:
  steps: 12
  sequence_length: 32
  batch_tokens: 128
  warmup_steps: 2
  learning_rate: 1.0e-3
  log_every: 2
  validate_every: 6
  validation_sequences: 8
  save_every: 4
evaluate: {validation_tokens: 2000, max_new_tokens: 5, prompts: [The old]}
report: {top_reasons: 5}
"""

FRENCH = "La maison se trouvait au bout de la rue, et personne n'y avait habité depuis bien des années. " * 6


def write_corpus(folder: Path) -> None:
    """About 100 kB of made-up prose: plain files and JSON lines, a few copies, French, and short texts among them."""
    draw = random.Random(17)
    nouns = "river engine garden station valley library harbour market winter letter mountain window".split()
    verbs = "follows carries watches remembers crosses answers gathers opens".split()

    def sentence() -> str:
        a, b, c = draw.sample(nouns, 3)
        years = draw.randrange(90)
        return f"The {a} that {draw.choice(verbs)} the {b} has been with the {c} for {years} years, and to be is good."

    texts = [" ".join(sentence() for _ in range(draw.randrange(4, 12))) for _ in range(120)]
    texts += [
        texts[3],
        texts[4] + " The end.",
        FRENCH,
        "The end of the day has come to the river and to the garden.",
        texts[5].replace("years", "yearsÃ©"),
    ]
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts[:60]):
        (folder / f"note-{number:03d}.txt").write_text(text, encoding="utf-8")
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts[60:]]
    (folder / "notes.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


# Python imports this module by itself at every start: the process that is about to give a file its final name
# kills its whole family with SIGKILL instead, up to the test
KILLER = """
import os, signal
wanted, marker = os.environ.get("KILL_AT"), os.environ.get("KILL_MARKER")
if wanted and not os.path.exists(marker):
    for name in ("replace", "rename"):
        def wrapped(source, target, *rest, original=getattr(os, name), **named):
            original(source, target, *rest, **named)
            if wanted in os.fspath(target) and not os.path.exists(marker):
                open(marker, "w").close()
                family, pid = [], os.getpid()
                while pid > 1 and pid != int(os.environ["KILL_UP_TO"]):
                    family.append(pid)
                    with open(f"/proc/{pid}/stat") as stat:
                        pid = int(stat.read().rpartition(")")[2].split()[1])
                for relative in reversed(family):
                    os.kill(relative, signal.SIGKILL)
        setattr(os, name, wrapped)
"""


class Repository:
    """A checkout in which the tests run DVC, with nothing of the surrounding machine but the packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        private = folder.parent / f"{folder.name}-private"
        private.mkdir()
        (private / "sitecustomize.py").write_text(KILLER)
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "ANTIMATTER_", "MLFLOW_", "GIT_"))
        }
        self.environment = inherited | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(private),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(private / "site"),
            "DVC_GLOBAL_CONFIG_DIR": str(private / "global"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "test@example.org",
            "ANTIMATTER_TRACKING": "off",
            "ANTIMATTER_WORKERS": "2",
            "ANTIMATTER_DEVICE": "cpu",
            "ANTIMATTER_THREADS": "1",
            "KILL_MARKER": str(private / "killed"),
            "KILL_UP_TO": str(os.getpid()),
        }  # fmt: skip

    @classmethod
    def create(cls, folder: Path) -> "Repository":
        """Copy the files that git would, make the corpus, commit."""
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        for name in filter(None, files):
            if name.startswith(("reports/", "docs/", "tests/")) or name == "dvc.lock" or not (ROOT / name).exists():
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
        repository = cls(folder)
        (folder / "params.yaml").write_text(PARAMS)
        write_corpus(folder / "input")
        repository.run("git", "init", "--quiet", "--initial-branch=main")
        repository.run("git", "add", "--all")
        repository.run("git", "commit", "--quiet", "--message", "start")
        return repository

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command in the checkout; output is captured and shown when it fails."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment | environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{command} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def dvc(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """python -m dvc ..."""
        return self.run(sys.executable, "-m", "dvc", *arguments, check=check, **environment)

    def killed(self, at: str, *arguments: str) -> None:
        """Run DVC until a file whose path contains `at` gets its name; then everything is killed with SIGKILL."""
        marker = Path(self.environment["KILL_MARKER"])
        marker.unlink(missing_ok=True)
        done = self.dvc(*arguments, check=False, KILL_AT=at)
        assert marker.exists(), f"nothing was written at {at}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == -9

    @property
    def lock(self) -> str:
        return (self.folder / "dvc.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository in which the whole DAG has run once, undisturbed, with two data workers. Leave it as it is."""
    repository = Repository.create(tmp_path_factory.mktemp("finished") / "repository")
    repository.dvc("repro")
    return repository


@pytest.fixture
def copy_of_finished(finished: Repository, tmp_path: Path) -> Repository:
    """A copy to change at will."""
    shutil.copytree(finished.folder, tmp_path / "repository", symlinks=True)
    return Repository(tmp_path / "repository")
