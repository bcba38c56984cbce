"""Many accounts, one scheduler: load dealt out evenly, batches that start together, accounts that take turns.

An operator with hundreds of accounts does not use them by hand. A program deals the work, and deals it as programs do:
to each account as much, to many at one moment, or to one after the other. People who share nothing do none of this.

Every test asks what the same accounts would do *without* a common clock:

* **even**: are their numbers of turns more alike than those of as many accounts that lived as long?
* **batches**: do more of them start at one moment than when every start is moved within its hour?
* **relay**: are the pauses between one account's turn and the next one's more even than when each account's whole train
  is moved by itself? (Each keeps its own rhythm: two cron jobs of one period are not turn-taking.)

What is found can be linked: :func:`observe_batches` and :func:`observe_handoffs` give ordinary observations, of kinds
that are declared here, so that they enter like any other value and are judged by the same rules.

Sources: index of dispersion (Fisher 1950), permutation by jitter as in the neural-synchrony literature (Amarasingham et
al. 2012), Poisson likelihood ratio for repeats (the project's linking reference, 2.2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl

from toolkit.errors import need_columns
from toolkit.linking.arrays import FloatArray, IntArray, ranges
from toolkit.linking.derived import observe_pairs
from toolkit.linking.inverted import control_fdr
from toolkit.model.tables import Observations, conform, empty
from toolkit.settings import Kind

__all__ = [
    "SCHEDULE_KINDS",
    "ScheduleSettings",
    "find_handoffs",
    "find_schedules",
    "observe_batches",
    "observe_handoffs",
]

SCHEDULE_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        # One batch in common may be a launch or an outage that ended: three are needed. Twelve bits is what synchrony
        # may give: never enough by itself. By holders among everybody, not by draws: the draws that hit no batch are
        # not listed, and without them whoever is in batches would seem to be in all of them.
        "schedule": Kind("schedule", "behav", "unique", 0.4, 1e-3, 12.0, 300, min_shared=3),
        # A pair's own value, written only for pairs that take turns far beyond chance.
        "handoff": Kind("handoff", "behav", "unique", 0.4, 1e-3, 8.0, 2),
    }
)
"""Kinds of the observations made here; pass ``kinds={**data.kinds, **SCHEDULE_KINDS}`` to whatever links them."""


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """The dials, with their reasons.

    Attributes
    ----------
    window_s : float
        Starts within so many seconds are one moment: a queue is emptied within a minute or two.
    jitter_h : float
        Starts are moved by up to so many hours in the null: the hour of day stays, the minute goes.
    draws : int
        Shuffles.
    fdr : float
        Share of false names among the clusters named, at most.
    reasons : int
        Tests that must speak: a company's nightly job starts together too, and nothing else.
    peers : int
        Other accounts that lived as long, which evenness needs to be compared with.
    min_accounts, min_turns : int
        Accounts, and turns of all of them together, that a set needs to be judged.
    batch_factor : float
        A moment is a batch where so many times more accounts start than its neighbourhood leads to expect ...
    batch_p : float
        ... and a Poisson chance over all moments is below this.
    hand_over : float
        How much likelier than chance the next turn goes to a given account if the two take turns.
    max_bits : float
        Most bits that taking turns gives a pair.
    seed : int
        Of the shuffles.
    """

    window_s: float = 120.0
    jitter_h: float = 1.0
    draws: int = 199
    fdr: float = 0.05
    reasons: int = 2
    peers: int = 50
    min_accounts: int = 4
    min_turns: int = 40
    batch_factor: float = 3.0
    batch_p: float = 1e-3
    hand_over: float = 4.0
    max_bits: float = 12.0
    seed: int = 0


_TESTS = ("even", "batches", "relay")
_WORTH = {"even": 2.0, "batches": 3.0, "relay": 0.8}
"""What makes a test worth a word beside its p-value: a variance of at most twice the mean, three times the starts of
chance, pauses as even as those of a two-step process (the spread of its logarithms is 0.8)."""
_SAYS = {
    "even": "their load is dealt out evenly (variance {:.1f} times the mean; {:.1f} among accounts that lived as long)",
    "batches": "they start together ({:.0f} pairs of starts at one moment, {:.1f} with the minutes shuffled)",
    "relay": "they take turns (log pauses spread by {:.2f}, by {:.2f} with each account's train moved)",
}
_READINGS = {
    "even": "a quota that everybody uses up, or a class with one task",
    "batches": "a company's jobs, a launch, or an outage that ended",
    "relay": "colleagues on one rota, or devices that report in a fixed order",
}


def find_schedules(
    turns: pl.DataFrame,
    members: pl.DataFrame,
    *,
    payers: pl.DataFrame | None = None,
    dials: ScheduleSettings | None = None,
) -> pl.DataFrame:
    """Test sets of accounts for a common scheduler.

    Parameters
    ----------
    turns : polars.DataFrame
        ``account_id``, ``start_at``, ``end_at`` (UTC; :func:`~toolkit.linking.inverted.build_turns`), of the whole
        population: evenness is compared with others.
    members : polars.DataFrame
        ``cluster_id``, ``account_id``.
    payers : polars.DataFrame, optional
        ``account_id``, ``value``: who pays (cards). Adds how many accounts a payer stands behind.
    dials : ScheduleSettings, optional

    Returns
    -------
    polars.DataFrame
        A row per set that can be judged: ``cluster_id``, ``accounts``, ``turns``, for each test ``<test>`` (observed),
        ``<test>_null`` (mean of the shuffles) and ``<test>_p``, ``accounts_per_payer`` (null = not known), ``q`` (over
        sets; Bonferroni over tests), ``reasons`` (tests that speak), ``scheduled`` (q within the rate and enough of
        them), ``why``, ``innocent_explanation``. Order: scheduled first, q, cluster_id.

    Raises
    ------
    InputError
        If a column is missing.

    Notes
    -----
    *even* is variance over mean of turns per account, low speaks; *batches* the number of pairs of accounts that start
    within a window; *relay* the standard deviation of the logarithms of the
    pauses in the joint stream, low speaks (1.28 where starts are independent).

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> start = datetime(2026, 1, 5, tzinfo=UTC)
    >>> at = [start + timedelta(hours=h, minutes=7 * h % 50, seconds=i) for h in range(12) for i in range(5)]
    >>> turns = pl.DataFrame({"account_id": list("abcde") * 12, "start_at": at, "end_at": at})
    >>> members = pl.DataFrame({"cluster_id": "ring", "account_id": list("abcde")})
    >>> found = find_schedules(turns, members)
    >>> found["batches"][0], found["reasons"][0], found["scheduled"][0]  # nobody to compare their load with
    (120.0, 1, False)
    """
    dials = dials or ScheduleSettings()
    need_columns(turns.columns, ("account_id", "start_at", "end_at"), "turns")
    need_columns(members.columns, ("cluster_id", "account_id"), "members")
    lives = _lives(turns)
    paid = None if payers is None else payers.select("account_id", "value").drop_nulls().unique()
    rows: list[dict[str, object]] = []
    for (cluster,), part in (
        members.unique().sort("cluster_id", "account_id").group_by("cluster_id", maintain_order=True)
    ):
        who = part.get_column("account_id").unique().sort()
        mine = turns.filter(pl.col("account_id").is_in(who.implode())).sort("start_at", "account_id", "end_at")
        judged = lives.filter(pl.col("account_id").is_in(who.implode()))
        if judged.height < dials.min_accounts or mine.height < dials.min_turns:
            continue
        rng = _luck(str(cluster), dials.seed)
        account = mine.get_column("account_id").rank("dense").cast(pl.Int64).to_numpy() - 1
        at = mine.get_column("start_at").dt.timestamp("us").to_numpy() / 1e6
        found = {
            "even": _evenness(judged, lives.join(judged, on="account_id", how="anti"), rng, dials),
            "batches": _batches(account, at, rng, dials),
            "relay": _turn_taking(account, at, rng, dials),
        }
        numbers: dict[str, float] = {}
        for test, (seen, null, chance) in found.items():
            numbers |= {test: seen, f"{test}_null": null, f"{test}_p": chance}
        rows.append(
            {"cluster_id": str(cluster), "accounts": judged.height, "turns": mine.height, **numbers,
             "accounts_per_payer": _per_payer(who, paid)}
        )  # fmt: skip
    table = pl.DataFrame(rows, schema=_columns())
    if table.is_empty():
        return _told(table, np.empty(0), dials)
    p = table.select(f"{test}_p" for test in _TESTS).to_numpy()
    return _told(table, control_fdr(np.minimum(p.min(axis=1) * len(_TESTS), 1.0)), dials)


def observe_batches(turns: pl.DataFrame, *, dials: ScheduleSettings | None = None) -> pl.DataFrame:
    """Find moments at which far more accounts start than the hours around lead to expect, in the whole population.

    Parameters
    ----------
    turns : polars.DataFrame
        ``account_id``, ``start_at`` (UTC), of everybody.
    dials : ScheduleSettings, optional

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``: every account that started in a batch, with the kind ``schedule`` and the moment as
        value. One common batch says nothing (``SCHEDULE_KINDS`` asks for three); an hourly job has many, and many
        holders. Where there are batches, every account also has a value of its own (``own <account>``): what is rare is
        judged among everybody who started anything, not among those in batches.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> crowd = [(f"c{i}", at + timedelta(minutes=9 * i)) for i in range(200)]
    >>> batch = [(f"r{i}", at + timedelta(hours=10, seconds=i)) for i in range(20)]
    >>> turns = pl.DataFrame(crowd + batch, schema={"account_id": pl.String, "start_at": pl.Datetime("us", "UTC")},
    ...                      orient="row")
    >>> found = observe_batches(turns)
    >>> found.filter(pl.col("value").str.starts_with("batch"))["value"].value_counts().rows()
    [('batch 2026-01-05T10:00:00Z', 20)]
    """
    from scipy.stats import poisson

    dials = dials or ScheduleSettings()
    need_columns(turns.columns, ("account_id", "start_at"), "turns")
    rows = turns.select("account_id", "start_at").drop_nulls().unique().sort("start_at", "account_id")
    if rows.is_empty():
        return empty(Observations)
    at = rows.get_column("start_at").dt.timestamp("us").to_numpy() / 1e6
    within = np.searchsorted(at, at + dials.window_s, side="left") - np.arange(len(at))
    # What the three hours on either side lead to expect, without the quarter of an hour around the moment itself.
    near, far = 900.0, 3 * 3600.0
    wide = np.searchsorted(at, at + far) - np.searchsorted(at, at - far)
    close = np.searchsorted(at, at + near) - np.searchsorted(at, at - near)
    expected = np.maximum((wide - close) * dials.window_s / (2 * (far - near)), 0.5)
    moments = max((at[-1] - at[0]) / dials.window_s, 1.0)
    rare = poisson.sf(within - 1, expected) * moments < dials.batch_p
    peaks = np.flatnonzero(rare & (within >= dials.batch_factor * expected) & (within >= dials.min_accounts))
    taken, chosen = np.zeros(len(at), dtype=bool), []
    for peak in peaks[np.lexsort((peaks, -within[peaks]))]:
        if not taken[peak : peak + within[peak]].any():  # the fullest moments first, none overlapping another
            taken[peak : peak + within[peak]] = True
            chosen.append(peak)
    begin = np.sort(np.array(chosen, dtype=np.int64))
    inside = ranges(begin, begin + within[begin])
    named = rows.get_column("start_at").gather(np.repeat(begin, within[begin])).dt.strftime("batch %Y-%m-%dT%H:%M:%SZ")
    seen = rows.select(pl.all().gather(inside)).with_columns(value=named)
    if len(begin):
        seen = pl.concat([seen, rows.with_columns(value=pl.format("own {}", "account_id"))])
    found = seen.group_by("account_id", "value").agg(
        pl.lit("schedule").alias("kind"),
        pl.col("start_at").min().alias("first_at"),
        pl.col("start_at").max().alias("last_at"),
        pl.len().cast(pl.Int64).alias("n"),
        pl.lit("schedule").alias("source"),
    )
    return conform(found.sort("account_id", "kind", "value"), Observations)


def find_handoffs(turns: pl.DataFrame, accounts: list[str], *, dials: ScheduleSettings | None = None) -> pl.DataFrame:
    """Find pairs among some accounts where the one's turn is regularly followed by the other's.

    Parameters
    ----------
    turns : polars.DataFrame
        ``account_id``, ``start_at`` (UTC).
    accounts : list of str
        Who may be taking turns: a cluster, or those whom :func:`~toolkit.linking.inverted.find_many_people` names.
        Among all accounts of a company anybody is next.
    dials : ScheduleSettings, optional

    Returns
    -------
    polars.DataFrame
        ``account_a`` < ``account_b``, ``n`` (hand-offs, in the direction with more), ``expected`` (by b's share of the
        others' turns while both were active), ``bits`` (``n log2(r) - (r - 1) expected / ln 2``, capped), ``first_at``,
        ``last_at``. Pairs with positive bits. Order: bits descending, account_a, account_b.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> start = datetime(2026, 1, 5, tzinfo=UTC)
    >>> at = [start + timedelta(minutes=20 * k) for k in range(120)]
    >>> turns = pl.DataFrame({"account_id": list("abcdef") * 20, "start_at": at})
    >>> find_handoffs(turns, list("abcdef")).select("account_a", "account_b", "n").rows()[:2]
    [('a', 'b', 20), ('a', 'f', 19)]
    """
    dials = dials or ScheduleSettings()
    need_columns(turns.columns, ("account_id", "start_at"), "turns")
    names = pl.Series("account_id", sorted(set(accounts)), dtype=pl.String)
    rows = turns.filter(pl.col("account_id").is_in(names.implode())).drop_nulls(["account_id", "start_at"])
    rows = rows.select("account_id", "start_at").unique().sort("start_at", "account_id")
    # A run of one account's turns is one turn here: it hands over once.
    rows = rows.filter((pl.col("account_id") != pl.col("account_id").shift(1)).fill_null(value=True))
    code = {name: number for number, name in enumerate(names)}
    who = np.array([code[name] for name in rows.get_column("account_id").to_list()], dtype=np.int64)
    at = rows.get_column("start_at").dt.timestamp("us").to_numpy()
    count = len(names)
    key, n = np.unique(who[:-1] * count + who[1:], return_counts=True)
    source, target = key // max(count, 1), key % max(count, 1)
    expected = _expected(who, at, source, target, count)
    bits = np.minimum(n * np.log2(dials.hand_over) - (dials.hand_over - 1) * expected / np.log(2), dials.max_bits)
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, who, at)
    np.maximum.at(last, who, at)
    table = pl.DataFrame(
        {
            "account_a": names.gather(np.minimum(source, target)),
            "account_b": names.gather(np.maximum(source, target)),
            "n": n.astype(np.int64),
            "expected": np.round(expected, 6),
            "bits": np.round(bits, 6),
            "first_at": pl.Series(np.maximum(first[source], first[target])).cast(pl.Datetime("us", "UTC")),
            "last_at": pl.Series(np.minimum(last[source], last[target])).cast(pl.Datetime("us", "UTC")),
        }
    )
    better = table.filter(pl.col("bits") > 0).sort(
        ["bits", "n", "account_a", "account_b"], descending=[True, True, False, False]
    )
    return better.unique(["account_a", "account_b"], keep="first", maintain_order=True).sort(
        ["bits", "account_a", "account_b"], descending=[True, False, False]
    )


def observe_handoffs(handoffs: pl.DataFrame, *, min_bits: float = 6.0) -> pl.DataFrame:
    """Write pairs that take turns as observations, a value a pair, so that linking can take them.

    Parameters
    ----------
    handoffs : polars.DataFrame
        As :func:`find_handoffs` returned them; any table with ``account_a``, ``account_b``, ``bits``, ``n``,
        ``first_at`` and ``last_at`` will do.
    min_bits : float
        Pairs below it are not written. How much a pair then counts is the kind's: ``SCHEDULE_KINDS["handoff"]``.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``, of the kind ``handoff``.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> pair = pl.DataFrame({"account_a": ["a"], "account_b": ["b"], "bits": [9.0], "n": [30],
    ...                      "first_at": [None], "last_at": [None]})
    >>> observe_handoffs(pair).select("account_id", "kind", "value").rows()
    [('a', 'handoff', 'a and b'), ('b', 'handoff', 'a and b')]
    """
    need_columns(handoffs.columns, ("account_a", "account_b", "bits", "n", "first_at", "last_at"), "handoffs")
    return observe_pairs(handoffs, "handoff", min_bits=min_bits, source="handoffs")


def _luck(cluster: str, seed: int) -> np.random.Generator:
    """A cluster's own draws: the same whatever other clusters are judged with it."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(cluster.encode()).digest()[:8], "big")])


