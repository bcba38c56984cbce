"""What an investigation leaves behind: the case, what was found, what is proposed. Frozen records."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from toolkit.errors import UnknownNameError
from toolkit.model.abuse import ABUSE_TYPES, find_abuse_type
from toolkit.model.confidence import Confidence, Level, Likelihood, Rung

__all__ = ["FINDING_TYPES", "VERDICTS", "Action", "Case", "Finding", "FindingType", "Pivot", "Review"]

FindingType = Literal[
    "linked_set",
    "seed_rejected",
    "hub_explained",
    "shared_vendor_not_actor",
    "known_ring",
    "burst",
    "identifier_survived_ban",
    "return_attempt",
    "template_family",
    "tempo_automation",
    "persona_multiplicity",
    "infra_overlap_unrelated_orgs",
    "loss_estimate",
    "victim",
    "detector_gap",
    "coverage_gap",
    "drift",
    "prevalence",
    "data_gap",
    "null_result",
]
"""``data_gap`` and ``null_result`` are findings like any other: "looked, found nothing, could miss this"."""

FINDING_TYPES: tuple[str, ...] = FindingType.__args__  # type: ignore[attr-defined] # a Literal's arguments, for schemas

VERDICTS: tuple[str, ...] = ("confirmed", "disputed", "unsure")
"""What a reviewer says of a finding or of a proposed step."""

_CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Finding(_Record):
    """A statement with its likelihood, confidence and evidence.

    Attributes
    ----------
    finding_id : str
        ``F1``, ``F2``, ... in the order of the report.
    type : str
        One of :data:`FINDING_TYPES`.
    statement : str
        One sentence a policy lead understands. It may not speak of confidence: that is a field of its own.
    likelihood : Likelihood or None
        None where the statement is a plain observation (a count, a gap).
    confidence : Confidence
        How good the basis is.
    basis : str
        Why the confidence is what it is.
    level : Level or None
        What the links behind it rest on.
    accounts, evidence_ids, alternatives : tuple of str
        Whom it is about; rows it rests on; innocent readings that remain.
    next_check : str
        What would settle it.
    reviewer : str
        Who confirmed it; empty until somebody has.

    Examples
    --------
    >>> Finding(finding_id="F1", type="null_result", statement="No seed occurs in the data.",
    ...         confidence="high", basis="every table was read").likelihood is None
    True
    """

    finding_id: Annotated[str, StringConstraints(pattern=r"^F\d+$")]
    type: FindingType
    statement: Words
    likelihood: Likelihood | None = None
    confidence: Confidence
    basis: Words
    level: Level | None = None
    accounts: tuple[str, ...] = ()
    evidence_ids: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    next_check: str = ""
    reviewer: str = ""

    @field_validator("statement")
    @classmethod
    def _axes_apart(cls, statement: str) -> str:
        if re.search(r"\b(low|moderate|high)\s+confidence\b", statement, re.IGNORECASE):
            raise ValueError("likelihood and confidence are different axes: say the confidence in its own field")
        return statement


class Action(_Record):
    """A *proposed* enforcement step for one account; another system, and a person, decide.

    Attributes
    ----------
    account_id : str
    rung : Rung
        ``Rung.NONE`` is the do-not-action list: linked, but not to be touched.
    level : Level
        What the account's membership rests on.
    reasons : tuple of str
        Appeal-ready: which facts.
    innocent_explanation : str
        What was considered on the account's behalf, and what became of it.
    own_violation : bool
        Whether labels, or a person, say that the account itself broke the policy.
    wave : int
        Steps of one wave go out together, so that nobody is tipped off.
    reviewer : str
        Who confirmed it; empty until somebody has.
    policy : str
        The clause that was broken; empty where nobody has named it.

    Examples
    --------
    >>> Action(account_id="a", rung="ban", level="L1", reasons=["shares one ip"], innocent_explanation="CGNAT")
    Traceback (most recent call last):
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Action
      Value error, 'ban' asks for L3 evidence, or L2 and the account's own violation; found L1 ...
    """

    account_id: Words
    rung: Rung
    level: Level
    reasons: tuple[str, ...] = Field(min_length=1)
    innocent_explanation: Words
    own_violation: bool = False
    wave: int = 1
    reviewer: str = ""
    policy: str = ""

    @model_validator(mode="after")
    def _enough_evidence(self) -> Action:
        floor = Level.L2 if self.rung is Rung.BAN and self.own_violation else self.rung.floor
        if self.level < floor:
            need = (
                "L3 evidence, or L2 and the account's own violation" if self.rung is Rung.BAN else f"{floor} evidence"
            )
            raise ValueError(f"'{self.rung.value}' asks for {need}; found {self.level.value}")
        return self


class Pivot(_Record):
    """One look by hand: the code that gives its rows again, and their fingerprint.

    Attributes
    ----------
    pivot_id : str
        ``P1``, ``P2``, ... in the order in which they were made.
    kept_at : datetime
        UTC.
    analyst, note : str
        By whom, and why; may be empty.
    widget : str
        What it was done in.
    code : str
        A runnable cell; its first line says which variables it needs.
    rows : int
        How many rows it gave.
    sha256 : str
        Of these rows, as :func:`toolkit.model.pivots.fingerprint_rows` reckons it.

    Examples
    --------
    >>> seen = {"kept_at": "2026-01-05T03:00:00Z", "widget": "Rows", "code": "rows = seen", "sha256": "0" * 64}
    >>> Pivot(pivot_id="P1", rows=2, **seen).rows
    2
    """

    pivot_id: Annotated[str, StringConstraints(pattern=r"^P\d+$")]
    kept_at: AwareDatetime
    analyst: str = ""
    widget: Words
    code: Words
    rows: int = Field(ge=0)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    note: str = ""


class Review(_Record):
    """What a second pair of eyes said of one finding, or of the step proposed for one account.

    Attributes
    ----------
    reviewed_at : datetime
        UTC.
    reviewer : str
        Who.
    verdict : {"confirmed", "disputed", "unsure"}
    run : str
        The run that was read, ``0001`` for the first.
    finding_id, account_id : str
        One of the two; the other is empty.
    said : str
        The finding's statement, or the proposed rung: a verdict holds for these words and no others.
    note : str
        Why.

    Examples
    --------
    >>> Review(reviewed_at="2026-01-05T03:00:00Z", reviewer="lee", verdict="confirmed", run="0001", finding_id="F1",
    ...        account_id="a", said="x")
    Traceback (most recent call last):
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Review
      Value error, a review is of one finding or of one account ...
    """

    reviewed_at: AwareDatetime
    reviewer: Words
    verdict: Literal["confirmed", "disputed", "unsure"]
    run: str
    finding_id: str = ""
    account_id: str = ""
    said: Words
    note: str = ""

    @model_validator(mode="after")
    def _of_one_thing(self) -> Review:
        if bool(self.finding_id) == bool(self.account_id):
            raise ValueError("a review is of one finding or of one account")
        return self


class Case(_Record):
    """One escalation and what became of it.

    Attributes
    ----------
    case_id : str
        Letters, digits, ``_`` and ``-``; at most 64.
    seeds : tuple of str
        The accounts the escalation named.
    window_start, window_end : datetime or None
        UTC; None where the data's own span was used.
    as_of : datetime or None
        Rows ingested later than this were ignored.
    findings, actions : tuple
        In the order of the report.
    pivots : tuple
        Looks by hand, in the order in which they were made.
    reviews : tuple
        Verdicts on what earlier runs said, in the order in which they were given.
    notes : str
        For whoever takes over.
    abuse_types : tuple of str
        Names of :data:`toolkit.model.abuse.ABUSE_TYPES`; empty until somebody has said what it is.

    Examples
    --------
    >>> Case(case_id="ESC-1042", seeds=["acct_1"], purpose="fraud ring", analyst="kim").tlp
    'AMBER'
    """

    case_id: Annotated[str, Field(json_schema_extra={"pattern": f"^{_CASE_ID.pattern}$"})]
    seeds: tuple[str, ...]
    purpose: Words
    analyst: Words
    tlp: Literal["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"] = "AMBER"
    window_start: AwareDatetime | None = None
    window_end: AwareDatetime | None = None
    as_of: AwareDatetime | None = None
    bottom_line: str = ""
    findings: tuple[Finding, ...] = ()
    actions: tuple[Action, ...] = ()
    pivots: tuple[Pivot, ...] = ()
    reviews: tuple[Review, ...] = ()
    notes: str = ""
    abuse_types: tuple[Annotated[str, Field(json_schema_extra={"enum": sorted(ABUSE_TYPES)})], ...] = ()

    @field_validator("case_id")
    @classmethod
    def _a_safe_name(cls, case_id: str) -> str:
        if not _CASE_ID.fullmatch(case_id):
            raise ValueError("a case id has 1 to 64 letters, digits, '_' or '-', and starts with a letter or digit")
        return case_id

    @field_validator("abuse_types")
    @classmethod
    def _known_abuse(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(find_abuse_type(name).name for name in dict.fromkeys(names))
        except UnknownNameError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _window_runs_forward(self) -> Case:
        if self.window_start and self.window_end and not _before(self.window_start, self.window_end):
            raise ValueError("the window ends before it starts")
        return self


def _before(a: datetime, b: datetime) -> bool:
    return a < b
