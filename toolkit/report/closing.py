"""The end of a case: its ring goes to those that the team knows, and is taken back from there if it was wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.linking.observations import find_observations
from toolkit.linking.registry import add_ring, read_registry, retire_ring
from toolkit.model.confidence import Rung
from toolkit.report.by_hand import gather_by_hand
from toolkit.report.cases import CaseFolder, find_changes
from toolkit.report.exports import read_case
from toolkit.report.folders import only_one
from toolkit.report.known import read_registry_key
from toolkit.report.log import append_entry, read_log
from toolkit.report.registries import choose_registry
from toolkit.report.verify import verify_report
from toolkit.sources.read import read_data

__all__ = ["close_case", "list_ring", "reopen_case"]

_PLAIN: Final = 2
"""Above this sensitivity (cards, keys) values are written only where a key hides them."""


def close_case(
    case: CaseFolder, *, ring_id: str = "", label: str = "", who: str = "", registry: str | Path = ""
) -> dict[str, Any]:
    """Close a case: the ring of its last run is written down, so that the next case is compared with it.

    Parameters
    ----------
    case : CaseFolder
    ring_id : str
        What it is called among the known rings; the case's id otherwise.
    label : str
        In words ("card testing, spring").
    who : str
        Who closes it; the case's analyst otherwise.
    registry : str or path
        Where known rings are kept; as :func:`toolkit.report.registries.choose_registry` finds it otherwise.

    Returns
    -------
    dict
        The line of the log: ``about`` holds ``ring_id``, ``entry``, ``accounts``, ``run`` and ``hidden`` (whether a
        key hides the values).

    Raises
    ------
    InputError
        If the case has no whole run, nobody is left to be written down, or the inputs are not what the run read.
    SourceError
        If the registry cannot be written.
    """
    with only_one(case.path, "run"):
        run = _last_run(case)
        accounts = list_ring(case, run)
        if not accounts:
            raise InputError(
                f"run {run.name} of {case.case_id} proposes a step for nobody, so there is no ring to write down: "
                "the case needs no closing"
            )
        if changed := find_changes(case):
            said = "; ".join(f"{visible(name)} {fault}" for name, fault in changed.items())
            raise InputError(f"inputs of {case.case_id} are not what its last run read: {said}; run it again first")
        as_of = read_case(run / "case.json").as_of
        data = read_data(str(case.data), str(case.mapping) if case.mapping else None, as_of=as_of)
        key, place = read_registry_key(), choose_registry(case.path, registry)
        name = ring_id or case.case_id
        entry = add_ring(
            place, name, accounts, find_observations(data), case_id=case.case_id, closed_at=datetime.now(UTC),
            label=label, kinds=data.kinds, max_sensitivity=_PLAIN if key is None else 3, key=key,
        )  # fmt: skip
        return append_entry(
            case.path, "closed", who=who or str(case.parameters.get("analyst", "")), run=run.name, ring_id=name,
            entry=entry, accounts=len(accounts), hidden=key is not None,
        )  # fmt: skip


def reopen_case(case: CaseFolder, *, why: str, who: str = "", registry: str | Path = "") -> dict[str, Any]:
    """Take a closing back: its ring is no longer compared with; the registry keeps the reason.

    Parameters
    ----------
    case : CaseFolder
    why : str
        "overturned on appeal"; whoever reads the registry sees it.
    who : str
        Who reopens it; the case's analyst otherwise.
    registry : str or path
        As for :func:`close_case`.

    Returns
    -------
    dict
        The line of the log.

    Raises
    ------
    InputError
        If the case is not closed, or there is no reason.
    SourceError
        If there is no registry.
    """
    with only_one(case.path, "run"):
        ended = [entry for entry in read_log(case.path) if entry["what"] in ("closed", "reopened")]
        if not ended or ended[-1]["what"] == "reopened":
            raise InputError(f"{case.case_id} is not closed: there is nothing to take back")
        ring_id, place = str(ended[-1]["about"]["ring_id"]), choose_registry(case.path, registry)
        entry = None
        if ring_id in read_registry(place).rings["ring_id"]:  # else it was taken back before a crash, or by hand
            entry = retire_ring(place, ring_id, retired_at=datetime.now(UTC), why=why)
        elif not why.strip():
            raise InputError("a reason is needed (why): it is what the next reader sees")
        return append_entry(
            case.path, "reopened", who=who or str(case.parameters.get("analyst", "")), ring_id=ring_id, entry=entry,
            why=why,
        )  # fmt: skip


def list_ring(case: CaseFolder, run: Path) -> list[str]:
    """Return the accounts that a run would act on; those whose step a reviewer disputes are left out.

    Parameters
    ----------
    case : CaseFolder
    run : pathlib.Path
        Of the case.

    Returns
    -------
    list of str
        Sorted: included by the expansion, where the run has one, and with a proposed step that is not "do not action".
    """
    steps = read_case(run / "case.json").actions
    last = {(one.account_id, one.said): one.verdict for one in gather_by_hand(case.path).reviews if one.account_id}
    kept = {
        step.account_id
        for step in steps
        if step.rung is not Rung.NONE and last.get((step.account_id, step.rung.value)) != "disputed"
    }
    if (run / "expansion.parquet").is_file():
        expansion = pl.read_parquet(run / "expansion.parquet", columns=["account_id", "included"])
        kept &= set(expansion.filter("included")["account_id"].to_list())
    return sorted(kept)


def _last_run(case: CaseFolder) -> Path:
    """The last run that the log says came to its end, if it is still as it was written."""
    ran = [entry for entry in read_log(case.path) if entry["what"] == "ran"]
    if not ran:
        raise InputError(f"{case.case_id} has no run yet: `toolkit report --case {visible(case.path.name)}`")
    run = case.path / "runs" / str(ran[-1]["about"]["run"])
    if not run.is_dir() or verify_report(run).height:
        raise InputError(f"run {run.name} of {case.case_id} is not as it was written: see `toolkit verify`")
    return run
