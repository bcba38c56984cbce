"""What accounts write, as evidence: families of near-identical texts, their slots, and texts that merely went round.

One family is one value. However long the text two accounts have in common, it is one fact: its shingles say how alike
two texts are and are never added up as evidence.

The steps: clean each text; collapse exact duplicates; drop what more than one text in a hundred says; propose and
verify overlaps (:mod:`toolkit.linking.shingles`); gather each text's near-duplicates around the best connected one. A
member of a family is thus near its centre; a chain of small changes does not make one family of everything.

Then the question of contagion: people copy a jailbreak, a meme, a homework prompt. A text whose holders have nothing
else in common, and who came to it one by one, is not a ring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from toolkit.errors import InputError, nearest
from toolkit.linking.arrays import BoolArray, FloatArray, IntArray
from toolkit.linking.shingles import (
    Shingles,
    clean_text,
    find_overlaps,
    propose_exact,
    propose_minhash,
    shingle,
    words_of,
)
from toolkit.model.tables import UTC, Observations, conform
from toolkit.settings import KINDS, Kind

__all__ = [
    "Template",
    "find_slots",
    "find_text_families",
    "find_ties",
    "judge_contagion",
    "name_texts",
    "observe_texts",
]

COMMON: Final = 0.01
"""A shingle that a larger share of the distinct texts has says nothing about who wrote them (a system prompt)."""
COMMON_FLOOR: Final = 50
"""Texts that may share a shingle whatever the share: one per cent of little is nothing."""
NEAR: Final = 0.2
"""Jaccard similarity of near-duplicates: two one-word slots in a sentence of twenty words leave .23. The usual half
misses four in five of the pairs that people call the same."""
INSIDE: Final = 0.5
"""Share of the smaller text found in the larger: the same payload in another wrapper."""
MOSTLY: Final = 2 / 3
"""A text of which common runs cover more of the words is a copy of something common, not a wrapper with a payload."""
INSIDE_SHINGLES: Final = 8
"""A share of fewer common shingles than this is a phrase, not a payload."""
EXACT_UP_TO: Final = 500_000
"""Distinct texts up to which no pair is missed; above, MinHash may miss some. On ordinary lengths the exact way is the
faster one well beyond this; what it costs is memory where texts are many and alike."""
SLOT_WORDS: Final = 400
SLOT_TEXTS: Final = 200
SPREAD_H: Final = 24.0
"""First uses over fewer hours than this are a burst."""
CROWD: Final = 5
"""Holders from which "they have nothing in common" can be told from luck."""
TEXT_KINDS: Final = frozenset({"prompt_template", "prompt_text"})


def find_text_families(
    content: pl.DataFrame,
    *,
    text_column: str = "text",
    near: float = NEAR,
    inside: float = INSIDE,
    public: Collection[str] = (),
    exact_up_to: int = EXACT_UP_TO,
) -> pl.DataFrame:
    """Find families of near-identical texts.

    Parameters
    ----------
    content : polars.DataFrame
        ``account_id``, the text, and ``event_at`` (UTC) if the time is known; a row per use.
    text_column : str
        The column of texts.
    near : float
        Jaccard similarity of five-word shingles from which two texts are near-duplicates.
    inside : float
        Share of the smaller text's shingles found in the larger from which it is the same payload.
    public : collection of str
        Texts known to be public (leaked prompts, a jailbreak list): a family that one of them joins is marked.
    exact_up_to : int
        Distinct texts up to which no pair is missed; above, MinHash proposes.

    Returns
    -------
    polars.DataFrame
        A row per account and distinct text: ``account_id``, ``family_id``, ``text_id`` (hash of the cleaned text),
        ``family_texts`` (distinct texts in the family), ``public``, ``first_at``, ``last_at``, ``n``. A family is named
        after its earliest text, so that later data do not rename it. Blank texts are left out. Order: family_id,
        account_id, text_id.

    Raises
    ------
    InputError
        If a column is missing, or a threshold is not above 0 and at most 1.

    Notes
    -----
    Up to ``exact_up_to`` texts every pair over the thresholds is compared, save that shingles of over 200 texts
    compare each text with the first of them only. Above, MinHash (128 in 32 bands of 4) proposes: a pair of similarity
    s is seen with probability ``1 - (1 - s^4)^32`` (.05 at .2, .87 at .5), and containment is found only where
    similarity is high. Sources: Broder 1997; the project's linking reference 2.2.

    Examples
    --------
    >>> ask = "please write a five star review of the restaurant {} and mention the friendly staff"
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "c"],
    ...                       "text": [ask.format("luigi"), ask.format("mario"), "what is the capital of france"]})
    >>> found = find_text_families(frame)
    >>> found.group_by("family_id").agg("account_id").sort(pl.col("account_id").list.first())["account_id"].to_list()
    [['a', 'b'], ['c']]
    """
    for column in ("account_id", text_column):
        if column not in content.columns:
            raise InputError(f"no column {column!r} in this content: {nearest(column, content.columns)}")
    for name, value in (("near", near), ("inside", inside)):
        if not 0 < value <= 1:
            raise InputError(f"{name} is a share above 0 and at most 1, found {value}")
    at = pl.col("event_at").cast(UTC) if "event_at" in content.columns else pl.lit(None, UTC)
    uses = content.lazy().select("account_id", pl.col(text_column).alias("text"), at.alias("at")).drop_nulls("text")
    known = pl.concat([uses.select("text").collect().get_column("text"), pl.Series("text", list(public), pl.String)])
    distinct = known.unique().sort()
    cleaned = [clean_text(text) for text in distinct.to_list()]
    names = pl.DataFrame({"text": distinct, "cleaned": cleaned}).filter(pl.col("cleaned") != "")
    held = (
        uses.join(names.lazy(), on="text")
        .group_by("account_id", "cleaned")
        .agg(pl.col("at").min().alias("first_at"), pl.col("at").max().alias("last_at"), pl.len().alias("n"))
        .collect()
    )
    texts = (
        names.select("cleaned")
        .unique()
        .join(held.group_by("cleaned").agg(pl.col("first_at").min()), on="cleaned", how="left")
        .pipe(lambda t: t.with_columns(pl.Series("text_id", [_text_id(x) for x in t["cleaned"]], dtype=pl.String)))
        .sort("first_at", "text_id", nulls_last=True)  # the earliest first: families are named after it
    )
    centre = _gather(texts.get_column("cleaned").to_list(), near, inside, exact_up_to)
    open_texts = {clean_text(text) for text in public}
    texts = texts.with_columns(
        pl.Series("family", centre), pl.col("cleaned").is_in(sorted(open_texts)).alias("public")
    ).with_columns(
        pl.col("text_id").first().over("family").alias("family_id"),
        pl.len().over("family").cast(pl.Int64).alias("family_texts"),
        pl.col("public").any().over("family"),
    )
    columns = ["account_id", "family_id", "text_id", "family_texts", "public", "first_at", "last_at", "n"]
    return (
        held.join(texts.drop("first_at"), on="cleaned")
        .with_columns(pl.col("n").cast(pl.Int64), pl.col("account_id").cast(pl.String))
        .select(columns)
        .sort("family_id", "account_id", "text_id")
    )


def name_texts(content: pl.DataFrame, *, text_column: str = "text") -> pl.DataFrame:
    """Give each text the id by which :func:`find_text_families` knows it.

    Parameters
    ----------
    content : polars.DataFrame
        With the texts.
    text_column : str
        The column of texts.

    Returns
    -------
    polars.DataFrame
        Its rows with a text that is not blank, in their order, with ``text_id``.

    Examples
    --------
    >>> named = name_texts(pl.DataFrame({"text": ["Same words", "same words!", " "]}))
    >>> named.height, named["text_id"].n_unique()
    (2, 1)
    """
    distinct = content.get_column(text_column).drop_nulls().unique().sort()
    cleaned = [clean_text(text) for text in distinct.to_list()]
    ids = [_text_id(text) if text else None for text in cleaned]
    names = pl.DataFrame({text_column: distinct, "text_id": pl.Series(ids, dtype=pl.String)}).drop_nulls()
    return content.join(names, on=text_column, maintain_order="left")


def observe_texts(
    families: pl.DataFrame, *, kind: str = "prompt_template", leave_out: Collection[str] = (), source: str = "text"
) -> pl.DataFrame:
    """Write families as observations: an account seen with a family of texts.

    Parameters
    ----------
    families : polars.DataFrame
        As :func:`find_text_families` returned them.
    kind : str
        The kind to write. A family is what ``prompt_template`` means, and its holders are counted alike.
    leave_out : collection of str
        Families that prove nothing, such as those :func:`judge_contagion` called viral.
    source : str
        What the rows say they come from.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``; a family that one account holds is there too. Order: account_id, kind, value, source.

    Examples
    --------
    >>> families = find_text_families(pl.DataFrame({"account_id": ["a", "b"], "text": ["same words", "Same words!"]}))
    >>> observe_texts(families).select("account_id", "kind", "n").rows(), observe_texts(families)["value"].n_unique()
    ([('a', 'prompt_template', 1), ('b', 'prompt_template', 1)], 1)
    """
    rows = (
        families.filter(~pl.col("family_id").is_in(sorted(leave_out)))
        .group_by("account_id", "family_id")
        .agg(pl.col("first_at").min(), pl.col("last_at").max(), pl.col("n").sum())
        .select(
            "account_id",
            pl.lit(kind).alias("kind"),
            pl.col("family_id").alias("value"),
            "first_at",
            "last_at",
            "n",
            pl.lit(source).alias("source"),
        )
    )
    return conform(rows.sort("account_id", "value"), Observations)


@dataclass(frozen=True)
class Template:
    """Texts as a frame with slots.

    Attributes
    ----------
    text : str
        The words all have in common, in order, with ``{1}``, ``{2}``, ... where they vary.
    values : tuple of tuple of str
        For each text, in the order given, what it has in each slot; may be empty.
    """

    text: str
    values: tuple[tuple[str, ...], ...]


def find_slots(texts: Sequence[str]) -> Template:
    """Find what a family of texts has in common, and what is filled in.

    Parameters
    ----------
    texts : sequence of str
        Texts of one family; the first 200 are read, 400 words of each.

    Returns
    -------
    Template
        Words are compared cleaned (see :func:`toolkit.linking.shingles.clean_text`). If nothing is common, the whole
        is one slot.

    Raises
    ------
    InputError
        If there is no text.

    Notes
    -----
    The longest common subsequence of words of each text with the shortest one; what all keep is fixed.

    Examples
    --------
    >>> find_slots(["Review Luigi in Rome, please", "review Mario in Old Bari please", "Review Ann in Pisa please"])
    Template(text='review {1} in {2} please', values=(('luigi', 'rome'), ('mario', 'old bari'), ('ann', 'pisa')))
    """
    if not texts:
        raise InputError("slots are found in texts of one family; there is no text")
    lists = [words_of(clean_text(text))[:SLOT_WORDS] for text in texts[:SLOT_TEXTS]]
    base = min(lists, key=lambda words: (len(words), words))
    aligned = [_align(base, words) for words in lists]
    fixed = np.flatnonzero(np.all([at >= 0 for at in aligned], axis=0)).tolist() if base else []
    gaps: list[list[str]] = []
    for words, at in zip(lists, aligned, strict=True):
        stops = [-1, *(int(at[i]) for i in fixed), len(words)]
        gaps.append([" ".join(words[stops[i] + 1 : stops[i + 1]]) for i in range(len(stops) - 1)])
    varying = [i for i in range(len(fixed) + 1) if any(gap[i] for gap in gaps)]
    said: list[str] = []
    for i in range(len(fixed) + 1):
        said += [f"{{{varying.index(i) + 1}}}"] if i in varying else []
        said += [base[fixed[i]]] if i < len(fixed) else []
    return Template(" ".join(said), tuple(tuple(gap[i] for i in varying) for gap in gaps))


def judge_contagion(
    families: pl.DataFrame, observations: pl.DataFrame, *, kinds: Mapping[str, Kind] = KINDS, spread_h: float = SPREAD_H
) -> pl.DataFrame:
    """Say of each family whether it looks like a ring's text or like one that merely went round.

    Parameters
    ----------
    families : polars.DataFrame
        As :func:`find_text_families` returned them.
    observations : polars.DataFrame
        Contract ``Observations``: everything else that is known of the accounts; text kinds are ignored.
    kinds : mapping of str to Kind
        Settings per kind; only kinds that may propose a pair and count as a reason of their own say "related".
    spread_h : float
        Hours between the first tenth and the last tenth of first uses from which a text "went round".

    Returns
    -------
    polars.DataFrame
        A row per family: ``family_id``, ``accounts``, ``spread_h`` (null = times not known), ``related`` (share of
        holders that share something rare and not a text with another holder), ``related_by_chance`` (the share that
        as many random accounts would have), ``verdict``, ``reason``. Order: accounts descending, family_id. Verdicts:

        - ``single``: one account; nothing to judge.
        - ``viral``: a public text, or five holders or more, no more related than chance and first uses spread out.
        - ``ring``: half of the holders are related, and three times more than by chance.
        - ``unclear``: anything else; the text may be used, and the rest has to speak.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> families = find_text_families(pl.DataFrame({"account_id": list("abcd"), "text": ["one and the same"] * 4}))
    >>> cards = pl.DataFrame({"account_id": list("abcdefgh"), "card": ["k", "k", "l", "l", "m", "n", "o", "p"]})
    >>> judge_contagion(families, find_observations(cards)).select("accounts", "related", "verdict").rows()
    [(4, 1.0, 'ring')]
    """
    first = families.group_by("family_id", "account_id").agg(pl.col("first_at").min(), pl.col("public").any())
    told = first.group_by("family_id").agg(
        pl.len().cast(pl.Int64).alias("accounts"),
        pl.col("public").any(),
        (pl.col("first_at").quantile(0.9, "higher") - pl.col("first_at").quantile(0.1, "lower"))
        .dt.total_seconds()
        .truediv(3600)
        .round(3)
        .alias("spread_h"),
    )  # fmt: skip
    ties = find_ties(observations, kinds=kinds)
    holders = first.select("family_id", "account_id")
    related = (
        holders.join(ties, on="account_id")
        .join(holders.rename({"account_id": "partner"}), on=["family_id", "partner"])
        .group_by("family_id")
        .agg(pl.col("account_id").n_unique().alias("tied"))
    )
    everyone = pl.concat([observations.get_column("account_id"), families.get_column("account_id")]).n_unique()
    partners = ties.height / max(1, everyone)
    chance = 1 - (-(pl.col("accounts") - 1) * partners / max(1, everyone - 1)).exp()
    share = pl.col("tied").fill_null(0) / pl.col("accounts")
    table = told.join(related, on="family_id", how="left").with_columns(
        share.round(6).alias("related"), chance.round(6).alias("related_by_chance")
    )
    alone = pl.col("related") <= pl.max_horizontal(2 * pl.col("related_by_chance"), 0.1)
    verdict = (
        pl.when(pl.col("accounts") < 2)
        .then(pl.lit("single"))
        .when(pl.col("public"))
        .then(pl.lit("viral"))
        .when((pl.col("related") >= 0.5) & (pl.col("related") > 3 * pl.col("related_by_chance")))
        .then(pl.lit("ring"))
        .when((pl.col("accounts") >= CROWD) & alone & (pl.col("spread_h") >= spread_h))
        .then(pl.lit("viral"))
        .otherwise(pl.lit("unclear"))
    )
    columns = ["family_id", "accounts", "spread_h", "related", "related_by_chance", "verdict"]
    return (
        table.with_columns(verdict.fill_null("unclear").alias("verdict"))
        .sort(["accounts", "family_id"], descending=[True, False])
        .pipe(lambda t: t.with_columns(pl.Series("reason", [_reason(**r) for r in t.to_dicts()], dtype=pl.String)))
        .select(*columns, "reason")
    )


def _reason(
    verdict: str,
    public: bool,
    accounts: int,
    related: float,
    related_by_chance: float,
    spread_h: float | None,
    **_: object,
) -> str:
    """Say in words why a family got its verdict."""
    if verdict == "single":
        return "one account only"
    seen = f"{related:.0%} of {accounts} holders share something else that is rare ({related_by_chance:.0%} by chance)"
    if public:
        return f"the text is public; {seen}"
    return f"{seen}; first used " + ("at times not known" if spread_h is None else f"over {spread_h:.0f} h")


def find_ties(observations: pl.DataFrame, *, kinds: Mapping[str, Kind] = KINDS) -> pl.DataFrame:
    """List who shares something rare that is not a text.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    kinds : mapping of str to Kind
        Only kinds that count as a reason of their own, up to as many holders as they say.

    Returns
    -------
    polars.DataFrame
        ``account_id`` and ``partner``, each pair both ways; in no order.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> cards = pl.DataFrame({"account_id": ["a", "b", "c"], "card": ["k", "k", "l"]})
    >>> find_ties(find_observations(cards)).sort("account_id").rows()
    [('a', 'b'), ('b', 'a')]
    """
    ceiling = {
        name: kind.max_holders
        for name, kind in kinds.items()
        if kind.corroborates and kind.max_holders and name not in TEXT_KINDS and kind.family != "text"
    }
    held = (
        observations.select("account_id", "kind", "value")
        .filter(pl.col("kind").is_in(sorted(ceiling)))
        .unique()
        .with_columns(pl.len().over("kind", "value").alias("holders"))
        .filter(
            pl.col("holders").is_between(2, pl.col("kind").replace_strict(ceiling, default=0, return_dtype=pl.Int64))
        )
    )
    met = held.join(held.select("kind", "value", pl.col("account_id").alias("partner")), on=["kind", "value"])
    return met.filter(pl.col("account_id") != pl.col("partner")).select("account_id", "partner").unique()


def _text_id(cleaned: str) -> str:
    return hashlib.blake2b(cleaned.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _gather(cleaned: Sequence[str], near: float, inside: float, exact_up_to: int) -> IntArray:
    """Centre of each text's family; a text without near-duplicates is its own."""
    sets = shingle(cleaned)
    common = sets.df > max(COMMON_FLOOR, COMMON * len(cleaned))
    rare = sets.keep(~common[sets.code])
    a, b, alike = _compare(rare, near, inside, exact_up_to)
    # Texts that say little but common things are copies of something and are compared whole: where a template has many
    # fillings, it is its fixed words that are common.
    plain = sets.cover(common[sets.code]) > MOSTLY
    c, d, alike_whole = _compare(sets.keep(plain[sets.text]), near, inside, exact_up_to)
    return _around_centres(
        len(cleaned), np.concatenate((a, c)), np.concatenate((b, d)), np.concatenate((alike, alike_whole))
    )


