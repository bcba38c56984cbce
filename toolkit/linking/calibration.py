"""What a score turned out to mean: bits held against labels, ring by ring.

A probability that the library prints rests on its priors. A team with labels can do better: among links of 14 bits, how
many held? Isotonic regression answers that without asking for a curve: the best fit that never falls as bits rise.

The trap is that links of one ring are one piece of news, a hundred times over. If some of them teach and others test,
the test is passed by heart. So what is held out is always a whole ring (or whatever group the labels name): a link is
predicted by a fit that saw **nothing** of any group it touches; for a link between two rings both are held out. Folds
that would split a group are refused.

Sources: Zadrozny & Elkan 2002 (isotonic calibration), Brier 1950, Wilson 1927 for the interval; the rule about rings is
the project's linking reference, 2.4.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from toolkit.errors import InputError, SourceError, nearest, visible
from toolkit.linking.arrays import BoolArray, FloatArray, IntArray
from toolkit.linking.score import probability
from toolkit.model.tables import Links, conform

__all__ = [
    "Calibration",
    "ReliabilityBin",
    "calibrate_links",
    "calibrate_scores",
    "read_calibration",
    "wilson_interval",
    "write_calibration",
]

FORMAT = 1
BINS = 10
MIN_GROUPS = 10
"""Groups it takes at least: with fewer, a fit that has not seen a ring has seen next to nothing."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Scores predicted between ``low`` and ``high``: what was said on average, and what held.

    ``groups`` is how many independent things the bin rests on; the interval (Wilson, 95 %) takes rows for independent
    and is too narrow where rows outnumber groups.
    """

    low: float
    high: float
    rows: int
    groups: int
    predicted: float
    observed: float
    observed_low: float
    observed_high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted calibration and how good it is on rings that it had not seen.

    Attributes
    ----------
    bits, probability : tuple of float
        The curve: probability at each knot, rising; between knots it is linear, outside it is the end's.
    rows, positives, groups, folds : int
        What it was fitted on. The figures below are all out of fold.
    brier, brier_before : float
        Mean squared error, of the calibration and of the probability that was given before.
    ece, ece_before : float
        Expected calibration error over ten equal bins of predicted probability.
    budget, budget_precision, budget_low, budget_high : int and floats
        Of the ``budget`` highest scores, the share that held, with its Wilson interval (95 %).
    budget_groups : int
        Groups among those.
    reliability : tuple of ReliabilityBin
        By predicted probability, bins without rows left out.
    """

    bits: tuple[float, ...]
    probability: tuple[float, ...]
    rows: int
    positives: int
    groups: int
    folds: int
    brier: float
    brier_before: float
    ece: float
    ece_before: float
    budget: int
    budget_precision: float
    budget_low: float
    budget_high: float
    budget_groups: int
    reliability: tuple[ReliabilityBin, ...]

    def apply(self, bits: ArrayLike) -> FloatArray:
        """Turn scores into calibrated probabilities.

        Examples
        --------
        >>> none = (0,) * 4 + (0.0,) * 4 + (0,) + (0.0,) * 3 + (0, ())
        >>> Calibration((0.0, 10.0), (0.1, 0.9), *none).apply([-5, 5, 20]).tolist()
        [0.1, 0.5, 0.9]
        """
        asked = np.asarray(bits, dtype=float)
        if np.isnan(asked).any():
            raise InputError("scores to calibrate: some are not numbers (NaN)")
        found: FloatArray = np.interp(asked, self.bits, self.probability)
        return found

    @property
    def table(self) -> pl.DataFrame:
        """The reliability table, a row per bin: the fields of :class:`ReliabilityBin`."""
        columns = [field.name for field in fields(ReliabilityBin)]
        whole = {"rows": pl.Int64, "groups": pl.Int64}
        schema = {name: whole.get(name, pl.Float64) for name in columns}
        return pl.DataFrame([asdict(row) for row in self.reliability], schema=schema)


