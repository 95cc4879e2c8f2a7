"""Read params.yaml, check every group at once, and hand one group to the caller.

A stage imports its own group's class and calls `load(Dedup)`. The other groups are found by folder and imported
dynamically, on purpose: a slip in `train` is reported before days of data work, yet a data stage does not depend
on the code of a later group (the code dependencies in dvc.yaml are the static imports, and a test compares them).
"""

import difflib
import importlib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from antimatter.errors import AntiMatterError

T = TypeVar("T")
RENAMED = {"train.batch_sequences": " It is train.batch_tokens now: sequences x train.sequence_length."}
"""Parameters of earlier versions, and what they are now."""
_NOT_GROUPS = {"__init__", "loader", "ranges", "together", "profiles"}


class ParameterError(AntiMatterError, ValueError):
    """Everything that is wrong with a parameter file, one line each."""


class MissingParameters(AntiMatterError, FileNotFoundError):
    """There is no parameter file here."""


class Problem(NamedTuple):
    """One mistake: `where` is a dotted name, `line` is 1-based or None when the file gave none."""

    line: int | None
    where: str
    what: str


def group_names() -> list[str]:
    """The groups of params.yaml: one module each in this folder, sorted."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in _NOT_GROUPS)


def group_class(name: str) -> type:
    """The dataclass of group `name`: module antimatter.params.<name>, class <Name>."""
    module = importlib.import_module(f"antimatter.params.{name}")
    return typing.cast(type, getattr(module, name.capitalize()))


def load(group: type[T], path: Path | str = "params.yaml") -> T:
    """The checked settings of one group.

    Raises: ParameterError naming every mistake in the whole file, with its line and the nearest right key.
            MissingParameters if there is no such file.
    """
    return typing.cast(T, load_all(path)[group.__name__.lower()])


def load_all(path: Path | str = "params.yaml") -> dict[str, Any]:
    """All groups of a parameter file by name; raises as `load`."""
    path = Path(path)
    if not path.exists():
        raise MissingParameters(
            f"{path}: no parameter file here. Run from the repository root; `antimatter profile demo` writes one."
        )
    return check(read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """The YAML tree with line numbers kept. YAML 1.2: PyYAML (1.1) would read 3e-4 as a string."""
    from ruamel.yaml import YAML  # kept out of the import of the groups: bare GPU machines lack it
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML().load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise ParameterError(f"{path}{place}: not valid YAML: {error.problem or error.context}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is not valid YAML: {error}") from error


def check(tree: Any, origin: str) -> dict[str, Any]:
    """Turn a tree of plain values into the groups, or raise one ParameterError that lists all problems."""
    problems: list[Problem] = []
    groups: dict[str, Any] = {}
    if not isinstance(tree, Mapping):
        groups_are = ", ".join(group_names())
        raise ParameterError(f"{origin}: expected groups of parameters ({groups_are}), found {_say(tree)}")
    for key in tree:
        if key not in group_names():
            problems.append(_unknown(tree, key, str(key), group_names(), "a group of parameters"))
    for name in group_names():
        group = {} if tree.get(name) is None else tree[name]  # a bare `clean:` asks for the defaults
        groups[name] = _build(group_class(name), group, name, _line(tree, name), problems)
    together = importlib.import_module("antimatter.params.together")  # by name, like the groups
    for path, what in together.contradictions(groups):
        problems.append(Problem(_line_at(tree, path), _dotted(path), what))
    if problems:
        problems.sort(key=lambda p: (p.line or 0, p.where))
        lines = [f"{origin}{f', line {p.line}' if p.line else ''}: {p.where} {p.what}" for p in problems]
        raise ParameterError("\n  ".join([f"{origin} has {len(lines)} mistakes", *lines] if len(lines) > 1 else lines))
    return groups


def to_plain(value: Any) -> Any:
    """Settings as JSON-ready plain values (dict, list, str, int, float, bool, None), in declaration order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    return value


