"""One execution of a notebook by papermill, and the truth about how it ended.

papermill marks cells complete that never ran, and returns in peace when a cell ends the kernel. So what it says is not
taken for the outcome: every code cell must have run, and the last one must have left its case.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from toolkit.errors import (
    InputError,
    MappingError,
    ParameterError,
    SourceError,
    TemplateError,
    UnknownNameError,
    visible,
)
from toolkit.report.templates import Template

__all__ = ["clean_notebook", "execute_template"]

_START_TIMEOUT_S = 60
_SAVE_EVERY_S = 5.0
_ENGINE = "toolkit-sparing"
_LONGER = ".template.ipynb"
_WRONG_CALL = {error.__name__ for error in (InputError, MappingError, ParameterError, SourceError, UnknownNameError)}
"""Errors of a cell that are the caller's to mend; the notebook that failed would tell him nothing more."""


def execute_template(
    template: Template,
    values: Mapping[str, Any],
    folder: Path,
    keep_failed_at: Path,
    *,
    cell_timeout_s: int,
    progress: bool = False,
    ends_with: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Run a template's notebook in a folder.

    Parameters
    ----------
    template : Template
    values : mapping of str to object
        Checked parameters, ``out_dir`` among them.
    folder : pathlib.Path
        Private to this run: the kernel's working directory, and where the notebook is written.
    keep_failed_at : pathlib.Path
        Where the notebook goes if the run fails.
    cell_timeout_s : int
        Seconds a cell may take.
    progress : bool
        Draw a progress bar on standard error.
    ends_with : sequence of mapping
        Cells to run after the template's own.

    Returns
    -------
    dict
        The executed notebook.

    Raises
    ------
    InputError
        If a cell says that the call was wrong.
    TemplateError
        If a cell fails, takes too long or ends the kernel, or the run ends without a case.
    """
    executed = folder / "report.ipynb"
    why, cell, ename, evalue = "", None, "", ""
    try:
        source = _lengthen(template, ends_with, folder) if ends_with else template.path
        _papermill(source, template.name, values, executed, folder, cell_timeout_s, progress)
    except Exception as error:  # noqa: BLE001 - whatever papermill, nbclient or the kernel's transport raise, the run has failed
        ename, evalue = _cause(error)
        cell = getattr(error, "exec_count", None)
        if ename in _WRONG_CALL:
            raise InputError(evalue) from None
        why = (
            f"failed in cell {cell}: {ename}: {visible(evalue, 2_000)}" if cell else f"stopped: {visible(evalue, 500)}"
        )
    (folder / _LONGER).unlink(missing_ok=True)
    notebook = _read(executed)
    if not why:
        missed = _never_ran(notebook)
        if missed:
            why = f"ended early: {len(missed)} of its cells never ran"
        elif not (folder / "case.json").exists():
            why = "left no case: its last cell must call publish_case"
    if why:
        kept = ""
        if executed.exists():
            executed.replace(keep_failed_at)
            kept = f"\nThe notebook as far as it came: {visible(keep_failed_at.name)}"
        raise TemplateError(f"template {template.name!r} {why}{kept}", cell=cell, ename=ename, evalue=evalue)
    return notebook


def _lengthen(template: Template, cells: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Write the template with cells behind its own."""
    notebook = json.loads(template.path.read_bytes())
    bear_ids = notebook["nbformat_minor"] >= 5
    added = [{**cell, **({"id": f"added-{n}"} if bear_ids else {})} for n, cell in enumerate(cells)]
    path = folder / _LONGER
    path.write_text(json.dumps(notebook | {"cells": [*notebook["cells"], *added]}), encoding="utf-8")
    return path


def _papermill(
    source: Path,
    name: str,
    values: Mapping[str, Any],
    executed: Path,
    folder: Path,
    cell_timeout_s: int,
    progress: bool,
) -> None:
    import papermill
    from papermill.engines import papermill_engines

    papermill_engines.register(_ENGINE, _sparing_engine())
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    # Its warnings are about types we have checked ourselves, and about a transport that no run of ours uses.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    # A message that arrives for a kernel which has just been stopped is no failure; failures come as exceptions.
    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    with _transport(folder) as connection:
        papermill.execute_notebook(
            _literal(source),
            _literal(executed),
            parameters=dict(values),
            kernel_name="python3",
            engine_name=_ENGINE,
            progress_bar={"desc": name, "leave": False} if progress else False,
            log_output=False,
            start_timeout=_START_TIMEOUT_S,
            execution_timeout=cell_timeout_s,
            **connection,
        )


@cache
def _sparing_engine() -> Any:
    """The engine that papermill has, but which does not write the whole notebook anew before and after every cell.

    That is a third of the time of a report. What is on the disk during a run is for onlookers; at the end, and when a
    cell fails, everything is written.
    """
    from papermill.engines import NBClientEngine

    class Sparing(NBClientEngine):  # type: ignore[misc] # papermill has no types
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> None:
            save, last = nb_man.save, time.monotonic()

            def save_now_and_then(**given: Any) -> None:
                nonlocal last
                if nb_man.end_time is not None:
                    save(**given)
                elif time.monotonic() - last >= _SAVE_EVERY_S:
                    # A full disk is told by what needs it: the tables, and the notebook at its end.
                    with contextlib.suppress(OSError):
                        save(**given)
                    last = time.monotonic()

            nb_man.save = save_now_and_then
            super().execute_managed_notebook(nb_man, kernel_name, **kwargs)

    return Sparing


@contextlib.contextmanager
def _transport(folder: Path) -> Iterator[dict[str, Any]]:
    """Talk to the kernel through a socket in a private folder, not over the network; and use this very Python.

    The kernel works in the run's folder. It is told so here: papermill would move this whole process there, and with it
    whatever else runs in it.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    with tempfile.TemporaryDirectory(prefix="tk-") as sockets:

        class OwnKernel(AsyncKernelManager):
            """A kernel of the interpreter we run in, whatever kernels this machine has under the name."""

            @property
            def kernel_spec(self) -> KernelSpec:
                return KernelSpec(
                    argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=50"],
                    display_name="Python 3",
                    language="python",
                )

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                if os.name == "posix":
                    kwargs |= {"transport": "ipc", "ip": str(Path(sockets) / "kernel")}
                kwargs["connection_file"] = str(Path(sockets) / "connection.json")
                super().__init__(*args, **kwargs)

            async def _async_start_kernel(self, **kwargs: Any) -> None:
                await super()._async_start_kernel(**kwargs | {"cwd": str(folder)})

            start_kernel = _async_start_kernel

        yield {"kernel_manager_class": OwnKernel}


def _literal(path: Path) -> str:
    """A path that papermill does not take for a format string."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _cause(error: Exception) -> tuple[str, str]:
    ename, evalue = getattr(error, "ename", None), getattr(error, "evalue", None)
    if ename is not None:
        return str(ename), str(evalue)
    return type(error).__name__, {
        "DeadKernelError": "the kernel died",
        "CellTimeoutError": "a cell took too long",
    }.get(type(error).__name__, f"{type(error).__name__}: {error}")


def _read(executed: Path) -> dict[str, Any]:
    try:
        notebook: dict[str, Any] = json.loads(executed.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"cells": []}
    return notebook


def _never_ran(notebook: Mapping[str, Any]) -> list[int]:
    return [
        number
        for number, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip() and cell.get("execution_count") is None
    ]


def clean_notebook(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Drop times, counts and the injected parameters; what remains is the same on every run.

    Parameters
    ----------
    notebook : mapping
        As papermill leaves it.

    Returns
    -------
    dict
        nbformat 4.5.

    Examples
    --------
    >>> cell = {"cell_type": "code", "source": "1", "execution_count": 3, "outputs": [], "metadata": {"papermill": {}}}
    >>> clean_notebook({"cells": [cell]})["cells"]
    [{'cell_type': 'code', 'id': 'cell-0', 'metadata': {}, 'source': '1', 'execution_count': None, 'outputs': []}]
    """
    cells = []
    for number, cell in enumerate(notebook["cells"]):
        tags = cell.get("metadata", {}).get("tags", [])
        if "injected-parameters" in tags:
            continue  # the manifest holds the parameters, typed; this cell would hold the folders of one machine
        kept: dict[str, Any] = {
            "cell_type": cell["cell_type"],
            "id": f"cell-{number}",
            "metadata": {"tags": tags} if tags else {},
            "source": cell["source"],
        }
        if cell["cell_type"] == "code":
            outputs = [{k: v for k, v in output.items() if k != "execution_count"} for output in cell["outputs"]]
            for output in outputs:
                if output["output_type"] == "execute_result":
                    output["output_type"] = "display_data"
            kept |= {
                "execution_count": None,
                "outputs": [o for o in outputs if o["output_type"] != "stream" or o["name"] == "stdout"],
            }
        cells.append(kept)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
