"""What an abuse is called, and what the public frameworks call it: one controlled vocabulary for cases and exports.

Source of the ids: MITRE ATLAS 5.6.0 (techniques and case studies) and the DISARM framework (red techniques). Where no
framework has an id for what AI products see (free credit, resale by the seat), our own word stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from toolkit.errors import UnknownNameError

__all__ = ["ABUSE_TYPES", "ATLAS_VERSION", "AbuseType", "Reference", "find_abuse_type"]

ATLAS_VERSION: Final = "5.6.0"
"""The release of MITRE ATLAS in which every ``AML.`` id of this table was looked up."""

_ATLAS: Final = "mitre-atlas"
_DISARM: Final = "disarm"


@dataclass(frozen=True, slots=True)
class Reference:
    """A technique or a case study of a public framework.

    Attributes
    ----------
    framework : {"mitre-atlas", "disarm"}
    external_id : str
        As the framework writes it.
    name : str
        The framework's name for it.
    """

    framework: str
    external_id: str
    name: str

    @property
    def url(self) -> str:
        """Where the framework describes it; empty where it has no page of its own.

        Examples
        --------
        >>> Reference("mitre-atlas", "AML.CS0030", "LLM Jacking").url
        'https://atlas.mitre.org/studies/AML.CS0030'
        """
        if self.framework != _ATLAS:
            return ""
        part = "studies" if ".CS" in self.external_id else "techniques"
        return f"https://atlas.mitre.org/{part}/{self.external_id}"


@dataclass(frozen=True, slots=True)
class AbuseType:
    """One kind of abuse.

    Attributes
    ----------
    name : str
        Our word, as in ``Case.abuse_types``.
    meaning : str
        In words.
    references : tuple of Reference
        What the frameworks call it; may be empty.
    care : bool
        A person in need, not an offender: never enforced against, never shared as a pattern of attack.
    """

    name: str
    meaning: str
    references: tuple[Reference, ...] = ()
    care: bool = False


def _atlas(**names: str) -> tuple[Reference, ...]:
    """``T0008_005="..."`` is AML.T0008.005."""
    return tuple(Reference(_ATLAS, f"AML.{key.replace('_', '.')}", name) for key, name in names.items())


def _table(*types: AbuseType) -> Mapping[str, AbuseType]:
    return MappingProxyType({one.name: one for one in types})


ABUSE_TYPES: Final[Mapping[str, AbuseType]] = _table(
    AbuseType("fake_account_farm", "accounts made in bulk by one operator"),
    AbuseType("free_credit_farm", "accounts made to collect free credit"),
    AbuseType("card_testing", "trying which stolen cards still work"),
    AbuseType("stolen_card_use", "paying with somebody else's card"),
    AbuseType("chargeback_abuse", "paying, using, and taking the payment back"),
    AbuseType("account_sharing", "one account used by people who each need their own"),
    AbuseType("account_resale", "accounts made or bought to be sold"),
    AbuseType(
        "api_relay_resale", "selling access through pooled accounts", _atlas(T0008_005="AI Service Proxies")
    ),
    AbuseType(
        "api_key_theft", "using a stolen key at its owner's cost (LLMjacking)",
        _atlas(T0055="Unsecured Credentials", T0012="Valid Accounts", CS0030="LLM Jacking"),
    ),
    AbuseType(
        "distillation", "taking a model's answers to train another",
        _atlas(T0024_002="Extract AI Model", CS0056="Model Distillation Campaigns Targeting Anthropic Claude"),
    ),
    AbuseType("scraping", "taking answers in bulk against the terms", _atlas(T0024_002="Extract AI Model")),
    AbuseType("ban_evasion", "coming back after a ban"),
    AbuseType("region_evasion", "use from where the service is not offered"),
    AbuseType("jailbreak_ring", "finding and passing on ways around safety training", _atlas(T0054="LLM Jailbreak")),
    AbuseType("prompt_injection", "instructions hidden in what a model reads", _atlas(T0051="LLM Prompt Injection")),
    AbuseType("cost_harvest", "driving up what a service costs its owner", _atlas(T0034="Cost Harvesting")),
    AbuseType("phishing_at_scale", "lures written or sent in bulk", _atlas(T0052="Phishing")),
    AbuseType("malware_dev", "writing or improving malicious code"),
    AbuseType("fraud_romance", "feigned affection to get money"),
    AbuseType("fraud_task", "feigned work to get money"),
    AbuseType("fraud_recovery", "feigned help for victims of fraud"),
    AbuseType(
        "influence_op", "people who are not who they say, to move opinion",
        (Reference(_DISARM, "T0097", "Present Persona"), Reference(_DISARM, "T0143", "Persona Legitimacy")),
    ),
    AbuseType("spam_seo", "text in bulk for search engines"),
    AbuseType("csae", "sexual abuse or exploitation of children: the legal path comes first"),
    AbuseType("self_harm", "a person at risk: the care path, not enforcement", care=True),
    AbuseType("nonconsensual_imagery", "intimate pictures without consent"),
    AbuseType("bio_chem", "help towards biological or chemical harm"),
    AbuseType("surveillance", "watching people without right"),
)  # fmt: skip
"""By name. A case may have several."""


def find_abuse_type(name: str) -> AbuseType:
    """Return a kind of abuse by its name.

    Parameters
    ----------
    name : str

    Returns
    -------
    AbuseType

    Raises
    ------
    UnknownNameError
        With the nearest name that exists.

    Examples
    --------
    >>> [(r.external_id, r.name) for r in find_abuse_type("api_relay_resale").references]
    [('AML.T0008.005', 'AI Service Proxies')]
    >>> find_abuse_type("jailbreak")
    Traceback (most recent call last):
    toolkit.errors.UnknownNameError: no abuse type 'jailbreak': did you mean 'jailbreak_ring'?
    """
    if name not in ABUSE_TYPES:
        raise UnknownNameError("abuse type", name, ABUSE_TYPES)
    return ABUSE_TYPES[name]
