"""The last cell of a template: what the run leaves beside its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dataframely as dy
import polars as pl
from pydantic import ValidationError

from toolkit.errors import InputError, visible
from toolkit.graph.build import build_graph
from toolkit.graph.graphml import write_graphml
from toolkit.model.case import Action, Case, Finding
from toolkit.model.tables import Actions, Events, Expansion, Hubs, Links, Members, Queries, empty
from toolkit.report.actions import plan_for_case
from toolkit.report.brief import write_brief
from toolkit.report.by_hand import ByHand, apply_reviews, read_by_hand
from toolkit.report.exports import write_case, write_tables
from toolkit.report.stix import build_bundle, write_stix
from toolkit.sources.read import Dataset
from toolkit.views.blocks import Block, show_text
from toolkit.views.words import join_words

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["bundle_case", "find_missing_tables", "is_synthetic", "open_case", "parse_time", "publish_case"]


def open_case(
    case_id: str,
    seeds: Sequence[str],
    *,
    window: tuple[str, str] = ("", ""),
    as_of: str = "",
    need_seeds: bool = True,
    **about: Any,
) -> Case:
    """Check what an escalation says before anything is computed from it.

    Parameters
    ----------
    case_id : str
        Letters, digits, ``_`` and ``-``.
    seeds : sequence of str
        Account ids as exact text; repeats are counted once.
    window : tuple of str
        Start and end as ISO times with a zone; empty text = open.
    as_of : str
        ISO time with a zone; empty text = everything.
    need_seeds : bool
        Whether the template starts from accounts.
    **about
        ``purpose``, ``analyst`` and ``tlp``.

    Returns
    -------
    Case
        Without findings and actions.

    Raises
    ------
    InputError
        If there is no seed, one is blank, or a field cannot be as it is.

    Examples
    --------
    >>> open_case("ESC-1", ["b", "a", "b"], purpose="fraud", analyst="kim").seeds
    ('b', 'a')
    >>> open_case("a/b", ["a"], purpose="fraud", analyst="kim")
    Traceback (most recent call last):
    toolkit.errors.InputError: case_id: a case id has 1 to 64 letters, digits, '_' or '-', ...
    """
    once = tuple(dict.fromkeys(seeds))
    if not once and need_seeds:
        raise InputError(
            "a ring escalation starts from accounts, and none was given: -p seed_accounts=ID, repeated for more"
        )
    if any(not seed.strip() for seed in once):
        raise InputError("one of the seed accounts is blank: give ids as exact text")
    start, end = (parse_time(text, name) for text, name in zip(window, ("window_start", "window_end"), strict=True))
    try:
        return Case(
            case_id=case_id,
            seeds=once,
            window_start=start,
            window_end=end,
            as_of=parse_time(as_of, "as_of"),
            **about,
        )
    except ValidationError as error:
        said = [
            f"{'.'.join(map(str, fault['loc'])) or 'the case'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        ]
        raise InputError("; ".join(visible(text, 300) for text in said)) from None


def publish_case(
    case: Case,
    *,
    bottom_line: str,
    findings: Sequence[Finding],
    actions: Sequence[Action],
    tables: Mapping[str, pl.DataFrame],
    out_dir: str,
    synthetic: bool = False,
) -> Block:
    """Write the case, its tables and its exports; a run without this cell does not count.

    Beside ``case.json`` stand ``stix.json`` (for partners: nothing about users), ``brief.md`` (one page) and, where
    there are links or an expansion, ``graph.graphml``. A table ``actions`` is planned: who goes together, who later.

    Parameters
    ----------
    case : Case
        From :func:`open_case`.
    bottom_line : str
        What the report says first.
    findings, actions : sequence
        In the order of the report.
    tables : mapping of str to polars.DataFrame
        ``ledger`` among them; each becomes ``name.parquet`` and a spreadsheet-safe ``name.csv``.
    out_dir : str
        The run's folder; empty in a notebook run by hand, which then writes nothing.
    synthetic : bool
        Whether the data are made up.

    Returns
    -------
    Block
        What was written, in a sentence.

    Raises
    ------
    InputError
        If there is no ledger among the tables.

    Examples
    --------
    >>> publish_case(open_case("C", ["a"], purpose="p", analyst="k"), bottom_line="Nothing.", findings=[], actions=[],
    ...              tables={"ledger": pl.DataFrame()}, out_dir="").as_text()
    'Run by hand: nothing was written. Give out_dir to write the case and its tables.'
    """
    if "ledger" not in tables:
        raise InputError("a case is published with its ledger: give tables={'ledger': data.ledger, ...}")
    added = read_by_hand(out_dir) if out_dir else ByHand()
    told, steps = apply_reviews(findings, actions, added.reviews)
    said = {"bottom_line": bottom_line, "findings": told, "actions": steps}
    by_hand = {"pivots": added.pivots, "reviews": added.reviews, "notes": added.notes}
    record = Case(**{**dict(case), **said, **by_hand})
    if not out_dir:
        return show_text("Run by hand: nothing was written. Give out_dir to write the case and its tables.")
    folder = Path(out_dir)
    published = dict(tables)
    if _keeps(tables, "actions", Actions, without=("policy",)):
        published["actions"] = _sign(plan_for_case(tables["actions"], tables, record), record)
    if _keeps(tables, "queries", Queries):
        published["queries"] = tables["queries"].drop("took_s")  # a clock's: it would differ at every run
    written = write_tables(published, folder, csv=True)
    write_case(record, folder / "case.json", synthetic=synthetic)
    write_stix(bundle_case(record, tables, synthetic=synthetic), folder / "stix.json")
    (folder / "brief.md").write_text(write_brief(record, synthetic=synthetic), encoding="utf-8")
    beside = ["case.json", "stix.json", "brief.md"]
    graph = _graph(tables)
    if graph is not None:
        write_graphml(graph, folder / "graph.graphml")
        beside.append("graph.graphml")
    return show_text(
        f"{len(written) // 2} tables lie beside this page as Parquet (exact) and CSV (safe to open in a spreadsheet),"
        f" with {join_words([*beside, 'manifest.json'])}."
    )


def _sign(actions: pl.DataFrame, record: Case) -> pl.DataFrame:
    """Name the reviewer of each step that somebody has confirmed."""
    signed = {action.account_id: action.reviewer for action in record.actions if action.reviewer}
    reviewer = [signed.get(account, was) for account, was in actions.select("account_id", "reviewer").iter_rows()]
    return actions.with_columns(reviewer=pl.Series(reviewer, dtype=pl.String))


def _keeps(
    tables: Mapping[str, pl.DataFrame], name: str, contract: type[dy.Schema], without: Sequence[str] = ()
) -> bool:
    """A team's own template may call a table of another shape by one of our names: it is published as it is."""
    return name in tables and set(contract.columns()) - set(without) <= set(tables[name].columns)


