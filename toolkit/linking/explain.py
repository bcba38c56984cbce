"""Why two accounts are linked: sentences a reader outside the team can follow, and the table behind them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.linking.score import prior_bits
from toolkit.model.confidence import Level
from toolkit.model.tables import Links, conform

__all__ = ["LinkExplanation", "explain_link"]


@dataclass(frozen=True, slots=True)
class LinkExplanation:
    """One link, taken apart.

    Attributes
    ----------
    sentences : tuple of str
        What is shared, how much it counts, what it adds up to, and the innocent reading.
    table : polars.DataFrame
        ``step`` (prior, then each shared value), ``kind``, ``value``, ``bits``, ``holders``, ``window`` and the running
        ``total``: a waterfall. Saturation appears as a step of its own, so that the steps add up to the link's bits.
    """

    sentences: tuple[str, ...]
    table: pl.DataFrame

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def explain_link(
    links: pl.DataFrame, account_a: str, account_b: str, *, n_accounts: int | None = None
) -> LinkExplanation:
    """Take one link apart into what spoke for it.

    Parameters
    ----------
    links : polars.DataFrame
        Contract ``Links``.
    account_a, account_b : str
        The two accounts, in either order.
    n_accounts : int, optional
        Accounts in the data; adds the prior as the first step of the waterfall.

    Returns
    -------
    LinkExplanation

    Raises
    ------
    InputError
        If the two accounts are the same.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.score import link_accounts
    >>> rows = [("a", "d", "k"), ("b", "d", "k")] + [(f"x{i:02}", f"e{i}", f"l{i}") for i in range(99)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row")
    >>> links = link_accounts(find_observations(frame))
    >>> print(explain_link(links, "b", "a").sentences[0])
    a and b are linked at level L2 (probable: at least two independent kinds agree).
    >>> explain_link(links, "a", "x00").sentences
    ('There is no link between a and x00: they share nothing that chance would not explain.',)
    """
    if account_a == account_b:
        raise InputError(f"a link has two ends; both are {visible(account_a)!r}")
    first, second = sorted((account_a, account_b))
    row = conform(links, Links).filter((pl.col("account_a") == first) & (pl.col("account_b") == second))
    a, b = visible(first), visible(second)
    if row.is_empty():
        return LinkExplanation(
            (f"There is no link between {a} and {b}: they share nothing that chance would not explain.",),
            _steps([], None, 0.0),
        )
    link = row.row(0, named=True)
    level = Level(link["level"])
    said = [f"{a} and {b} are linked at level {level.value} ({level.meaning})."]
    said += [_one_value(item) for item in link["evidence"]]
    said.append(f"Together {link['bits']:.1f} bits, dependent evidence counted once.")
    said.append(f"Innocent reading: {link['innocent_explanation']}.")
    prior = None if n_accounts is None else prior_bits(n_accounts)
    return LinkExplanation(tuple(said), _steps(link["evidence"], prior, link["bits"]))


def _one_value(item: dict[str, object]) -> str:
    within = f" within {item['window']:.0f} hours" if item["window"] is not None else ""
    only = "only these two" if item["holders"] == 2 else f"{item['holders']} accounts"
    return (
        f"Both were seen with {item['kind']} {visible(item['value'])}, held by {only}{within}: {item['bits']:.1f} bits."
    )


def _steps(evidence: list[dict[str, object]], prior: float | None, bits: float) -> pl.DataFrame:
    """The waterfall: prior, values, what dependence takes back."""
    rows: list[dict[str, object]] = []
    total = 0.0
    if prior is not None:
        total = prior
        rows.append({"step": "prior", "bits": round(prior, 6), "total": round(total, 6)})
    for item in evidence:
        total += float(str(item["bits"]))
        rows.append({"step": "value", **item, "total": round(total, 6)})
    if evidence:
        overlap = bits + (prior or 0.0) - total
        rows.append({"step": "dependence", "bits": round(overlap, 6), "total": round(total + overlap, 6)})
    schema = {
        "step": pl.String, "kind": pl.String, "value": pl.String, "bits": pl.Float64,
        "holders": pl.UInt32, "window": pl.Float64, "regime": pl.String, "total": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)
