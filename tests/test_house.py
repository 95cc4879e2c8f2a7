"""The house is in order: linters, types, no file over 1 MB, nothing named after nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]])
def test_the_checkers_have_nothing_to_say(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_of_the_readme_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"`?make ([a-z-]+)`?", readme))
    assert {"run", "test", "ui", "clean-work"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    commands = set(re.findall(r"[$`] ?antimatter ([a-z-]+)", readme))
    assert {"profile", "check", "explain"} <= commands
    assert commands <= set(_commands())


def _commands() -> list[str]:
    usage = subprocess.run([sys.executable, "-m", "antimatter", "--help"], cwd=ROOT, capture_output=True, text=True)
    return re.findall(r"^    ([a-z-]+)(?: |$)", usage.stdout, re.MULTILINE)


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def test_no_tracked_file_is_larger_than_a_megabyte():
    assert [path for path in tracked() if path.stat().st_size > 1_000_000] == []


def test_no_module_is_named_after_nothing():
    assert [path for path in tracked() if path.stem in ("util", "utils", "helper", "helpers", "common", "misc")] == []


def test_the_demo_is_what_params_yaml_holds_in_git():
    """In git, not in the working tree: there params.yaml is the user's."""
    held = [
        subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in ("params.yaml", "profiles/demo.yaml")
    ]
    assert held[0] == held[1]
