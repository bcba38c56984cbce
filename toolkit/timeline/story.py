"""The story of a timeline: the few events a reader must know, each with its source, and what is pinned always kept.

Events and findings are ranked by plain rules, not by a model: first and last seen, what began a phase, the start of the
strongest bursts and waves, enforcement, silences of a source. Analysts' notes are pinned: they never fall out, whatever
the limit. Every line carries the event it rests on, where it came from, how exact its time is and how sure it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.model.tables import UTC
from toolkit.timeline.build import put_in_order
from toolkit.timeline.quality import find_silences

__all__ = ["annotate", "find_key_events", "tell_story"]

NOTE: Final = "note"
_RANK: Final = {
    "note": 0, "enforcement": 1, "first seen": 2, "last seen": 3, "wave": 4, "phase": 5, "burst": 6, "silence": 7,
    "sequence": 8, "changepoint": 9, "synchrony": 10,
}  # fmt: skip
_ENFORCED: Final = "enforcement."
_LONGEST: Final = 300
"""Characters of an id or a note that are told in full: an id that is cut short cannot be looked up."""
_SCHEMA: Final = {
    "at": UTC, "rule": pl.String, "account_id": pl.String, "event_id": pl.String, "source": pl.String,
    "precision": pl.String, "confidence": pl.String, "text": pl.String,
}  # fmt: skip


def annotate(events: pl.DataFrame, notes: pl.DataFrame) -> pl.DataFrame:
    """Put analysts' notes beside the events they are about.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``.
    notes : polars.DataFrame
        ``event_id``, ``note`` and, if known, ``author``. Several notes of one event are joined, in their order.

    Returns
    -------
    polars.DataFrame
        The events in their total order, with ``note`` (null where there is none).

    Raises
    ------
    InputError
        If a note is about an event that is not there: all of them are named.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> rows = {"event_at": [datetime(2026, 1, 5, tzinfo=UTC)], "account_id": "a", "event": "login", "source": "app"}
    >>> rows |= {"event_id": "e1", "seq": 0, "raw_ref": ""}
    >>> notes = pl.DataFrame({"event_id": ["e1"], "note": ["from the kiosk"], "author": ["kim"]})
    >>> annotate(pl.DataFrame(rows), notes)["note"].to_list()
    ['from the kiosk (kim)']
    """
    lost = sorted(set(notes["event_id"]) - set(events["event_id"]))
    if lost:
        shown = ", ".join(visible(name) for name in lost[:5])
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        raise InputError(f"{len(lost)} notes are about events that are not in this timeline: {shown}{more}")
    said = pl.format("{} ({})", "note", "author") if "author" in notes.columns else pl.col("note")
    joined = notes.group_by("event_id", maintain_order=True).agg(
        pl.coalesce(said, pl.col("note")).str.join("; ").alias("note")
    )
    whole = events.drop("note", strict=False).join(joined, on="event_id", how="left", maintain_order="left")
    return put_in_order(whole)


def find_key_events(
    events: pl.DataFrame, *findings: pl.DataFrame, accounts: Iterable[str] | None = None, limit: int = 25
) -> pl.DataFrame:
    """Choose the few events that tell what happened.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``; with ``note`` (:func:`annotate`), noted events are pinned.
    *findings : polars.DataFrame
        Contract ``TimelineFindings``: phases, bursts, waves, silences, sequences.
    accounts : iterable of str, optional
        Whose story; by default everybody's. Findings of no account in particular are always heard.
    limit : int
        Rows at most; notes are never among those left out.

    Returns
    -------
    polars.DataFrame
        ``at`` (UTC), ``rule`` (why it is here), ``account_id``, ``event_id`` (empty where it rests on an absence),
        ``source``, ``precision``, ``confidence``, ``text``. An event is listed once, under its first rule. Order: at,
        rule by weight, account_id, event_id.

    Raises
    ------
    InputError
        If the limit is not positive.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=h) for h in range(3)]
    >>> rows = {"event_at": at, "account_id": "a", "event": ["signup", "chat", "enforcement.ban"], "source": "app"}
    >>> rows |= {"event_id": list("123"), "seq": 0, "raw_ref": "", "flags": 0, "precision": "s"}
    >>> find_key_events(pl.DataFrame(rows)).select("event_id", "rule").rows()
    [('1', 'first seen'), ('3', 'enforcement')]
    """
    if limit < 1:
        raise InputError(f"limit is {limit}; want 1 or more")
    mine = put_in_order(
        events if accounts is None else events.filter(pl.col("account_id").is_in(sorted(set(accounts))))
    )
    heard = [found for found in findings if found.height]
    if accounts is not None:
        who = ["", *sorted(set(accounts))]
        heard = [found.filter(pl.col("account_id").is_in(who)) for found in heard]
    told = [_from_events(mine), *(_from_findings(found, mine) for found in heard), _from_silences(mine)]
    whole = pl.concat([rows.select("weight", *_SCHEMA).cast({"at": UTC}) for rows in told])
    order = ["rank", "less", "at", "account_id", "event_id"]
    rank = pl.col("rule").replace_strict(_RANK, default=len(_RANK), return_dtype=pl.Int64)
    ranked = whole.with_columns(rank=rank, less=-pl.col("weight")).sort(order)
    again = (pl.col("event_id") != "") & ~pl.col("event_id").is_first_distinct()
    ranked = ranked.filter(~again)
    pinned = ranked.filter(pl.col("rule") == NOTE)
    others = _in_turn(ranked.filter(pl.col("rule") != NOTE)).head(max(limit - pinned.height, 0))
    kept = pl.concat([pinned, others.select(pinned.columns)])
    return kept.sort("at", "rank", "account_id", "event_id").select(*_SCHEMA)


def tell_story(key_events: pl.DataFrame) -> str:
    """Write key events as a numbered list in markdown; values are made visible, never rendered.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> row = {"at": datetime(2026, 1, 5, tzinfo=UTC), "rule": "first seen", "account_id": "a*b", "event_id": "e1"}
    >>> row |= {"source": "app", "precision": "s", "confidence": "high", "text": "signup"}
    >>> print(tell_story(pl.DataFrame([row])))
    1. 2026-01-05 00:00:00 UTC: signup, `a*b` (first seen; event `e1` of app; exact to the s; confidence high)
    """
    lines = []
    for number, row in enumerate(key_events.iter_rows(named=True), start=1):
        who = f", {_code(row['account_id'])}" if row["account_id"] else ""
        rests = f"event {_code(row['event_id'])} of {_plain(row['source'])}" if row["event_id"] else "no event"
        exact = f"; exact to the {row['precision']}" if row["precision"] else ""
        lines.append(
            f"{number}. {row['at']:%Y-%m-%d %H:%M:%S} UTC: {_plain(row['text'])}{who} "
            f"({row['rule']}; {rests}{exact}; confidence {row['confidence']})"
        )
    return "\n".join(lines)


def _code(text: str) -> str:
    """A value as markdown code: a back tick inside it cannot end it."""
    return f"`{visible(text, _LONGEST).replace('`', 'ˋ')}`"


def _plain(text: str) -> str:
    """Words that may hold values: nothing in them is markup."""
    safe = visible(text, _LONGEST)
    for mark in "\\`*_[]<>#|!":
        safe = safe.replace(mark, f"\\{mark}")
    return safe


def _in_turn(ranked: pl.DataFrame) -> pl.DataFrame:
    """The best of each rule first, then the second of each: one rule does not crowd the others out."""
    turn = pl.int_range(pl.len()).over("rule")
    return ranked.with_columns(turn=turn).sort("turn", "rank", "at", "account_id", "event_id")


def _from_events(events: pl.DataFrame) -> pl.DataFrame:
    """Notes, enforcement, and the first and the last event of each account."""
    base = events.with_columns(
        note=pl.col("note") if "note" in events.columns else pl.lit(None, dtype=pl.String),
        first=pl.int_range(pl.len()).over("account_id") == 0,
        last=pl.int_range(pl.len()).reverse().over("account_id") == 0,
    )
    rule = (
        pl.when(pl.col("note").is_not_null())
        .then(pl.lit(NOTE))
        .when(pl.col("event").str.starts_with(_ENFORCED))
        .then(pl.lit("enforcement"))
        .when("first")
        .then(pl.lit("first seen"))
        .when("last")
        .then(pl.lit("last seen"))
    )
    text = pl.when(pl.col("note").is_not_null()).then(pl.format("{}: {}", "event", "note")).otherwise(pl.col("event"))
    return base.with_columns(rule=rule).filter(pl.col("rule").is_not_null()).select(
        pl.lit(0.0).alias("weight"), pl.col("event_at").alias("at"), "rule", "account_id", "event_id", "source",
        "precision", pl.lit("high").alias("confidence"), text.alias("text"),
    )  # fmt: skip


def _from_findings(found: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """A finding stands where it begins, on its first event."""
    first = found.select(
        "account_id", "kind", "score", "confidence", "start_at", "why",
        pl.col("phase") if "phase" in found.columns else pl.lit(None, dtype=pl.String).alias("phase"),
        pl.col("evidence_ids").list.first().fill_null("").alias("event_id"),
    )  # fmt: skip
    about = events.select("event_id", "source", "precision").unique("event_id", keep="first", maintain_order=True)
    joined = first.join(about, on="event_id", how="left", maintain_order="left")
    said = pl.when(pl.col("phase").is_not_null()).then(pl.format("{}: {}", "phase", "why"))
    return joined.select(
        pl.col("score").alias("weight"), pl.col("start_at").alias("at"), pl.col("kind").alias("rule"), "account_id",
        "event_id", pl.col("source").fill_null(""), pl.col("precision").fill_null(""), "confidence",
        said.otherwise(pl.format("{}: {}", "kind", "why")).alias("text"),
    )  # fmt: skip


def _from_silences(events: pl.DataFrame) -> pl.DataFrame:
    """When a source said nothing, nothing can be read off its silence."""
    return find_silences(events).select(
        pl.col("gap_s").alias("weight"), pl.col("start_at").alias("at"), pl.lit("silence").alias("rule"),
        pl.lit("").alias("account_id"), pl.lit("").alias("event_id"), "source", pl.lit("").alias("precision"),
        pl.lit("high").alias("confidence"),
        pl.format("{} said nothing for {} hours", "source", (pl.col("gap_s") / 3_600).round(1)).alias("text"),
    )  # fmt: skip
