"""What people made of clusters and accounts: set beside each other, and judged, with a reason that stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import polars as pl

from toolkit.errors import InputError, UnknownNameError, need_columns, visible
from toolkit.model.case import Finding
from toolkit.model.tables import Observations, conform

__all__ = ["VERDICTS", "compare_accounts", "list_evidence", "record_verdicts", "state_verdicts"]

VERDICTS: Final = ("confirmed", "rejected", "unsure")
_STATED: Final = {
    "confirmed": ("linked_set", "The accounts of cluster {} are run together.", ""),
    "rejected": ("null_result", "The accounts of cluster {} only look linked.", ""),
    "unsure": (
        "data_gap", "Whether the accounts of cluster {} are run together could not be told.",
        "what would tell a ring from the innocent explanation",
    ),
    "disputed": (
        "data_gap", "Reviewers differ on whether the accounts of cluster {} are run together.", "a third reviewer"
    ),
}  # fmt: skip
_GIVEN: Final = {"cluster_id": pl.String, "verdict": pl.String, "note": pl.String, "reviewer": pl.String}


def compare_accounts(observations: pl.DataFrame, accounts: Sequence[str]) -> pl.DataFrame:
    """Set accounts side by side: which values they share, and which are one's own.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    accounts : sequence of str
        Two to eight accounts, in the order of the columns.

    Returns
    -------
    polars.DataFrame
        ``kind``, ``value``; ``shared``: how many of the accounts hold it; ``holders``: of all; ``n_1``, ``n_2``, ...:
        how often each was seen with it (0: never). Order: shared descending, holders, kind, value.

    Raises
    ------
    InputError
        If there are fewer than two accounts or more than eight, or one is named twice.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "b"], "device": ["x", "x", "y"]})
    >>> compare_accounts(find_observations(frame), ["a", "b"]).rows()
    [('device', 'x', 2, 2, 1, 1), ('device', 'y', 1, 1, 0, 1)]
    """
    asked = list(accounts)
    if not 2 <= len(asked) <= 8 or len(set(asked)) < len(asked):
        raise InputError(f"2 to 8 different accounts can be set side by side; found {len(asked)}")
    seen = conform(observations, Observations)
    near = seen.filter(pl.col("account_id").is_in(asked)).select("kind", "value").unique()
    held = seen.join(near, on=["kind", "value"], how="semi")
    counts = [
        pl.col("n").filter(pl.col("account_id") == account).sum().cast(pl.Int64).alias(f"n_{i}")
        for i, account in enumerate(asked, 1)
    ]
    among = pl.col("account_id").filter(pl.col("account_id").is_in(asked)).n_unique().cast(pl.Int64)
    everybody = pl.col("account_id").n_unique().cast(pl.Int64)
    table = held.group_by("kind", "value").agg(among.alias("shared"), everybody.alias("holders"), *counts)
    return table.sort(["shared", "holders", "kind", "value"], descending=[True, False, False, False])


def record_verdicts(clusters: pl.DataFrame, verdicts: Iterable[Mapping[str, str]]) -> pl.DataFrame:
    """Put people's verdicts beside clusters; a later one of the same reviewer replaces the earlier.

    Parameters
    ----------
    clusters : polars.DataFrame
        With ``cluster_id``; contract ``Clusters``, for example.
    verdicts : iterable of mapping
        ``cluster_id``, ``verdict`` ("confirmed", "rejected", "unsure"), ``note`` (why; never empty for a rejection) and
        ``reviewer``.

    Returns
    -------
    polars.DataFrame
        The clusters in their order, with ``verdict`` (null: not judged; "disputed" where reviewers differ), ``note``
        and ``reviewers`` (sorted list).

    Raises
    ------
    UnknownNameError
        For a cluster or a verdict that there is not.
    InputError
        For a rejection without a reason; all of them.

    Examples
    --------
    >>> clusters = pl.DataFrame({"cluster_id": ["C1", "C2"]})
    >>> said = [{"cluster_id": "C1", "verdict": "rejected", "note": "a lab class", "reviewer": "kim"}]
    >>> record_verdicts(clusters, said).rows()
    [('C1', 'rejected', 'kim: a lab class', ['kim']), ('C2', None, None, None)]
    """
    need_columns(clusters.columns, ["cluster_id"], "clusters")
    known = clusters["cluster_id"].to_list()
    given = {(v["cluster_id"], v["reviewer"]): v for v in verdicts}
    for verdict in given.values():
        if verdict["cluster_id"] not in known:
            raise UnknownNameError("cluster", verdict["cluster_id"], known)
        if verdict["verdict"] not in VERDICTS:
            raise UnknownNameError("verdict", verdict["verdict"], VERDICTS)
    bare = [v["cluster_id"] for v in given.values() if v["verdict"] == "rejected" and not v["note"].strip()]
    if bare:
        raise InputError(f"a rejection needs its reason; none for {', '.join(visible(c) for c in sorted(bare))}")
    rows = pl.DataFrame([dict(given[key]) for key in sorted(given)], schema=_GIVEN)
    said = pl.format("{}: {}", "reviewer", "note").filter(pl.col("note") != "").str.join("; ")
    judged = rows.group_by("cluster_id", maintain_order=True).agg(
        verdict=pl.when(pl.col("verdict").n_unique() == 1).then(pl.first("verdict")).otherwise(pl.lit("disputed")),
        note=said,
        reviewers=pl.col("reviewer"),
    )
    return clusters.drop("verdict", "note", "reviewers", strict=False).join(
        judged, on="cluster_id", how="left", maintain_order="left"
    )


def state_verdicts(judged: pl.DataFrame, members: pl.DataFrame | None = None) -> tuple[Finding, ...]:
    """State what people made of clusters, as findings of a case.

    Parameters
    ----------
    judged : polars.DataFrame
        As :func:`record_verdicts` returns it.
    members : polars.DataFrame, optional
        Contract ``Members``: whom each finding is about.

    Returns
    -------
    tuple of Finding
        Numbered F1, F2, ..., in the order of the clusters; one that nobody judged has none. A cluster that one person
        confirmed is held with moderate confidence, one that several did with high.

    Examples
    --------
    >>> clusters = pl.DataFrame({"cluster_id": ["C1"]})
    >>> said = [{"cluster_id": "C1", "verdict": "rejected", "note": "a lab class", "reviewer": "kim"}]
    >>> [(f.statement, f.basis) for f in state_verdicts(record_verdicts(clusters, said))]
    [('The accounts of cluster C1 only look linked.', 'judged by kim; kim: a lab class')]
    """
    need_columns(judged.columns, ["cluster_id", "verdict", "note", "reviewers"], "judged clusters")
    of: dict[str, list[str]] = {}
    if members is not None:
        inside = members.select("cluster_id", "account_id").sort("cluster_id", "account_id")
        of = {str(key): accounts for key, accounts in inside.group_by("cluster_id").agg("account_id").rows()}
    stated: list[Finding] = []
    for cluster, verdict, note, reviewers in judged.select("cluster_id", "verdict", "note", "reviewers").rows():
        if verdict is None:
            continue
        kind, said, next_check = _STATED[verdict]
        several = len(reviewers) > 1
        sure = {"confirmed": "high" if several else "moderate", "rejected": "high" if several else "moderate"}
        who = visible(" and ".join(reviewers), 200)
        # The note speaks for itself beside the statement: what is in it is not ours to state.
        basis = f"judged by {who}" + (f"; {visible(note, 300)}" if note else "")
        finding = {
            "finding_id": f"F{len(stated) + 1}", "type": kind, "statement": said.format(visible(cluster, 60)),
            "confidence": sure.get(verdict, "low"), "basis": basis, "accounts": tuple(of.get(cluster, ())),
            "evidence_ids": (cluster,), "next_check": next_check,
        }  # fmt: skip
        stated.append(Finding.model_validate(finding))
    return tuple(stated)


def list_evidence(links: pl.DataFrame, account_a: str, account_b: str) -> pl.DataFrame:
    """List what one link rests on, and what was explained away.

    Parameters
    ----------
    links : polars.DataFrame
        Contract ``Links``; with ``set_aside``, as :func:`toolkit.linking.explain.set_aside` returns them.
    account_a, account_b : str
        The two, in either order.

    Returns
    -------
    polars.DataFrame
        ``kind``, ``value``, ``bits``, ``holders``, ``window``, ``regime``, ``set_aside`` (why it does not count; ""
        where it does). Order: what counts first, bits descending, kind, value. Empty where the two are not linked.

    Examples
    --------
    >>> from toolkit.model.tables import Links, empty
    >>> list_evidence(empty(Links), "a", "b").columns
    ['kind', 'value', 'bits', 'holders', 'window', 'regime', 'set_aside']
    """
    pair = (pl.col("account_a") == min(account_a, account_b)) & (pl.col("account_b") == max(account_a, account_b))
    mine = links.filter(pair)
    counted = (
        mine.select(pl.col("evidence").explode()).drop_nulls().unnest("evidence").with_columns(set_aside=pl.lit(""))
    )
    counted = counted.sort(["bits", "kind", "value"], descending=[True, False, False])
    if "set_aside" not in mine.columns:
        return counted
    aside = mine.select(pl.col("set_aside").explode()).drop_nulls().unnest("set_aside")
    return pl.concat([counted, aside.rename({"reason": "set_aside"}).sort("kind", "value")], how="diagonal")
