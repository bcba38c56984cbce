"""What a page shows of each table: the rows that matter to a reader, in words.

The tables themselves lie beside the page, exact and whole. Nothing here computes a result; it chooses, renames and
rounds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from toolkit.model.confidence import Level
from toolkit.report.findings import is_absent
from toolkit.sources.dataset import Dataset
from toolkit.sources.ledger import REASONS
from toolkit.views.names import Names
from toolkit.views.words import join_words, say_family, say_fault

__all__ = [
    "count_present",
    "describe_actions",
    "describe_hubs",
    "describe_inputs",
    "describe_key_events",
    "describe_left_alone",
    "describe_levels",
    "describe_members",
    "describe_quality",
    "describe_quarantine",
    "describe_queries",
    "describe_readings",
    "describe_seeds",
    "describe_sessions",
    "describe_templates",
    "describe_values",
    "find_arrivals",
    "find_lanes",
    "find_used_hubs",
    "say_rules",
]

_NOT_ACTION = "do not action"


def describe_inputs(data: Dataset) -> pl.DataFrame:
    """Return the ledger for people: a row per file, fingerprints cut to twelve digits.

    Parameters
    ----------
    data : Dataset

    Returns
    -------
    polars.DataFrame
        ``table``, ``file``, ``rows``, ``used``, ``duplicate``, ``set_aside``, ``first_event``, ``last_event``,
        ``sha256``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from toolkit.model.tables import Ledger, empty
    >>> describe_inputs(SimpleNamespace(ledger=empty(Ledger))).columns[:4]
    ['table', 'file', 'rows', 'used']
    """
    return data.ledger.select(
        "table", "file", "rows", pl.col("accepted").alias("used"), "duplicate",
        pl.col("quarantined").alias("set_aside"),
        pl.col("first_at").dt.date().cast(pl.String).alias("first_event"),
        pl.col("last_at").dt.date().cast(pl.String).alias("last_event"),
        pl.col("sha256").str.slice(0, 12),
    )  # fmt: skip


def describe_quarantine(quarantine: pl.DataFrame) -> pl.DataFrame:
    """Count the rows set aside by file and reason, and say what can be done.

    Examples
    --------
    >>> from toolkit.model.tables import Quarantine, empty
    >>> describe_quarantine(empty(Quarantine)).columns
    ['file', 'rows', 'why', 'what_to_do']
    """
    counted = quarantine.group_by("file", "reason").len("rows").sort("file", "reason")
    whys = [REASONS.get(reason, (reason.replace("_", " "), "look at the rows")) for reason in counted["reason"]]
    return counted.select(
        "file",
        pl.col("rows").cast(pl.Int64),
        pl.Series("why", [why for why, _ in whys], dtype=pl.String),
        pl.Series("what_to_do", [do for _, do in whys], dtype=pl.String),
    )


def describe_quality(quality: pl.DataFrame) -> pl.DataFrame:
    """Return quality notes for people, in the order given.

    Examples
    --------
    >>> from toolkit.model.tables import Quality, empty
    >>> describe_quality(empty(Quality)).columns
    ['severity', 'what', 'table', 'rows', 'from', 'to', 'how_it_shows']
    """
    return quality.select(
        "severity",
        pl.Series("what", [say_fault(kind) for kind in quality["kind"]], dtype=pl.String),
        pl.col("source").alias("table"),
        pl.col("n").alias("rows"),
        pl.col("start_at").dt.date().cast(pl.String).alias("from"),
        pl.col("end_at").dt.date().cast(pl.String).alias("to"),
        pl.col("how_found").alias("how_it_shows"),
    )


def _told(rows: pl.DataFrame, names: Names) -> pl.Series:
    """The reasons of an expansion, with every value under its name and every family in words."""

    def families(match: re.Match[str]) -> str:
        return f"({join_words(say_family(family) for family in match[1].split(', '))})"

    said = [
        re.sub(r"\(([a-z_]+(?:, [a-z_]+)*)\)(?=:)", families, names.tell(reason, evidence).removeprefix("left out: "))
        for reason, evidence in rows.select("reason", "evidence").rows()
    ]
    return pl.Series("why", said, dtype=pl.String)


def _families(column: str = "families") -> pl.Expr:
    words = pl.element().map_elements(say_family, return_dtype=pl.String)
    return pl.col(column).list.eval(words).list.join(", ").alias("evidence")


def count_present(expansion: pl.DataFrame, seeds: Sequence[str]) -> int:
    """Count the seeds that occur in the data at all.

    Examples
    --------
    >>> from toolkit.model.tables import Expansion, empty
    >>> count_present(empty(Expansion), ["a"])
    0
    """
    return expansion.filter(pl.col("account_id").is_in(list(seeds)) & ~is_absent()).height


def describe_seeds(expansion: pl.DataFrame, seeds: Sequence[str], names: Names) -> pl.DataFrame:
    """Return what became of each seed, in the order of the escalation.

    Examples
    --------
    >>> from toolkit.model.tables import Expansion, empty
    >>> describe_seeds(empty(Expansion), ["a"], Names("none")).columns
    ['account', 'kept', 'probability', 'level', 'why']
    """
    order = {seed: place for place, seed in enumerate(dict.fromkeys(seeds))}
    rows = expansion.filter(pl.col("account_id").is_in(list(order)))
    rows = rows.sort(pl.col("account_id").replace_strict(order, return_dtype=pl.Int64))
    return rows.select(
        pl.col("account_id").alias("account"), pl.col("included").alias("kept"), "probability", "level",
        _told(rows, names),
    )  # fmt: skip


def describe_members(expansion: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Return who belongs and why, in the order of the expansion.

    Examples
    --------
    >>> from toolkit.model.tables import Expansion, empty
    >>> describe_members(empty(Expansion), Names("none")).columns
    ['account', 'round', 'probability', 'level', 'evidence', 'why']
    """
    rows = expansion.filter("included")
    return rows.select(
        pl.col("account_id").alias("account"), "round", "probability", "level", _families(), _told(rows, names)
    )


