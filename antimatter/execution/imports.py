"""Which files a stage is made of: the static imports of its script, followed through the repository.

dvc.yaml lists exactly these as code dependencies (a test compares), and a resumed run checks that they are unchanged.
A module that starts another one by name (python -m ...) declares it: SPAWNS = ("antimatter.train.__main__",).
"""

import ast
from pathlib import Path


def closure(entry: Path, root: Path) -> list[Path]:
    """The Python files below `root` that `entry` imports, directly or not, itself included; relative, sorted.

    Function-local imports count. Modules outside the repository do not, nor files that hold a docstring alone.
    Raises: SyntaxError, FileNotFoundError.
    """
    found: set[Path] = set()
    empty: set[Path] = set()
    pending = [entry]
    while pending:
        path = pending.pop()
        relative = path.relative_to(root) if path.is_absolute() else path
        if relative in found:
            continue
        found.add(relative)
        tree = ast.parse((root / relative).read_text(encoding="utf-8"), filename=str(relative))
        if _only_docstring(tree):
            empty.add(relative)
        for module in _imported(tree, relative):
            pending += _files(module, root)
    return sorted(found - empty)


def _only_docstring(tree: ast.Module) -> bool:
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body)


def _imported(tree: ast.AST, path: Path) -> list[str]:
    package = list(path.parts[:-1])  # a module's package; an __init__ lies in its own
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, node.module] if node.module else base)
            names += [prefix, *(f"{prefix}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value and _assigns(node, "SPAWNS"):
            names += list(ast.literal_eval(node.value))
    return names


def _assigns(node: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _files(module: str, root: Path) -> list[Path]:
    """The files behind a dotted name, with the __init__ of every package on the way; [] for foreign modules."""
    parts = module.split(".")
    files: list[Path] = []
    for depth in range(1, len(parts) + 1):
        base = Path(*parts[:depth])
        if (root / base / "__init__.py").exists():
            files.append(base / "__init__.py")
        elif (root / base.with_suffix(".py")).exists():
            files.append(base.with_suffix(".py"))
        elif not (root / base).is_dir():
            break
    return files