def calibrate_links(
    links: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    folds: int = 5,
    budget: int = 200,
    weigh_groups: bool = False,
) -> Calibration:
    """Calibrate the bits of links against labelled accounts.

    Parameters
    ----------
    links : polars.DataFrame
        Contract ``Links``. Links with an end that has no label are left out.
    labels : polars.DataFrame
        ``account_id`` and ``ring`` (text; null = known to be in no ring). With a column ``group`` (text), accounts of
        one group are held out together too: give it for campuses, offices and households.
    folds : int
        Parts the groups are dealt into, 2 or more.
    budget : int
        Links that a team can review.
    weigh_groups : bool
        Each group counts once, however many links it has; see :func:`calibrate_scores`.

    Returns
    -------
    Calibration
        A link holds where both ends are of one ring.

    Raises
    ------
    InputError
        If a column is missing, an account has two labels, a ring is in two groups, or there is too little to learn
        from.
    ContractError
        If ``links`` is not a table of links.

    Examples
    --------
    >>> from toolkit.model.tables import empty
    >>> calibrate_links(empty(Links), pl.DataFrame({"account_id": ["a"], "ring": ["r"]}))
    Traceback (most recent call last):
    toolkit.errors.InputError: nothing to calibrate on: 0 of 0 links have a label at both ends
    """
    table = conform(links, Links)
    known = _labels(labels)
    judged = table.select("account_a", "account_b", "bits", "probability")
    for side in ("a", "b"):
        named = known.select(
            pl.col("account_id").alias(f"account_{side}"),
            pl.col("ring").alias(f"ring_{side}"),
            pl.col("group").alias(f"group_{side}"),
        )
        judged = judged.join(named, on=f"account_{side}")
    if judged.is_empty():
        raise InputError(f"nothing to calibrate on: 0 of {table.height} links have a label at both ends")
    same = (judged["ring_a"] == judged["ring_b"]).fill_null(value=False)
    return calibrate_scores(
        judged["bits"].to_numpy(),
        same.to_numpy(),
        judged.select("group_a", "group_b"),
        before=judged["probability"].to_numpy(),
        folds=folds,
        budget=budget,
        weigh_groups=weigh_groups,
    )


def calibrate_scores(
    bits: ArrayLike,
    held: ArrayLike,
    groups: pl.Series | pl.DataFrame | Sequence[str],
    *,
    before: ArrayLike | None = None,
    folds: int | Sequence[int] = 5,
    budget: int = 200,
    weigh_groups: bool = False,
) -> Calibration:
    """Calibrate any score in bits against what held.

    Parameters
    ----------
    bits : array of float
        A score per row; higher means surer.
    held : array of bool
        Whether it was right.
    groups : Series, DataFrame or sequence of str
        What each row must be held out with: one name (the ring), or a frame with a column per end of a link.
    before : array of float, optional
        The probability that was given so far, to compare with; by default what the bits say as log-odds.
    folds : int or sequence of int
        How many parts the groups are dealt into (by a digest of their names: the same rings always fall together),
        or the part of each row, which then must not split a group.
    budget : int
        The highest scores that a team can review.
    weigh_groups : bool
        Each row weighs one over the rows of its group (of the larger group, for a link between two), in the fit and in
        Brier and calibration error. Links of a ring of 350 are 61,000 rows and one ring: unweighted, the curve is
        that ring's, and is wrong for every other.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If lengths differ, a score is not a number, folds split a group, or there are fewer than ten groups, or only
        right or only wrong rows.

    Notes
    -----
    The curve that is returned is fitted on everything; its figures come from fits on the other folds. Its ends are kept
    off 0 and 1 by half a row, as no sample proves either.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> bits, rings = rng.uniform(-8, 8, 4000), [f"r{i % 200}" for i in range(4000)]
    >>> held = rng.random(4000) < 1 / (1 + 2 ** -(bits - 3))  # the score is three bits too sure
    >>> found = calibrate_scores(bits, held, rings)
    >>> found.ece < 0.03 < found.ece_before, bool(abs(found.apply(3.0) - 0.5) < 0.1)
    (True, True)
    """
    score, right, ends = _checked(bits, held, groups)
    first = probability(score) if before is None else _numbers(before, "before", len(score))
    if budget < 1:
        raise InputError(f"a review budget is 1 row or more, found {budget}")
    names, part, n_folds = _deal(ends, folds)
    order = np.lexsort(
        (first, right, *names.T, score)
    )  # sums below run in an order that the rows' order does not touch
    score, right, first, names = score[order], right[order], first[order], names[order]
    fold = part[names]
    weight = 1.0 / np.bincount(_ends_once(names), minlength=len(part))[names].max(axis=1)
    weight = weight if weigh_groups else np.ones(len(score))
    predicted = _held_out(score, right, weight, fold, n_folds)
    knots, curve = _fit(score, right, weight)
    top = np.lexsort((np.arange(len(score)), -score))[: min(budget, len(score))]
    kept = float(_share_at(score, right, len(top)))
    low, high = wilson_interval(kept, len(top))
    return Calibration(
        bits=tuple(knots.tolist()),
        probability=tuple(curve.tolist()),
        rows=len(score),
        positives=int(right.sum()),
        groups=len(part),
        folds=n_folds,
        brier=_round(np.average((predicted - right) ** 2, weights=weight)),
        brier_before=_round(np.average((first - right) ** 2, weights=weight)),
        ece=_ece(predicted, right, weight),
        ece_before=_ece(first, right, weight),
        budget=len(top),
        budget_precision=_round(kept / len(top)),
        budget_low=_round(low),
        budget_high=_round(high),
        budget_groups=len(np.unique(names[top])),
        reliability=_reliability(predicted, right, names),
    )