def describe_left_alone(expansion: pl.DataFrame, actions: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Return who is on the do-not-action list: what spoke for a link, and the innocent reading.

    Examples
    --------
    >>> from toolkit.model.tables import Actions, Expansion, empty
    >>> describe_left_alone(empty(Expansion), empty(Actions), Names("none")).columns
    ['account', 'probability', 'level', 'why', 'innocent_reading']
    """
    listed = actions.filter(pl.col("rung") == _NOT_ACTION).select("account_id", "innocent_explanation")
    rows = expansion.join(listed, on="account_id", how="inner", maintain_order="left")
    return rows.select(
        pl.col("account_id").alias("account"), "probability", "level", _told(rows, names),
        pl.col("innocent_explanation").alias("innocent_reading"),
    )  # fmt: skip


def describe_actions(actions: pl.DataFrame, expansion: pl.DataFrame) -> pl.DataFrame:
    """Return the proposed steps: a row per account that something is proposed for.

    Examples
    --------
    >>> from toolkit.model.tables import Actions, Expansion, empty
    >>> describe_actions(empty(Actions), empty(Expansion)).columns
    ['account', 'proposed', 'level', 'own_violation', 'rests_on']
    """
    rests = expansion.select("account_id", _families().alias("rests_on"))
    return (
        actions.filter(pl.col("rung") != _NOT_ACTION)
        .join(rests, on="account_id", how="left", maintain_order="left")
        .select(
            pl.col("account_id").alias("account"),
            pl.col("rung").alias("proposed"),
            "level",
            "own_violation",
            "rests_on",
        )
    )


def describe_readings(actions: pl.DataFrame) -> pl.DataFrame:
    """Count the innocent readings that were considered for the accounts something is proposed for.

    Examples
    --------
    >>> from toolkit.model.tables import Actions, empty
    >>> describe_readings(empty(Actions)).columns
    ['innocent_reading', 'accounts']
    """
    return (
        actions.filter(pl.col("rung") != _NOT_ACTION)
        .group_by(pl.col("innocent_explanation").alias("innocent_reading"))
        .agg(pl.len().cast(pl.Int64).alias("accounts"))
        .sort(["accounts", "innocent_reading"], descending=[True, False])
    )


_VERDICTS = {
    "capped": "so many hold it that it opens no new links; it still counts where something else links two accounts",
    "placeholder": "stands for 'no value'; never counted",
    "uncorroborated": "its holders share little else: a public number, a kiosk, a stolen or resold value",
    "background": "describes a crowd; it opens no links",
}


def describe_hubs(
    hubs: pl.DataFrame, observations: pl.DataFrame, accounts: Sequence[str], names: Names
) -> pl.DataFrame:
    """Return the widely shared values that some accounts hold, those that could mislead first.

    Parameters
    ----------
    hubs : polars.DataFrame
        Contract ``Hubs``.
    observations : polars.DataFrame
        Contract ``Observations``.
    accounts : sequence of str
        The set; what none of them holds is left out.
    names : Names

    Returns
    -------
    polars.DataFrame
        ``kind``, ``value``, ``of_the_set``, ``accounts``, ``why_not_followed``.

    Examples
    --------
    >>> from toolkit.model.tables import Hubs, Observations, empty
    >>> describe_hubs(empty(Hubs), empty(Observations), [], Names("none")).columns
    ['kind', 'value', 'of_the_set', 'accounts', 'why_not_followed']
    """
    rows = find_used_hubs(hubs, observations, accounts).sort(pl.col("verdict") == "background", maintain_order=True)
    return names.rename(rows).select(
        "kind", "value", "of_the_set", pl.col("holders").alias("accounts"),
        pl.col("verdict").replace(_VERDICTS).alias("why_not_followed"),
    )  # fmt: skip


def find_used_hubs(hubs: pl.DataFrame, observations: pl.DataFrame, accounts: Sequence[str]) -> pl.DataFrame:
    """Return the widely shared values that some accounts hold.

    Parameters
    ----------
    hubs : polars.DataFrame
        Contract ``Hubs``.
    observations : polars.DataFrame
        Contract ``Observations``.
    accounts : sequence of str
        The set; what none of them holds is left out.

    Returns
    -------
    polars.DataFrame
        The rows of ``hubs`` in their order, and ``of_the_set``: how many of the accounts hold the value.

    Examples
    --------
    >>> from toolkit.model.tables import Hubs, Observations, empty
    >>> find_used_hubs(empty(Hubs), empty(Observations), []).height
    0
    """
    held = (
        observations.filter(pl.col("account_id").is_in(list(accounts)))
        .group_by("kind", "value")
        .agg(pl.col("account_id").n_unique().cast(pl.Int64).alias("of_the_set"))
    )
    return hubs.join(held, on=["kind", "value"], how="inner", maintain_order="left")


def describe_key_events(key_events: pl.DataFrame) -> pl.DataFrame:
    """Return key events for people, numbered as in the picture of lanes.

    Parameters
    ----------
    key_events : polars.DataFrame
        From :func:`toolkit.timeline.story.find_key_events`.

    Returns
    -------
    polars.DataFrame
        ``no``, ``at``, ``what``, ``account``, ``why``, ``event``, ``of``, ``exact_to``, ``confidence``.

    Examples
    --------
    >>> row = {"at": [1], "rule": ["first seen"], "account_id": ["a"], "event_id": ["e1"], "source": ["app"]}
    >>> row |= {"precision": ["s"], "confidence": ["high"], "text": ["signup"]}
    >>> describe_key_events(pl.DataFrame(row)).rows()
    [(1, 1, 'signup', 'a', 'first seen', 'e1', 'app', 's', 'high')]
    """
    return key_events.select(
        pl.int_range(1, pl.len() + 1).alias("no"), "at", pl.col("text").alias("what"),
        pl.col("account_id").alias("account"), pl.col("rule").alias("why"), pl.col("event_id").alias("event"),
        pl.col("source").alias("of"), pl.col("precision").alias("exact_to"), "confidence",
    )  # fmt: skip


def describe_sessions(sessions: pl.DataFrame) -> pl.DataFrame:
    """Count sessions per account, earliest first.

    Examples
    --------
    >>> from toolkit.model.tables import Sessions, empty
    >>> describe_sessions(empty(Sessions)).columns
    ['account', 'sessions', 'events', 'first', 'last', 'longest_minutes']
    """
    return (
        sessions.group_by("account_id")
        .agg(
            pl.len().cast(pl.Int64).alias("sessions"),
            pl.col("n").cast(pl.Int64).sum().alias("events"),
            pl.col("start_at").min().alias("first"),
            pl.col("end_at").max().alias("last"),
            ((pl.col("end_at") - pl.col("start_at")).dt.total_seconds().max() / 60).round(1).alias("longest_minutes"),
        )
        .sort("first", "account_id")
        .rename({"account_id": "account"})
    )


def say_rules(sessions: pl.DataFrame) -> str:
    """Say how sessions were cut, the commonest rule first.

    Examples
    --------
    >>> say_rules(pl.DataFrame({"how": ["id of the source", "gap 60 s (as asked)", "gap 60 s (as asked)"]}))
    '2 by gap 60 s (as asked), 1 by id of the source'
    """
    counts = sessions.group_by("how").len().sort(["len", "how"], descending=[True, False])
    return ", ".join(f"{n:,} by {how}" for how, n in counts.iter_rows()) or "none was cut"


def describe_templates(observations: pl.DataFrame, accounts: Sequence[str], names: Names) -> pl.DataFrame:
    """Return the prompt templates that at least two accounts of a set use, against everybody who does.

    Examples
    --------
    >>> from toolkit.model.tables import Observations, empty
    >>> describe_templates(empty(Observations), [], Names("none")).columns
    ['template', 'of_the_set', 'in_all', 'set_share', 'first', 'last']
    """
    inside = pl.col("account_id").is_in(list(accounts))
    found = (
        observations.filter(pl.col("kind") == "prompt_template")
        .group_by(pl.col("value").alias("template"))
        .agg(
            pl.col("account_id").filter(inside).n_unique().cast(pl.Int64).alias("of_the_set"),
            pl.col("account_id").n_unique().cast(pl.Int64).alias("in_all"),
            pl.col("first_at").filter(inside).min().alias("first"),
            pl.col("last_at").filter(inside).max().alias("last"),
        )
        .filter(pl.col("of_the_set") >= 2)
        .with_columns((pl.col("of_the_set") / pl.col("in_all")).round(6).alias("set_share"))
        .sort(["of_the_set", "template"], descending=[True, False])
        .select("template", "of_the_set", "in_all", "set_share", "first", "last")
    )
    called = [names.short("prompt_template", value) for value in found["template"]]
    return found.with_columns(pl.Series("template", called, dtype=pl.String))


def describe_values(observations: pl.DataFrame, accounts: Sequence[str], names: Names) -> pl.DataFrame:
    """Return which value each number stands for, as far as the reader may see it, where some accounts hold it.

    Examples
    --------
    >>> from toolkit.model.tables import Observations, empty
    >>> describe_values(empty(Observations), [], Names("none")).columns
    ['name', 'value', 'of_these', 'accounts']
    """
    inside = pl.col("account_id").is_in(list(accounts))
    held = observations.group_by("kind", "value").agg(
        pl.col("account_id").filter(inside).n_unique().cast(pl.Int64).alias("of_these"),
        pl.col("account_id").n_unique().cast(pl.Int64).alias("accounts"),
    )
    held = held.filter(pl.col("of_these") > 0)
    return (
        names.shown_key()
        .join(held, on=["kind", "value"], how="inner", maintain_order="left")
        .select("name", "value", "of_these", "accounts")
    )


def describe_queries(log: pl.DataFrame) -> pl.DataFrame:
    """Return what a database was asked, for people.

    Parameters
    ----------
    log : polars.DataFrame
        Contract ``Queries``: ``Database.log``.

    Returns
    -------
    polars.DataFrame
        ``query`` (its name, or its text), ``values``, ``rows``, ``fingerprint`` of the answer, ``note`` where an answer
        was cut. Order: as asked.

    Examples
    --------
    >>> from toolkit.sources.sql import open_database
    >>> db = open_database({"t": pl.DataFrame({"n": [1, 2]})})
    >>> _ = db.query("select n from t where n > $least", least=1)
    >>> describe_queries(db.log).row(0)[:3]
    ('select n from t where n > $least', '{"least": 1}', 1)
    """
    return log.select(
        pl.when(pl.col("name") != "").then(pl.col("name")).otherwise(pl.col("text")).alias("query"),
        pl.col("parameters").alias("values"),
        "rows",
        pl.col("answer_sha256").str.slice(0, 12).alias("fingerprint"),
        pl.when("truncated").then(pl.lit("cut: there were more rows")).otherwise(pl.lit("")).alias("note"),
    )


def describe_levels() -> pl.DataFrame:
    """Return the levels of evidence in words.

    Examples
    --------
    >>> describe_levels().row(3)
    ('L3', 'strong: a rare exclusive value, used at the same time, and another kind beside it')
    """
    return pl.DataFrame({"level": [level.value for level in Level], "meaning": [level.meaning for level in Level]})


def find_arrivals(observations: pl.DataFrame, groups: dict[str, Sequence[str]]) -> pl.DataFrame:
    """Return when the accounts of some groups were first seen; who was never seen at a known time is left out.

    Examples
    --------
    >>> from toolkit.model.tables import Observations, empty
    >>> find_arrivals(empty(Observations), {"belongs": []}).columns
    ['account_id', 'first_at', 'group']
    """
    first = (
        observations.group_by("account_id").agg(pl.col("first_at").min()).drop_nulls().sort("first_at", "account_id")
    )
    parts = [
        first.filter(pl.col("account_id").is_in(list(accounts))).with_columns(pl.lit(name).alias("group"))
        for name, accounts in groups.items()
    ]
    return pl.concat(parts)


def find_lanes(events: pl.DataFrame, seeds: Sequence[str], most: int = 40) -> list[str]:
    """Choose the accounts that a picture of lanes can hold, in order of first act: the seeds, and who acts first.

    Examples
    --------
    >>> frame = pl.DataFrame({"account_id": ["b", "a", "c"], "event_at": [2, 1, 3]})
    >>> find_lanes(frame, ["c"], most=2)
    ['a', 'c']
    """
    first = events.group_by("account_id").agg(pl.col("event_at").min()).sort("event_at", "account_id")
    seed = pl.col("account_id").is_in(list(seeds))
    chosen = pl.concat([first.filter(seed), first.filter(~seed)]).head(most)
    return chosen.sort("event_at", "account_id")["account_id"].to_list()
