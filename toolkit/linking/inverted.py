"""One account, many people: accounts that are lent, sold on, or resold by the request.

Linking asks which accounts are one person's. A relay turns that round: it holds a few paid accounts and deals thousands
of people's requests over them, so the company sees a few busy customers. What gives them away is that no one person
lives like that: nine languages, no night, two places at once.

The unit is a *turn* (a session, or a run of requests without a long pause), because the requests of one turn say the
same thing many times. Each account is judged on as many turns as there are enough others to compare with: the middle
ones of its turns, against the middle ones of every account with as many, so that nobody is strange for being busy.

p-values come from those peers: by rank up to the third quartile, beyond it by an exponential tail through the median
and that quartile, which relays among the peers hardly move (where the true tail is thinner, it is cautious). Tests of
one account are combined by Bonferroni's rule, which holds however they depend. False discoveries are controlled among
the accounts as busy (Benjamini & Hochberg 1995, stratum by stratum): the many who hardly write do not hide the few who
cannot be one person.
Nothing here is proof: an office, a family or a script lives like that too, and the table says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from toolkit.errors import InputError, nearest
from toolkit.linking.arrays import BoolArray, FloatArray, IntArray
from toolkit.model.tables import UTC

__all__ = ["FACETS", "PersonaSettings", "build_turns", "control_fdr", "find_many_people"]

FACETS: Mapping[str, str] = {
    "language": "lang", "place": "country", "topic": "prompt_template", "ip": "ip", "device": "user_agent"
}  # fmt: skip
"""What a turn is seen with, and the column that says so. Columns that are not there are left out, and so are the tests
that need them: languages, places and topics are counted, ip and device tell turns at one time apart."""


@dataclass(frozen=True, slots=True)
class PersonaSettings:
    """The dials, with their reasons.

    Attributes
    ----------
    min_turns : int
        Turns an account needs to be judged: below twenty, a month of mornings looks like a life without a night.
    step : float
        Numbers of turns are compared at min_turns, and at each so many times that.
    peers : int
        Accounts with as many turns that a comparison needs; fewer do not tell a tail.
    speaks : float
        p-value from which a test counts as a reason.
    fdr : float
        Share of false names among the accounts named, at most.
    reasons : int
        Tests that must speak: a translator has many languages, a script has no night.
    """

    min_turns: int = 20
    step: float = 1.5
    peers: int = 100
    speaks: float = 0.05
    fdr: float = 0.01
    reasons: int = 2


_READINGS = {
    "language": "a translator, a language learner or a household",
    "hours": "a script that runs round the clock, or shift work",
    "place": "a traveller, or a VPN that changes its exit",
    "topic": "an office's account, or somebody with many interests",
    "concurrent": "one person on several machines, or a job beside its owner",
}
_SAYS = {
    "language": "as many languages as {:.1f} used equally",
    "hours": "its turns fill {:.0%} of the evenness of a day without a night",
    "place": "as many countries as {:.1f} used equally",
    "topic": "as many templates as {:.1f} used equally",
    "concurrent": "{:.0%} of its turns begin while another, from elsewhere, is going on",
}


def build_turns(
    events: pl.DataFrame,
    *,
    account: str = "account_id",
    at: str = "event_at",
    session: str = "session_id",
    facets: Mapping[str, str] = FACETS,
    pause_min: float = 30.0,
) -> pl.DataFrame:
    """Put events together into turns.

    Parameters
    ----------
    events : polars.DataFrame
        Requests, or any events of accounts.
    account, at, session : str
        Columns of the account, the time (UTC) and the session. Without a session (no column, or null) a turn ends with
        a pause of ``pause_min`` minutes.
    facets : mapping of str to str
        What to carry along: name and column; columns that are not there are left out.
    pause_min : float

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``start_at``, ``end_at`` (UTC), ``n`` events, and a column per facet (text; the first that is
        not null). Order: account_id, start_at, end_at, facets. Rows without account or time are left out.

    Raises
    ------
    InputError
        If there is no column of the account or the time, or the pause is not positive.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, 9, m, tzinfo=UTC) for m in (0, 10, 55)]
    >>> build_turns(pl.DataFrame({"account_id": "a", "event_at": at, "lang": "de"})).select("n", "language").rows()
    [(2, 'de'), (1, 'de')]
    """
    for name in (account, at):
        if name not in events.columns:
            raise InputError(f"no column {name!r} in these events: {nearest(name, events.columns)}")
    if not pause_min > 0:
        raise InputError(f"a pause is a positive number of minutes, found {pause_min}")
    there = {name: column for name, column in facets.items() if column in events.columns}
    sessions = pl.col(session).cast(pl.String) if session in events.columns else pl.lit(None, pl.String)
    rows = events.select(
        account_id=pl.col(account).cast(pl.String),
        start_at=pl.col(at).cast(UTC),
        session=sessions,
        **{name: pl.col(column).cast(pl.String) for name, column in there.items()},
    ).drop_nulls(["account_id", "start_at"])
    rows = rows.sort(["account_id", "start_at", "session", *there], nulls_last=True)
    pause = (pl.col("start_at") - pl.col("start_at").shift(1)).dt.total_seconds() > 60 * pause_min
    rows = rows.with_columns(
        run=pl.when(pl.col("session").is_null()).then(pause.fill_null(value=False).cum_sum().over("account_id"))
    )
    turns = rows.group_by("account_id", "session", "run", maintain_order=True).agg(
        pl.col("start_at").min(),
        pl.col("start_at").max().alias("end_at"),
        pl.len().cast(pl.Int64).alias("n"),
        *(pl.col(name).drop_nulls().first() for name in there),
    )
    return turns.drop("session", "run").sort(["account_id", "start_at", "end_at", *there, "n"], nulls_last=True)


def find_many_people(
    turns: pl.DataFrame, *, orgs: Sequence[str] = (), dials: PersonaSettings | None = None
) -> pl.DataFrame:
    """Find accounts that more than one person seems to stand behind.

    Parameters
    ----------
    turns : polars.DataFrame
        As :func:`build_turns` returned them: of the whole population, which is the null.
    orgs : sequence of str
        Accounts known to be an organisation's: they are judged alike, and their innocent reading says so.
    dials : PersonaSettings, optional

    Returns
    -------
    polars.DataFrame
        A row per account with enough turns: ``account_id``, ``turns`` (of the account), ``judged_on`` (turns that were
        compared), ``peers`` (accounts compared with), for each test ``<test>`` (the statistic) and ``<test>_p``,
        ``p`` (all tests), ``q`` (over accounts as busy), ``reasons`` (tests that speak), ``many_people`` (q within the
        rate and enough tests), ``why``, ``innocent_explanation``. Order: many_people first, q, p, account_id.

    Raises
    ------
    InputError
        If a column is missing.

    Notes
    -----
    Tests: *language*, *place*, *topic*: inverse Simpson index over turns. *hours*: entropy of the 24 hours of the day
    (UTC: a shift of zone changes nothing) over that of a flat day. *concurrent*: share of turns that begin before an
    earlier one from another ip and another device has ended. Where fewer than ``peers`` accounts have enough turns, the
    result is empty: there is nothing to compare with.

    Examples
    --------
    >>> find_many_people(build_turns(pl.DataFrame(schema={"account_id": pl.String, "event_at": UTC}))).height
    0
    """
    dials = dials or PersonaSettings()
    missing = [name for name in ("account_id", "start_at", "end_at") if name not in turns.columns]
    if missing:
        raise InputError(f"no column {missing[0]!r} in these turns: {nearest(missing[0], turns.columns)}")
    facets = [name for name in FACETS if name in turns.columns]
    turns = turns.sort(["account_id", "start_at", "end_at", *facets], nulls_last=True)
    counted = ("language", "place", "topic")
    tests: list[str] = [t for t in counted if t in turns.columns and turns[t].is_not_null().any()]
    marked = _mark_concurrent(turns)
    tests += ["hours", *(["concurrent"] if "concurrent" in marked.columns else [])]
    number = marked.group_by("account_id").agg(turns=pl.len().cast(pl.Int64)).sort("account_id")
    number = number.filter(pl.col("turns") >= dials.min_turns)
    levels = _levels(number.get_column("turns").to_numpy(), dials)
    judged = []
    for level, above in zip(levels, [*levels, None][1:], strict=True):
        table = _measure(marked, number.filter(pl.col("turns") >= level), level, tests)
        mine = pl.lit(value=True) if above is None else pl.col("turns") < above
        for test in tests:
            p = _tail(table.get_column(test).to_numpy())
            table = table.with_columns(pl.Series(f"{test}_p", p, nan_to_null=True))
        judged.append(table.with_columns(judged_on=pl.lit(level), peers=pl.lit(table.height)).filter(mine))
    return _named(pl.concat(judged), tests, orgs, dials) if judged else _nobody(tests)


def control_fdr(p: FloatArray) -> FloatArray:
    """Return Benjamini-Hochberg q-values; NaN stays NaN and is no test.

    Examples
    --------
    >>> control_fdr(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    from scipy.stats import false_discovery_control

    q, tested = np.full(len(p), np.nan), ~np.isnan(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q


def _levels(turns: IntArray, dials: PersonaSettings) -> list[int]:
    """Numbers of turns at which enough accounts can be compared, rising."""
    found, level = [], float(dials.min_turns)
    while int((turns >= round(level)).sum()) >= dials.peers:
        found.append(round(level))
        level *= dials.step
    return found


def _mark_concurrent(turns: pl.DataFrame) -> pl.DataFrame:
    """Whether a turn begins while an earlier one from another ip and another device goes on."""
    elsewhere = [name for name in ("ip", "device") if name in turns.columns]
    if not elsewhere:
        return turns
    before = [pl.col(name) != pl.col(name).shift(1).over("account_id") for name in elsewhere]
    ended = pl.col("end_at").cum_max().shift(1).over("account_id")
    return turns.with_columns(
        concurrent=(pl.all_horizontal(before) & (pl.col("start_at") < ended)).fill_null(value=False)
    )


def _measure(turns: pl.DataFrame, who: pl.DataFrame, level: int, tests: list[str]) -> pl.DataFrame:
    """The statistics of the middle turns of each account."""
    middle = turns.join(who, on="account_id", maintain_order="left")
    place = pl.int_range(pl.len()).over("account_id") - (pl.col("turns") - level) // 2
    middle = middle.filter(place.is_between(0, level - 1))
    table = who
    for test in tests:
        if test == "concurrent":
            found = middle.group_by("account_id").agg(concurrent=pl.col("concurrent").mean())
        else:
            column = pl.col("start_at").dt.hour().cast(pl.String) if test == "hours" else pl.col(test)
            cells = middle.select("account_id", cell=column).drop_nulls().group_by("account_id", "cell").len()
            share = pl.col("len") / pl.col("len").sum()
            # Sorted before they are added up, so that the sums do not depend on the order of the groups.
            index = 1 / share.pow(2).sort().sum()
            flat = -(share * share.log()).sort().sum() / float(np.log(24))
            found = cells.group_by("account_id").agg((flat if test == "hours" else index).alias(test))
        table = table.join(found, on="account_id", how="left", maintain_order="left")
    return table


def _tail(value: FloatArray) -> FloatArray:
    """One-sided p-values of each value among all: ranks, and an exponential tail beyond the third quartile."""
    value = np.asarray(value, dtype=float)
    known = ~np.isnan(value)
    p = np.full(len(value), np.nan)
    if not known.any():
        return p
    peers = np.sort(value[known])
    reached = len(peers) - np.searchsorted(peers, value[known], side="left")
    rank = reached / len(peers)
    half, edge = np.quantile(peers, [0.5, 0.75])
    scale = (edge - half) / np.log(2)
    if scale > 0:
        rank = np.where(value[known] > edge, 0.25 * np.exp(-(value[known] - edge) / scale), rank)
    p[known] = np.clip(rank, 1e-300, 1.0)
    return p


def _combine(p: FloatArray) -> FloatArray:
    """Bonferroni over columns; NaN is no test."""
    tests = (~np.isnan(p)).sum(axis=1)
    least = np.nanmin(np.where(np.isnan(p), 1.0, p), axis=1)
    return np.where(tests > 0, np.minimum(least * tests, 1.0), np.nan)


def _named(table: pl.DataFrame, tests: list[str], orgs: Sequence[str], dials: PersonaSettings) -> pl.DataFrame:
    table = table.sort("account_id")
    each = table.select(f"{test}_p" for test in tests).cast(pl.Float64).fill_null(np.nan).to_numpy()
    p = _combine(each)
    q, level = np.full(len(p), np.nan), table.get_column("judged_on").to_numpy()
    for busy in np.unique(level):
        q[level == busy] = control_fdr(p[level == busy])
    speaks: BoolArray = np.nan_to_num(each, nan=1.0) <= dials.speaks
    many = (np.nan_to_num(q, nan=1.0) <= dials.fdr) & (speaks.sum(axis=1) >= dials.reasons)
    office = set(orgs)
    why, innocent = [], []
    for row, said in zip(table.iter_rows(named=True), speaks, strict=True):
        mine = [test for test, so in zip(tests, said, strict=True) if so]
        beyond = [
            f"{_SAYS[test].format(row[test])} (p = {row[f'{test}_p']:.2g} among {row['peers']} accounts as busy)"
            for test in mine
        ]
        why.append("; ".join(beyond) if beyond else "nothing that one person does not do")
        readings = [_READINGS[test] for test in mine]
        own = ["an organisation's account, which colleagues share"] if row["account_id"] in office else []
        innocent.append("; ".join([*own, *readings]) if readings else "one person")
    named = table.with_columns(
        p=pl.Series(p, nan_to_null=True),
        q=pl.Series(q, nan_to_null=True),
        reasons=pl.Series(speaks.sum(axis=1), dtype=pl.Int64),
        many_people=pl.Series(many, dtype=pl.Boolean),
        why=pl.Series(why, dtype=pl.String),
        innocent_explanation=pl.Series(innocent, dtype=pl.String),
    )
    ordered = named.sort("many_people", "q", "p", "account_id", descending=[True, False, False, False], nulls_last=True)
    return ordered.select(_nobody(tests).columns).with_columns(pl.col("judged_on", "peers").cast(pl.Int64))


def _nobody(tests: list[str]) -> pl.DataFrame:
    measured = {name: pl.Float64 for test in tests for name in (test, f"{test}_p")}
    said = {"reasons": pl.Int64, "many_people": pl.Boolean, "why": pl.String, "innocent_explanation": pl.String}
    whole = {"account_id": pl.String, "turns": pl.Int64, "judged_on": pl.Int64, "peers": pl.Int64}
    return pl.DataFrame(schema={**whole, **measured, "p": pl.Float64, "q": pl.Float64, **said})
