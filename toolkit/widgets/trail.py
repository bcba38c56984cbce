"""What was done by hand, as code: each step of a widget is a call that gives the same rows without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Name", "Step", "Trail", "write_call"]


@dataclass(frozen=True, slots=True)
class Step:
    """One call.

    Attributes
    ----------
    function : str
        Its full name, ``toolkit.linking.pivot.find_values``.
    arguments : mapping
        By name; JSON values, or :class:`Name` of a variable.
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
    said = ", ".join(
        f"{name}={value if isinstance(value, Name) else repr(value)}" for name, value in step.arguments.items()
    )
    line = f"{step.gives} = {step.function.rpartition('.')[2]}({said})"
    return line if not step.note else f"{line}  # {' '.join(step.note.split())}"


@dataclass(slots=True)
class Trail:
    """The steps of one widget, in order; the last can be taken back.

    Attributes
    ----------
    given : tuple of str
        Variables that the code needs to be there: the frames the widget was opened on.

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

    def add(self, step: Step) -> None:
        """Add a step."""
        self.steps.append(step)

    def undo(self) -> bool:
        """Take the last step back; False where there is none."""
        return bool(self.steps and self.steps.pop())

    @property
    def code(self) -> str:
        """A runnable cell: what it needs, what it imports, one line for each step."""
        imports = sorted({step.function.rpartition(".")[::2] for step in self.steps})
        lines = [f"# needs: {', '.join(self.given)}"]
        lines += [f"from {room} import {name}" for room, name in imports]
        return "\n".join([*lines, "", *(write_call(step) for step in self.steps)])
