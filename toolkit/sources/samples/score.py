"""How right was it? Links, clusters and expansions held against the truth of a sample.

This is the only file that reads ``truth/``. Three rules decide what every figure means:

* A pair is **true** when one operator stands behind both accounts (roles member and creator of one actor).
* A pair is **legit** when it is not true but both belong to one honest group (household, employer, campus...). To say
  that they are linked is not wrong, to act on it would be: such pairs count neither for nor against, and are shown
  apart. Strangers behind one carrier address (kind ``cgnat``) are *not* such a group: linking them is an error.
* Everything else is **false**, by whom it hurts: *rival* (two different rings), *contagion* (R11: people who copied one
  text), *innocent* (anybody else, by kind: victim, buyer, campus, hackathon...).

Counting never lists the pairs inside a large cluster or group: it counts *units* (accounts of one cluster with the same
operator and the same groups) and multiplies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from toolkit.errors import InputError

RING_ROLES = ("member", "creator")
CONTAGION_RING = "R11"
STRANGER_GROUPS = ("cgnat",)  # groups that share an address and nothing else
# Whom an error hurts: the first that applies.
INNOCENT_KINDS = (
    *("victim", "buyer", "hackathon", "lab", "agency", "reseller", "kiosk", "campus", "household", "org", "qa"),
    *("flatshare", "friends"),
    *("bystander", "contaminated", "contagion", "cgnat"),
)
VERDICTS = ("true", "legit", "rival", "contagion", "innocent")
ENFORCEABLE_BANDS = ("confirmed", "probable", "possible")

Truth = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class LinkScores:
    """What a table of links is worth."""

    links: int
    pairs: dict[str, int]  # by verdict
    precision: float | None
    recall: float | None
    levels: pl.DataFrame  # level, links, true, legit, false, precision, mean_probability
    rings: pl.DataFrame  # ring, actor_id, members, linked, pairs, found, recall
    innocents: pl.DataFrame  # level, kind, accounts


@dataclass(frozen=True)
class MemberScores:
    """What a table of cluster members is worth."""

    clusters: int
    largest: int
    pairs: dict[str, int]
    pair_precision: float | None
    pair_recall: float | None
    b3_precision: float | None
    b3_recall: float | None
    b3_f1: float | None
    purity: float | None  # of the ring accounts in clusters, those that sit with their cluster's main operator
    innocents_in_rings: int
    innocents: pl.DataFrame  # kind, band, accounts: people in clusters that hold a ring
    rings: pl.DataFrame  # ring, actor_id, members, best_cluster, found, recall, cluster_size, precision
    bands: pl.DataFrame  # band, accounts, right, precision, mean_probability


@dataclass(frozen=True)
class ExpansionScores:
    """What an expansion from seeds is worth."""

    actor_id: str | None  # the operator behind most seeds; None when the seeds belong to no ring
    ring: str | None
    targets: int  # the operator's accounts, seeds apart
    recall_at_95: float | None  # the best recall while precision stays at .95, walking by probability
    reviewed_for_80: int | None  # accounts looked at until four in five were found
    included: int
    precision: float | None  # of the accounts that the tool's own stop rule included
    recall: float | None
    precision_error: float | None  # the tool's last estimate of its precision, less the truth
    rounds: int
    wrong: pl.DataFrame  # kind, accounts: who else was included


def read_truth(folder: str | Path) -> dict[str, pl.DataFrame]:
    """Read the truth tables of a sample that :func:`write_sample` wrote.

    Parameters
    ----------
    folder
        The sample's folder (or its ``truth`` folder).

    Returns
    -------
    dict
        A frame per truth table: actors, membership, groups, linked_but_legit, poison, bans, templates, events.

    Raises
    ------
    InputError
        There is no truth in the folder.

    Examples
    --------
    >>> import tempfile
    >>> from toolkit.sources.samples import write_sample
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(read_truth(write_sample(folder)))
    ['actors', 'bans', 'events', 'groups', 'linked_but_legit', 'membership', 'poison', 'templates']
    """
    place = Path(folder)
    place = place / "truth" if (place / "truth").is_dir() else place
    files = sorted(place.glob("*.parquet"))
    tables = {file.stem: pl.read_parquet(file) for file in files}
    if not {"membership", "groups"} <= set(tables):
        found = ", ".join(tables) or "no Parquet file"
        raise InputError(f"no truth tables in {place}: need membership and groups, found {found}")
    return tables


def name_operators(truth: Truth) -> pl.DataFrame:
    """Every account that an operator controls, with ``actor_id`` and ``ring``; R11 is not a ring and not here.

    Examples
    --------
    >>> name_operators(_toy()).rows()
    [('a', 'x', 'R1'), ('b', 'x', 'R1'), ('c', 'y', 'R2')]
    """
    members = truth["membership"].filter(pl.col("role").is_in(RING_ROLES), pl.col("ring") != CONTAGION_RING)
    ordered = members.select("account_id", "actor_id", "ring").sort("account_id", "actor_id")
    return ordered.unique("account_id", keep="first", maintain_order=True)


def name_innocents(truth: Truth) -> pl.DataFrame:
    """Every account that is known to be innocent *and* exposed, with the first kind that applies to it.

    Examples
    --------
    >>> name_innocents(_toy()).rows()
    [('d', 'victim'), ('e', 'household'), ('f', 'household'), ('g', 'cgnat')]
    """
    roles = truth["membership"].filter(~pl.col("role").is_in(RING_ROLES)).select("account_id", kind="role")
    copied = truth["membership"].filter(pl.col("ring") == CONTAGION_RING, pl.col("role").is_in(RING_ROLES))
    caught = copied.select("account_id", kind=pl.lit("contagion"))
    groups = truth["groups"].select("account_id", "kind")
    rank = pl.col("kind").replace_strict(
        {kind: place for place, kind in enumerate(INNOCENT_KINDS)}, default=len(INNOCENT_KINDS), return_dtype=pl.Int64
    )
    kinds = pl.concat([roles, caught, groups]).sort("account_id", rank, "kind")
    innocent = kinds.join(name_operators(truth), on="account_id", how="anti")
    return innocent.unique("account_id", keep="first", maintain_order=True).sort("account_id")


def score_links(links: pl.DataFrame, truth: Truth, *, min_probability: float = 0.5) -> LinkScores:
    """Score a table of links: precision and recall over pairs, by level and by ring, and whom the errors hurt.

    Parameters
    ----------
    links
        ``account_a``, ``account_b``, ``probability``; with ``level`` the result is also given per level.
    truth
        As :func:`read_truth` or ``World.truth`` gives it.
    min_probability
        Links below this are not claims.

    Returns
    -------
    LinkScores
        ``precision`` leaves legit pairs out; ``recall`` is over all pairs of accounts of one operator.

    Examples
    --------
    >>> pairs = {"account_a": ["a", "e", "a"], "account_b": ["b", "f", "g"]}
    >>> links = pl.DataFrame({**pairs, "probability": [0.9, 0.9, 0.8]})
    >>> scores = score_links(links, _toy())
    >>> scores.precision, scores.recall, scores.pairs["legit"], scores.innocents.rows()
    (0.5, 1.0, 1, [('all', 'cgnat', 1)])
    """
    _need(links, "links", ("account_a", "account_b", "probability"))
    claims = links.filter(pl.col("probability") >= min_probability, pl.col("account_a") != pl.col("account_b"))
    low, high = pl.min_horizontal("account_a", "account_b"), pl.max_horizontal("account_a", "account_b")
    level = pl.col("level").cast(pl.String) if "level" in links.columns else pl.lit("all")
    claims = claims.select(account_a=low, account_b=high, probability="probability", level=level)
    claims = claims.sort("probability", descending=True).unique(
        ["account_a", "account_b"], keep="first", maintain_order=True
    )
    judged = judge_pairs(claims, truth)
    pairs = _count_verdicts(judged)
    rings = _ring_pairs(judged, truth)
    return LinkScores(
        links=len(judged),
        pairs=pairs,
        precision=_ratio(pairs["true"], len(judged) - pairs["legit"]),
        recall=_ratio(pairs["true"], int(rings["pairs"].sum())),
        levels=_level_table(judged),
        rings=rings,
        innocents=_hurt_by_links(judged, truth),
    )


def judge_pairs(claims: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """Each pair with the operators of both sides (``actor_a``, ``actor_b``) and its ``verdict``.

    Examples
    --------
    >>> pairs = pl.DataFrame({"account_a": ["a", "a", "e"], "account_b": ["b", "c", "f"]})
    >>> judge_pairs(pairs, _toy())["verdict"].to_list()
    ['true', 'rival', 'legit']
    """
    operators = name_operators(truth)
    copied = truth["membership"].filter(pl.col("ring") == CONTAGION_RING)["account_id"].unique().to_list()
    judged = claims
    for side in ("a", "b"):
        who = operators.select(pl.col("account_id").alias(f"account_{side}"), pl.col("actor_id").alias(f"actor_{side}"))
        judged = judged.join(who, on=f"account_{side}", how="left")
    groups = _honest_groups(truth)
    ours = claims.select("account_a", "account_b").join(groups, left_on="account_a", right_on="account_id")
    together = ours.join(groups, left_on=["account_b", "group_id"], right_on=["account_id", "group_id"], how="semi")
    legit = together.select("account_a", "account_b", legit=pl.lit(True)).unique()
    judged = judged.join(legit, on=["account_a", "account_b"], how="left")
    both_copied = pl.col("account_a").is_in(copied) & pl.col("account_b").is_in(copied)
    verdict = (
        pl.when(pl.col("actor_a") == pl.col("actor_b"))
        .then(pl.lit("true"))
        .when(pl.col("legit"))
        .then(pl.lit("legit"))
        .when(pl.col("actor_a").is_not_null() & pl.col("actor_b").is_not_null())
        .then(pl.lit("rival"))
        .when(both_copied)
        .then(pl.lit("contagion"))
        .otherwise(pl.lit("innocent"))
    )
    return judged.with_columns(verdict=verdict).drop("legit").sort("account_a", "account_b")


def _honest_groups(truth: Truth) -> pl.DataFrame:
    honest = truth["groups"].filter(~pl.col("kind").is_in(STRANGER_GROUPS))
    return honest.select("account_id", "group_id").unique()


def _count_verdicts(judged: pl.DataFrame) -> dict[str, int]:
    return {verdict: int((judged["verdict"] == verdict).sum()) for verdict in VERDICTS}


def _ring_pairs(judged: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    size = pl.col("members")
    rings = name_operators(truth).group_by("ring", "actor_id").agg(members=pl.len().cast(pl.Int64))
    right = judged.filter(pl.col("verdict") == "true")
    found = right.group_by(actor_id="actor_a").agg(found=pl.len().cast(pl.Int64))
    ends = pl.concat(
        [right.select(actor_id="actor_a", account="account_a"), right.select(actor_id="actor_a", account="account_b")]
    )
    linked = ends.group_by("actor_id").agg(linked=pl.col("account").n_unique().cast(pl.Int64))
    table = rings.join(linked, on="actor_id", how="left").join(found, on="actor_id", how="left").fill_null(0)
    table = table.with_columns(pairs=size * (size - 1) // 2)
    share = pl.when(pl.col("pairs") > 0).then(pl.col("found") / pl.col("pairs"))
    return table.select("ring", "actor_id", "members", "linked", "pairs", "found", recall=share).sort(
        _ring_order(), "actor_id"
    )


def _ring_order() -> pl.Expr:
    """R2 before R10."""
    return pl.col("ring").str.extract(r"(\d+)").cast(pl.Int64).fill_null(0)


def _level_table(judged: pl.DataFrame) -> pl.DataFrame:
    """Calibration: what was claimed per level, and what held."""
    is_true, is_legit = (pl.col("verdict") == verdict for verdict in ("true", "legit"))
    counts = judged.group_by("level").agg(
        links=pl.len().cast(pl.Int64),
        true=is_true.sum().cast(pl.Int64),
        legit=is_legit.sum().cast(pl.Int64),
        mean_probability=pl.col("probability").filter(~is_legit).sort().mean(),
    )
    false = pl.col("links") - pl.col("true") - pl.col("legit")
    judged_right = pl.when(pl.col("links") > pl.col("legit")).then(pl.col("true") / (pl.col("links") - pl.col("legit")))
    table = counts.with_columns(false=false, precision=judged_right)
    return table.select("level", "links", "true", "legit", "false", "precision", "mean_probability").sort("level")


def _hurt_by_links(judged: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """The distinct innocent accounts at either end of a false link, by level and kind."""
    wrong = judged.filter(pl.col("verdict").is_in(["innocent", "contagion"]))
    ends = [
        wrong.filter(pl.col(f"actor_{side}").is_null()).select("level", account_id=f"account_{side}")
        for side in ("a", "b")
    ]
    return _by_kind(pl.concat(ends).unique(), truth, "level").select("level", "kind", "accounts").sort("level", "kind")


def _by_kind(people: pl.DataFrame, truth: Truth, *by: str) -> pl.DataFrame:
    named = people.join(name_innocents(truth), on="account_id", how="left").with_columns(
        pl.col("kind").fill_null("other")
    )
    return named.group_by(*by, "kind").agg(accounts=pl.col("account_id").n_unique().cast(pl.Int64))


def score_members(members: pl.DataFrame, truth: Truth, *, bands: Iterable[str] = ENFORCEABLE_BANDS) -> MemberScores:
    """Score a clustering: pairs, B-cubed over ring accounts, purity, and the innocents inside ring clusters.

    Parameters
    ----------
    members
        ``cluster_id``, ``account_id``; with ``band`` only rows of ``bands`` count; with ``probability`` an account that
        stands in two clusters is counted in its likelier one.
    truth
        As :func:`read_truth` or ``World.truth`` gives it.
    bands
        The bands that are a claim; ``weak`` is not.

    Returns
    -------
    MemberScores
        A ring account in no cluster is a cluster of its own (B-cubed precision 1, recall 1/size).

    Examples
    --------
    >>> members = pl.DataFrame({"cluster_id": ["1", "1", "1"], "account_id": ["a", "b", "d"]})
    >>> scores = score_members(members, _toy())
    >>> scores.pair_recall, round(scores.b3_precision, 3), scores.innocents.rows()
    (1.0, 0.778, [('victim', 'all', 1)])
    """
    _need(members, "members", ("cluster_id", "account_id"))
    claims = _claimed_members(members, list(bands))
    operators = name_operators(truth)
    copied = truth["membership"].filter(pl.col("ring") == CONTAGION_RING)["account_id"].unique().to_list()
    placed = claims.join(operators, on="account_id", how="left").with_columns(copied=pl.col("account_id").is_in(copied))
    pairs = _count_cluster_pairs(placed, truth)
    shares = _cluster_shares(placed)
    b3_precision, b3_recall = _b_cubed(placed, operators, shares)
    main = shares.sort("cluster_id", "ours", "actor_id", descending=[False, True, False]).unique(
        "cluster_id", keep="first", maintain_order=True
    )
    in_ring = placed.join(main.filter(pl.col("ours") >= 2).select("cluster_id", main="actor_id"), on="cluster_id")
    people = in_ring.filter(pl.col("actor_id").is_null())
    possible = operators.group_by("actor_id").len()["len"].cast(pl.Int64)
    claimed = sum(pairs.values()) - pairs["legit"]
    sizes = claims.group_by("cluster_id").len()["len"].sort()
    return MemberScores(
        clusters=len(sizes),
        largest=int(sizes[-1]) if len(sizes) else 0,
        pairs=pairs,
        pair_precision=_ratio(pairs["true"], claimed),
        pair_recall=_ratio(pairs["true"], int((possible * (possible - 1) // 2).sum())),
        b3_precision=b3_precision,
        b3_recall=b3_recall,
        b3_f1=_harmonic(b3_precision, b3_recall),
        purity=_ratio(int(main["ours"].sum()), int(shares["ours"].sum())),
        innocents_in_rings=people["account_id"].n_unique(),
        innocents=_by_kind(people.select("account_id", "band"), truth, "band")
        .select("kind", "band", "accounts")
        .sort("kind", "band"),
        rings=_best_clusters(operators, shares),
        bands=_band_table(placed, main),
    )


def _claimed_members(members: pl.DataFrame, bands: list[str]) -> pl.DataFrame:
    band = pl.col("band").cast(pl.String) if "band" in members.columns else pl.lit("all")
    likely = (
        pl.col("probability").cast(pl.Float64) if "probability" in members.columns else pl.lit(None, dtype=pl.Float64)
    )
    claims = members.select(pl.col("cluster_id").cast(pl.String), "account_id", band=band, probability=likely)
    claims = claims.filter(pl.col("band").is_in([*bands, "all"]), pl.col("cluster_id").is_not_null())
    ordered = claims.sort("probability", "cluster_id", descending=[True, False], nulls_last=True)
    return ordered.unique("account_id", keep="first", maintain_order=True).sort("cluster_id", "account_id")


def _count_cluster_pairs(placed: pl.DataFrame, truth: Truth) -> dict[str, int]:
    """Pairs inside clusters by verdict, from counts: only units that share an honest group meet each other."""

    def within(counts: pl.Series) -> int:
        n = counts.cast(pl.Int64)
        return int((n * (n - 1) // 2).sum())

    ring, copied = (
        placed.filter(pl.col("actor_id").is_not_null()),
        placed.filter("copied", pl.col("actor_id").is_null()),
    )
    true = within(ring.group_by("cluster_id", "actor_id").len()["len"])
    legit = _count_legit_pairs(placed, truth)
    total = within(placed.group_by("cluster_id").len()["len"])
    rival = within(ring.group_by("cluster_id").len()["len"]) - true - legit["rival"]
    contagion = within(copied.group_by("cluster_id").len()["len"]) - legit["contagion"]
    honest = sum(legit.values())
    rest = total - true - honest - rival - contagion
    return dict(zip(VERDICTS, (true, honest, rival, contagion, rest), strict=True))


def _count_legit_pairs(placed: pl.DataFrame, truth: Truth) -> dict[str, int]:
    """Pairs of one cluster that share an honest group and no operator, by what they would have been without it."""
    groups = _honest_groups(truth).join(placed.select("account_id"), on="account_id", how="semi")
    sets = (
        groups.sort("account_id", "group_id").group_by("account_id", maintain_order=True).agg(groups=pl.col("group_id"))
    )
    sets = sets.with_columns(set_id=pl.col("groups").list.join("\x1f"))
    unit_key = ["cluster_id", "actor_id", "copied", "set_id"]
    units = placed.join(sets, on="account_id").group_by(unit_key).agg(n=pl.len().cast(pl.Int64)).sort(unit_key)
    units = units.with_row_index("unit")
    held = units.join(sets.select("set_id", "groups").unique("set_id"), on="set_id").explode("groups")
    meet = held.join(held, on=["cluster_id", "groups"], suffix="_b").filter(pl.col("unit") <= pl.col("unit_b"))
    meet = meet.unique(["unit", "unit_b"]).filter(
        ~pl.col("actor_id").eq_missing(pl.col("actor_id_b")) | pl.col("actor_id").is_null()
    )
    same = pl.col("unit") == pl.col("unit_b")
    count = pl.when(same).then(pl.col("n") * (pl.col("n") - 1) // 2).otherwise(pl.col("n") * pl.col("n_b"))
    kind = (
        pl.when(pl.col("actor_id").is_not_null() & pl.col("actor_id_b").is_not_null())
        .then(pl.lit("rival"))
        .when(pl.col("copied") & pl.col("copied_b") & pl.col("actor_id").is_null() & pl.col("actor_id_b").is_null())
        .then(pl.lit("contagion"))
        .otherwise(pl.lit("innocent"))
    )
    counted = meet.select(kind=kind, pairs=count)
    return {k: int(counted.filter(pl.col("kind") == k)["pairs"].sum()) for k in ("rival", "contagion", "innocent")}


def _cluster_shares(placed: pl.DataFrame) -> pl.DataFrame:
    """How many accounts of each operator a cluster holds, and how large it is."""
    size = placed.group_by("cluster_id").agg(size=pl.len().cast(pl.Int64))
    ours = (
        placed.filter(pl.col("actor_id").is_not_null())
        .group_by("cluster_id", "actor_id")
        .agg(ours=pl.len().cast(pl.Int64))
    )
    return ours.join(size, on="cluster_id").sort("cluster_id", "actor_id")


def _b_cubed(placed: pl.DataFrame, operators: pl.DataFrame, shares: pl.DataFrame) -> tuple[float | None, float | None]:
    whole = operators.group_by("actor_id").agg(whole=pl.len().cast(pl.Int64))
    mine = operators.join(placed.select("account_id", "cluster_id"), on="account_id", how="left")
    mine = mine.join(shares, on=["cluster_id", "actor_id"], how="left").join(whole, on="actor_id")
    alone = mine.with_columns(pl.col("ours").fill_null(1), pl.col("size").fill_null(1)).sort("account_id")
    precision, recall = (alone["ours"] / alone["size"]), (alone["ours"] / alone["whole"])
    return (None, None) if alone.is_empty() else (float(precision.sum()) / len(alone), float(recall.sum()) / len(alone))


def _best_clusters(operators: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    rings = operators.group_by("ring", "actor_id").agg(members=pl.len().cast(pl.Int64))
    best = shares.sort("actor_id", "ours", "cluster_id", descending=[False, True, False])
    best = best.unique("actor_id", keep="first", maintain_order=True)
    table = rings.join(best, on="actor_id", how="left")
    return table.select(
        "ring",
        "actor_id",
        "members",
        best_cluster="cluster_id",
        found=pl.col("ours").fill_null(0),
        recall=pl.col("ours").fill_null(0) / pl.col("members"),
        cluster_size=pl.col("size").fill_null(0),
        precision=pl.col("ours") / pl.col("size"),
    ).sort(_ring_order(), "actor_id")


def _band_table(placed: pl.DataFrame, main: pl.DataFrame) -> pl.DataFrame:
    """Calibration of members: how many per band belong to their cluster's main operator."""
    led = placed.join(main.select("cluster_id", main="actor_id"), on="cluster_id", how="left")
    right = (pl.col("actor_id") == pl.col("main")).fill_null(False)
    table = led.group_by("band").agg(
        accounts=pl.len().cast(pl.Int64),
        right=right.sum().cast(pl.Int64),
        mean_probability=pl.col("probability").sort().mean(),
    )
    return table.select(
        "band", "accounts", "right", precision=pl.col("right") / pl.col("accounts"), mean_probability="mean_probability"
    ).sort("band")


