"""R11: ninety strangers copy one text within hours of a post. They are not a ring, and to link them is a mistake."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.draft import ACTORS, ROLES, Draft, make_visits, table
from toolkit.sources.samples.plan import DAY, HORIZON, HOUR
from toolkit.sources.samples.scene import Scene

POST_AT = 38 * DAY + 14 * HOUR


def draft_contagion(scene: Scene, crowd: Draft) -> Draft:
    """Ordinary accounts, on their own machines and lines, send the posted text some hours later; then go on."""
    rng, n = scene.stream(), scene.plan.r11
    near = crowd.visits.filter(
        pl.col("kind") == "login", pl.col("at").is_between(POST_AT - 5 * DAY, POST_AT + 5 * DAY)
    ).unique("acct", keep="first", maintain_order=True)
    chosen = near[np.sort(rng.choice(len(near), n, replace=False))]
    again = np.repeat(np.arange(n), rng.integers(1, 4, n))
    row = chosen[again]
    at = POST_AT + rng.exponential(5 * HOUR, len(again)).astype(np.int64)
    visits = make_visits(
        scene.part,
        row["acct"],
        np.minimum(at, HORIZON - 1),
        ip=row["ip"],
        country=row["country"],
        device=row["device"],
        n=rng.integers(1, 3, len(again)),
        template=scene.templates()[0],
        share=0.85,
        lang=row["lang"],
    )
    names = [f"{scene.actor}_{k + 1:03d}" for k in range(n)]
    return Draft(
        visits=visits,
        roles=table(ROLES, n, acct=chosen["acct"], actor=names, ring=scene.ring, role="member", from_at=POST_AT),
        actors=table(
            ACTORS, n, actor=names, kind="jailbreak_sharing", ring=scene.ring, difficulty=3, tz_true="own", shift="own"
        ),
        phases=scene.phases(post=POST_AT),
    )
