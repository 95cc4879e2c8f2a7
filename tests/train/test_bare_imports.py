import subprocess
import sys
from pathlib import Path

import antimatter

PROGRAM = """
import sys

TORCH_NEEDS = {"torchgen", "functorch", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "filelock"}
ALLOWED = {"antimatter", "torch", "numpy", "safetensors", *TORCH_NEEDS, *sys.stdlib_module_names}


class OnlyThese:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"{name} is not installed on a bare training machine", name=name)


sys.meta_path.insert(0, OnlyThese())
import antimatter.model, antimatter.model.generate
import antimatter.train, antimatter.train.__main__, antimatter.train.worker
print("imported")
"""


def test_model_and_train_need_torch_numpy_safetensors_and_nothing_else():
    root = Path(antimatter.__file__).parent.parent
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "imported", run.stderr