def score_expansion(
    expansion: pl.DataFrame, truth: Truth, seeds: Iterable[str], *, floor: float = 0.95
) -> ExpansionScores:
    """Score an expansion from seeds: by an ideal stop at precision ``floor``, and by the tool's own stop rule.

    Parameters
    ----------
    expansion
        ``account_id``, ``probability``; with ``round``, ``included`` and ``precision_estimate`` the stop rule is scored
        too (without ``included``, everything counts as included).
    truth
        As :func:`read_truth` or ``World.truth`` gives it.
    seeds
        The accounts that the expansion started from. They are given, so they count neither as found nor as missed.
    floor
        The precision that an enforcement team would insist on.

    Returns
    -------
    ExpansionScores
        With seeds of no ring (a benign escalation) there is nothing to find: whoever was included is in ``wrong``.

    Examples
    --------
    >>> walk = pl.DataFrame({"account_id": ["b", "d"], "probability": [0.9, 0.6], "included": [True, False]})
    >>> scores = score_expansion(walk, _toy(), ["a"])
    >>> scores.ring, scores.recall_at_95, scores.precision, scores.recall
    ('R1', 1.0, 1.0, 1.0)
    """
    _need(expansion, "expansion", ("account_id", "probability"))
    given = set(seeds)
    operators = name_operators(truth)
    actor, ring = _main_actor(operators, given)
    targets = operators.filter(
        pl.col("actor_id").eq_missing(pl.lit(actor, dtype=pl.String)), ~pl.col("account_id").is_in(list(given))
    )["account_id"]
    walk = expansion.filter(~pl.col("account_id").is_in(list(given)))
    walk = walk.sort("probability", "account_id", descending=[True, False]).unique(
        "account_id", keep="first", maintain_order=True
    )
    walk = walk.with_columns(right=pl.col("account_id").is_in(targets.to_list()))
    taken = walk.filter(pl.col("included").fill_null(False)) if "included" in walk.columns else walk
    hits = int(taken["right"].sum())
    precision = _ratio(hits, len(taken))
    rounds = taken["round"].drop_nulls().n_unique() if "round" in taken.columns else 0
    estimate = _last_estimate(taken)
    return ExpansionScores(
        actor_id=actor,
        ring=ring,
        targets=len(targets),
        recall_at_95=_recall_at(walk, len(targets), floor),
        reviewed_for_80=_reviewed_for(walk, len(targets), 0.8),
        included=len(taken),
        precision=precision,
        recall=_ratio(hits, len(targets)),
        precision_error=None if estimate is None or precision is None else estimate - precision,
        rounds=rounds,
        wrong=_wrongly_taken(taken.filter(~pl.col("right")), operators, truth),
    )