def wilson_interval(positives: float, rows: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Parameters
    ----------
    positives : float
    rows : int
        0 gives (0, 1): nothing is known.
    z : float
        1.96 for 95 %.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(9, 10)]
    [0.596, 0.982]
    >>> wilson_interval(0, 0)
    (0.0, 1.0)
    """
    if rows == 0:
        return 0.0, 1.0
    share, square = positives / rows, z * z
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = z / (1 + square / rows) * np.sqrt(share * (1 - share) / rows + square / (4 * rows * rows))
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def write_calibration(calibration: Calibration, path: str | Path) -> None:
    """Save a calibration as JSON; the same calibration gives the same bytes.

    Raises
    ------
    SourceError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> none = (0,) * 4 + (0.0,) * 4 + (0,) + (0.0,) * 3 + (0, ())
    >>> one = Calibration((0.0, 10.0), (0.1, 0.9), *none)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_calibration(one, Path(folder) / "c.json")
    ...     read_calibration(Path(folder) / "c.json") == one
    True
    """
    text = json.dumps({"format": FORMAT, **asdict(calibration)}, indent=1, sort_keys=True, allow_nan=False)
    try:
        Path(path).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise SourceError(f"cannot write the calibration {path}: {error.strerror}") from error


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration that :func:`write_calibration` saved.

    Raises
    ------
    SourceError
        If the file cannot be read, is of another format, or its curve falls.

    Examples
    --------
    >>> read_calibration("no/where.json")
    Traceback (most recent call last):
    toolkit.errors.SourceError: cannot read the calibration no/where.json: No such file or directory
    """
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"cannot read the calibration {path}: {error.strerror}") from error
    except ValueError as error:
        raise SourceError(f"the calibration {path} is not JSON: {visible(error)}") from error
    try:
        if said.pop("format") != FORMAT:
            raise ValueError("another format")
        said["reliability"] = tuple(ReliabilityBin(**row) for row in said["reliability"])
        curve: tuple[list[Any], list[Any]] = (said["bits"], said["probability"])
        said["bits"], said["probability"] = (tuple(float(x) for x in part) for part in curve)
        found = Calibration(**said)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"the calibration {path} does not fit: {visible(error)}; make it anew") from error
    knots, heights = np.array(found.bits), np.array(found.probability)
    rising = len(knots) == len(heights) > 0 and (np.diff(knots) > 0).all() and (np.diff(heights) >= 0).all()
    if not rising or not (np.isfinite(knots).all() and 0 <= heights[0] <= heights[-1] <= 1):
        raise SourceError(f"the calibration {path} does not fit: its curve must rise between 0 and 1; make it anew")
    return found


