"""What was done by hand, as code: each step of a widget is a call that gives the same rows without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from keyword import iskeyword

from toolkit.errors import InputError, visible

__all__ = ["Name", "Step", "Trail", "write_call"]


@dataclass(frozen=True, slots=True)
class Step:
    """One call.

    Attributes
    ----------
    function : str
        Its full name, ``toolkit.linking.pivot.find_values``.
    arguments : mapping
        By name; JSON values, times, or :class:`Name` of a variable. ``__args__`` goes first, without its name.
    gives : str
        The variable that takes what it returns.
    note : str
        Why it was done, or "".
    """

    function: str
    arguments: Mapping[str, object]
    gives: str = "rows"
    note: str = ""


class Name(str):
    """The name of a variable: it is written without quotes."""

    __slots__ = ()


def write_call(step: Step) -> str:
    """Write a step as a line of Python.

    Examples
    --------
    >>> write_call(Step("toolkit.graph.select.pick", {"rows": Name("events"), "accounts": ["a"]}, "kept"))
    "kept = pick(rows=events, accounts=['a'])"
    """
    given = dict(step.arguments)
    first = [str(given.pop("__args__"))] if "__args__" in given else []
    said = ", ".join([*first, *(f"{name}={_write(value)}" for name, value in given.items())])
    line = f"{step.gives} = {step.function.rpartition('.')[2]}({said})"
    return line if not step.note else f"{line}  # {' '.join(step.note.split())}"


def _write(value: object) -> str:
    if isinstance(value, Name):
        return value
    return f"datetime.fromisoformat({value.isoformat()!r})" if isinstance(value, datetime) else repr(value)


@dataclass(slots=True)
class Trail:
    """The steps of one widget, in order; the last can be taken back.

    Attributes
    ----------
    given : tuple of str
        Variables that the code needs to be there: the frames the widget was opened on.

    Raises
    ------
    InputError
        If one cannot be the name of a variable, is that of the result, or stands for two frames.

    Examples
    --------
    >>> trail = Trail(("events",))
    >>> trail.add(Step("toolkit.timeline.build.build_timeline", {"events": Name("events")}, "rows"))
    >>> print(trail.code)
    # needs: events
    from toolkit.timeline.build import build_timeline
    <BLANKLINE>
    rows = build_timeline(events=events)
    """

    given: tuple[str, ...]
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in self.given:
            if not name.isidentifier() or iskeyword(name):
                raise InputError(f"{visible(name)!r} cannot be the name of a variable: give that of the frame as name")
            if name == "rows" or self.given.count(name) > 1:
                taken = "the code's result" if name == "rows" else "two frames"
                raise InputError(f"{name} would be the name of {taken} as well: give the frame another name")

    def add(self, step: Step) -> None:
        """Add a step."""
        self.steps.append(step)

    def undo(self) -> bool:
        """Take the last step back; False where there is none."""
        return bool(self.steps and self.steps.pop())

    @property
    def code(self) -> str:
        """A runnable cell: what it needs, what it imports, one line for each step."""
        imports = {step.function.rpartition(".")[::2] for step in self.steps}
        if any(isinstance(value, datetime) for step in self.steps for value in step.arguments.values()):
            imports.add(("datetime", "datetime"))
        lines = [f"# needs: {', '.join(self.given)}"]
        lines += [f"from {room} import {name}" for room, name in sorted(imports)]
        return "\n".join([*lines, "", *(write_call(step) for step in self.steps)])
