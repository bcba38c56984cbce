"""The contracts: every table that passes between rooms, its columns, types, order and conditions.

A function says which contract it takes and which it gives. :func:`conform` is the one gate: it selects the
contract's columns in order, checks types and rules, and refuses with the failing rows in hand.

Conventions: ids are strings; times are ``Datetime("us", "UTC")`` and end in ``_at``; a list column is sorted
unless it says otherwise; every table has a total order, named in its docstring.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Any

import dataframely as dy
import polars as pl

from toolkit.errors import ContractError, nearest

__all__ = [
    "BANDS",
    "CONFIDENCES",
    "EVIDENCE",
    "LEVELS",
    "UTC",
    "Actions",
    "Clusters",
    "Events",
    "Expansion",
    "Findings",
    "Hubs",
    "Ledger",
    "Links",
    "Members",
    "Observations",
    "Quality",
    "Quarantine",
    "Queries",
    "Sessions",
    "TimeFlag",
    "TimelineFindings",
    "conform",
    "empty",
]

UTC = pl.Datetime("us", "UTC")
LEVELS = ("L0", "L1", "L2", "L3", "L4")
BANDS = ("confirmed", "probable", "possible", "weak")
ROLES = ("member", "candidate", "victim")
STRUCTURES = ("ring", "household", "organisation", "reseller", "occasion")
CONFIDENCES = ("high", "moderate", "low", "unknown")
PRECISIONS = ("us", "ms", "s", "min", "day")


class TimeFlag(IntFlag):
    """What had to be assumed to read a time; the bits of ``events.flags``.

    Examples
    --------
    >>> TimeFlag.NAIVE_ASSUMED | TimeFlag.DST_FOLD
    <TimeFlag.NAIVE_ASSUMED|DST_FOLD: 3>
    """

    NAIVE_ASSUMED = 1
    """The text had no zone; the mapping declared one."""
    DST_FOLD = 2
    """The wall-clock time happened twice; the first was taken."""
    DST_GAP = 4
    """The wall-clock time never happened; it was moved forward by the gap."""
    UNIT_GUESSED = 8
    """An epoch number whose unit was told by its magnitude."""
    OUT_OF_RANGE = 16
    """Before 2000 or more than a day in the future of the newest plausible row: kept, left out of bins."""
    CLOCK_SHIFTED = 32
    """A measured clock offset was applied."""
    YEAR_GUESSED = 64
    """The text had no year."""


def _id(**kwargs: Any) -> dy.String:
    return dy.String(min_length=1, **kwargs)


def _at(**kwargs: Any) -> dy.Datetime:
    return dy.Datetime(time_unit="us", time_zone="UTC", **kwargs)


def _probability(**kwargs: Any) -> dy.Float64:
    return dy.Float64(min=0.0, max=1.0, **kwargs)


def _evidence(**kwargs: Any) -> dy.List:
    return dy.List(
        dy.Struct(
            {
                "kind": dy.String(),
                "value": dy.String(),
                "bits": dy.Float64(),
                "holders": dy.UInt32(),
                "window": dy.Float64(nullable=True),
                "regime": dy.String(),
            }
        ),
        **kwargs,
    )


EVIDENCE = pl.List(
    pl.Struct(
        {
            "kind": pl.String,
            "value": pl.String,
            "bits": pl.Float64,
            "holders": pl.UInt32,
            "window": pl.Float64,
            "regime": pl.String,
        }
    )
)
"""One row of evidence: the shared value, the bits it gives, how many accounts hold it within ``window`` hours
(null = at any time), and the regime its chance was computed under. Strongest first."""


class Events(dy.Schema):
    """Things that accounts did. Order: event_at, source, seq, event_id. Indicator columns follow, named by kind."""

    event_at = _at()
    account_id = _id()
    event = _id()
    source = _id()
    event_id = _id()
    seq = dy.Int64(min=0)
    ingested_at = _at(nullable=True)
    precision = dy.String(check={"known": lambda c: c.is_in(PRECISIONS)})
    flags = dy.UInt16()
    value = dy.Float64(nullable=True)
    raw_ref = dy.String()


class Observations(dy.Schema):
    """An account seen with an indicator. Order: account_id, kind, value, source."""

    account_id = _id()
    kind = _id()
    value = _id()
    first_at = _at(nullable=True)
    last_at = _at(nullable=True)
    n = dy.Int64(min=1)
    source = dy.String()

    @dy.rule()
    def first_not_after_last(cls) -> pl.Expr:
        """Intervals run forward."""
        return pl.col("first_at").le(pl.col("last_at")).fill_null(value=True)


class Links(dy.Schema):
    """Two accounts and why. Order: bits descending, account_a, account_b. ``q_value`` null = no null was drawn."""

    account_a = _id()
    account_b = _id()
    bits = dy.Float64()
    probability = _probability()
    q_value = _probability(nullable=True)
    level = dy.String(check={"known": lambda c: c.is_in(LEVELS)})
    families = dy.List(dy.String())
    evidence = _evidence()
    innocent_explanation = dy.String()

    @dy.rule()
    def ordered_pair(cls) -> pl.Expr:
        """A pair is written once, smaller id first."""
        return pl.col("account_a") < pl.col("account_b")


class Members(dy.Schema):
    """Who belongs to which cluster, and who stands beside it.

    Order: cluster_id, role, probability descending, account_id. ``role``: *member*; *candidate*, likely but under the
    bar; *victim*, whose account was its own before.
    """

    cluster_id = _id()
    account_id = _id()
    band = dy.String(check={"known": lambda c: c.is_in(BANDS)})
    probability = _probability()
    persistence = _probability(nullable=True)
    survives_leave_one_out = dy.Bool(nullable=True)
    why = dy.String()
    role = dy.String(check={"known": lambda c: c.is_in(ROLES)})


class Clusters(dy.Schema):
    """The ring card. Order: cluster_id (largest first). ``ring_fdr`` null = no null was drawn.

    ``reading``: *ring*, or the ordinary life that explains it. ``related``: clusters that hold a strong value too.
    """

    cluster_id = _id()
    size = dy.UInt32(min=2)
    density = _probability()
    median_bits = dy.Float64()
    families = dy.List(dy.String())
    top_kind = dy.String()
    top_value = dy.String()
    top_value_share = _probability()
    bridges = dy.UInt32()
    first_at = _at(nullable=True)
    last_at = _at(nullable=True)
    ring_fdr = _probability(nullable=True)
    innocent_explanation = dy.String()
    reading = dy.String(check={"known": lambda c: c.is_in(STRUCTURES)})
    reading_why = dy.String()
    related = dy.List(dy.String())


class Expansion(dy.Schema):
    """From seeds outward. Order: included first, round, probability descending, account_id. Seeds are round 0."""

    account_id = _id()
    round = dy.UInt32()
    probability = _probability()
    precision_estimate = _probability(nullable=True)
    included = dy.Bool()
    level = dy.String(check={"known": lambda c: c.is_in(LEVELS)})
    families = dy.List(dy.String())
    reason = dy.String()
    evidence = _evidence()


class Hubs(dy.Schema):
    """Values that look like links and were not (fully) used as such. Order: holders descending, kind, value."""

    value = dy.String()
    kind = _id()
    holders = dy.UInt32()
    verdict = _id()
    why = dy.String()
    pairs_not_examined = dy.Int64(min=0)
    bits = dy.Float64()


class Sessions(dy.Schema):
    """Runs of activity. Order: start_at, account_id, session_id."""

    session_id = _id()
    account_id = _id()
    start_at = _at()
    end_at = _at()
    n = dy.UInt32(min=1)
    n_verbs = dy.UInt32()
    max_gap_s = dy.Float64()
    closed = dy.Bool()
    uncertain = dy.Bool()
    how = dy.String()


class Quality(dy.Schema):
    """What is wrong or missing in the data. Order: severity (high first), kind, source, start_at."""

    kind = _id()
    source = dy.String()
    start_at = _at(nullable=True)
    end_at = _at(nullable=True)
    n = dy.Int64(min=0)
    severity = dy.String(check={"known": lambda c: c.is_in(["high", "medium", "low"])})
    how_found = dy.String()


class TimelineFindings(dy.Schema):
    """What was found in a timeline: a row is a claim with its evidence. Order: start_at, account_id, kind, end_at.

    ``account_id`` is empty where the claim is of a source or a group. ``score`` is what the kind's function says it is.
    ``confidence`` is *unknown* where a silent source hides the answer. ``evidence_ids``: event ids in order of time,
    the first and the last of them where there are many. ``params``: what was asked, as JSON, to run it again. Columns
    of the kind's own may follow.
    """

    kind = _id()
    account_id = dy.String()
    start_at = _at()
    end_at = _at()
    score = dy.Float64()
    confidence = dy.String(check={"known": lambda c: c.is_in(CONFIDENCES)})
    evidence_ids = dy.List(dy.String())
    params = _id()
    why = _id()

    @dy.rule()
    def runs_forward(cls) -> pl.Expr:
        """Intervals run forward."""
        return pl.col("start_at") <= pl.col("end_at")


class Ledger(dy.Schema):
    """Where every row of every file went. Order: table, file."""

    table = _id()
    file = _id()
    rows = dy.Int64(min=0)
    accepted = dy.Int64(min=0)
    duplicate = dy.Int64(min=0)
    quarantined = dy.Int64(min=0)
    bytes = dy.Int64(min=0)
    sha256 = dy.String()
    first_at = _at(nullable=True)
    last_at = _at(nullable=True)

    @dy.rule()
    def balanced(cls) -> pl.Expr:
        """Nothing is lost: accepted + duplicate + quarantined = rows."""
        return pl.col("accepted") + pl.col("duplicate") + pl.col("quarantined") == pl.col("rows")


class Quarantine(dy.Schema):
    """Rows set aside. Order: table, file, line. ``line`` counts from 1 (the header of a CSV is line 1)."""

    table = _id()
    file = _id()
    line = dy.Int64(min=0)
    reason = _id()
    column = dy.String()
    found = dy.String()
    raw = dy.String()


class Findings(dy.Schema):
    """Statements of a report. Order: as in the report."""

    finding_id = _id()
    type = _id()
    statement = _id()
    likelihood = dy.String(nullable=True)
    confidence = _id()
    basis = _id()
    level = dy.String(nullable=True)
    accounts = dy.List(dy.String())
    evidence_ids = dy.List(dy.String())
    alternatives = dy.List(dy.String())
    next_check = dy.String()


class Actions(dy.Schema):
    """Proposed steps. Order: wave, rung from severe to none, account_id. ``policy``: the clause; empty = not named."""

    account_id = _id()
    rung = _id()
    level = dy.String(check={"known": lambda c: c.is_in(LEVELS)})
    reasons = dy.List(dy.String())
    innocent_explanation = _id()
    own_violation = dy.Bool()
    wave = dy.Int64()
    reviewer = dy.String()
    policy = dy.String()


class Queries(dy.Schema):
    """What a database was asked. Order: n.

    ``parameters`` is JSON, values by name; ``rows`` are those that were kept, ``truncated`` says that there were more.
    ``sha256`` is of text and parameters, ``answer_sha256`` of the answer: names, values and order. ``took_s`` depends
    on the machine and the hour: a report leaves it out.
    """

    n = dy.Int64(min=1)
    name = dy.String()
    engine = _id()
    text = _id()
    parameters = dy.String()
    rows = dy.Int64(min=0)
    truncated = dy.Bool()
    took_s = dy.Float64(min=0.0)
    sha256 = _id()
    answer_sha256 = _id()


def empty(contract: type[dy.Schema]) -> pl.DataFrame:
    """Return a frame with the contract's columns and no rows.

    Parameters
    ----------
    contract : type of dataframely.Schema
        One of the classes of this module.

    Returns
    -------
    polars.DataFrame

    Examples
    --------
    >>> empty(Observations).columns
    ['account_id', 'kind', 'value', 'first_at', 'last_at', 'n', 'source']
    """
    return pl.DataFrame(schema={name: column.dtype for name, column in contract.columns().items()})


def conform(frame: pl.DataFrame, contract: type[dy.Schema], *, keep_extra: bool = False) -> pl.DataFrame:
    """Check a frame against a contract and put its columns in order.

    Parameters
    ----------
    frame : polars.DataFrame
        The frame; types that can be cast without loss are cast.
    contract : type of dataframely.Schema
        One of the classes of this module.
    keep_extra : bool
        Keep columns the contract does not name, after its own (events carry indicators that way).

    Returns
    -------
    polars.DataFrame
        The same rows in the same order.

    Raises
    ------
    ContractError
        If columns are missing or rows break a rule; carries the failing rows and a count per rule.

    Examples
    --------
    >>> rows = pl.DataFrame({"account_id": ["a"], "kind": ["ip"], "value": [""], "n": [1], "source": ["x"]})
    >>> conform(rows, Observations)
    Traceback (most recent call last):
    toolkit.errors.ContractError: observations: columns missing: first_at (there are account_id, ...
    """
    name = contract.__name__.lower()
    columns = contract.columns()
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        said = ", ".join(f"{column} ({nearest(column, frame.columns)})" for column in missing)
        raise ContractError(f"{name}: columns missing: {said}")
    try:
        good, failed = contract.filter(frame.select(list(columns)), cast=True)
    except (pl.exceptions.PolarsError, dy.exc.SchemaError) as error:
        raise ContractError(f"{name}: a column has the wrong type: {error}") from error
    if len(failed):
        counts = dict(sorted(failed.counts().items()))
        broken = ", ".join(f"{rule} ({count})" for rule, count in counts.items())
        raise ContractError(
            f"{name}: {len(failed)} of {frame.height} rows break a rule: {broken}; the rows are in .failing",
            failing=failed.invalid(),
            counts=counts,
        )
    extra = [column for column in frame.columns if column not in columns] if keep_extra else []
    return good.hstack(frame.select(extra)) if extra else pl.DataFrame(good)
