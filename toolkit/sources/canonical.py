"""The canonical tables: names and columns that need no mapping.

This is an ordinary mapping, written down here as a table to be read. It is lenient: what a file does not have is left
out (a product without cards has no ``card_fp``). A company's own mapping of the same table takes its place whole.
"""

from __future__ import annotations

from typing import Final

from toolkit.sources.mapping import TableMapping

__all__ = ["CANONICAL", "LOOKUPS", "OBSERVATION_COLUMNS"]


def _table(account: str, time: list[str], event: dict[str, str], **more: object) -> TableMapping:
    said = {"account": account, "time": time, "ingested": "ingested_at", "event": event, "lenient": True, **more}
    return TableMapping.model_validate(said)


_SEEN: Final = {
    "ip": "ip",
    "device": "device_id",
    "user_agent": "ua_hash",
    "tls_fp": "tls_ja4",
    "browser_fp": "browser_fp",
}

CANONICAL: Final[dict[str, TableMapping]] = {
    "accounts": _table(
        "account_id",
        ["created_at"],
        {"constant": "signup"},
        indicators={
            "ip": "signup_ip",
            "device": "signup_device_id",
            "phone": "phone_hmac",
            "email": "email_norm_hmac",
            "email_domain": "email_domain",
            "referral": "referral_code",
            "org": "org_id",
        },
    ),
    "auth_events": _table(
        "account_id",
        ["event_at"],
        {"column": "kind", "prefix": "auth."},
        indicators={**_SEEN, "country": "geo_cc"},
    ),
    "sessions": _table(
        "account_id",
        ["event_at", "started_at", "start_at", "created_at"],
        {"constant": "session"},
        event_id="session_id",
        indicators={**_SEEN, "country": "geo_cc"},
    ),
    "requests": _table(
        "account_id",
        ["event_at"],
        {"constant": "request"},
        event_id="request_id",
        indicators={"ip": "ip", "api_key": "key_id", "user_agent": "ua_hash", "org": "org_id"},
    ),
    "content": _table(
        "account_id",
        ["event_at", "created_at"],
        {"constant": "content"},
        indicators={"prompt_template": "template_id", "prompt_text": "text_sha256"},
        content={"text": "text", "sensitivity": 3},
    ),
    "payments": _table(
        "account_id",
        ["event_at"],
        {"column": "kind", "prefix": "payment."},
        event_id="txn_id",
        indicators={"card": "card_fp", "card_bin": "bin6"},
        value="amount",
    ),
    "credits": _table(
        "account_id",
        ["event_at"],
        {"column": "kind", "prefix": "credit."},
        indicators={"counterparty": "referrer"},
        value="amount",
    ),
    "enforcement": _table(
        "subject",
        ["effective_at", "decided_at"],
        {"column": "rung", "prefix": "enforcement."},
        event_id="action_id",
    ),
    "labels": _table(
        "subject_id",
        ["labelled_at"],
        {"column": "label", "prefix": "label."},
        event_id="label_id",
        label={"column": "label", "score": "score"},
    ),
    "api_keys": _table("account_id", ["created_at"], {"constant": "key_create"}, event_id="key_id"),
}
"""Tables whose rows are events of an account."""

LOOKUPS: Final[dict[str, TableMapping]] = {
    name: TableMapping.model_validate({"lookup": {"key": key}, "lenient": True})
    for name, key in {"orgs": "org_id", "devices": "device_id", "ip_intel": "ip", "reports": "report_id"}.items()
}
"""Tables about things. A report is about accounts but is no event of theirs: it is found by its id."""

OBSERVATION_COLUMNS: Final = ("account_id", "kind", "value")
"""A file with these columns is a table of observations: it goes to linking as it is."""
