"""Parameters of a template: read from its own cell, checked before a kernel starts.

papermill runs code from parameters that are not plain JSON, turns ``0012`` into 12, and only warns about a misspelt
name. So the schema is read from the template's tagged cell with :mod:`ast`, values are converted by the declared type,
and every fault is reported at once.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import ParameterError, nearest, visible

__all__ = ["Parameter", "check_parameters", "parse_assignments", "read_parameters"]

_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "list": list}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a template.

    Attributes
    ----------
    name : str
    type : {"str", "int", "float", "bool", "list"}
        A list holds strings.
    default : object
    help : str
        The comment behind it.
    choices : tuple of str
        The words it may be, where the template says so; empty = any.
    """

    name: str
    type: str
    default: Any
    help: str = ""
    choices: tuple[str, ...] = ()


def read_parameters(source: str) -> tuple[Parameter, ...]:
    """Read the schema from the source of a parameters cell.

    Parameters
    ----------
    source : str
        Lines like ``max_rounds: int = 4  # rounds of expansion``; a type is str, int, float, bool, list or a
        ``Literal`` of words. Imports from ``typing`` may stand there too.

    Returns
    -------
    tuple of Parameter
        In the order of the cell.

    Raises
    ------
    ParameterError
        If a line is not an annotated assignment of a literal, naming every such line.

    Examples
    --------
    >>> read_parameters("seeds: list = []  # account ids")
    (Parameter(name='seeds', type='list', default=[], help='account ids', choices=()),)
    """
    lines = source.splitlines()
    found, faults = [], []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module == "typing":
            continue
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            faults.append(f"line {node.lineno}: {visible(lines[node.lineno - 1])!r} is not 'name: type = default'")
            continue
        kind, choices = _read_type(node.annotation)
        if kind not in _TYPES:
            faults.append(f"{node.target.id}: type {kind!r} is not one of {', '.join(_TYPES)} or a Literal of words")
            continue
        comment = re.search(r"#\s*(.*)$", lines[(node.end_lineno or node.lineno) - 1])
        said = comment[1].strip() if comment else ""
        found.append(Parameter(node.target.id, kind, ast.literal_eval(node.value), said, choices))
    if faults:
        raise ParameterError("the parameters cell of this template cannot be read:", faults)
    return tuple(found)


def _read_type(annotation: ast.expr) -> tuple[str, tuple[str, ...]]:
    """The type's name, and the words of a ``Literal``."""
    text = ast.unparse(annotation)
    if text.startswith("Literal["):
        words = ast.literal_eval(text.removeprefix("Literal"))
        return ("str", tuple(words)) if all(type(word) is str for word in words) else (text, ())
    return text.split("[")[0], ()


def check_parameters(schema: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Convert given values by their declared types and add the defaults.

    Parameters
    ----------
    schema : sequence of Parameter
    given : mapping of str to object
        Text (from the command line) or JSON values.

    Returns
    -------
    dict
        Every parameter of the schema, JSON types only.

    Raises
    ------
    ParameterError
        Naming every unknown or ill-typed parameter, with the nearest right name.

    Examples
    --------
    >>> schema = read_parameters("seed_accounts: list = []\\nmax_rounds: int = 4")
    >>> check_parameters(schema, {"seed_accounts": ["0012"], "max_rounds": "6"})
    {'seed_accounts': ['0012'], 'max_rounds': 6}
    >>> check_parameters(schema, {"seed_acounts": []})
    Traceback (most recent call last):
    toolkit.errors.ParameterError: 1 parameter does not fit:
      - no parameter 'seed_acounts': did you mean 'seed_accounts'?
    """
    known = {parameter.name: parameter for parameter in schema}
    faults, values = [], {parameter.name: parameter.default for parameter in schema}
    for name, value in given.items():
        if name not in known:
            faults.append(f"no parameter {visible(name)!r}: {nearest(name, known)}")
            continue
        try:
            values[name] = _convert(value, known[name].type)
        except (ValueError, RecursionError) as error:
            faults.append(
                f"{name} takes {_IN_WORDS[known[name].type]}, found {visible(value)!r}: {visible(error, 200)}"
            )
            continue
        choices = known[name].choices
        if choices and values[name] not in choices:
            faults.append(
                f"{name} is one of {', '.join(choices)}; found {visible(value)!r}: {nearest(str(value), choices)}"
            )
    if faults:
        raise ParameterError(f"{len(faults)} parameter{'s do' if len(faults) > 1 else ' does'} not fit:", faults)
    return values


def parse_assignments(pairs: Sequence[str]) -> dict[str, Any]:
    """Read ``NAME=VALUE`` words of a command line; values stay text, and a repeated name makes a list.

    Examples
    --------
    >>> parse_assignments(["a=1", "s=x", "s=y"])
    {'a': '1', 's': ['x', 'y']}
    """
    found: dict[str, Any] = {}
    faults = [f"{visible(pair)!r} is not NAME=VALUE" for pair in pairs if "=" not in pair]
    if faults:
        raise ParameterError("these parameters cannot be read:", faults)
    for pair in pairs:
        name, value = pair.split("=", 1)
        if name in found:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        else:
            found[name] = value
    return found


_IN_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list of texts (JSON, or the name repeated)",
}


def _convert(value: Any, kind: str) -> Any:
    """One value by its declared type; exact types only, ids stay text."""
    if kind == "str":
        return _text(value)
    if kind == "bool":
        if type(value) is bool:
            return value
        if type(value) is str and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise ValueError("not a truth value")
    if kind == "list":
        return _text_list(value)
    if type(value) is bool or type(value) not in (int, float, str):
        raise ValueError("not a number")
    if kind == "int":
        if type(value) is str and not re.fullmatch(r"[+-]?[0-9]+", value):
            raise ValueError("not a whole number")
        if type(value) is float and not value.is_integer():
            raise ValueError("not a whole number")
        return int(value)
    number = float(value)
    if number != number or abs(number) == float("inf"):
        raise ValueError("not a finite number")
    return number


def _text_list(value: Any) -> list[str]:
    if type(value) is str:
        text = value.strip()
        value = json.loads(text) if text.startswith("[") else ([] if not text else [value])
    if type(value) is not list:
        raise ValueError("not a list")
    wrong = [item for item in value if type(item) is not str]
    if wrong:
        raise ValueError(f"{visible(wrong[0])!r} is {type(wrong[0]).__name__}; ids are quoted")
    return [_text(item) for item in value]


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("not text")
    if any("\ud800" <= ch <= "\udfff" for ch in value):
        raise ValueError("not valid Unicode")
    return value
