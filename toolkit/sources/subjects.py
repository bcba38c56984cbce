"""Whose row is it: labels and content that name a request instead of an account.

Two canonical tables may speak of a model call: a label has ``subject_type`` request, and content may carry no more
than its ``request_id``. The account (and the time) of such a row is that of the request. Where no request is found, or
one id stands for two accounts, the row has no account, and is set aside as such: it is never guessed.
"""

from __future__ import annotations

import polars as pl

from toolkit.sources.ids import as_id

__all__ = ["find_subjects"]


def find_subjects(table: str, rows: pl.DataFrame, requests: pl.DataFrame | None) -> pl.DataFrame:
    """Give the rows of a canonical table the account and time of the request that they name.

    Parameters
    ----------
    table : str
        ``labels`` and ``content`` are looked at; others come back as they are.
    rows : polars.DataFrame
        Raw rows of the table.
    requests : polars.DataFrame or None
        Raw rows of ``requests`` (request_id, account_id, event_at).

    Returns
    -------
    polars.DataFrame
        The same rows in the same order. Labels get ``account_id`` where they say what their subject is; content gets
        ``account_id`` and ``event_at`` where it has none.

    Examples
    --------
    >>> labels = pl.DataFrame({"subject_type": ["request", "account"], "subject_id": ["r1", "b"]})
    >>> requests = pl.DataFrame({"request_id": ["r1"], "account_id": ["a"], "event_at": ["2026-01-05T00:00:00Z"]})
    >>> find_subjects("labels", labels, requests)["account_id"].to_list()
    ['a', 'b']
    """
    if table == "labels" and "subject_type" in rows.columns and "account_id" not in rows.columns:
        subject, _ = as_id(rows["subject_id"])
        kind = rows["subject_type"].cast(pl.String).str.strip_chars().str.to_lowercase().fill_null("account")
        owner = _of_request(subject, requests, "account_id")
        known = pl.DataFrame({"kind": kind, "subject": subject, "owner": owner})
        return rows.with_columns(
            known.select(
                pl.when(pl.col("kind") == "account").then("subject").when(pl.col("kind") == "request").then("owner")
            )
            .to_series()
            .alias("account_id")
        )
    if table == "content" and "account_id" not in rows.columns and "request_id" in rows.columns:
        request, _ = as_id(rows["request_id"])
        rows = rows.with_columns(_of_request(request, requests, "account_id"))
        if "event_at" not in rows.columns and requests is not None and "event_at" in requests.columns:
            rows = rows.with_columns(_of_request(request, requests, "event_at"))
    return rows


def _of_request(ids: pl.Series, requests: pl.DataFrame | None, column: str) -> pl.Series:
    if requests is None or "request_id" not in requests.columns or column not in requests.columns:
        return pl.Series(column, [None] * ids.len(), dtype=pl.String)
    keys, _ = as_id(requests["request_id"])
    values = as_id(requests[column])[0] if column == "account_id" else requests[column]
    table = pl.DataFrame({"request_id": keys, column: values}).drop_nulls("request_id").unique()
    table = table.filter(~pl.col("request_id").is_duplicated())
    return ids.to_frame("request_id").join(table, on="request_id", how="left", maintain_order="left")[column]