def _lives(turns: pl.DataFrame) -> pl.DataFrame:
    """By account: turns, and days from the first to the last."""
    days = (pl.col("end_at").max() - pl.col("start_at").min()).dt.total_microseconds() / 8.64e10
    return turns.group_by("account_id").agg(n=pl.len().cast(pl.Int64), days=days).sort("account_id")


def _evenness(
    judged: pl.DataFrame, others: pl.DataFrame, rng: np.random.Generator, dials: ScheduleSettings
) -> tuple[float, float, float]:
    """Variance over mean of turns per account, and as much in sets drawn from accounts that lived as long."""
    seen = _dispersion(judged.get_column("n").to_numpy()[None, :])[0]
    low, high = (judged.get_column("days").quantile(q, "linear") or 0.0 for q in (0.1, 0.9))
    peers = others.filter(pl.col("days").is_between(0.8 * low, 1.25 * high)).get_column("n").to_numpy()
    if len(peers) < dials.peers:
        return float(seen), float("nan"), 1.0
    drawn = _dispersion(peers[rng.integers(0, len(peers), (dials.draws, judged.height))])
    return float(seen), float(drawn.mean()), _chance(-np.log(seen + 0.01), -np.log(drawn + 0.01))


def _dispersion(counts: IntArray) -> FloatArray:
    ratio: FloatArray = counts.var(axis=1, ddof=1) / counts.mean(axis=1)
    return ratio