def _main_actor(operators: pl.DataFrame, seeds: set[str]) -> tuple[str | None, str | None]:
    """The operator behind most seeds: one seed may be a victim."""
    mine = operators.filter(pl.col("account_id").is_in(list(seeds))).group_by("actor_id", "ring").len()
    first = mine.sort("len", "actor_id", descending=[True, False]).head(1)
    return (None, None) if first.is_empty() else (str(first["actor_id"][0]), str(first["ring"][0]))


def _walked(walk: pl.DataFrame) -> pl.DataFrame:
    """Hits and accounts seen after each distinct probability: ties cannot be ordered, so they are taken together."""
    steps = walk.group_by("probability").agg(n=pl.len().cast(pl.Int64), hits=pl.col("right").sum().cast(pl.Int64))
    return steps.sort("probability", descending=True).with_columns(pl.col("n").cum_sum(), pl.col("hits").cum_sum())


def _recall_at(walk: pl.DataFrame, targets: int, floor: float) -> float | None:
    if targets == 0:
        return None
    good = _walked(walk).filter(pl.col("hits") >= floor * pl.col("n"))
    return int(good["hits"].to_list()[-1]) / targets if len(good) else 0.0


def _reviewed_for(walk: pl.DataFrame, targets: int, share: float) -> int | None:
    enough = _walked(walk).filter(pl.col("hits") >= share * targets)
    return int(enough["n"][0]) if targets and len(enough) else None