def _build(cls: type, tree: Any, where: str, line: int | None, problems: list[Problem]) -> Any:
    """An instance of a settings dataclass, or None after appending what is wrong."""
    if not isinstance(tree, Mapping):
        problems.append(Problem(line, where, f"must be a group of parameters, found {_say(tree)}"))
        return None
    hints = typing.get_type_hints(cls, include_extras=True)
    known = {f.name: f for f in fields(cls)}
    for key in tree:
        if key not in known:
            problems.append(_unknown(tree, key, f"{where}.{key}", list(known), "a parameter"))
    before = len(problems)
    values = {}
    for name, field in known.items():
        if name in tree:
            values[name] = _convert(hints[name], tree[name], f"{where}.{name}", _line(tree, name), problems)
        elif field.default is MISSING and field.default_factory is MISSING:
            problems.append(Problem(line, f"{where}.{name}", "is missing and has no default"))
    if len(problems) > before:
        return None
    settings = cls(**values)
    for what in getattr(settings, "problems", lambda: ())():
        name, _, rest = what.partition(" ")  # "width 100 does not divide by heads 3" is about <group>.width
        if name in known:
            problems.append(Problem(_line(tree, name) or line, f"{where}.{name}", rest))
        else:
            problems.append(Problem(line, where, what))
    return settings


def _convert(hint: Any, value: Any, where: str, line: int | None, problems: list[Problem]) -> Any:
    """A plain value as the annotated type; YAML lists become tuples, because settings are immutable."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        before = len(problems)
        result = _convert(arguments[0], value, where, line, problems)
        if len(problems) == before and result is not None:
            for constraint in arguments[1:]:
                expectation = constraint.problem(result)
                if expectation:
                    problems.append(Problem(line, where, f"is {_say(value)}: {expectation}"))
        return result
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = [a for a in arguments if a is not type(None)]
        return _convert(inner, value, where, line, problems)
    if origin is typing.Literal:
        if value not in arguments or isinstance(value, bool):
            near = _nearest(str(value), [str(a) for a in arguments])
            choices = ", ".join(map(str, arguments))
            problems.append(Problem(line, where, f"is {_say(value)}: must be one of {choices}.{near}"))
            return None
        return arguments[arguments.index(value)]
    if origin is tuple:
        if not isinstance(value, list | tuple):
            problems.append(Problem(line, where, f"is {_say(value)}: must be a list"))
            return ()
        return tuple(
            _convert(arguments[0], v, f"{where}[{i}]", _line(value, i) or line, problems) for i, v in enumerate(value)
        )
    if origin is dict or origin is Mapping:
        if not isinstance(value, Mapping):
            problems.append(Problem(line, where, f"is {_say(value)}: must map names to values"))
            return {}
        return {
            str(k): _convert(arguments[1], v, f"{where}.{k}", _line(value, k) or line, problems)
            for k, v in value.items()
        }
    if is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where, line, problems)
    return _scalar(hint, value, where, line, problems)


def _scalar(hint: Any, value: Any, where: str, line: int | None, problems: list[Problem]) -> Any:
    """bool, int, float or str; an int stands for a float, nothing else is converted."""
    right = {
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, int | float) and not isinstance(value, bool),
        str: isinstance(value, str),
    }[hint]
    if not right:
        problems.append(Problem(line, where, f"is {_say(value)}: must be {_NAMES[hint]}"))
        return None
    return hint(value)  # ruamel's scalar subclasses (ScalarFloat, quoted strings) become plain values


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text (put it in quotes)"}


def _say(value: Any) -> str:
    """A value of the file as the message shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return f"a group ({', '.join(map(str, value))})"
    if isinstance(value, list | tuple):
        return "a list"
    return repr(str(value)) if isinstance(value, str) else str(value)


def _unknown(tree: Any, key: Any, where: str, known: list[str], kind: str) -> Problem:
    near = RENAMED.get(where) or _nearest(str(key), known, where.rpartition(".")[0])
    return Problem(_line(tree, key), where, f"is not {kind}.{near}")


def _nearest(wrong: str, right: list[str], prefix: str = "") -> str:
    matches = difflib.get_close_matches(wrong, right, n=1, cutoff=0.6)
    return f" Did you mean {prefix + '.' if prefix else ''}{matches[0]}?" if matches else ""


def _line(tree: Any, key: Any) -> int | None:
    """1-based line of a key (or list index) in the file, None if the tree did not come from one."""
    position = getattr(tree, "lc", None)
    if position is None:
        return None
    data = position.data or {}
    return data[key][0] + 1 if key in data else None


def _line_at(tree: Any, path: Sequence[str | int]) -> int | None:
    """Line of the last step of the way that the file holds."""
    line = None
    for step in path:
        line = _line(tree, step) or line
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            break
    return line


def _dotted(path: Sequence[str | int]) -> str:
    """filter.policies[0].languages"""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
