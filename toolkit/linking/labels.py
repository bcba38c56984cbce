"""How right a result is, from people's labels: a sample drawn to be judged blind, and what the labels say of the whole.

Who looks only at the best scores learns nothing of the rest. So every stratum is drawn from, the low scores too, and
what was drawn sparsely counts for more. Who sees a score agrees with it. So scores, strata and other people's labels
stay out of what a labeller sees, in an order that gives nothing away.

Sources: weights by the inverse of the chance to be drawn, Horvitz & Thompson 1952; the interval of a share, Wilson
1927; of a weighted sum of shares, from the interval of each, Zou & Donner 2008; agreement beyond chance, Cohen 1960,
and where one label prevails, AC1 of Gwet 2008.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, UnknownNameError, column_faults, need_columns, visible
from toolkit.linking.calibration import wilson_interval

__all__ = [
    "BLIND",
    "LABELS",
    "blind_subjects",
    "collect_labels",
    "estimate_precision",
    "measure_agreement",
    "record_labels",
    "sample_subjects",
]

LABELS: Final = ("belongs", "does not belong", "cannot tell")
"""What can be said of a subject: the first is right, the second wrong, any other leaves it open."""

BLIND: Final = (
    "band", "bits", "evidence", "families", "included", "innocent_explanation", "label", "label_state", "labels",
    "level", "median_bits", "n_asked", "note", "persistence", "precision_estimate", "probability", "q_value",
    "reading", "reading_why", "reason", "reviewer", "reviewers", "ring_fdr", "role", "round", "score", "set_aside",
    "stratum", "stratum_sampled", "stratum_size", "survives_leave_one_out", "verdict", "weight", "why",
)  # fmt: skip
"""Columns that a labeller does not see: what a method or another person made of a subject, and how it was drawn."""

_GIVEN: Final = {"subject_id": pl.String, "label": pl.String, "note": pl.String, "reviewer": pl.String}
_KEYS: Final = (("account_a", "account_b"), ("cluster_id", "account_id"), ("account_id",))
_STRATA: Final = ("level", "band", "included")
_TOLD: Final = ("precision", "low", "high", "worst", "worst_low", "best", "best_high")


def sample_subjects(
    subjects: pl.DataFrame,
    n: int,
    *,
    by: str | None = None,
    key: Sequence[str] | None = None,
    seed: int = 0,
    least: int = 5,
) -> pl.DataFrame:
    """Draw a stratified random sample to be labelled; who is drawn does not depend on the order of the rows.

    Parameters
    ----------
    subjects : polars.DataFrame
        Contract ``Links``, ``Members`` or ``Expansion``, for example. What is not in it is not drawn: where members are
        all that is given, nothing is learned of those who were missed.
    n : int
        How many to draw. Where there are fewer, all are.
    by : str, optional
        Column of the strata; by default ``level``, ``band`` or ``included``, the first that is there.
    key : sequence of str, optional
        Columns (text) that name a subject; by default ``account_a`` and ``account_b``, ``cluster_id`` and
        ``account_id``, or ``account_id``.
    seed : int
        Another seed draws others.
    least : int
        Drawn of each stratum at least, or all of it. What remains goes, one by one, to the stratum with the largest
        weight.

    Returns
    -------
    polars.DataFrame
        The key; ``subject_id``: the key, or where it has several columns their values as a JSON list; ``stratum``;
        ``stratum_size``; ``stratum_sampled``; ``weight``: how many subjects of its stratum each stands for (1: the
        stratum was taken whole); ``n_asked``: more than there are rows where all were taken. Order: random.

    Raises
    ------
    InputError
        If there are no rows, a column is missing, a key is not text, is null or stands twice, a stratum is null, or
        ``n`` is not enough for ``least`` of each stratum; all of it.

    Examples
    --------
    >>> links = pl.DataFrame({"account_a": "a", "account_b": ["b", "c", "d", "e"], "level": ["L4", "L0", "L0", "L0"]})
    >>> sample = sample_subjects(links, 2, least=1)
    >>> sample.sort("stratum").select("stratum", "stratum_size", "weight").rows()
    [('L0', 3, 3.0), ('L4', 1, 1.0)]
    >>> sample.filter(stratum="L4")["subject_id"].to_list()
    ['["a", "b"]']
    """
    columns = subjects.columns
    by = next((name for name in _STRATA if name in columns), _STRATA[0]) if by is None else by
    names = list(next((k for k in _KEYS if set(k) <= set(columns)), _KEYS[-1]) if key is None else key)
    if faults := _faults_of_subjects(subjects, n, by, names, least):
        raise InputError("; ".join(faults))
    ids = subjects.select(names).rows()
    subject = pl.Series("subject_id", [row[0] if len(row) == 1 else json.dumps(row, ensure_ascii=False) for row in ids])
    frame = subjects.select(names).with_columns(subject, subjects[by].cast(pl.String).alias("stratum"))
    sizes = dict(sorted(frame["stratum"].value_counts().rows()))
    taken = _allocate(sizes, n, least)
    # Who is drawn and in what order are two draws: in the order of the first, strata drawn sparsely would stand first.
    drawn = frame.with_columns(_chance(frame, "drawn", seed)).sort("chance", "subject_id")
    place = pl.int_range(pl.len()).over("stratum")
    drawn = drawn.filter(place < pl.col("stratum").replace_strict(taken, return_dtype=pl.Int64))
    size, of_it = (pl.col("stratum").replace_strict(counts, return_dtype=pl.Int64) for counts in (sizes, taken))
    drawn = drawn.with_columns(stratum_size=size, stratum_sampled=of_it, weight=size / of_it, n_asked=pl.lit(n))
    return drawn.with_columns(_chance(drawn, "order", seed)).sort("chance", "subject_id").drop("chance")


def _faults_of_subjects(subjects: pl.DataFrame, n: int, by: str, key: Sequence[str], least: int) -> list[str]:
    """All that keeps a sample from being drawn."""
    faults = [f"{name} is {value}; want 1 or more" for name, value in (("n", n), ("least", least)) if value < 1]
    if missing := column_faults(subjects.columns, dict.fromkeys([*key, by]), "subjects"):
        return [*faults, *missing]
    if subjects.is_empty():
        return [*faults, "there are no subjects to draw from: the frame has no rows"]
    types = {name: subjects.schema[name] for name in key}
    faults += [f"{name} is {kind}; ids are text: cast it" for name, kind in types.items() if kind != pl.String]
    nulls = {name: subjects[name].null_count() for name in (*key, by)}
    faults += [f"{name} is null in {rows:,} rows: fill it, or leave them out" for name, rows in nulls.items() if rows]
    if twice := subjects.height - subjects.select(key).n_unique():
        faults.append(f"{twice:,} rows name a subject again: give as key what tells rows apart; it is {', '.join(key)}")
    needed = int(subjects[by].value_counts()["count"].clip(upper_bound=least).sum())
    if not faults and n < min(needed, subjects.height):
        strata = subjects[by].n_unique()
        faults.append(f"n is {n}, and {least} of each of {strata} strata of {by} are {needed}: raise n or lower least")
    return faults


def _allocate(sizes: Mapping[str, int], n: int, least: int) -> dict[str, int]:
    """How many of each stratum: so many at least, and then always where one stands for the most."""
    taken = {name: min(size, least) for name, size in sizes.items()}
    for _ in range(min(n, sum(sizes.values())) - sum(taken.values())):
        # max() takes the first of equals, and a stratum taken whole (1) is never above one that is not.
        taken[max(sizes, key=lambda name: sizes[name] / taken[name])] += 1
    return taken


def _chance(frame: pl.DataFrame, *salt: object) -> pl.Series:
    """A number of its own for each subject, which depends on nothing but its id and the salt."""
    head = json.dumps(salt).encode()
    digests = [hashlib.blake2b(head + name.encode(), digest_size=16).hexdigest() for name in frame["subject_id"]]
    return pl.Series("chance", digests, dtype=pl.String)


def blind_subjects(sample: pl.DataFrame, *, reviewer: str, seed: int = 0) -> pl.DataFrame:
    """Give a labeller the subjects without what would sway them, in an order of their own.

    Parameters
    ----------
    sample : polars.DataFrame
        As :func:`sample_subjects` returns it; further columns may have been joined to it.
    reviewer : str
        Who is to label: each sees the same subjects in another order, so that weariness does not fall on the same.
    seed : int
        Another seed gives another order.

    Returns
    -------
    polars.DataFrame
        The columns that are not among :data:`BLIND`. Order: random, by reviewer.

    Raises
    ------
    InputError
        If there is no ``subject_id``.

    Examples
    --------
    >>> members = pl.DataFrame({"account_id": ["a", "b"], "band": ["confirmed", "weak"], "probability": [0.99, 0.2]})
    >>> blind_subjects(sample_subjects(members, 2), reviewer="kim").columns
    ['account_id', 'subject_id']
    """
    need_columns(sample.columns, ["subject_id"], "sample")
    seen = sample.drop(BLIND, strict=False)
    return seen.with_columns(_chance(seen, "order", seed, reviewer)).sort("chance", "subject_id").drop("chance")


def collect_labels(
    sample: pl.DataFrame, labels: pl.DataFrame | Iterable[Mapping[str, str]], *, vocabulary: Sequence[str] = LABELS
) -> pl.DataFrame:
    """Collect labels into a table: one of each reviewer for a subject, the last.

    Parameters
    ----------
    sample : polars.DataFrame
        With ``subject_id``: what there was to label.
    labels : polars.DataFrame or iterable of mapping
        ``subject_id``, ``label``, ``reviewer`` and, where there is one, ``note``; in the order they were given in.
    vocabulary : sequence of str
        Labels that there are: first right, then wrong, any other leaves it open.

    Returns
    -------
    polars.DataFrame
        ``subject_id``, ``label``, ``note`` ("": none), ``reviewer``. Order: subject_id, reviewer.

    Raises
    ------
    InputError
        For subjects and labels that there are not, and rows that lack one or their reviewer; all of them.

    Examples
    --------
    >>> sample = pl.DataFrame({"subject_id": ["a", "b"]})
    >>> said = [{"subject_id": "a", "label": label, "reviewer": "kim"} for label in ("cannot tell", "belongs")]
    >>> collect_labels(sample, said).rows()
    [('a', 'belongs', '', 'kim')]
    """
    need_columns(sample.columns, ["subject_id"], "sample")
    return _last_words(labels, vocabulary, sample["subject_id"].to_list())


def _last_words(
    labels: pl.DataFrame | Iterable[Mapping[str, str]], vocabulary: Sequence[str], known: Sequence[str] | None = None
) -> pl.DataFrame:
    """The last label of each reviewer for a subject, once all of them hold."""
    if len(set(vocabulary)) < max(len(vocabulary), 2):
        raise InputError(f"a vocabulary has 2 different labels or more; found {list(vocabulary)}")
    if isinstance(labels, pl.DataFrame):
        need_columns(labels.columns, ("subject_id", "label", "reviewer"), "labels")
        rows = labels if "note" in labels.columns else labels.with_columns(note=pl.lit(""))
        if wrong := [f"{c} is {rows.schema[c]}" for c in _GIVEN if rows.schema[c] not in (pl.String, pl.Null)]:
            raise InputError(f"labels are text: {'; '.join(wrong)}")
        rows = rows.select(pl.col(name).cast(dtype) for name, dtype in _GIVEN.items())
    else:
        rows = pl.DataFrame([{name: row.get(name) for name in _GIVEN} for row in labels], schema=_GIVEN)
    rows = rows.with_columns(pl.col("note").fill_null(""))
    faults = [
        f"{bare} of {rows.height} labels have no {name}"
        for name in ("subject_id", "label", "reviewer")
        if (bare := (rows[name].fill_null("").str.strip_chars() == "").sum())
    ]
    for what, column, there in (("subject", "subject_id", known), ("label", "label", vocabulary)):
        given = rows[column].drop_nulls().unique().sort().to_list() if there is not None else []
        strange = [name for name in given if name.strip() and name not in set(there or ())]
        faults += [str(UnknownNameError(what, name, there or ())) for name in strange[:5]]
        faults += [f"and {len(strange) - 5} more {what}s that there are not"] if len(strange) > 5 else []
    if faults:
        raise InputError("; ".join(faults))
    return rows.unique(["subject_id", "reviewer"], keep="last", maintain_order=True).sort("subject_id", "reviewer")


def record_labels(
    sample: pl.DataFrame, labels: pl.DataFrame | Iterable[Mapping[str, str]], *, vocabulary: Sequence[str] = LABELS
) -> pl.DataFrame:
    """Put people's labels beside the sample; a later one of the same reviewer replaces the earlier.

    Parameters
    ----------
    sample : polars.DataFrame
        As :func:`sample_subjects` returns it.
    labels, vocabulary
        As for :func:`collect_labels`.

    Returns
    -------
    polars.DataFrame
        The sample in its order, with ``label`` (null: none, or disputed), ``label_state`` ("agreed": by two or more,
        "disputed", "single": one reviewer's; null: not labelled), ``note`` (each after its reviewer), ``reviewers``
        (sorted list) and ``labels`` (in the order of the reviewers).

    Raises
    ------
    InputError
        As for :func:`collect_labels`.

    Examples
    --------
    >>> sample = pl.DataFrame({"subject_id": ["a", "b", "c"]})
    >>> said = [("a", "belongs", "kim"), ("a", "cannot tell", "lee"), ("b", "belongs", "kim")]
    >>> told = pl.DataFrame(said, schema=["subject_id", "label", "reviewer"], orient="row")
    >>> record_labels(sample, told).select("subject_id", "label", "label_state", "reviewers").rows()
    [('a', None, 'disputed', ['kim', 'lee']), ('b', 'belongs', 'single', ['kim']), ('c', None, None, None)]
    """
    rows = collect_labels(sample, labels, vocabulary=vocabulary)
    said = pl.format("{}: {}", "reviewer", "note").filter(pl.col("note") != "").str.join("; ")
    one = pl.col("label").n_unique() == 1
    state = pl.when(pl.len() == 1).then(pl.lit("single")).when(one).then(pl.lit("agreed")).otherwise(pl.lit("disputed"))
    judged = rows.group_by("subject_id", maintain_order=True).agg(
        label_state=state, note=said, reviewers=pl.col("reviewer"), labels=pl.col("label"),
        label=pl.when(one).then(pl.first("label")),
    ).select("subject_id", "label", "label_state", "note", "reviewers", "labels")  # fmt: skip
    return sample.drop(judged.columns[1:], strict=False).join(
        judged, on="subject_id", how="left", maintain_order="left"
    )


def measure_agreement(
    labels: pl.DataFrame | Iterable[Mapping[str, str]], *, vocabulary: Sequence[str] = LABELS
) -> pl.DataFrame:
    """Say how far reviewers agree, each two of them, beyond what chance would give.

    Where nearly everything gets one label, kappa is low however well two agree; AC1 is not. So both are told, with the
    prevalence.

    Parameters
    ----------
    labels, vocabulary
        As for :func:`collect_labels`.

    Returns
    -------
    polars.DataFrame
        ``reviewer_a`` < ``reviewer_b``; ``both``: subjects that both labelled; ``agreed``: the share with one label;
        ``kappa`` (Cohen; null where both gave everything one and the same label); ``ac1`` (Gwet); ``prevalence``: share
        of the first label of the vocabulary among all they gave. Null where nobody but one of them labelled. Order:
        reviewer_a, reviewer_b.

    Raises
    ------
    InputError
        As for :func:`collect_labels`.

    Examples
    --------
    >>> said = {"kim": "yynn", "lee": "ynnn"}
    >>> rows = [{"subject_id": str(i), "label": w, "reviewer": r} for r, all in said.items() for i, w in enumerate(all)]
    >>> measure_agreement(rows, vocabulary=("y", "n")).rows()
    [('kim', 'lee', 4, 0.75, 0.5, 0.529412, 0.375)]
    """
    said: dict[str, dict[str, str]] = {}
    for subject, label, _, reviewer in _last_words(labels, vocabulary).iter_rows():
        said.setdefault(reviewer, {})[subject] = label
    rows = []
    for a, b in combinations(sorted(said), 2):
        pairs = [(label, said[b][subject]) for subject, label in said[a].items() if subject in said[b]]
        rows.append({"reviewer_a": a, "reviewer_b": b, "both": len(pairs), **_agreement(pairs, vocabulary)})
    names = dict.fromkeys(("agreed", "kappa", "ac1", "prevalence"), pl.Float64)
    return pl.DataFrame(rows, schema={"reviewer_a": pl.String, "reviewer_b": pl.String, "both": pl.Int64, **names})


def _agreement(pairs: Sequence[tuple[str, str]], vocabulary: Sequence[str]) -> dict[str, float | None]:
    """Observed agreement, and what is left of it once chance had its part, by two ideas of chance."""
    if not pairs:
        return {}
    n = len(pairs)
    first, second = (Counter(pair[end] for pair in pairs) for end in (0, 1))
    agreed = sum(a == b for a, b in pairs) / n
    # Cohen: two who draw from their own labels. Gwet: one who guesses, as often as labels are hard to tell apart.
    by_draw = sum(first[word] * second[word] for word in vocabulary) / n**2
    means = [(first[word] + second[word]) / (2 * n) for word in vocabulary]
    by_guess = sum(mean * (1 - mean) for mean in means) / (len(vocabulary) - 1)
    return {
        "agreed": round(agreed, 6),
        "kappa": round((agreed - by_draw) / (1 - by_draw), 6) if by_draw < 1 else None,
        "ac1": round((agreed - by_guess) / (1 - by_guess), 6),
        "prevalence": round(means[0], 6),
    }


def estimate_precision(
    sample: pl.DataFrame,
    labels: pl.DataFrame | Iterable[Mapping[str, str]],
    *,
    strata: Sequence[str] | None = None,
    vocabulary: Sequence[str] = LABELS,
) -> pl.DataFrame:
    """Estimate which share of the subjects belongs, stratum by stratum and in all.

    Of strata that the method calls members it is the precision; of those it leaves out, the share that was missed.
    Subjects without a label are taken to be like those with one: whoever stops early has labelled a random part,
    whoever leaves out the hard ones has not.

    Parameters
    ----------
    sample : polars.DataFrame
        As :func:`sample_subjects` returns it.
    labels, vocabulary
        As for :func:`collect_labels`.
    strata : sequence of str, optional
        Strata that the total is of: those above a threshold, for example. By default all.

    Returns
    -------
    polars.DataFrame
        A row for each stratum, and last, with ``stratum`` null, the total: strata weighted by their size. ``size``;
        ``sampled``; ``positive``, ``negative``; ``disputed``; ``undecided``: agreed that it cannot be told;
        ``unlabelled``. ``precision``: share of positive among positive and negative, with its 95 % interval ``low`` to
        ``high`` (Wilson's, within what the labels leave possible; the total's from those of the strata). ``worst`` and
        ``best``: the share if all disputed and undecided were wrong, or right; ``worst_low``, ``best_high``: the ends
        of their intervals. Null in a stratum without labels; then the total has no ``precision`` either, and its bounds
        take all of the stratum for wrong, or right. Order: stratum.

    Raises
    ------
    UnknownNameError
        For a stratum that there is not.
    InputError
        As for :func:`collect_labels`; if a column of the sample is missing, or ``strata`` is empty.

    Examples
    --------
    >>> members = pl.DataFrame({"account_id": list("abcdef"), "band": ["confirmed"] * 2 + ["weak"] * 4})
    >>> sample = sample_subjects(members, 4, least=2)
    >>> right = [{"subject_id": s, "label": "belongs", "reviewer": "kim"} for s in sample["subject_id"]]
    >>> estimate_precision(sample, right).select("stratum", "size", "positive", "precision", "low", "high").rows()
    [('confirmed', 2, 2, 1.0, 1.0, 1.0), ('weak', 4, 2, 1.0, 0.5, 1.0), (None, 6, 4, 1.0, 0.666667, 1.0)]
    """
    need_columns(sample.columns, ("subject_id", "stratum", "stratum_size"), "sample")
    known = sample["stratum"].unique().sort().to_list()
    asked = known if strata is None else list(dict.fromkeys(strata))
    for name in asked:
        if name not in known:
            raise UnknownNameError("stratum", name, known)
    if not asked:
        raise InputError(f"strata is empty: name some of {', '.join(visible(name) for name in known)}")
    told = record_labels(sample, labels, vocabulary=vocabulary)
    right, wrong = pl.col("label") == vocabulary[0], pl.col("label") == vocabulary[1]
    counts = told.group_by("stratum", size=pl.col("stratum_size").cast(pl.Int64)).agg(
        pl.len().cast(pl.Int64).alias("sampled"),
        right.sum().cast(pl.Int64).alias("positive"),
        wrong.sum().cast(pl.Int64).alias("negative"),
        (pl.col("label_state") == "disputed").sum().cast(pl.Int64).alias("disputed"),
        (~right & ~wrong).sum().cast(pl.Int64).alias("undecided"),
        pl.col("label_state").is_null().sum().cast(pl.Int64).alias("unlabelled"),
    )
    rows = [row | _shares(row) for row in counts.sort("stratum").iter_rows(named=True)]
    rows.append(_total([row for row in rows if row["stratum"] in asked]))
    schema = dict(counts.schema) | dict.fromkeys(_TOLD, pl.Float64)
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col(_TOLD).round(6))


def _shares(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Share and interval of one stratum, and both again with what is open counted as wrong, and as right."""
    right, wrong, size = row["positive"], row["negative"], row["size"]
    settled, judged = right + wrong, right + wrong + row["disputed"] + row["undecided"]
    # So many of the stratum are known to belong, and so many not to: no interval reaches beyond.
    least, most = right / size, 1 - wrong / size
    told: dict[str, float | None] = dict.fromkeys(_TOLD)
    if settled:
        low, high = wilson_interval(right, settled)
        told |= {"precision": right / settled, "low": max(low, least), "high": min(high, most)}
    if judged:
        told |= {"worst": right / judged, "worst_low": max(wilson_interval(right, judged)[0], least)}
        told |= {"best": 1 - wrong / judged, "best_high": min(wilson_interval(judged - wrong, judged)[1], most)}
    return told


def _total(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All strata together, each by its size; where one has no labels, all of it is wrong at worst and right at best."""
    counted = ("size", "sampled", "positive", "negative", "disputed", "undecided", "unlabelled")
    total: dict[str, Any] = {"stratum": None, **{name: sum(row[name] for row in rows) for name in counted}}
    weights = [row["size"] / total["size"] for row in rows]
    for share, end, missing in (
        ("precision", "low", None), ("precision", "high", None), ("worst", "worst_low", 0.0), ("best", "best_high", 1.0)
    ):  # fmt: skip
        middles = [missing if row[share] is None else row[share] for row in rows]
        if None in middles:
            continue
        middle = math.fsum(w * p for w, p in zip(weights, middles, strict=True))
        # Strata err independently: how far the sum may be off is the root of the sum of their squares.
        apart = [0.0 if row[share] is None else row[share] - row[end] for row in rows]
        off = math.sqrt(math.fsum((w * a) ** 2 for w, a in zip(weights, apart, strict=True)))
        total |= {share: middle, end: middle - off if end.endswith("low") else middle + off}
    return total
