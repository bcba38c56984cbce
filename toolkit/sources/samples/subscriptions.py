"""How anyone pays: a card put on file, then a charge a month, with the odd decline, refund and honest dispute.

Rings pay through the same function as the crowd, so that the manner of paying gives nobody away.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Rng, pick_strings
from toolkit.sources.samples.draft import CHARGES, table
from toolkit.sources.samples.plan import DAY, HORIZON, HOUR, MINUTE

PRICE = 2000  # a month, in cents
DECLINES = ["insufficient_funds", "do_not_honor", "incorrect_cvc", "lost_card"]
VERIFIED_BY_CHARGE = 0.15  # cards checked with a small authorisation instead of a set-up


def draw_subscriptions(rng: Rng, part: str, cast: pl.DataFrame) -> pl.DataFrame:
    """Charges of every account of the cast that has a card; trials put a card on file and pay nothing yet.

    Examples
    --------
    >>> from toolkit.sources.samples.chance import open_stream
    >>> from toolkit.sources.samples.draft import make_cast
    >>> one = np.array([0])
    >>> cast = make_cast(open_stream(0, "doc"), one, one, one, plan="trial", card="400000-1")
    >>> draw_subscriptions(open_stream(0, "doc"), "doc", cast)["acct"].to_list()
    [0]
    """
    payers = cast.filter(pl.col("card").is_not_null(), pl.col("plan") != "enterprise")
    n = len(payers)
    created = payers["created"].to_numpy()
    small = rng.random(n) < VERIFIED_BY_CHARGE
    delay = rng.exponential(40 * MINUTE, n).astype(np.int64) + MINUTE
    setup = table(
        CHARGES, n, part=part, acct=payers["acct"], at=created + delay, kind=pick_strings(["setup", "auth"], small * 1),
        card=payers["card"], amount=small * rng.choice([50, 100], n), result="succeeded",
    )  # fmt: skip
    rows = [setup.filter(pl.col("at") >= 0)]
    live_until = np.minimum(payers["until"].to_numpy() + 20 * DAY, HORIZON)
    paying = (payers["plan"] == "paid").to_numpy()
    for month in range(3):
        first = np.where(created < 0, created % (30 * DAY), created + delay + rng.integers(MINUTE, 6 * HOUR, n))
        due = first + month * 30 * DAY
        u = rng.random(n)
        charge = table(
            CHARGES, n, part=part, acct=payers["acct"], at=due, kind="capture", card=payers["card"], amount=PRICE,
            result=pick_strings(["succeeded", "declined"], (u < 0.02) * 1),
            decline=pick_strings(DECLINES, np.where(u < 0.02, rng.choice(4, n, p=[0.6, 0.2, 0.1, 0.1]), -1)),
        )  # fmt: skip
        live = paying & (due < live_until)
        rows.append(charge.filter(pl.Series(live)))
        for kind, above, days in (("refund", 0.99, 2), ("chargeback", 0.998, 9), ("efw", 0.996, 5)):
            wait = rng.integers(0, DAY, n)
            undone = charge.with_columns(at=pl.col("at") + days * DAY + pl.Series(wait), kind=pl.lit(kind))
            rows.append(undone.filter(pl.Series(live & (u > above))))
    return pl.concat(rows).filter(pl.col("at") < HORIZON)
