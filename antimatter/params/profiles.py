"""Profiles: named sets of parameters. The demo is written out whole, every other profile as what differs from it.

    profiles/demo.yaml              all parameters, with comments; params.yaml in git is a copy
    profiles/antimatter-300m.yaml   an overlay: group, parameter, other value
    profiles/antimatter-500m.yaml   an overlay that begins with `extends: antimatter-300m`

An overlay is merged on the demo, never on the present params.yaml, where values of an earlier profile would linger. It
replaces a parameter as a whole, a list or a map of values too. Comments of the demo stay, on changed values as well.
"""

import difflib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.params.loader import ParameterError, read_yaml

FOLDER = Path("profiles")
BASE = "demo"


class UnknownProfile(AntiMatterError, LookupError):
    """There is no profile of that name; the message lists those that exist."""


def names(folder: Path = FOLDER) -> list[str]:
    """The profiles: the demo first, then the others by name."""
    found = {path.stem for path in folder.glob("*.yaml")}
    return [BASE] * (BASE in found) + sorted(found - {BASE})


def compose(name: str, folder: Path = FOLDER, above: tuple[str, ...] = ()) -> str:
    """The text of params.yaml under a profile; for the demo, its file unchanged. `above` extend this one.

    Raises: UnknownProfile, and ParameterError naming every group or parameter of an overlay that the demo lacks.
    """
    if name not in names(folder):
        near = difflib.get_close_matches(name, names(folder), n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names(folder)) or 'none'}."
        raise UnknownProfile(f"{folder / name}.yaml: there is no profile {name}. {hint}")
    if name == BASE:
        return (folder / f"{BASE}.yaml").read_text(encoding="utf-8")
    from ruamel.yaml import YAML
    from ruamel.yaml.util import load_yaml_guess_indent

    path = folder / f"{name}.yaml"
    overlay = read_yaml(path) or {}
    read_yaml(folder / f"{BASE}.yaml")  # for its errors
    below = str(overlay.pop("extends", BASE))
    if name in (below, *above):
        raise ParameterError(f"{path}: profiles extend each other in a circle ({' -> '.join([*above, name, below])})")
    base_text = compose(below, folder, (*above, name))
    _, indent, sequence_indent = load_yaml_guess_indent(base_text)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=indent or 2, offset=sequence_indent or 0)
    base = yaml.load(base_text)
    problems = list(_unknown(overlay, base, str(path)))
    if problems:
        raise ParameterError("\n  ".join(problems))
    for group, parameters in overlay.items():
        for parameter, value in (parameters or {}).items():
            _keep_comments(base[group].get(parameter), value)
            base[group][parameter] = value
    text = io.StringIO()
    yaml.dump(base, text)
    return text.getvalue()


def is_composed(text: str, folder: Path = FOLDER) -> bool:
    """Whether this text of params.yaml is a profile as it stands, so that nothing is lost if it is overwritten."""
    return any(text == compose(name, folder) for name in names(folder))


def title(name: str, folder: Path = FOLDER) -> str:
    """The first comment of a profile's file, without its mark."""
    lines = (folder / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    return next((line.lstrip("# ") for line in lines if line.startswith("#")), "")


def _unknown(overlay: Any, base: Any, path: str) -> Iterator[str]:
    """One message for every group and parameter of the overlay that the base lacks."""
    for group, parameters in overlay.items():
        place = f"{path}, line {overlay.lc.data[group][0] + 1}"
        if group not in base:
            yield f"{place}: {group} is not a group of {BASE}.yaml.{_nearest(group, base)}"
        elif parameters is not None and not hasattr(parameters, "items"):
            yield f"{place}: {group} must hold parameters, found {parameters}"
        else:
            for name in parameters or {}:
                if name not in (base[group] or {}):
                    line = parameters.lc.data[name][0] + 1
                    near = _nearest(name, base[group] or {}, f"{group}.")
                    yield f"{path}, line {line}: {group}.{name} is not a parameter of {BASE}.yaml.{near}"


def _nearest(wrong: str, right: Any, prefix: str = "") -> str:
    matches = difflib.get_close_matches(str(wrong), [str(name) for name in right], n=1, cutoff=0.5)
    return f" Did you mean {prefix}{matches[0]}?" if matches else ""


def _keep_comments(old: Any, new: Any) -> None:
    """A list carries the comments that follow it; they move to the list that takes its place. Those of the overlay
    describe the overlay and stay there."""
    from ruamel.yaml.comments import Comment, CommentedBase

    if isinstance(new, CommentedBase):
        setattr(new, Comment.attrib, getattr(old, Comment.attrib, Comment()))
