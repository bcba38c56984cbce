"""The words a reader outside the team knows, for the short names that tables use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from toolkit.errors import visible

__all__ = ["count_of", "join_words", "part_of", "say_family", "say_fault", "say_kind", "short_names", "told_apart"]

_KINDS: Final = {
    "browser_fp": "browser fingerprint",
    "tls_fp": "TLS fingerprint",
    "user_agent": "browser version",
    "card_bin": "card issuer",
    "email": "e-mail",
    "email_stem": "e-mail stem",
    "email_domain": "e-mail domain",
    "referral": "referral code",
    "ip": "IP address",
    "ip_prefix": "IP range",
    "asn": "network operator",
    "org": "organisation",
    "api_key": "API key",
    "prompt_text": "identical prompt",
    "url": "web address",
}
_FAMILIES: Final = {
    "dev": "machines",
    "net": "networks",
    "pay": "payment details",
    "reg": "sign-up details",
    "text": "prompts",
    "behav": "habits",
    "org": "organisations",
    "key": "API keys",
    "other": "other values",
}

_FAULTS: Final = {
    "inversions": "rows out of order",
    "ingested_before_event": "stored before it happened",
    "late_arrival": "late arrival",
    "duplicate_ids": "ids that repeat",
    "source_silent": "a table fell silent",
    "source_starts_late": "a table starts late",
    "source_ends_early": "a table ends early",
    "zone_assumed": "time zone as declared",
    "dst_fold": "hour that came twice",
    "dst_gap": "hour that never was",
    "no_events": "no events",
}


def say_kind(kind: str) -> str:
    """Return a kind of indicator in words.

    Examples
    --------
    >>> say_kind("browser_fp"), say_kind("staff_badge")
    ('browser fingerprint', 'staff badge')
    """
    return _KINDS.get(kind, kind.replace("_", " "))


def say_family(family: str) -> str:
    """Return a family of evidence in words.

    Examples
    --------
    >>> say_family("dev"), say_family("site")
    ('machines', 'site')
    """
    return _FAMILIES.get(family, family.replace("_", " "))


def say_fault(fault: str) -> str:
    """Return a fault of the record in words.

    Examples
    --------
    >>> say_fault("inversions"), say_fault("rounded_to_minute")
    ('rows out of order', 'rounded to minute')
    """
    return _FAULTS.get(fault, fault.replace("_", " "))


_WIDEST: Final = 48
"""Longer than this no label is; names that differ only in their middle are then numbered."""


def count_of(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count_of(1, "account"), count_of(2, "address"), count_of(1200, "family"), count_of(2, "is", "are")
    ('1 account', '2 addresses', '1,200 families', '2 are')
    """
    return f"{number:,} {one if number == 1 else many or _plural(one)}"


def _plural(one: str) -> str:
    if one.endswith("y") and one[-2:-1] not in "aeiou":
        return f"{one[:-1]}ies"
    return f"{one}es" if one.endswith(("s", "x", "ch", "sh")) else f"{one}s"


def part_of(kept: int, total: int, one: str) -> str:
    """Return how many of how many, or how many if they are all.

    Examples
    --------
    >>> part_of(40, 45, "account"), part_of(2, 2, "account")
    ('40 of 45 accounts', '2 accounts')
    """
    return count_of(total, one) if kept == total else f"{kept:,} of {count_of(total, one)}"


def join_words(words: Iterable[str]) -> str:
    """Return a list as a sentence says it.

    Examples
    --------
    >>> join_words(["a", "b", "c"]), join_words(["a"])
    ('a, b and c', 'a')
    """
    said = list(words)
    return " and ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else "".join(said)


def short_names(names: Iterable[str], width: int = 16) -> dict[str, str]:
    """Make names visible and shorten them in their middle, never so that two of them look the same.

    Parameters
    ----------
    names : iterable of str
        Whole names, as the data have them.
    width : int
        Characters to aim for.

    Returns
    -------
    dict of str to str
        Whole name to short name, all different.

    Examples
    --------
    >>> short_names(["acct_1111111111111111", "acct_1111111111111112", "bo"], 12)
    {'acct_1111111111111111': 'acct_1…11111', 'acct_1111111111111112': 'acct_1…11112', 'bo': 'bo'}
    >>> list(short_names(["a" * 500 + "b" + "a" * 500, "a" * 500 + "c" + "a" * 500], 8).values())
    ['aaaaaaaaaaaaaaaaaaaaaaaa…aaaaaaaaaaaaaaaaaaaaaaa', 'aaaaaaaaaaaaaaaaaaaaaaaa…aaaaaaaaaaaaaaaaaaaaaaa (2)']
    """
    seen = {name: visible(name, len(name)) for name in sorted(set(names))}
    while width < min(_WIDEST, max(map(len, seen.values()), default=0)):
        short = {name: _shorten(shown, width) for name, shown in seen.items()}
        if len(set(short.values())) == len(seen):
            return short
        width *= 2
    return _numbered({name: _shorten(shown, _WIDEST) for name, shown in seen.items()})


def _shorten(name: str, width: int) -> str:
    if len(name) <= width:
        return name
    return f"{name[: width // 2]}…{name[len(name) - (width - 1 - width // 2) :]}"


def _numbered(short: dict[str, str]) -> dict[str, str]:
    """Names that no shortening tells apart get a number."""
    counts: dict[str, int] = {}
    numbered = {}
    for name, shown in short.items():
        counts[shown] = counts.get(shown, 0) + 1
        numbered[name] = shown if counts[shown] == 1 else f"{shown} ({counts[shown]})"
    return numbered


def told_apart(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """Number labels that come twice: two values must never be drawn as one.

    Examples
    --------
    >>> told_apart(pl.DataFrame({"label": ["a", "b", "a"]}), "label")["label"].to_list()
    ['a', 'b', 'a (2)']
    """
    again = pl.int_range(pl.len()).over(column)
    return table.with_columns(
        pl.when(again > 0).then(pl.format("{} ({})", column, again + 1)).otherwise(column).alias(column)
    )
