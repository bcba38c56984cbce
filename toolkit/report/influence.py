"""What a set of accounts writes: narratives, who else uses them, and traces of places elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from toolkit.errors import InputError, need_columns
from toolkit.linking.text import find_text_families
from toolkit.views.safe import defang

__all__ = [
    "find_candidates",
    "find_indicators",
    "find_narratives",
    "follow_narratives",
    "list_narratives",
    "take_texts",
    "texts_of",
]

_UTC: Final = pl.Datetime("us", "UTC")
_TEXTS: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "account_id": pl.String, "event_at": _UTC, "event": pl.String, "narrative": pl.String, "lang": pl.String,
    "text": pl.String,
}  # fmt: skip
_TRACES: Final = {
    "web address": r"(?i)\bhttps?://[a-z0-9.-]{1,200}",
    "domain": r"\b(?:[A-Za-z0-9-]{1,63}\.)+(?:[a-z]{2,24})\b",
    "handle": r"(?:^|[\s(])@[A-Za-z0-9_]{3,32}\b",
}
"""Traces of a place elsewhere; e-mail addresses are people's own and not looked for."""
_NOT_DOMAINS: Final = r"(?i)\.(?:py|js|ts|md|txt|csv|json|html|pdf|png|jpg|exe|sh|e|g|i)$"


def take_texts(content: pl.DataFrame | None) -> pl.DataFrame:
    """Take the texts, each with the narrative it belongs to.

    Parameters
    ----------
    content : polars.DataFrame or None
        Canonical ``content``. Where it names templates, these are the narratives; otherwise families of near-identical
        texts are (:func:`toolkit.linking.text.find_text_families`).

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``event_at`` (UTC), ``event``, ``narrative`` (null: none), ``lang``, ``text``. Order: event_at,
        account_id, narrative, text.

    Raises
    ------
    InputError
        If there is no account or time.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> rows = {"account_id": [*"abc"], "event_at": at, "text": ["we all want it", "We all want it!", "good day"]}
    >>> take_texts(pl.DataFrame(rows))["narrative"].n_unique()
    2
    """
    if content is None:
        return pl.DataFrame(schema=_TEXTS)
    need_columns(content.columns, ["account_id", "event_at"], "content")
    named = content.rename({"prompt_template": "narrative"} if "prompt_template" in content.columns else {})
    if "narrative" not in named.columns and "text" in named.columns:
        named = _name_families(named)
    have = named.columns
    columns = [(pl.col(n) if n in have else pl.lit(None)).cast(kind).alias(n) for n, kind in _TEXTS.items()]
    texts = named.select(columns).drop_nulls(["account_id", "event_at"])
    return texts.sort("event_at", "account_id", "narrative", "text", nulls_last=True)


def _name_families(content: pl.DataFrame) -> pl.DataFrame:
    """Name each text after its family; a family of one account is no narrative that is shared."""
    texts = content.select("text").drop_nulls().unique().sort("text").with_columns(account_id=pl.col("text"))
    # The text stands for the account here, so that a row of the answer leads back to the text as it was written.
    families = find_text_families(texts).select(text="account_id", narrative="family_id")
    return content.join(families.unique("text", keep="first", maintain_order=True), on="text", how="left")


def texts_of(texts: pl.DataFrame, accounts: Sequence[str]) -> pl.DataFrame:
    """Keep the texts of some accounts that belong to a narrative.

    Examples
    --------
    >>> texts_of(take_texts(None), ["a"]).height
    0
    """
    return texts.filter(pl.col("account_id").is_in(list(accounts))).drop_nulls("narrative")


