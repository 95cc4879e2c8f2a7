"""The house is in order: linters, types, no file over 1 MB, nothing named after nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]])
def test_the_checkers_have_nothing_to_say(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def test_no_tracked_file_is_larger_than_a_megabyte():
    assert [path for path in tracked() if path.stat().st_size > 1_000_000] == []


def test_no_module_is_named_after_nothing():
    assert [path for path in tracked() if path.stem in ("util", "utils", "helper", "helpers", "common", "misc")] == []


def test_the_demo_is_what_params_yaml_holds():
    assert (ROOT / "params.yaml").read_bytes() == (ROOT / "profiles/demo.yaml").read_bytes()