def bundle_case(case: Case, tables: Mapping[str, pl.DataFrame], *, synthetic: bool = False) -> Any:
    """Build the STIX bundle of a case from the tables it is published with.

    Parameters
    ----------
    case : Case
    tables : mapping of str to polars.DataFrame
        As for :func:`publish_case`; ``expansion``, ``links``, ``hubs`` and ``timeline`` are read where they are there.
    synthetic : bool
        Whether the data are made up.

    Returns
    -------
    stix2.Bundle
        As :func:`toolkit.report.stix.build_bundle` makes it: nothing about users.

    Examples
    --------
    >>> case = open_case("C", ["a"], purpose="p", analyst="k")
    >>> bundle_case(case, {"ledger": pl.DataFrame()}).objects[0].type
    'marking-definition'
    """
    contracts = {"expansion": Expansion, "links": Links, "hubs": Hubs, "timeline": Events}
    known = {name: tables[name] if _keeps(tables, name, contract) else None for name, contract in contracts.items()}
    return build_bundle(
        case, expansion=known["expansion"], links=known["links"], hubs=known["hubs"], events=known["timeline"],
        made_at=None if case.as_of or case.window_end else _latest(tables["ledger"]), synthetic=synthetic,
    )  # fmt: skip


def _latest(ledger: pl.DataFrame) -> datetime | None:
    latest = ledger["last_at"].max() if "last_at" in ledger.columns else None
    return latest if isinstance(latest, datetime) else None


def _graph(tables: Mapping[str, pl.DataFrame]) -> nx.Graph[str] | None:
    """The network of what is published: accounts, the links between them, and the values that a set shares."""
    links = tables["links"] if _keeps(tables, "links", Links) else None
    members = tables["members"] if _keeps(tables, "members", Members) else None
    expansion = tables["expansion"].filter("included") if _keeps(tables, "expansion", Expansion) else None
    if links is None and expansion is None:
        return None
    graph = build_graph(links, members=members)
    for row in (expansion if expansion is not None else empty(Expansion)).iter_rows(named=True):
        key = f"account:{row['account_id']}"
        about = {"type": "account", "label": row["account_id"]} | {k: row[k] for k in ("probability", "round", "level")}
        graph.add_nodes_from([(key, {**about, **graph.nodes.get(key, {})})])
        for item in row["evidence"]:
            # Accounts are called by their kind; a kind of that name must not be taken for them.
            kind = "value of account" if item["kind"] == "account" else item["kind"]
            value = f"{kind}:{item['value']}"
            graph.add_nodes_from([(value, {"type": kind, "label": item["value"]})])
            graph.add_edges_from([(key, value, {"bits": item["bits"], "holders": item["holders"]})])
    return graph


def is_synthetic(data_uri: str) -> bool:
    """Whether the data folder carries the mark of the sample generator.

    Examples
    --------
    >>> is_synthetic(".")
    False
    """
    where = Path(data_uri)
    return (where / "SYNTHETIC").exists() or (where.parent / "SYNTHETIC").exists()


def parse_time(text: str, name: str) -> datetime | None:
    """Read an ISO time with a zone from a parameter; empty text is None.

    Raises
    ------
    InputError
        If the text is not a time, or has no zone.

    Examples
    --------
    >>> parse_time("2026-01-05T10:00:00Z", "as_of").isoformat()
    '2026-01-05T10:00:00+00:00'
    """
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{name} takes a time like 2026-01-05T10:00:00Z, found {visible(text)!r}") from None
    if at.tzinfo is None:
        raise InputError(f"{name} needs a zone: write {visible(text)}Z for UTC")
    return at


_EXPECTED = ("accounts", "auth_events", "requests", "content", "payments", "enforcement", "labels")


def find_missing_tables(data: Dataset) -> tuple[str, ...]:
    """Name the canonical tables that a ring escalation would read and that are not there.

    A data set with a mapping of its own is taken as it is: nothing is missing from it by name.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> find_missing_tables(SimpleNamespace(tables={"auth_events": None, "requests": None}, observations=None))[:2]
    ('accounts', 'content')
    """
    present = set(data.tables)
    if data.observations is not None or not present & set(_EXPECTED):
        return ()
    return tuple(name for name in _EXPECTED if name not in present)
