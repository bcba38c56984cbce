"""Many escalations in one go: each a case of its own, in order of urgency, in parallel, taken up again after a kill.

What happened is read from the cases themselves: a case whose log says that it ran, with these parameters on these
inputs, is not run again. Nothing else is remembered, so that nothing can be wrong about it.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import psutil
from tqdm import tqdm

from toolkit.errors import InputError, ToolkitError, visible
from toolkit.report.cases import CaseFolder, find_current_run, new_case, open_case_folder, pin_inputs, run_case
from toolkit.report.folders import only_one
from toolkit.report.index import Outcome, write_index
from toolkit.report.intake import SEVERITIES, Escalation, find_seeds, read_escalations
from toolkit.report.parameters import check_parameters
from toolkit.report.run import resolve_data
from toolkit.report.templates import Template, find_template
from toolkit.report.triage import find_covered, measure_liveness
from toolkit.sources.read import read_data

__all__ = ["Outcome", "run_batch"]

_GB: Final = 2**30
_KERNEL: Final = 0.4 * _GB
"""What a kernel takes before it has read anything."""
_GROWTH: Final = 25
"""Bytes in memory for a byte of Parquet, until a run has shown what it really takes."""
_LOOK_S: Final = 0.5


def run_batch(
    escalations: str | Path,
    *,
    data: str | Path,
    out: str | Path,
    template: str = "ring_escalation",
    parameters: Mapping[str, Any] | None = None,
    mapping: str | Path | None = None,
    templates: Path | None = None,
    jobs: int = 2,
    memory_gb: float = 0.0,
    cell_timeout_s: int = 600,
    progress: bool = False,
) -> list[Outcome]:
    """Make a case and a report of each escalation, and a page that lists them by urgency.

    Parameters
    ----------
    escalations : str or path
        As :func:`toolkit.report.intake.read_escalations` reads them.
    data, mapping
        What all of them are looked up in.
    out : str or path
        A folder; ``CASE_ID/`` for each case, ``index.html``, ``index.csv`` and ``batch.json``.
    template : str
        Run for each.
    parameters : mapping, optional
        For all; an escalation's own go before.
    templates : path, optional
        A team's own folder of templates.
    jobs : int
        Runs at once, at most.
    memory_gb : float
        What all runs together may take; 0: four fifths of what is free. At least one runs, whatever it takes.
    cell_timeout_s : int
        Seconds a cell may take.
    progress : bool
        Draw a live line on standard error.

    Returns
    -------
    list of Outcome
        In the order of the escalations. A failure is an outcome; it does not stop the others.

    Raises
    ------
    InputError
        If the escalations or the data cannot be read, a parameter for all does not fit, or another batch works in
        ``out``.
    """
    if jobs < 1:
        raise InputError(f"jobs is {jobs}; want 1 or more")
    found = find_template(template, templates)
    given = dict(parameters or {})
    where = resolve_data(data)
    check_parameters(found.parameters, {**given, "data_uri": where})
    target = Path(out).resolve()
    target.mkdir(parents=True, exist_ok=True)
    with only_one(target, "batch"):
        dataset = read_data(where, mapping)
        starts = "seed_accounts" in {parameter.name for parameter in found.parameters}
        sizes = {row["file"]: row["bytes"] for row in dataset.ledger.to_dicts()}
        known = dataset.events["account_id"].unique().to_list()
        queue = read_escalations(escalations)
        queue = find_seeds(queue, known) if starts else queue
        live = {one.case_id: measure_liveness(dataset.events, one.seeds) for one in queue}
        del dataset
        pins = pin_inputs(where, mapping)
        work = _Work(found, where, mapping, templates, given, target, cell_timeout_s, pins)
        good = [one for one in queue if not one.fault]
        covered = find_covered(good) if starts else {}
        results = {one.case_id: Outcome(one.case_id, "failed", why=one.fault) for one in queue if one.fault}
        todo = [one for one in good if one.case_id not in covered]
        todo.sort(key=lambda one: (SEVERITIES.index(one.severity), -live[one.case_id]))  # a stable sort: then as given
        waiting = {one.case_id: Outcome(one.case_id, "waiting") for one in todo}
        try:
            for outcome in _run_all(work, todo, jobs, _Memory.of(memory_gb, sizes), progress=progress):
                results[outcome.case_id] = outcome
        finally:  # a batch that is stopped says what it has
            known_so_far = {**waiting, **results}
            told = [_settle(one, known_so_far, covered) for one in queue]
            write_index(target, queue, told, live)
    return told


@dataclass(frozen=True)
class _Work:
    """What all cases have in common."""

    template: Template
    data: str
    mapping: str | Path | None
    templates: Path | None
    parameters: Mapping[str, Any]
    out: Path
    cell_timeout_s: int
    pins: Mapping[str, str]

    def run(self, one: Escalation) -> Outcome:
        """Open the case of an escalation, or take up the one that is there, and run it; never raises."""
        began = time.monotonic()
        try:
            case = self._open(one)
            report = find_current_run(case, self.template, self.pins)
            status = "up to date" if report else "done"
            report = report or run_case(case, repin=True, cell_timeout_s=self.cell_timeout_s)
        except (ToolkitError, OSError) as error:
            return Outcome(one.case_id, "failed", why=visible(str(error)[-600:], 600), seconds=_since(began))
        except Exception as error:  # noqa: BLE001 - one case that breaks in a new way must not stop the others
            why = f"a fault in the toolkit: {type(error).__name__}: {error}"
            return Outcome(one.case_id, "failed", why=visible(why, 600), seconds=_since(began))
        return Outcome(one.case_id, status, report=report.relative_to(self.out).as_posix(), seconds=_since(began))

    def _open(self, one: Escalation) -> CaseFolder:
        given = {**self.parameters, **one.parameters}
        if one.seeds:
            given["seed_accounts"] = list(one.seeds)
        if not (self.out / one.case_id).exists():
            return new_case(
                one.case_id, self.template.name, data=self.data, parameters=given, mapping=self.mapping,
                templates=self.templates, into=self.out,
            )  # fmt: skip
        case = open_case_folder(self.out / one.case_id)
        wanted = check_parameters(self.template.parameters, {**given, "case_id": one.case_id, "data_uri": self.data})
        other = [name for name, value in case.parameters.items() if wanted.get(name) != value]
        other += ["template"] if case.template != self.template.name else []
        other += ["data"] if str(case.data) != self.data else []
        if other:
            raise InputError(
                f"{one.case_id} was opened before with another {', '.join(sorted(other))}: give another --out,"
                " or another case_id"
            )
        return case


class _Memory:
    """How much the runs take together, and whether one more would fit."""

    def __init__(self, budget: float, expected: float) -> None:
        self.budget, self.expected, self.measured = budget, expected, 0.0

    @classmethod
    def of(cls, memory_gb: float, inputs: Mapping[str, int]) -> _Memory:
        """A budget, and what a run will take by the size of what it reads."""
        free = 0.8 * psutil.virtual_memory().available
        return cls(memory_gb * _GB if memory_gb else free, _KERNEL + _GROWTH * sum(inputs.values()))

    def look(self, running: int) -> float:
        """Bytes that all runs take now; what one takes at most is kept for the next decision."""
        taken = 0.0
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                taken += child.memory_info().rss
        if running:
            self.measured = max(self.measured, taken / running)
        return taken

    def fits(self, running: int) -> bool:
        """Whether one more run fits; the first always does."""
        taken = self.look(running)
        one = max(self.expected if not self.measured else 0.0, self.measured)
        return not running or max(taken, running * one) + one <= self.budget


def _run_all(
    work: _Work, todo: Sequence[Escalation], jobs: int, memory: _Memory, *, progress: bool
) -> Iterator[Outcome]:
    """Run cases, the most urgent first, as many at once as jobs and memory allow."""
    waiting, running = deque(todo), dict[Future[Outcome], str]()
    done: Counter[str] = Counter()
    with _threads_each(min(jobs, max(len(todo), 1))), _pool(jobs) as pool, _line(len(todo), show=progress) as line:
        while waiting or running:
            while waiting and len(running) < jobs and memory.fits(len(running)):
                one = waiting.popleft()
                running[pool.submit(work.run, one)] = one.case_id
            ended, _ = wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            memory.look(len(running))
            for future in sorted(ended, key=running.__getitem__):
                del running[future]
                outcome = future.result()
                done[outcome.status] += 1
                line.update()
                yield outcome
            if progress:
                said = [f"{n} {status}" for status, n in sorted(done.items())]
                line.set_postfix_str("; ".join([*said, *_cells(work.out, sorted(running.values()))]))


def _cells(out: Path, running: Sequence[str]) -> list[str]:
    """How far each run is, in cells, from the notebook that papermill writes as it goes."""
    said = []
    for case in running:
        parts = sorted((out / case / "runs").glob(".*.run-*/report.ipynb"))
        text = b""
        with suppress(OSError):
            text = parts[-1].read_bytes() if parts else b""
        whole, over = text.count(b'"cell_type": "code"'), text.count(b'"status": "completed"')
        said.append(f"{case} {min(over, whole)}/{whole}" if whole else f"{case} starts")
    return said


def _line(total: int, *, show: bool) -> Any:
    return tqdm(total=total, desc="batch", unit="case", disable=not show, dynamic_ncols=True)


@contextmanager
def _pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that run cases; when the batch is stopped, what they run is stopped with it."""
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="case")
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
        raise
    finally:
        pool.shutdown(wait=True)


@contextmanager
def _threads_each(jobs: int) -> Iterator[None]:
    """Share the cores between kernels: results do not depend on it, but time does."""
    name, cores = "POLARS_MAX_THREADS", os.cpu_count() or 1
    before = os.environ.get(name)
    os.environ[name] = before or str(max(1, cores // jobs))
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


def _settle(one: Escalation, told: Mapping[str, Outcome], covered: Mapping[str, str]) -> Outcome:
    """What became of an escalation, whether it ran itself or another did for it."""
    lead = covered.get(one.case_id)
    if lead is None:
        return told[one.case_id]
    of = told[lead]
    status = "covered" if of.report else of.status
    return replace(of, case_id=one.case_id, status=status, covered_by=lead, seconds=0.0)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