def find_narratives(
    texts: pl.DataFrame, accounts: Sequence[str], asked: Sequence[str] = (), *, max_holders: int = 30
) -> pl.DataFrame:
    """Find the narratives of a set of accounts, and who else uses them.

    Parameters
    ----------
    texts : polars.DataFrame
        From :func:`take_texts`.
    accounts : sequence of str
        The set.
    asked : sequence of str
        Narratives the escalation names: ids, or words that a text holds (letters alike, whatever their case).
    max_holders : int
        Accounts beyond which a narrative went round, and says nothing of who belongs together.

    Returns
    -------
    polars.DataFrame
        ``narrative``, ``of_set`` and ``in_all`` (accounts), ``texts`` and ``languages`` (sorted) of the set (of
        everybody where the set has none), ``first_at``, ``last_at``, ``asked``, ``rare`` (no more holders than that).
        Order: of_set descending, in_all descending, narrative.

    Raises
    ------
    InputError
        If ``max_holders`` is below 2.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> rows = {"account_id": ["a", "b"], "event_at": at, "narrative": "n", "lang": ["en", "fr"], "text": "vote"}
    >>> find_narratives(pl.DataFrame(rows), ["a"]).select("of_set", "in_all", "languages", "rare").rows()
    [(1, 2, ['en'], True)]
    """
    if max_holders < 2:
        raise InputError(f"max_holders is {max_holders}; want 2 or more")
    words = [word.lower() for word in asked if word.strip()]
    said = pl.any_horizontal(
        [pl.col("text").str.to_lowercase().str.contains(w, literal=True) for w in words] or [False]
    )
    named = pl.col("narrative").is_in(list(asked)) | said.fill_null(value=False)
    mine = pl.col("account_id").is_in(list(accounts))
    rows = texts.drop_nulls("narrative").with_columns(mine=mine, named=named)
    told = rows.group_by("narrative").agg(
        of_set=pl.col("account_id").filter("mine").n_unique().cast(pl.Int64),
        in_all=pl.col("account_id").n_unique().cast(pl.Int64), asked=pl.col("named").any(),
    ).filter((pl.col("of_set") > 0) | pl.col("asked"))  # fmt: skip
    theirs = rows.filter(pl.col("mine") | (pl.col("mine").sum().over("narrative") == 0))
    used = theirs.group_by("narrative").agg(
        texts=pl.len().cast(pl.Int64), languages=pl.col("lang").drop_nulls().unique().sort(),
        first_at=pl.col("event_at").min(), last_at=pl.col("event_at").max(),
    )  # fmt: skip
    columns = ("narrative", "of_set", "in_all", "texts", "languages", "first_at", "last_at", "asked", "rare")
    told = told.join(used, on="narrative").with_columns(rare=pl.col("in_all") <= max_holders).select(columns)
    return told.sort(["of_set", "in_all", "narrative"], descending=[True, True, False])


def list_narratives(narratives: pl.DataFrame) -> pl.DataFrame:
    """List narratives as values that a report may have to call by number.

    Examples
    --------
    >>> list_narratives(pl.DataFrame({"narrative": ["tpl_1"]})).rows()
    [('prompt_template', 'tpl_1')]
    """
    return narratives.select(pl.lit("prompt_template").alias("kind"), value="narrative")


def find_candidates(texts: pl.DataFrame, narratives: pl.DataFrame, accounts: Sequence[str]) -> pl.DataFrame:
    """Find accounts outside a set that use its rare narratives.

    Parameters
    ----------
    texts, narratives : polars.DataFrame
        From :func:`take_texts` and :func:`find_narratives`.
    accounts : sequence of str
        The set.

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``shared`` (rare narratives in common), ``texts``, ``languages``, ``first_at``, ``last_at`` and
        ``firm`` (two narratives or more: one text may have gone round). Order: shared descending, account_id.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> rows = {"account_id": ["a", "a", "b", "b"], "event_at": at, "narrative": ["n", "m"] * 2, "lang": "en"}
    >>> texts = pl.DataFrame(rows | {"text": "vote"})
    >>> find_candidates(texts, find_narratives(texts, ["a"]), ["a"]).select("account_id", "shared", "firm").rows()
    [('b', 2, True)]
    """
    rare = narratives.filter("rare")["narrative"].implode()
    others = texts.filter(pl.col("narrative").is_in(rare) & ~pl.col("account_id").is_in(list(accounts)))
    told = others.group_by("account_id").agg(
        shared=pl.col("narrative").n_unique().cast(pl.Int64), texts=pl.len().cast(pl.Int64),
        languages=pl.col("lang").drop_nulls().unique().sort(),
        first_at=pl.col("event_at").min(), last_at=pl.col("event_at").max(),
    )  # fmt: skip
    told = told.with_columns(firm=pl.col("shared") >= 2)
    return told.sort(["shared", "account_id"], descending=[True, False])