def _batches(
    account: IntArray, at: FloatArray, rng: np.random.Generator, dials: ScheduleSettings
) -> tuple[float, float, float]:
    """Pairs of accounts that start within a window, and as many with every start moved within its hour."""
    seen = _pairs_at_once(account, at, dials.window_s)
    moved = [
        _pairs_at_once(account, at + rng.uniform(-1, 1, len(at)) * 3600 * dials.jitter_h, dials.window_s)
        for _ in range(dials.draws)
    ]
    return float(seen), float(np.mean(moved)), _chance(float(seen), np.array(moved, dtype=float))


def _chance(seen: float, drawn: FloatArray) -> float:
    """Share of draws that reach what was seen; beyond them all, Student's t with 8 degrees, thicker than the normal.

    Without the tail, 199 draws could name nothing among two hundred sets.
    """
    from scipy.stats import t

    rank = float((1 + (drawn >= seen).sum()) / (1 + len(drawn)))
    spread = float(drawn.std(ddof=1))
    if (drawn >= seen).any() or spread == 0:
        return rank
    return min(rank, float(t.sf((seen - drawn.mean()) / spread, df=8)))


def _pairs_at_once(account: IntArray, at: FloatArray, window_s: float) -> int:
    """Pairs of starts within a window; those of one account are taken out again."""
    pairs = _within(np.sort(at), window_s)
    order = np.lexsort((at, account))
    stride = float(np.ptp(at)) + 2 * window_s + 1
    return pairs - _within(account[order] * stride + (at[order] - at.min()), window_s)


