"""How a report calls the values it speaks of: by themselves, or by a number where they are personal.

A number is given once per report (``e-mail #2`` is the same address on the whole page), so that charts and sentences
can be read without showing anybody's address. Which value a number stands for is a table of its own, masked or left
out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from toolkit.errors import UnknownNameError, visible
from toolkit.settings import Kind
from toolkit.views.words import say_kind

__all__ = ["REDACTIONS", "Names", "name_values"]

REDACTIONS = ("none", "standard", "strict")
"""``none`` shows values; ``standard`` numbers personal ones and keeps them behind masks; ``strict`` leaves them out."""

_PERSONAL = 2
_NEVER_SHOWN = frozenset({"prompt_text"})
_SCHEMA = {"kind": pl.String, "value": pl.String, "name": pl.String}


@dataclass(frozen=True)
class Names:
    """What each value is called in one report.

    Attributes
    ----------
    redaction : {"none", "standard", "strict"}
    numbers : mapping of (kind, value) to int
        The values that have a number instead of their text.
    open_kinds : frozenset of str or None
        Kinds whose values may stand there as they are; None = all. A value of another kind that has no number is not
        shown at all.
    """

    redaction: str
    numbers: Mapping[tuple[str, str], int] = field(default_factory=dict)
    open_kinds: frozenset[str] | None = None

    def short(self, kind: str, value: str, limit: int = 40) -> str:
        """Return what the value is called beside its kind."""
        number = self.numbers.get((kind, value))
        if number is not None:
            return f"#{number}"
        return visible(value, limit) if self.open_kinds is None or kind in self.open_kinds else "(not shown)"

    def hides(self, kind: str, value: str) -> bool:
        """Return whether the value is called by something other than itself.

        Examples
        --------
        >>> Names("none").hides("ip", "192.0.2.1"), Names("strict", {("ip", "192.0.2.1"): 1}).hides("ip", "192.0.2.1")
        (False, True)
        """
        return (kind, value) in self.numbers or not (self.open_kinds is None or kind in self.open_kinds)

    def full(self, kind: str, value: str, limit: int = 40) -> str:
        """Return kind and value in words.

        Examples
        --------
        >>> names = Names("strict", {("email", "x@y.example"): 1})
        >>> names.full("email", "x@y.example"), names.full("tls_fp", "t13")
        ('e-mail #1', 'TLS fingerprint t13')
        """
        return f"{say_kind(kind)} {self.short(kind, value, limit)}"

    def tell(self, text: str, evidence: Sequence[Mapping[str, object]]) -> str:
        """Rewrite a sentence that was made from evidence, so that it calls every value by its name.

        Examples
        --------
        >>> names = Names("strict", {("ip", "192.0.2.1"): 4})
        >>> names.tell("shares ip 192.0.2.1 with 2 of the set", [{"kind": "ip", "value": "192.0.2.1"}])
        'shares IP address #4 with 2 of the set'
        """
        for item in evidence:
            kind, value = str(item["kind"]), str(item["value"])
            name = self.full(kind, value)
            # The sentence may hold the value cut short ("… (90 characters)"): its beginning tells.
            begins = re.escape(visible(value[:20], 20))
            for shown in (re.escape(visible(value, len(value))), rf"{begins}.*?… \(\d+ characters\)"):
                text = re.sub(rf"\b{re.escape(kind)} {shown}", lambda _, name=name: name, text)  # type: ignore[misc]  # a default binds the name now
        return text

    def rename(self, evidence: pl.DataFrame) -> pl.DataFrame:
        """Put names in the place of ``value``, and words in that of ``kind``.

        Examples
        --------
        >>> Names("none").rename(pl.DataFrame({"kind": ["tls_fp"], "value": ["t13"]})).rows()
        [('TLS fingerprint', 't13')]
        """
        rows = evidence.select("kind", "value").rows()
        return evidence.with_columns(
            pl.Series("kind", [None if k is None else say_kind(k) for k, _ in rows], dtype=pl.String),
            pl.Series("value", [None if v is None else self.short(k, v) for k, v in rows], dtype=pl.String),
        )

    def rename_list(self, evidence: pl.Series) -> pl.Series:
        """Put names and words into a column of evidence.

        Examples
        --------
        >>> row = {"kind": "tls_fp", "value": "t13"}
        >>> Names("none").rename_list(pl.Series([[row]])).to_list()
        [[{'kind': 'TLS fingerprint', 'value': 't13'}]]
        """
        renamed = [
            [
                {**item, "kind": say_kind(item["kind"]), "value": self.short(item["kind"], item["value"])}
                for item in items
            ]
            for items in evidence.to_list()
        ]
        return pl.Series(evidence.name, renamed, dtype=evidence.dtype)

    def key(self) -> pl.DataFrame:
        """Return which value each number stands for: kind, value, name. Order: kind, number.

        Examples
        --------
        >>> Names("standard", {("ip", "192.0.2.1"): 1}).key().rows()
        [('ip', '192.0.2.1', 'IP address #1')]
        """
        rows = sorted((kind, number, value) for (kind, value), number in self.numbers.items())
        return pl.DataFrame(
            [(kind, value, f"{say_kind(kind)} #{number}") for kind, number, value in rows],
            schema=_SCHEMA,
            orient="row",
        )

    def shown_key(self) -> pl.DataFrame:
        """Return the part of the key that the reader may see: all of it but prompts, or nothing under ``strict``."""
        hidden = pl.col("kind").is_in(sorted(_NEVER_SHOWN)) | pl.lit(self.redaction == "strict")
        return self.key().filter(~hidden)


def name_values(*tables: pl.DataFrame, kinds: Mapping[str, Kind], redaction: str = "standard") -> Names:
    """Decide what each value of some tables is called.

    Parameters
    ----------
    *tables : polars.DataFrame
        With ``kind`` and ``value``, or with an ``evidence`` column. Values are numbered per kind in the order in which
        they first come.
    kinds : mapping of str to Kind
        Values of kinds that are personal (sensitivity 2 and more), and of kinds nobody declared, get numbers.
    redaction : {"none", "standard", "strict"}
        With ``none`` only prompts get numbers.

    Returns
    -------
    Names

    Raises
    ------
    UnknownNameError
        If there is no such level of redaction.

    Examples
    --------
    >>> from toolkit.settings import KINDS
    >>> hubs = pl.DataFrame({"kind": ["ip", "asn", "ip"], "value": ["192.0.2.7", "64500", "192.0.2.1"]})
    >>> names = name_values(hubs, kinds=KINDS)
    >>> [names.full(*row) for row in hubs.rows()]
    ['IP address #1', 'network operator 64500', 'IP address #2']
    """
    if redaction not in REDACTIONS:
        raise UnknownNameError("level of redaction", redaction, REDACTIONS)
    pairs = pl.concat([_pairs(table) for table in tables]).drop_nulls().unique(maintain_order=True)
    counts: dict[str, int] = {}
    numbers: dict[tuple[str, str], int] = {}
    named = set(pairs.get_column("kind")) | set(kinds)
    shown = {
        k for k in named if redaction == "none" or (k in kinds and kinds[k].sensitivity < _PERSONAL)
    } - _NEVER_SHOWN
    for kind, value in pairs.iter_rows():
        if kind not in shown:
            counts[kind] = counts.get(kind, 0) + 1
            numbers[kind, value] = counts[kind]
    return Names(redaction, numbers, frozenset(shown))


def _pairs(table: pl.DataFrame) -> pl.DataFrame:
    if "evidence" in table.columns:
        table = table.select(pl.col("evidence").explode()).drop_nulls().unnest("evidence")
    return table.select(pl.col("kind").cast(pl.String), pl.col("value").cast(pl.String))
