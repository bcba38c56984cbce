"""The innocent reading of a link: what an ordinary life would look like if it left the same traces."""

from __future__ import annotations

import polars as pl

__all__ = ["READINGS", "explain_innocently"]

READINGS = {
    "net": "one network that many people use (campus, office, carrier NAT, VPN exit)",
    "dev": "one machine in a household, shop, lab or kiosk, or a device id that was never real",
    "pay": "a family, company or reseller card, or a card stolen from its owner",
    "reg": "a family phone, a recycled number or a public SMS service",
    "text": "a template that went round (coursework, a viral prompt)",
    "behav": "interest in the same things at the same time",
    "org": "colleagues",
    "key": "one team's key, or a key that leaked",
}
"""By family: who else shares such a value."""


def explain_innocently(links: pl.DataFrame) -> list[str]:
    """Say for each link which innocent reading was tried, and whether something in the data speaks against it.

    Parameters
    ----------
    links : polars.DataFrame
        With ``families`` and ``evidence`` (strongest first).

    Returns
    -------
    list of str
        One sentence per row.

    Examples
    --------
    >>> explain_innocently(pl.DataFrame({"families": [["net"]]}))[0]
    'not ruled out: one network that many people use (campus, office, carrier NAT, VPN exit)'
    """
    return [_sentence(list(families)) for families in links.get_column("families").to_list()]


def _sentence(families: list[str]) -> str:
    readings = [READINGS.get(family, f"a value of kind '{family}' that many people have") for family in families]
    if not readings:
        return "nothing is shared beyond chance"
    if len(readings) == 1:
        return f"not ruled out: {readings[0]}"
    if set(families) <= {"net", "org", "reg"} or set(families) <= {"net", "text"} or set(families) <= {"net", "dev"}:
        return f"not ruled out: one place explains both ({'; '.join(readings)})"
    return f"would need all at once: {'; '.join(readings)}"