def _within(axis: FloatArray, window_s: float) -> int:
    return int((np.searchsorted(axis, axis + window_s, side="right") - 1 - np.arange(len(axis))).sum())


def _turn_taking(
    account: IntArray, at: FloatArray, rng: np.random.Generator, dials: ScheduleSettings
) -> tuple[float, float, float]:
    """Variation of the pauses of the joint stream, and with each account's train moved round by itself."""
    first, span = float(at.min()), float(np.ptp(at)) + 1.0
    seen = _variation(at)
    moved = []
    for _ in range(dials.draws):
        shift = rng.uniform(0, span, int(account.max()) + 1)
        moved.append(_variation(first + np.mod(at - first + shift[account], span)))
    return seen, float(np.mean(moved)), _chance(-seen, -np.array(moved))


def _variation(at: FloatArray) -> float:
    """Spread of the logarithms of the pauses: one long holiday does not hide a steady beat."""
    pauses = np.log(np.maximum(np.diff(np.sort(at)), 1.0))
    return float(pauses.std())


def _expected(who: IntArray, at: IntArray, source: IntArray, target: IntArray, count: int) -> FloatArray:
    """Hand-offs that the target's share of the others' turns gives, while both accounts were there."""
    order = np.lexsort((at, who))
    start = np.searchsorted(who[order], np.arange(count + 1))
    trains = [at[order][start[k] : start[k + 1]] for k in range(count)]
    expected = np.zeros(len(source))
    for row, (a, b) in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
        low, high = max(trains[a][0], trains[b][0]), min(trains[a][-1], trains[b][-1])
        number = {k: int(np.searchsorted(trains[k], high, "right") - np.searchsorted(trains[k], low)) for k in (a, b)}
        others = int(np.searchsorted(at, high, "right") - np.searchsorted(at, low)) - number[a]
        expected[row] = number[a] * number[b] / others if others > 0 else 0.0
    return expected