def _labels(labels: pl.DataFrame) -> pl.DataFrame:
    """Account, ring and group; an account of no ring and no group is a group of its own."""
    missing = [name for name in ("account_id", "ring") if name not in labels.columns]
    if missing:
        raise InputError("labels: " + "; ".join(f"no {name}: {nearest(name, labels.columns)}" for name in missing))
    own = pl.format("account {}", "account_id")
    named = pl.col("group") if "group" in labels.columns else pl.lit(None, pl.String)
    known = labels.select(
        "account_id", "ring", group=pl.coalesce(named, pl.format("ring {}", "ring"), own).cast(pl.String)
    ).unique()
    twice = known.filter(pl.col("account_id").is_duplicated()).get_column("account_id").sort()
    if len(twice):
        raise InputError(f"labels: account {visible(twice[0])!r} has two labels; keep one")
    split = known.drop_nulls("ring").group_by("ring").agg(pl.col("group").n_unique()).filter(pl.col("group") > 1)
    if split.height:
        ring = split.get_column("ring").sort()[0]
        raise InputError(f"labels: ring {visible(ring)!r} is in several groups, so that its links would teach and test")
    return known


def _numbers(given: ArrayLike, name: str, rows: int) -> FloatArray:
    found = np.asarray(given, dtype=float)
    if found.shape != (rows,):
        raise InputError(f"{name}: one number per row is needed, found {found.shape} for {rows} rows")
    if np.isnan(found).any():
        raise InputError(f"{name}: some are not numbers (NaN)")
    return found


def _checked(
    bits: ArrayLike, held: ArrayLike, groups: pl.Series | pl.DataFrame | Sequence[str]
) -> tuple[FloatArray, BoolArray, list[list[str]]]:
    """Scores, answers, and the group names of each end."""
    score = _numbers(bits, "bits", len(np.atleast_1d(np.asarray(bits))))
    right = np.asarray(held, dtype=bool)
    ends = [groups[name].to_list() for name in groups.columns] if isinstance(groups, pl.DataFrame) else [list(groups)]
    if right.shape != score.shape or any(len(end) != len(score) for end in ends):
        raise InputError(f"bits, held and groups differ in length: {len(score)}, {len(right)}, {len(ends[0])}")
    if any(name is None for end in ends for name in end):
        raise InputError("groups: every row needs the name of its group; give accounts of none a name of their own")
    if right.all() or not right.any():
        raise InputError(
            f"there is nothing to learn from: all {len(right)} rows are {'right' if right.any() else 'wrong'}"
        )
    return score, right, ends


def _deal(ends: list[list[str]], folds: int | Sequence[int]) -> tuple[IntArray, IntArray, int]:
    """Group codes by row and end, the fold of each group, and the number of folds."""
    listed = sorted({str(name) for end in ends for name in end})
    if len(listed) < MIN_GROUPS:
        raise InputError(f"{len(listed)} groups are too few to hold some out: label {MIN_GROUPS} or more")
    code = {name: number for number, name in enumerate(listed)}
    names = np.array([[code[str(name)] for name in end] for end in ends], dtype=np.int64).T
    if isinstance(folds, int):
        if not 2 <= folds <= len(listed):
            raise InputError(f"folds: 2 to {len(listed)} (there are so many groups), found {folds}")
        # Dealt in the order of a digest: random towards everything, the same on every machine, even in number.
        order = sorted(listed, key=lambda name: hashlib.sha256(name.encode()).digest())
        part = np.empty(len(listed), dtype=np.int64)
        part[[code[name] for name in order]] = np.arange(len(listed)) % folds
        return names, part, folds
    given = np.asarray(folds, dtype=np.int64)
    if given.shape != (len(names),):
        raise InputError(f"folds: one per row is needed, found {given.shape} for {len(names)} rows")
    kinds, given = np.unique(given, return_inverse=True)
    low, high = np.full(len(listed), len(kinds)), np.full(len(listed), -1)
    for end in names.T:
        np.minimum.at(low, end, given)
        np.maximum.at(high, end, given)
    split = np.flatnonzero(low != high)
    if len(split):
        raise InputError(
            f"these folds split {len(split)} groups, {visible(listed[split[0]])!r} for one: its rows would teach and "
            "test; pass a number of folds, or keep each group in one"
        )
    if len(kinds) < 2:
        raise InputError("folds: all rows are in one; there is nothing to fit on")
    return names, low.astype(np.int64), len(kinds)


