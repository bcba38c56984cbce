"""What the product already believed: classifier labels, enforcement with its mistakes, reports by people."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import mint_ids, open_stream, pick_strings
from toolkit.sources.samples.draft import Draft
from toolkit.sources.samples.logs import HARM
from toolkit.sources.samples.names import Names, as_time
from toolkit.sources.samples.plan import DAY, HORIZON, HOUR, MINUTE, SECOND
from toolkit.sources.samples.returns import WAVE
from toolkit.sources.samples.texts import Catalogue

LABELS_AT = 0.5  # the classifier's threshold
WITHHELD_SHARE = 0.0004
CLAUSE = {"phishing": "3.2", "jailbreak": "1.4", "influence_op": "5.1", "distillation": "7.3", "api_misuse": "6.2"}


def harms(book: Catalogue) -> list[str | None]:
    """What each template stands for, by its tag; None for harmless ones."""
    return [HARM.get(t.head.split("-")[0].strip("["), None) for t in book.templates]


def write_labels(calls: pl.DataFrame, book: Catalogue, names: Names) -> pl.DataFrame:
    """Scores on the calls of one part: most lures are seen, some are missed, a few ordinary prompts are suspected."""
    rng, n = open_stream(names.seed, "labels", calls["part"][0] if len(calls) else ""), len(calls)
    label = pick_strings([harm or "" for harm in harms(book)], calls["template"].to_numpy()).replace("", None)
    u = rng.random(n)
    bad = label.is_not_null().to_numpy()
    visible = np.where((label == "distillation").fill_null(False).to_numpy(), 0.03, 0.55)
    withheld = ~bad & (u > 1 - WITHHELD_SHARE)
    kept = np.where(bad, u < visible, (u < 0.003) | withheld)
    score = np.where(bad, rng.beta(6, 2.2, n), rng.beta(2.5, 4, n))
    guess = pick_strings(["phishing", "jailbreak", "influence_op"], rng.integers(0, 3, n))
    seen = calls.select("request_id", "at").with_columns(
        label=pl.when(pl.Series(withheld)).then(pl.lit("withheld_category")).otherwise(pl.coalesce(label, guess)),
        score=pl.Series(np.round(score, 3)),
        withheld=pl.Series(withheld),
        label_id=mint_ids(rng, "lbl", n),
    )
    rows = seen.filter(pl.Series(kept))
    n = len(rows)
    one = pl.Series([0] * n)
    return pl.DataFrame(
        {
            "label_id": rows["label_id"],
            "subject_type": pick_strings(["request"], one.to_numpy()),
            "subject_id": rows["request_id"],
            "taxonomy": pick_strings(["abuse_type"], one.to_numpy()),
            "label": rows["label"],
            "score": pl.select(pl.when(rows["withheld"]).then(None).otherwise(rows["score"]))
            .to_series()
            .cast(pl.Float32),
            "threshold": pl.Series(np.full(n, LABELS_AT)).cast(pl.Float32),
            "source": pick_strings(["classifier"], one.to_numpy()),
            "source_version": pick_strings(["2026-01", "2026-02"], (rows["at"] >= 27 * DAY).cast(pl.Int64).to_numpy()),
            "policy_version": pick_strings(["policy-4"], one.to_numpy()),
            "policy_clause": rows["label"].replace_strict(CLAUSE, default=None, return_dtype=pl.String),
            "rationale": pick_strings(["content withheld"], np.where(rows["withheld"], 0, -1)),
            "labelled_at": as_time(rows["at"] + 40 * SECOND),
            "labeller": pick_strings(["model:abuse-classifier"], one.to_numpy()),
            "content_withheld": rows["withheld"],
        }
    )


def decide_appeals(bans: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Which bans were appealed and taken back: six in ten of the wrong ones, none of the right ones."""
    rng = open_stream(seed, "appeals")
    u, wait = rng.random(len(bans)), rng.integers(2 * DAY, 10 * DAY, len(bans))
    wrong = ~bans["correct"]
    appealed = (wrong & pl.Series(u < 0.9)) | pl.Series(u < 0.06)
    back = wrong & pl.Series(u < 0.6)
    result = np.where(back, 0, np.where(u < 0.75, 1, 2))
    return bans.with_columns(
        reversed=pl.when(back).then(pl.col("at") + pl.Series(wait)),
        appealed=appealed,
        appeal_result=pick_strings(["overturned", "upheld", "pending"], np.where(appealed, result, -1)),
    )