def _per_payer(who: pl.Series, paid: pl.DataFrame | None) -> float | None:
    if paid is None:
        return None
    ours = paid.filter(pl.col("account_id").is_in(who.implode()))
    payers = ours.get_column("value").n_unique()
    return ours.get_column("account_id").n_unique() / payers if payers else None


def _columns() -> dict[str, pl.DataType | type[pl.DataType]]:
    measured = {name: pl.Float64 for test in _TESTS for name in (test, f"{test}_null", f"{test}_p")}
    return {
        "cluster_id": pl.String,
        "accounts": pl.Int64,
        "turns": pl.Int64,
        **measured,
        "accounts_per_payer": pl.Float64,
    }


def _told(table: pl.DataFrame, q: FloatArray, dials: ScheduleSettings) -> pl.DataFrame:
    """Add what the tests mean, in words."""
    why, innocent, reasons = [], [], []
    for row in table.iter_rows(named=True):
        mine = [test for test in _TESTS if row[f"{test}_p"] * len(_TESTS) <= dials.fdr and _worth_a_word(test, row)]
        said = [_SAYS[test].format(row[test], row[f"{test}_null"]) for test in mine]
        if (row["accounts_per_payer"] or 0) >= 2:
            said.append(f"one card pays for {row['accounts_per_payer']:.1f} of them on average")
        why.append("; ".join(said) if said else "nothing that a common clock would explain better")
        readings = [_READINGS[test] for test in mine]
        innocent.append("; ".join(readings) if readings else "accounts that have nothing to do with one another")
        reasons.append(len(mine))
    told = table.with_columns(
        q=pl.Series(q, dtype=pl.Float64),
        reasons=pl.Series(reasons, dtype=pl.Int64),
        why=pl.Series(why, dtype=pl.String),
        innocent_explanation=pl.Series(innocent, dtype=pl.String),
    ).with_columns(scheduled=(pl.col("q") <= dials.fdr) & (pl.col("reasons") >= dials.reasons))
    ordered = told.sort("scheduled", "q", "cluster_id", descending=[True, False, False])
    return ordered.select([*_columns(), "q", "reasons", "scheduled", "why", "innocent_explanation"])


def _worth_a_word(test: str, row: dict[str, float]) -> bool:
    if test == "batches":
        return row[test] >= _WORTH[test] * row["batches_null"]
    return row[test] <= _WORTH[test]