def _held_out(score: FloatArray, right: BoolArray, weight: FloatArray, fold: IntArray, folds: int) -> FloatArray:
    """Each row's probability by a fit that saw no row of any fold it touches."""
    low, high = fold.min(axis=1), fold.max(axis=1)
    predicted = np.empty(len(score))
    for pair in np.unique(low * folds + high):
        away = (pair // folds, pair % folds)
        mine = (low == away[0]) & (high == away[1])
        teach = ~np.isin(fold, away).any(axis=1)
        if not teach.any():
            raise InputError("a fold leaves no row to fit on: label more groups, or take more folds")
        predicted[mine] = np.interp(score[mine], *_fit(score[teach], right[teach], weight[teach]))
    return predicted


def _ends_once(names: IntArray) -> IntArray:
    """The groups of all rows in one list; a row of one group at both ends is listed once."""
    both = np.sort(names, axis=1)
    again = np.zeros(names.shape, dtype=bool)
    again[:, 1:] = both[:, 1:] == both[:, :-1]
    listed: IntArray = both[~again]
    return listed


def _fit(score: FloatArray, right: BoolArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The rising curve: its knots and heights."""
    from scipy.optimize import isotonic_regression

    knots, inverse = np.unique(score, return_inverse=True)
    mass = np.bincount(inverse, weights=weight, minlength=len(knots))
    good = np.bincount(inverse, weights=weight * right, minlength=len(knots))
    fitted = np.asarray(isotonic_regression(good / mass, weights=mass).x, dtype=float)
    first, last = mass[fitted == fitted[0]].sum(), mass[fitted == fitted[-1]].sum()
    fitted = np.clip(fitted, 0.5 / (first + 1), 1 - 0.5 / (last + 1))
    # Inside a level stretch only its ends are needed.
    level = np.concatenate(([True], np.diff(fitted) != 0)) | np.concatenate((np.diff(fitted) != 0, [True]))
    return knots[level], np.maximum.accumulate(np.round(fitted[level], 9))


def _share_at(score: FloatArray, right: BoolArray, budget: int) -> float:
    """Right rows among the highest scores; rows that tie at the edge count in proportion."""
    edge = np.sort(score)[::-1][budget - 1]
    above, tied = score > edge, score == edge
    return float(right[above].sum() + right[tied].sum() * (budget - above.sum()) / tied.sum())


def _bin(predicted: FloatArray) -> IntArray:
    return np.minimum((predicted * BINS).astype(np.int64), BINS - 1)


def _ece(predicted: FloatArray, right: BoolArray, weight: FloatArray) -> float:
    where = _bin(predicted)
    said = np.bincount(where, weights=weight * predicted, minlength=BINS)
    got = np.bincount(where, weights=weight * right, minlength=BINS)
    return _round(np.abs(said - got).sum() / weight.sum())


def _reliability(predicted: FloatArray, right: BoolArray, names: IntArray) -> tuple[ReliabilityBin, ...]:
    where, table = _bin(predicted), []
    for number in range(BINS):
        mine = where == number
        rows, good = int(mine.sum()), int(right[mine].sum())
        if rows == 0:
            continue
        said, (low, high) = float(predicted[mine].mean()), wilson_interval(good, rows)
        groups = len(np.unique(names[mine]))
        shares = (_round(share) for share in (said, good / rows, low, high))
        table.append(ReliabilityBin(number / BINS, (number + 1) / BINS, rows, groups, *shares))
    return tuple(table)


def _round(number: float | np.floating[Any]) -> float:
    return round(float(number), 9)
