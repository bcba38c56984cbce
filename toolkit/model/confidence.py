"""Two axes that never share a sentence: how likely a thing is, and how well we know it.

Likelihood words and their ranges are those of ICD 203 (Analytic Standards, 2015). Levels say what a link
rests on; rungs say what may be done, and what evidence each rung asks for.
"""

from __future__ import annotations

from enum import StrEnum

from toolkit.errors import InputError, UnknownNameError

__all__ = ["Confidence", "Level", "Likelihood", "Rung"]


class Likelihood(StrEnum):
    """How probable a statement is, in the words of ICD 203.

    Examples
    --------
    >>> Likelihood.from_probability(0.9)
    <Likelihood.VERY_LIKELY: 'very likely'>
    >>> Likelihood.VERY_LIKELY.range
    (0.8, 0.95)
    """

    ALMOST_NO_CHANCE = "almost no chance"
    VERY_UNLIKELY = "very unlikely"
    UNLIKELY = "unlikely"
    ROUGHLY_EVEN = "roughly even chance"
    LIKELY = "likely"
    VERY_LIKELY = "very likely"
    ALMOST_CERTAIN = "almost certain"

    @property
    def range(self) -> tuple[float, float]:
        """Lower and upper probability of the word."""
        return _RANGES[self]

    @classmethod
    def from_probability(cls, probability: float) -> Likelihood:
        """Return the word for a probability; below .01 and above .99 the outer words are kept.

        Raises
        ------
        InputError
            If the number is not a probability.
        """
        if not 0.0 <= probability <= 1.0:
            raise InputError(f"a probability lies between 0 and 1, found {probability}")
        for word, (_, upper) in _RANGES.items():
            if probability < upper:
                return word
        return cls.ALMOST_CERTAIN


_RANGES: dict[Likelihood, tuple[float, float]] = {
    Likelihood.ALMOST_NO_CHANCE: (0.01, 0.05),
    Likelihood.VERY_UNLIKELY: (0.05, 0.20),
    Likelihood.UNLIKELY: (0.20, 0.45),
    Likelihood.ROUGHLY_EVEN: (0.45, 0.55),
    Likelihood.LIKELY: (0.55, 0.80),
    Likelihood.VERY_LIKELY: (0.80, 0.95),
    Likelihood.ALMOST_CERTAIN: (0.95, 0.99),
}


class Confidence(StrEnum):
    """How good the basis of a judgement is: sources, corroboration, assumptions, gaps, deception.

    Examples
    --------
    >>> [(c.value, c.stix_confidence) for c in Confidence]
    [('low', 15), ('moderate', 50), ('high', 85)]
    """

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"

    @property
    def stix_confidence(self) -> int:
        """The middle of the word's range on STIX's scale of 0 to 100 (STIX 2.1, appendix A: None, Low, Med, High)."""
        return {"low": 15, "moderate": 50, "high": 85}[self.value]


class Level(StrEnum):
    """What a link rests on. Independent *kinds* count, not rows: ten shared ips are one fact.

    Examples
    --------
    >>> Level.L2 > Level.L1, Level.L3.stix_confidence
    (True, 85)
    >>> Level.parse("l2").meaning
    'probable: at least two independent kinds agree'
    """

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"

    @property
    def stix_confidence(self) -> int:
        """The level on STIX's scale of 0 to 100."""
        return {"L0": 0, "L1": 30, "L2": 60, "L3": 85, "L4": 95}[self.value]

    @property
    def meaning(self) -> str:
        """The level in words."""
        return {
            "L0": "coincidence: nothing beyond chance",
            "L1": "consistent with: one kind of evidence, or too little of it",
            "L2": "probable: at least two independent kinds agree",
            "L3": "strong: a rare exclusive value, used at the same time, and another kind beside it",
            "L4": "confirmed: an admission, a money flow or proof from the server's side",
        }[self.value]

    @classmethod
    def parse(cls, text: str) -> Level:
        """Read a level from text, in either case.

        Raises
        ------
        UnknownNameError
            With the levels that exist.
        """
        try:
            return cls(text.strip().upper())
        except ValueError:
            raise UnknownNameError("level", text, [level.value for level in cls]) from None


class Rung(StrEnum):
    """The enforcement ladder, mildest first. The toolkit proposes; it never acts.

    Examples
    --------
    >>> Rung.SUSPEND.floor
    <Level.L2: 'L2'>
    >>> Rung.MONITOR.reversible, Rung.BAN.reversible
    (True, False)
    """

    NONE = "do not action"
    MONITOR = "monitor"
    LIMIT = "rate-limit or credit hold"
    VERIFY = "step-up verification"
    BLOCK = "feature block"
    WARN = "warn"
    SUSPEND = "suspend"
    BAN = "ban"
    NOTIFY = "notify and rotate"

    @property
    def floor(self) -> Level:
        """Lowest level of evidence the rung asks for; suspension and bans also ask for the account's own violation."""
        if self in (Rung.NONE, Rung.NOTIFY):
            return Level.L0
        if self is Rung.BAN:
            return Level.L3
        return Level.L2 if self is Rung.SUSPEND else Level.L1

    @property
    def reversible(self) -> bool:
        """Whether the step can be undone without harm to the account's owner."""
        return self not in (Rung.SUSPEND, Rung.BAN)
