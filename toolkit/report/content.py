"""What is written at scale: families of texts described, samples drawn, steps proposed, findings stated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import polars as pl

from toolkit.errors import InputError, need_columns
from toolkit.linking.text import find_slots, find_text_families, name_texts
from toolkit.model.case import Action, Finding
from toolkit.model.confidence import Confidence, Level, Rung
from toolkit.model.tables import UTC
from toolkit.report.findings import number_findings
from toolkit.views.words import count_of

__all__ = [
    "count_by_day",
    "describe_crews",
    "describe_families",
    "find_content_findings",
    "gather_families",
    "propose_for_content",
    "sample_texts",
    "take_texts",
]


def take_texts(content: pl.DataFrame | None, langs: Sequence[str] = ()) -> pl.DataFrame:
    """Take what accounts wrote; of no table, nothing.

    Parameters
    ----------
    content : polars.DataFrame or None
        Canonical ``content``; ``role`` and ``lang`` are used where they are there.
    langs : sequence of str
        Only texts of these languages; all of them when empty.

    Returns
    -------
    polars.DataFrame
        Its rows with an account and a text that is not the model's own, in their order.

    Raises
    ------
    InputError
        If no text is in these languages, while there are texts.

    Examples
    --------
    >>> take_texts(None).columns
    ['account_id', 'event_at', 'text', 'request_id']
    >>> take_texts(pl.DataFrame({"account_id": ["a"], "text": ["x"], "lang": ["en"]}), ["eo"])
    Traceback (most recent call last):
    toolkit.errors.InputError: no text is in eo; languages found: en
    """
    if content is None:
        return pl.DataFrame(
            schema={"account_id": pl.String, "event_at": UTC, "text": pl.String, "request_id": pl.String}
        )
    need_columns(content.columns, ["account_id", "text"], "content")
    texts = content.drop_nulls(["account_id", "text"])
    if "role" in texts.columns:
        texts = texts.filter(pl.col("role").fill_null("user") != "assistant")
    if not langs or texts.is_empty():
        return texts
    need_columns(content.columns, ["lang"], "content")
    kept = texts.filter(pl.col("lang").is_in(list(langs)))
    if kept.is_empty():
        found = ", ".join(texts["lang"].drop_nulls().unique().sort().head(12).to_list())
        raise InputError(f"no text is in {', '.join(langs)}; languages found: {found or 'none'}")
    return kept


def gather_families(texts: pl.DataFrame, *, near: float) -> pl.DataFrame:
    """Find families of near-identical texts; of no texts, none.

    Parameters
    ----------
    texts : polars.DataFrame
        From :func:`take_texts`.
    near : float
        Jaccard similarity from which two texts are near-duplicates.

    Returns
    -------
    polars.DataFrame
        As :func:`toolkit.linking.text.find_text_families` returns it.

    Examples
    --------
    >>> gather_families(take_texts(None), near=0.2).height
    0
    """
    if texts.is_empty():
        texts = take_texts(None)
    return find_text_families(texts, near=near)


def describe_families(
    readings: pl.DataFrame,
    families: pl.DataFrame,
    texts: pl.DataFrame,
    *,
    requests: pl.DataFrame | None = None,
    labels: pl.DataFrame | None = None,
    min_accounts: int = 8,
    slots: bool = True,
) -> pl.DataFrame:
    """Describe the families that several accounts have: how much, when, what was refused, what it was labelled.

    Parameters
    ----------
    readings, families, texts : polars.DataFrame
        From the functions of this module.
    requests : polars.DataFrame, optional
        Canonical ``requests``: ``request_id`` and ``refusal``.
    labels : polars.DataFrame, optional
        Canonical ``labels``: ``subject_id`` (a request), ``label``, ``score``, ``threshold``.
    min_accounts : int
        Holders from which a family is described.
    slots : bool
        Whether to work out what the texts of a family have in common.

    Returns
    -------
    polars.DataFrame
        The columns of ``readings`` and ``name`` ("family 1", ...), ``texts``, ``uses``, ``first_at``, ``last_at``,
        ``langs`` (list), ``refused`` (share of uses, null = not known), ``labelled`` (share of uses), ``label`` (the
        most frequent one), ``template`` (the common words, a number in braces for what varies) and ``slots`` (how many
        vary). Order: as ``readings``.

    Raises
    ------
    InputError
        If ``min_accounts`` is below 2.

    Examples
    --------
    >>> ask = "write a five star review of the place called {} and mention the friendly staff"
    >>> texts = pl.DataFrame({"account_id": ["a", "b"], "text": [ask.format("luigi"), ask.format("mario")]})
    >>> families = find_text_families(texts)
    >>> from toolkit.model.tables import Observations, empty
    >>> from toolkit.linking.crews import read_families
    >>> table = describe_families(read_families(families, empty(Observations)), families, texts, min_accounts=2)
    >>> table.select("name", "accounts", "template").rows()
    [('family 1', 2, 'write a five star review of the place called {1} and mention the friendly staff')]
    """
    if min_accounts < 2:
        raise InputError(f"min_accounts is {min_accounts}; want 2 or more: one account's habit is no family")
    chosen = readings.filter(pl.col("accounts") >= min_accounts)
    named = chosen.with_columns(pl.format("family {}", pl.int_range(1, pl.len() + 1)).alias("name"))
    counted = families.group_by("family_id").agg(
        texts=pl.col("family_texts").first(), uses=pl.col("n").sum(),
        first_at=pl.col("first_at").min(), last_at=pl.col("last_at").max(),
    )  # fmt: skip
    uses = _uses(texts, families, chosen)
    fates = uses.group_by("family_id").agg(langs=pl.col("lang").drop_nulls().unique().sort())
    fates = fates.join(_refused(uses, requests), on="family_id", how="left")
    fates = fates.join(_labelled(uses, labels), on="family_id", how="left")
    said = [_template(uses, family) if slots else ("", 0) for family in chosen["family_id"].to_list()]
    templates = pl.DataFrame(said, schema={"template": pl.String, "slots": pl.Int64}, orient="row")
    whole = named.join(counted, on="family_id", how="left", maintain_order="left")
    whole = whole.join(fates, on="family_id", how="left", maintain_order="left")
    return pl.concat([whole, templates], how="horizontal")


def _uses(texts: pl.DataFrame, families: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """The uses of some families: ``family_id``, ``account_id``, ``text``, ``request_id``, ``lang``, ``event_at``."""
    present = [c if c in texts.columns else pl.lit(None, t).alias(c) for c, t in _OPTIONAL.items()]
    kept = families.join(chosen.select("family_id"), on="family_id").select("family_id", "text_id").unique()
    uses = name_texts(texts.select("account_id", "text", *present))
    return uses.join(kept, on="text_id").sort("family_id", "event_at", "account_id", "text_id", "request_id")


_OPTIONAL: Final = {"request_id": pl.String(), "lang": pl.String(), "event_at": UTC}


def _refused(uses: pl.DataFrame, requests: pl.DataFrame | None) -> pl.DataFrame:
    if requests is None or not {"request_id", "refusal"} <= set(requests.columns):
        return pl.DataFrame(schema={"family_id": pl.String, "refused": pl.Float64})
    known = requests.select("request_id", "refusal").drop_nulls().unique("request_id", keep="first")
    met = uses.join(known, on="request_id")
    return met.group_by("family_id").agg(refused=pl.col("refusal").mean().round(6))


def _labelled(uses: pl.DataFrame, labels: pl.DataFrame | None) -> pl.DataFrame:
    """Share of uses that a label over its threshold (or a person's label) speaks of, and the most frequent label."""
    if labels is None or not {"subject_id", "label"} <= set(labels.columns):
        return pl.DataFrame(schema={"family_id": pl.String, "labelled": pl.Float64, "label": pl.String})
    sure = (
        labels.filter(pl.col("score").is_null() | (pl.col("score") >= pl.col("threshold")).fill_null(value=True))
        if {"score", "threshold"} <= set(labels.columns)
        else labels
    )
    marks = sure.select("label", request_id="subject_id").drop_nulls().unique()
    met = uses.join(marks, on="request_id", how="left")
    share = met.group_by("family_id").agg(
        labelled=(pl.col("request_id").filter(pl.col("label").is_not_null()).n_unique()
                  / pl.col("request_id").n_unique()).round(6)
    )  # fmt: skip
    most = met.drop_nulls("label").group_by("family_id", "label").agg(n=pl.len())
    most = most.sort(["family_id", "n", "label"], descending=[False, True, False]).unique("family_id", keep="first")
    return share.join(most.select("family_id", "label"), on="family_id", how="left")


def _template(uses: pl.DataFrame, family: str) -> tuple[str, int]:
    texts = uses.filter(pl.col("family_id") == family)["text"].unique().sort().to_list()
    found = find_slots(texts)
    return found.text, len(found.values[0])


def describe_crews(crews: pl.DataFrame, described: pl.DataFrame) -> pl.DataFrame:
    """Describe each crew in a row, with accounts to start from.

    Parameters
    ----------
    crews, described : polars.DataFrame
        From :func:`toolkit.linking.crews.find_crews` and :func:`describe_families`.

    Returns
    -------
    polars.DataFrame
        ``crew``, ``accounts``, ``several`` (accounts with more than one family), ``families``, ``uses``, ``first_at``,
        ``last_at``, ``label`` (of its families, most frequent first) and ``seeds`` (three accounts with most of them).
        Order: as ``crews``.

    Examples
    --------
    >>> held = {"account_id": ["a", "b"], "families": [2, 1], "family_ids": [["f", "g"], ["f"]], "uses": 3}
    >>> rows = pl.DataFrame(held).with_columns(crew=pl.lit("crew 1"), of=2, first_at=None, last_at=None)
    >>> described = pl.DataFrame({"family_id": ["f"], "label": ["phishing"]})
    >>> describe_crews(rows, described).select("accounts", "several", "label", "seeds").rows()
    [(2, 1, 'phishing', 'a, b')]
    """
    each = crews.group_by("crew", maintain_order=True).agg(
        accounts=pl.len().cast(pl.Int64), several=(pl.col("families") > 1).sum().cast(pl.Int64),
        families=pl.col("of").first(), uses=pl.col("uses").sum(), first_at=pl.col("first_at").min(),
        last_at=pl.col("last_at").max(), seeds=pl.col("account_id").head(3).str.join(", "),
        family_id=pl.col("family_ids").explode().unique().sort(),
    )  # fmt: skip
    labels = each.select("crew", "family_id").explode("family_id").join(described, on="family_id").drop_nulls("label")
    said = labels.group_by("crew", "label").len().sort(["crew", "len", "label"], descending=[False, True, False])
    said = said.group_by("crew", maintain_order=True).agg(pl.col("label").str.join(", "))
    return each.join(said, on="crew", how="left", maintain_order="left").drop("family_id")


def count_by_day(
    texts: pl.DataFrame, families: pl.DataFrame, described: pl.DataFrame, *, most: int = 8
) -> pl.DataFrame:
    """Lay out the uses of the largest families, for a picture of when each was written.

    Parameters
    ----------
    texts, families, described : polars.DataFrame
        From the functions of this module.
    most : int
        Families by number of uses; those first described, first.

    Returns
    -------
    polars.DataFrame
        ``event_at``, ``account_id``, ``event`` ("text") and ``family`` (its name), a row per use. Order: as listed.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> texts = pl.DataFrame({"account_id": ["a", "b"], "text": "the same words", "event_at": datetime(2026, 1, 5)})
    >>> texts = texts.with_columns(pl.col("event_at").dt.replace_time_zone("UTC"))
    >>> families = find_text_families(texts)
    >>> named = families.select("family_id", name=pl.lit("family 1")).unique()
    >>> count_by_day(texts, families, named)["family"].to_list()
    ['family 1', 'family 1']
    """
    shown = described.head(most).select("family_id", family="name")
    uses = _uses(texts, families, shown).drop_nulls("event_at")
    named = uses.join(shown, on="family_id").with_columns(event=pl.lit("text"))
    return named.select("event_at", "account_id", "event", "family").sort("event_at", "account_id", "family")


def sample_texts(
    texts: pl.DataFrame, families: pl.DataFrame, described: pl.DataFrame, *, per_family: int = 5, seed: int = 0
) -> pl.DataFrame:
    """Draw distinct texts of each family by chance, not by taste.

    Parameters
    ----------
    texts, families, described : polars.DataFrame
        From the functions of this module.
    per_family : int
        Texts per family.
    seed : int
        Of the draw; the same for any order of rows.

    Returns
    -------
    polars.DataFrame
        ``name``, ``text_id``, ``account_id`` (its first user), ``text``. Order: as ``described``, text_id.

    Examples
    --------
    >>> texts = pl.DataFrame({"account_id": ["a", "b"], "text": "the same words"})
    >>> families = find_text_families(texts)
    >>> named = families.select("family_id", name=pl.lit("family 1")).unique()
    >>> sample_texts(texts, families, named).select("account_id", "text").rows()
    [('a', 'the same words')]
    """
    each = _uses(texts, families, described).unique(["family_id", "text_id"], keep="first", maintain_order=True)
    rng = np.random.default_rng(seed)
    each = each.sort("family_id", "text_id")
    drawn = each.with_columns(draw=pl.Series(rng.random(each.height))).sort("family_id", "draw")
    drawn = drawn.group_by("family_id", maintain_order=True).head(per_family)
    place = described.select("family_id", "name", place=pl.int_range(pl.len()))
    return drawn.join(place, on="family_id").sort("place", "text_id").select("name", "text_id", "account_id", "text")


def propose_for_content(crews: pl.DataFrame, violators: Collection[str]) -> tuple[Action, ...]:
    """Propose a step for the accounts of crews.

    Parameters
    ----------
    crews : polars.DataFrame
        From :func:`toolkit.linking.crews.find_crews`.
    violators : collection of str
        Accounts that labels say broke the policy themselves (:func:`toolkit.linking.recommend.find_violations`).

    Returns
    -------
    tuple of Action
        By account_id. Writing the same as others is watched; who is tied to others of the crew besides is limited, and
        suspended where labels speak of the account itself.

    Examples
    --------
    >>> crews = {"crew": "crew 1", "account_id": ["a", "b"], "families": 2, "of": 3, "uses": 9, "tied": [True, False]}
    >>> [action.rung.value for action in propose_for_content(pl.DataFrame(crews), ())]
    ['rate-limit or credit hold', 'monitor']
    """
    best = crews.sort(["account_id", "tied", "crew"], descending=[False, True, False])
    once = best.unique("account_id", keep="first", maintain_order=True)
    made = []
    for row in once.iter_rows(named=True):
        tied, own = row["tied"], row["tied"] and row["account_id"] in violators
        said = f"{count_of(row['uses'], 'use')} of {row['families']} of the {row['of']} templates of {row['crew']}"
        more: tuple[str, ...] = ("shares something made for one person with others of the crew",) if tied else ()
        more += ("labels of its own say that it broke the policy",) if own else ()
        made.append(
            Action(
                account_id=row["account_id"],
                rung=Rung.SUSPEND if own else Rung.LIMIT if tied else Rung.MONITOR,
                level=Level.L2 if tied else Level.L1,
                reasons=(said, *more),
                innocent_explanation="a customer of an agency, or the victim of a takeover: its own history would show"
                if tied
                else "copied the text, or bought the account: nothing but the text ties it",
                own_violation=own,
            )
        )
    return tuple(made)


def find_content_findings(
    described: pl.DataFrame, crews: pl.DataFrame, *, texts: int, gaps: Sequence[Finding] = ()
) -> tuple[Finding, ...]:
    """State what is written at scale, by whom, and what merely went round.

    Parameters
    ----------
    described, crews : polars.DataFrame
        From :func:`describe_families` and :func:`toolkit.linking.crews.find_crews`.
    texts : int
        How many texts were read.
    gaps : sequence of Finding
        Gaps in the data, to stand last.

    Returns
    -------
    tuple of Finding
        Numbered F1, F2, ...

    Examples
    --------
    >>> nothing = pl.DataFrame(schema={"reading": pl.String, "crew": pl.String})
    >>> [f.type for f in find_content_findings(nothing, nothing, texts=0)]
    ['null_result']
    """
    drafts = _crews(crews)
    if not drafts:
        drafts.append({
            "type": "null_result", "statement": f"No family of texts is run by accounts that share what is made for "
            f"one person; {count_of(texts, 'text')} were compared.", "confidence": Confidence.MODERATE,
            "basis": "near-identical texts, and everything else recorded of their writers; a ring that rewrites every "
            "text, or shares nothing recorded here, would be missed",
            "next_check": "lower the similarity, or start from a seed with the ring template",
        })  # fmt: skip
    for reading, kind, because in _SPARED:
        some = described.filter(pl.col("reading") == reading)
        if some.height:
            drafts.append({
                "type": kind, "statement": f"{count_of(some.height, 'family', 'families')} "
                f"{'is' if some.height == 1 else 'are'} on many accounts for another reason: {because}.",
                "confidence": Confidence.MODERATE, "evidence_ids": ("families.parquet",),
                "basis": f"the largest is on {count_of(int(some['accounts'].max()), 'account')}",  # type: ignore[arg-type] # a number
                "alternatives": ("a ring hidden in a crowd",), "next_check": "read the samples of the largest",
            })  # fmt: skip
    return number_findings(drafts, gaps)


_SPARED: Final = (
    ("one organisation or promotion", "template_family", "most of their holders declare one organisation or referral"),
    ("one place", "template_family", "their holders share networks, and nothing made for one person"),
    ("went round", "template_family", "their holders came one by one and are no more related than chance"),
)


def _crews(crews: pl.DataFrame) -> list[dict[str, object]]:
    """All of them, then each that runs several families."""
    if crews.is_empty():
        return []
    several = crews.filter(pl.col("of") > 1)["crew"].unique(maintain_order=True).to_list()
    n, families = crews["crew"].n_unique(), crews["family_ids"].explode().n_unique()
    said = [_crew(crews, f"{count_of(n, 'crew')} with {count_of(families, 'family', 'families')} of texts:")]
    return said + [_crew(rows, f"{crew.capitalize()}:") for crew in several for rows in [_of(crews, crew)] if n > 1]


def _of(crews: pl.DataFrame, crew: str) -> pl.DataFrame:
    return crews.filter(pl.col("crew") == crew)


def _crew(rows: pl.DataFrame, begin: str) -> dict[str, object]:
    accounts = rows["account_id"].n_unique()
    several = rows.filter(pl.col("families") > 1)["account_id"].n_unique()
    both = {0: "", accounts: ", each of more than one"}.get(several, f", {several:,} of them of more than one")
    tied = rows.filter("tied")["account_id"].n_unique()
    return {
        "type": "linked_set", "level": Level.L2, "accounts": tuple(rows["account_id"].unique().sort().to_list()),
        "statement": f"{begin} {count_of(accounts, 'account')} made {count_of(int(rows['uses'].sum()), 'use')} of the "
        f"same texts{both}; {tied:,} share a device, a card or a phone with another as well.",
        "confidence": Confidence.MODERATE if several > accounts / 2 else Confidence.LOW,
        "basis": "near-identical texts are one kind of evidence, what is made for one person another",
        "evidence_ids": ("crews.parquet", "families.parquet"),
        "alternatives": ("customers of one agency", "a template bought from one vendor by several rings"),
        "next_check": "expand from the first three accounts of a crew with the ring template",
    }  # fmt: skip
