"""How the answers change as the world gets harder or easier: one knob of the sample generator turned at a time.

    python benchmarks/bench_degradation.py --jobs 2

Knobs: poison_rate (identifiers that lie), proxy_rotation (addresses rings spread over), chaff (ordinary traffic rings
mix in), leak_rate (mistakes operators make); 1 is the reference set. Per point: clusters without seeds (B-cubed
precision and recall over ring accounts, innocents in clusters that hold a ring) and expansions from three seeds, two
draws per ring. Writes ``docs/degradation.md`` and ``docs/degradation.svg``. Worlds are SYNTHETIC.

Clusters are made without shuffled data, which only moves bands; every part of a world has a random stream of its own,
so the points of a curve differ by the knob and by nothing else.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pages import as_markdown, put_into
from seeds import draw_ring_seeds
from worlds import find_world, open_world, run_all

from toolkit.linking.clusters import ClusterSettings, cluster_index
from toolkit.linking.expand import expand_within
from toolkit.linking.score import propose, weigh
from toolkit.sources.samples.score import score_expansion, score_members

KNOBS = {
    "poison_rate": "ids that lie",
    "proxy_rotation": "addresses per ring",
    "chaff": "ordinary traffic in rings",
    "leak_rate": "mistakes of operators",
}
GRID = (0.0, 0.5, 1.0, 2.0, 4.0)
SEEDS, DRAWS = 3, 2
CURVES = {
    "B3 P": ("clusters, precision", "blue", "circle", [1, 0]),
    "B3 R": ("clusters, recall", "blue", "diamond", [5, 3]),
    "expansion P": ("expansion, precision", "orange", "circle", [1, 0]),
    "expansion R": ("expansion, recall", "orange", "diamond", [5, 3]),
}
"""What is drawn: its name, and colour, point and line; what colour says, point and dash leave to the other question."""

PICTURE = "![Precision, recall and innocents as each knob is turned](degradation.svg)"
DOCS = Path(__file__).resolve().parents[1] / "docs"
Point = tuple[Path, str, int, dict[str, float]]


def main() -> None:
    """Measure every point, write the table and the picture."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--size", default="std")
    asked.add_argument("--world", type=int, default=0)
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--cache", type=Path, default=Path("out/bench"))
    asked.add_argument("--out", type=Path, default=DOCS)
    given = asked.parse_args()
    turns = [{}, *({knob: value} for knob in KNOBS for value in GRID if value != 1)]
    points: list[Point] = [(given.cache, given.size, given.world, turn) for turn in turns]
    answers = dict(zip([str(turn) for turn in turns], run_all(measure, points, given.jobs), strict=True))
    table = pl.DataFrame(
        [
            {"knob": knob, "times": value, **answers[str({knob: value} if value != 1 else {})]}
            for knob in KNOBS
            for value in GRID
        ],
        schema_overrides={"expansion P": pl.Float64},
    )
    about = (
        f"One SYNTHETIC world of size {given.size}, seed {given.world}; one knob turned at a time, 1 = the reference.\n"
        f"Expansions: {table['runs'].max()} runs per point, {SEEDS} seeds, {DRAWS} draws per ring. "
        "Bars: innocents in clusters that hold a ring."
    )
    draw(table, about).save(given.out / "degradation.svg")
    put_into(given.out / "degradation.md", "curves", f"{about}\n\n{PICTURE}\n\n{as_markdown(table)}")
    print(as_markdown(table))