def follow_narratives(
    texts: pl.DataFrame,
    accounts: Sequence[str],
    asked: Sequence[str] = (),
    *,
    max_holders: int = 30,
    rounds: int = 2,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Follow rare narratives outward: whoever uses two of them leads to further ones.

    Parameters
    ----------
    texts, accounts, asked, max_holders
        As :func:`find_narratives` takes them.
    rounds : int
        Rounds at most; each step away from the set makes a stranger likelier.

    Returns
    -------
    tuple of polars.DataFrame
        The narratives of the set and its firm candidates, and the candidates with their ``round``. Order: as
        :func:`find_narratives`; firm first, round, shared descending, account_id.

    Raises
    ------
    InputError
        If a number is too small.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> pairs = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("b", "3"), ("c", "2"), ("c", "3")]
    >>> rows = pl.DataFrame(pairs, schema=["account_id", "narrative"], orient="row")
    >>> texts = rows.with_columns(event_at=datetime(2026, 1, 5, tzinfo=UTC), lang=pl.lit("en"), text=pl.lit("vote"))
    >>> follow_narratives(texts, ["a"])[1].select("account_id", "round", "firm").rows()
    [('b', 1, True), ('c', 2, True)]
    """
    if rounds < 1:
        raise InputError(f"rounds is {rounds}; want 1 or more")
    grown, firm = list(accounts), []
    for number in range(1, rounds + 1):
        found = find_candidates(texts, find_narratives(texts, grown, asked, max_holders=max_holders), grown)
        found = found.with_columns(round=pl.lit(number, pl.Int64))
        firm.append(found.filter("firm"))
        rest = found.filter(~pl.col("firm"))
        grown += firm[-1]["account_id"].to_list()
        if firm[-1].is_empty():
            break
    candidates = pl.concat([*firm, rest]).sort(
        ["firm", "round", "shared", "account_id"], descending=[True, False, True, False]
    )
    return find_narratives(texts, grown, asked, max_holders=max_holders), candidates


def find_indicators(
    texts: pl.DataFrame, accounts: Sequence[str], platforms: Sequence[str] = (), *, max_holders: int = 30
) -> pl.DataFrame:
    """Find traces of places elsewhere in the texts of a set: web addresses, domains, handles, names of platforms.

    Parameters
    ----------
    texts : polars.DataFrame
        From :func:`take_texts`.
    accounts : sequence of str
        The set.
    platforms : sequence of str
        Words to look for besides.
    max_holders : int
        Accounts beyond which a place is everybody's.

    Returns
    -------
    polars.DataFrame
        ``kind``, ``indicator`` (broken up, so that nobody follows it by accident), ``of_set``, ``in_all`` (accounts),
        ``texts`` (of the set), ``first_at``, ``last_at``, ``rare`` (no more accounts than that name it). Order: rare
        first, of_set descending, kind, indicator.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> rows = {"account_id": ["a"], "event_at": at, "narrative": "n", "lang": "en", "text": "post it at news.example"}
    >>> find_indicators(pl.DataFrame(rows), ["a"]).select("kind", "indicator").rows()
    [('domain', 'news[.]example')]
    """
    said = texts.drop_nulls("text").select("account_id", "event_at", "text")
    parts = [
        said.with_columns(kind=pl.lit(kind), found=pl.col("text").str.extract_all(pattern)).explode("found")
        for kind, pattern in _TRACES.items()
    ]
    words = [word.strip() for word in platforms if word.strip()]
    for word in sorted(set(words)):
        there = said.filter(pl.col("text").str.to_lowercase().str.contains(word.lower(), literal=True))
        parts.append(there.with_columns(kind=pl.lit("platform"), found=pl.lit(word)))
    rows = (
        pl.concat(parts)
        .drop_nulls("found")
        .with_columns(pl.col("found").str.strip_chars(" (\t\r\n").str.to_lowercase())
    )
    inside = (pl.col("kind") == "domain") & (
        pl.col("found").str.contains(_NOT_DOMAINS)
        | pl.col("text").str.to_lowercase().str.contains(pl.concat_str(pl.lit("@"), "found"), literal=True)
        | pl.col("text").str.to_lowercase().str.contains(pl.concat_str(pl.lit("://"), "found"), literal=True)
    )
    mine = pl.col("account_id").is_in(list(accounts))
    told = rows.filter(~inside).group_by("kind", "found").agg(
        of_set=pl.col("account_id").filter(mine).n_unique().cast(pl.Int64),
        in_all=pl.col("account_id").n_unique().cast(pl.Int64), texts=mine.sum().cast(pl.Int64),
        first_at=pl.col("event_at").filter(mine).min(), last_at=pl.col("event_at").filter(mine).max(),
    ).filter(pl.col("of_set") > 0)  # fmt: skip
    shown = [_break_up(kind, value) for kind, value in told.select("kind", "found").iter_rows()]
    columns = ("kind", "indicator", "of_set", "in_all", "texts", "first_at", "last_at", "rare")
    rare = pl.col("in_all") <= max_holders
    table = told.with_columns(pl.Series("indicator", shown, dtype=pl.String), rare=rare).select(columns)
    return table.sort(["rare", "of_set", "kind", "indicator"], descending=[True, True, False, False])


def _break_up(kind: str, value: str) -> str:
    return defang(f"http://{value}").removeprefix("hxxp://") if kind == "domain" else defang(value)