def _compare(sets: Shingles, near: float, inside: float, exact_up_to: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs of near-duplicates and their similarity."""
    if (sets.size > 0).sum() <= exact_up_to:
        a, b = propose_exact(sets, min(near, inside))
    else:
        a, b = propose_minhash(sets)
    shared, jaccard, containment = find_overlaps(sets, a, b)
    close: BoolArray = (jaccard >= near) | ((containment >= inside) & (shared >= INSIDE_SHINGLES))
    return a[close], b[close], np.maximum(jaccard, containment * inside)[close]


def _around_centres(n: int, a: IntArray, b: IntArray, alike: FloatArray) -> IntArray:
    """Give every text the centre it is most alike: the best connected texts are centres, their neighbours are not."""
    left, right = np.concatenate((a, b)), np.concatenate((b, a))
    weight = np.concatenate((alike, alike))
    order = np.lexsort((right, left))
    left, right, weight = left[order], right[order], weight[order]
    start = np.searchsorted(left, np.arange(n + 1))
    degree = np.diff(start)
    centre = np.arange(n)
    nearest_yet = np.zeros(n)
    taken = np.zeros(n, dtype=bool)
    for text in np.lexsort((np.arange(n), -degree)):
        if degree[text] == 0:
            break
        if taken[text]:
            continue
        taken[text] = True
        around = slice(start[text], start[text + 1])
        other, how = right[around], weight[around]
        better = how > nearest_yet[other]
        better &= ~((centre[other] == other) & taken[other])  # a centre stays one
        centre[other[better]] = text
        nearest_yet[other[better]] = how[better]
        taken[other] = True
    return centre


def _align(base: Sequence[str], words: Sequence[str]) -> IntArray:
    """Where each word of the base is found in a text, in order; -1 where it is not: a longest common subsequence."""
    code: dict[str, int] = {}
    one = np.array([code.setdefault(word, len(code)) for word in base], dtype=np.int64)
    two = np.array([code.setdefault(word, len(code)) for word in words], dtype=np.int64)
    length = np.zeros((len(one) + 1, len(two) + 1), dtype=np.int64)
    for i, word in enumerate(one, 1):
        row = np.maximum(length[i - 1, 1:], length[i - 1, :-1] + (two == word))
        length[i, 1:] = np.maximum.accumulate(row)
    at = np.full(len(one), -1, dtype=np.int64)
    i, j = len(one), len(two)
    while i and j:
        if one[i - 1] == two[j - 1] and length[i, j] == length[i - 1, j - 1] + 1:
            i, j = i - 1, j - 1
            at[i] = j
        elif length[i - 1, j] >= length[i, j - 1]:
            i -= 1
        else:
            j -= 1
    return at