def measure(point: Point) -> dict[str, Any]:
    """One world, opened once: its clusters, and its rings found from seeds."""
    cache, size, number, knobs = point
    world = open_world(find_world(cache, size, number, **knobs))
    index, truth = world.index, world.truth
    a, b, _ = propose(index)
    members, _ = cluster_index(index, weigh(index, a, b), None, ClusterSettings(chance_draws=0, draws=0))
    clusters = score_members(members.filter(pl.col("role") == "member"), truth)
    rng = np.random.default_rng([number, SEEDS])
    runs = [
        score_expansion(expand_within(index, seeds), truth, seeds)
        for _, seeds in draw_ring_seeds(truth, rng, SEEDS, DRAWS)
    ]
    precise = [run.precision for run in runs if run.precision is not None]
    return {
        "B3 P": clusters.b3_precision,
        "B3 R": clusters.b3_recall,
        "innocents in rings": clusters.innocents_in_rings,
        "runs": len(runs),
        "expansion P": float(np.mean(precise)) if precise else None,
        "worst P": min(precise, default=None),
        "expansion R": float(np.mean([run.recall or 0.0 for run in runs])),
        "found nobody": sum(run.included == 0 for run in runs),
    }


def draw(table: pl.DataFrame, about: str) -> Any:
    """One column per knob: shares above, innocents below, on one scale each."""
    import altair as alt

    from toolkit.views.theme import style

    most = max(1, int(table["innocents in rings"].to_numpy().max()))
    columns = []
    for place, (knob, words) in enumerate(KNOBS.items()):
        rows = table.filter(pl.col("knob") == knob).with_columns(pl.col("times").map_elements(_short, pl.String))
        columns.append(_column(rows, f"{knob}: {words}", most, first=place == 0))
    title = alt.Title(
        "What is found as one knob is turned", subtitle=about.split("\n"), anchor="start", offset=12, fontSize=15,
        subtitleFontSize=11, subtitleColor="#555", subtitlePadding=4,
    )  # fmt: skip
    return style(alt.hconcat(*columns, spacing=18).properties(title=title), fit=False)


def _column(rows: pl.DataFrame, title: str, most: int, *, first: bool) -> Any:
    import altair as alt

    from toolkit.views.theme import PALETTE

    names, colours, points, dashes = zip(*CURVES.values(), strict=True)
    shares = rows.select("times", *CURVES).unpivot(index="times", variable_name="curve", value_name="share")
    shares = shares.with_columns(pl.col("curve").replace_strict({key: said[0] for key, said in CURVES.items()}))
    order = [_short(value) for value in GRID]
    x = alt.X("times:O", scale=alt.Scale(domain=order), title=None, axis=alt.Axis(labelAngle=0, labels=False))
    legend = alt.Legend(title=None, symbolSize=70, symbolDash=[1, 0], columnPadding=18) if first else None
    lines = alt.Chart(shares).encode(
        x=x,
        y=alt.Y(
            "share:Q",
            title="share of accounts" if first else None,
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".0%", tickCount=6, labels=first),
        ),
        color=alt.Color(
            "curve:N", scale=alt.Scale(domain=names, range=[PALETTE[name] for name in colours]), legend=legend
        ),
        shape=alt.Shape("curve:N", scale=alt.Scale(domain=names, range=points), legend=legend),
        strokeDash=alt.StrokeDash("curve:N", scale=alt.Scale(domain=names, range=dashes), legend=legend),
    )
    upper = alt.layer(lines.mark_line(strokeWidth=2), lines.mark_point(filled=True, size=55, opacity=1))
    people = alt.Chart(rows.select("times", people="innocents in rings")).encode(
        x=alt.X("times:O", scale=alt.Scale(domain=order), title="times the reference", axis=alt.Axis(labelAngle=0)),
        y=alt.Y(
            "people:Q",
            title="innocents" if first else None,
            scale=alt.Scale(domain=[0, 1.25 * most], nice=False),
            axis=alt.Axis(tickCount=2, labels=first),
        ),
    )
    bars = people.mark_bar(color=PALETTE["grey"], width=18)
    counts = people.mark_text(dy=-7, fontSize=11, color="#444").encode(text="people:Q")
    head = alt.Title(title, fontSize=12, fontWeight="normal", anchor="start")
    return alt.vconcat(
        upper.properties(width=205, height=210, title=head),
        alt.layer(bars, counts).properties(width=205, height=70),
        spacing=8,
    )


def _short(value: float) -> str:
    return f"{value:g}"


if __name__ == "__main__":
    main()