def write_enforcement(draft: Draft, bans: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Bans with their reasons and appeals, and lighter steps against ordinary people who were clumsy."""
    rng = open_stream(names.seed, "enforcement")
    crowd = draft.cast.filter(pl.col("ring").is_null(), ~pl.col("acct").is_in(bans["acct"].to_list()))[
        "acct"
    ].to_numpy()
    warned = np.sort(rng.choice(crowd, max(len(crowd) // 250, 2), replace=False))
    lighter = pl.DataFrame({"acct": warned, "at": rng.integers(3 * DAY, HORIZON - DAY, len(warned))}).with_columns(
        rung=pick_strings(["warn", "rate_limit", "step_up_verification"], rng.integers(0, 3, len(warned)))
    )
    heavy = bans.select("acct", "at", "reversed", "appealed", "appeal_result", rung=pl.lit("ban"))
    rows = pl.concat([heavy, lighter], how="diagonal").sort("at", "acct")
    n = len(rows)
    wave = rows["at"].is_between(WAVE - HOUR, WAVE + 3 * HOUR) & (rows["rung"] == "ban")
    reason = pick_strings(["fake_account_farm", "policy_violation", "unusual_volume"],
                          np.where(wave, 0, np.where(rows["rung"] == "ban", 1, 2)))  # fmt: skip
    appeals = mint_ids(rng, "appeal", n)
    appealed = rows["appealed"].fill_null(False)
    return pl.DataFrame(
        {
            "action_id": mint_ids(rng, "act", n),
            "subject": names.account(rows["acct"]),
            "rung": rows["rung"],
            "policy_clause": pick_strings(["2.1", "3.2", "4.4"], np.where(wave, 0, rng.integers(1, 3, n))),
            "reason_code": reason,
            "actor": pick_strings(["auto", "human"], (~wave).cast(pl.Int64).to_numpy() * (rng.random(n) < 0.6)),
            "detector_id": pick_strings(["det_signup_burst"], np.where(wave, 0, -1)),
            "decided_at": as_time(rows["at"]),
            "effective_at": as_time(rows["at"]),
            "reversed_at": as_time(rows["reversed"]),
            "appeal_id": pl.select(pl.when(appealed).then(appeals)).to_series(),
            "appeal_result": rows["appeal_result"],
            "evidence_ref": pl.Series([None], dtype=pl.String).new_from_index(0, n),
            "statement_of_reasons": "Automated and manual signals indicated: " + reason,
        }
    ).sort("decided_at", "action_id")


def write_reports(draft: Draft, names: Names) -> pl.DataFrame:
    """What people told us: victims of takeovers, partners who saw lures, and neighbours who were merely annoyed."""
    of_victims, of_lures, of_others, rng = (open_stream(names.seed, "reports", kind) for kind in "abcd")
    victims = draft.roles.filter(pl.col("role") == "victim")
    told = victims.filter(pl.Series(of_victims.random(len(victims)) < 0.6)).select(
        "acct", at=pl.col("from_at") + 9 * HOUR
    )
    lures = draft.cast.filter(pl.col("ring").is_in(["R3", "R9", "R4"]), pl.col("created") >= 0)
    seen = lures.filter(pl.Series(of_lures.random(len(lures)) < 0.15)).select("acct", at=pl.col("created") + 6 * DAY)
    people = draft.cast.filter(pl.col("ring").is_null())["acct"].to_numpy()
    noise = np.sort(of_others.choice(people, max(len(people) // 600, 3), replace=False))
    grumbles = pl.DataFrame({"acct": noise, "at": of_others.integers(DAY, HORIZON, len(noise))})
    kinds = [
        ("account_takeover", "user", "support"),
        ("phishing_at_scale", "partner", "email"),
        ("spam_seo", "user", "in_app"),
    ]
    frames = [
        frame.with_columns(allegation=pl.lit(allegation), reporter_type=pl.lit(reporter), channel=pl.lit(channel))
        for frame, (allegation, reporter, channel) in zip((told, seen, grumbles), kinds, strict=True)
    ]
    rows = pl.concat(frames).filter(pl.col("at") < HORIZON).sort("at", "acct", "allegation")
    n = len(rows)
    return pl.DataFrame(
        {
            "report_id": mint_ids(rng, "rpt", n),
            "received_at": as_time(rows["at"] + 5 * MINUTE),
            "channel": rows["channel"],
            "reporter_type": rows["reporter_type"],
            "subject_ids": names.account(rows["acct"]).reshape((n, 1)).cast(pl.List(pl.String)) if n else [],
            "allegation": rows["allegation"],
            "severity": pick_strings(["SEV1", "SEV2", "SEV3"], rng.choice(3, n, p=[0.1, 0.3, 0.6])),
            "case_id": pl.Series([None], dtype=pl.String).new_from_index(0, n),
            "status": pick_strings(["open", "closed"], rng.integers(0, 2, n)),
        },
        schema_overrides={"subject_ids": pl.List(pl.String)},
    ).sort("received_at", "report_id")