def _last_estimate(taken: pl.DataFrame) -> float | None:
    """The tool's estimate for the whole of what it included: the one beside the last account."""
    if "precision_estimate" not in taken.columns:
        return None
    by = [name for name in ("round",) if name in taken.columns]
    ordered = taken.sort(*by, "probability", "account_id", descending=[*([False] * len(by)), True, False])
    known = ordered["precision_estimate"].drop_nulls()
    return float(known[-1]) if len(known) else None


def _wrongly_taken(people: pl.DataFrame, operators: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    rivals = people.join(operators, on="account_id", how="semi")
    others = people.join(operators, on="account_id", how="anti").select("account_id")
    table = _by_kind(others, truth).select("kind", "accounts")
    if len(rivals):
        row = pl.DataFrame(
            {"kind": ["rival"], "accounts": [len(rivals)]}, schema={"kind": pl.String, "accounts": pl.Int64}
        )
        table = pl.concat([table, row])
    return table.sort("kind")


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _harmonic(a: float | None, b: float | None) -> float | None:
    return 2 * a * b / (a + b) if a and b else None


def _need(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(f"{name} needs the columns {', '.join(missing)}; found {', '.join(frame.columns) or 'none'}")


def _toy() -> dict[str, pl.DataFrame]:
    """Two rings (a and b; c), a victim of the first (d), a household (e, f) and a stranger (g): for the examples."""
    membership = {
        "account_id": ["a", "b", "c", "d"],
        "actor_id": ["x", "x", "y", "x"],
        "ring": ["R1", "R1", "R2", "R1"],
        "role": ["creator", "member", "member", "victim"],
    }
    groups = {
        "account_id": ["e", "f", "g"],
        "group_id": ["h1", "h1", "n1"],
        "kind": ["household", "household", "cgnat"],
    }
    return {"membership": pl.DataFrame(membership), "groups": pl.DataFrame(groups)}
