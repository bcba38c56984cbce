"""What ties two accounts, and one account, drawn: every bit is where it counts, and no value is more than text."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from toolkit.linking.explain import explain_link
from toolkit.linking.observations import find_observations
from toolkit.linking.score import link_accounts, prior_bits
from toolkit.settings import KINDS
from toolkit.views.names import name_values
from toolkit.views.safe import lint_spec
from toolkit.views.waterfall import draw_waterfall, draw_why

HOSTILE = "</script><script>window.__pwned=1</script>\x1b[31m\u202e"


def _bars(chart: Any) -> list[dict[str, Any]]:
    """The rows of the largest data set: all bars."""
    drawn: list[dict[str, Any]] = max(chart.to_dict()["datasets"].values(), key=len)
    return drawn


def _links(*shared: tuple[str, str]) -> pl.DataFrame:
    rows = [(who, kind, value) for who in "ab" for kind, value in shared]
    rows += [(f"x{i:03}", kind, f"{kind}-{i}") for i in range(400) for kind in {kind for kind, _ in shared}]
    frame = pl.DataFrame(rows, schema=["account_id", "kind", "value"], orient="row")
    times = pl.lit(None, pl.Datetime("us", "UTC"))
    return link_accounts(find_observations(frame.with_columns(first_at=times, last_at=times)), chance_draws=0)


def test_the_bars_add_up_to_the_probability() -> None:
    """From the prior through what each value counts, one bar begins where the last ended; the sum is the link's."""
    links = _links(("device", "d"), ("card", "k"), ("card_bin", "b"), ("phone", "p"))
    bars = _bars(draw_waterfall(explain_link(links, "a", "b", n_accounts=402).table))
    steps, total = bars[:-1], bars[-1]
    assert [bar["start"] for bar in steps] == pytest.approx([0.0, *(bar["end"] for bar in steps[:-1])])
    assert total["end"] == pytest.approx(links["bits"][0] + prior_bits(402), abs=1e-4)
    assert total["label"] == "sum: over 99.9 % likely"
    assert steps[0]["speaks"] == "against"


def test_a_value_that_depends_on_another_counts_in_part() -> None:
    """The second address of a pair is pale where it does not count; nothing is left to take back."""
    links = _links(("ip", "192.0.2.1"), ("ip", "192.0.2.2"), ("device", "d"))
    chart = draw_waterfall(explain_link(links, "a", "b", n_accounts=402).table)
    damped = [bar for bar in _bars(chart) if " of " in bar["said"]]
    assert [bar["label"] for bar in damped] == ["IP address 192.0.2.2"]
    assert damped[0]["whole"] > damped[0]["end"] > damped[0]["start"]
    assert "counted twice, taken back" not in chart.to_json()
    assert "pale" in chart.to_json()


def test_kinds_that_were_not_told_are_taken_back_in_one_step() -> None:
    """Without the kinds nobody can say which value depends on which; the bars still end at the link's bits."""
    links = _links(("ip", "192.0.2.1"), ("ip", "192.0.2.2"), ("device", "d"))
    bars = _bars(draw_waterfall(explain_link(links, "a", "b", kinds={}).table))
    assert [bar["label"] for bar in bars][-2:] == ["counted twice, taken back", "sum"]
    assert bars[-1]["end"] == pytest.approx(links["bits"][0], abs=1e-4)


def test_a_bar_tells_who_holds_the_value() -> None:
    bars = _bars(draw_waterfall(explain_link(_links(("ip", "192.0.2.1"), ("device", "d")), "a", "b").table))
    told = {bar["label"]: (bar["held"], bar["chance"], bar["family"]) for bar in bars}
    assert told["device d"] == ("only these two", "made for one account", "machines")
    assert told["IP address 192.0.2.1"][1:] == ("from a pool that many draw on", "networks")
    assert told["IP address 192.0.2.1"][0].startswith("only these two, within ")
    assert told["sum"] == ("", "", "")


def test_no_link_is_no_bars() -> None:
    assert draw_waterfall(explain_link(_links(("device", "d")), "a", "x000").table).to_dict()["layer"]


def test_one_member_s_strongest_values() -> None:
    """Strongest first, no more than asked, those of a person under their numbers."""
    rows = [("asn", "64500", 1.0, 900), ("ip", "192.0.2.1", 3.0, 4), ("card", "k", 9.0, 1)]
    evidence = pl.DataFrame(rows, schema=["kind", "value", "bits", "holders"], orient="row")
    chart = draw_why(evidence, name_values(evidence, kinds=KINDS), limit=2)
    assert [(bar["label"], bar["said"]) for bar in _bars(chart)] == [
        ("card #1", "9.0 bits, 1 account"),
        ("IP address #1", "3.0 bits, 4 accounts"),
    ]
    assert "192.0.2.1" not in chart.to_json()
    assert draw_why(evidence.head(0)).to_dict()["layer"]


def test_hostile_values_are_text() -> None:
    """A value that would close the script, paint the terminal or turn the line is made visible, cut and linted."""
    links = _links(("device", HOSTILE), ("card", HOSTILE), ("phone", "p"))
    steps = explain_link(links, "a", "b", n_accounts=402).table
    for chart in (draw_waterfall(steps), draw_why(links["evidence"].explode().struct.unnest())):
        spec = lint_spec(chart.to_dict())
        said = [text for bar in _bars(chart) for text in bar.values() if isinstance(text, str)]
        assert spec["layer"]
        assert not [text for text in said if "\x1b" in text or "\u202e" in text]
        assert len([text for text in said if text.startswith(("device </script>", "card </script>"))]) == 2
        assert max(map(len, said)) < 80
