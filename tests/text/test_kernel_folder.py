"""Compiled kernels are those of the code that is there."""

import shutil
from pathlib import Path

from numba import config

import antimatter
from antimatter.text import kernel_folder


def test_a_change_of_any_kernel_changes_the_folder_of_all(tmp_path):
    package = tmp_path / "antimatter"
    for room in ("text", "filter", "dedup", "tokenizer", "tokens"):
        shutil.copytree(Path(antimatter.__file__).parent / room, package / room, ignore=shutil.ignore_patterns("*.nb?"))
    before = kernel_folder(package)
    assert kernel_folder(package) == before
    assert before.name == Path(config.CACHE_DIR).name, "the same code, the same name"
    called = package / "text" / "words.py"
    called.write_text(called.read_text().replace("np.uint64(33)", "np.uint64(32)"))
    assert kernel_folder(package).name != before.name
