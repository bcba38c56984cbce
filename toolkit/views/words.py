"""The words a reader outside the team knows, for the short names that tables use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["count_of", "join_words", "say_family", "say_kind", "short_names"]

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
    "pay": "payment",
    "reg": "sign-up details",
    "text": "prompts",
    "behav": "behaviour",
    "org": "organisation",
    "key": "API keys",
    "other": "other values",
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


def count_of(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count_of(1, "account"), count_of(1200, "account"), count_of(2, "is", "are")
    ('1 account', '1,200 accounts', '2 are')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def join_words(words: Iterable[str]) -> str:
    """Return a list as a sentence says it.

    Examples
    --------
    >>> join_words(["a", "b", "c"]), join_words(["a"])
    ('a, b and c', 'a')
    """
    said = list(words)
    return " and ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else "".join(said)


def short_names(names: Sequence[str], width: int = 16) -> dict[str, str]:
    """Shorten names in their middle, never so far that two of them look the same.

    Parameters
    ----------
    names : sequence of str
        Whole names.
    width : int
        Characters to aim for.

    Returns
    -------
    dict of str to str
        Whole name to short name.

    Examples
    --------
    >>> short_names(["acct_1111111111111111", "acct_1111111111111112", "bo"], 12)
    {'acct_1111111111111111': 'acct_1…11111', 'acct_1111111111111112': 'acct_1…11112', 'bo': 'bo'}
    """
    whole = sorted(set(names))
    longest = max(map(len, whole), default=0)
    while width < longest:
        short = {name: _shorten(name, width) for name in whole}
        if len(set(short.values())) == len(whole):
            return short
        width *= 2
    return {name: name for name in whole}


def _shorten(name: str, width: int) -> str:
    if len(name) <= width:
        return name
    return f"{name[: width // 2]}…{name[len(name) - (width - 1 - width // 2) :]}"
