"""What a reader may not see never enters the output; what he may see by intent is masked; prompts never appear."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from toolkit.settings import KINDS
from toolkit.views.names import REDACTIONS, Names, name_values

START = datetime(2026, 1, 5, tzinfo=UTC)
PERSONAL = ("ip", "device", "card", "phone", "email", "cookie", "api_key", "counterparty")


@pytest.fixture
def canaries(tmp_path: Path) -> tuple[Path, dict[str, list[str]]]:
    """A small world with a ring of eight whose every shared value can be recognised anywhere."""
    values: dict[str, list[str]] = {kind: [f"canary-{kind}-{n:02d}" for n in range(4)] for kind in PERSONAL}
    values["prompt_text"] = ["canary prompt: how to write the lure of the month"]
    rows: list[dict[str, Any]] = []
    for n in range(8):
        for kind, shared in values.items():
            for hour in (0, 1):
                row = {"account": f"ring{n}", "at": START + timedelta(hours=n + hour), "verb": "auth.login"}
                rows.append(row | {kind: shared[(n + hour) % len(shared)]})
    for n in range(300):
        row = {"account": f"other{n:03d}", "at": START + timedelta(minutes=7 * n), "verb": "auth.login"}
        # Everybody else has values of his own; every tenth meets the ring at one address.
        rows += [row | {kind: f"own-{kind}-{n}"} for kind in values]
        rows += [row | {"ip": values["ip"][0]}] if n % 10 == 0 else []
    frame = pl.DataFrame(rows, infer_schema_length=None)
    frame.write_parquet(tmp_path / "logins.parquet")
    kinds = "".join(f"{kind}: {kind}, " for kind in values)
    (tmp_path / "mapping.yaml").write_text(
        "tables:\n  logins:\n    account: account\n    time: at\n    event: {column: verb}\n"
        f"    indicators: {{{kinds.rstrip(', ')}}}\n"
    )
    return tmp_path, values


@pytest.mark.parametrize("redaction", REDACTIONS)
def test_canaries(
    redaction: str, canaries: tuple[Path, dict[str, list[str]]], run_cells: Callable[..., Any], tmp_path: Path
) -> None:
    """Every sensitive value is looked for in everything that a reader could find."""
    data, values = canaries
    out = tmp_path / "out"
    done = run_cells(["ring0", "ring1", "ring2"], data_uri=str(data), redaction=redaction, out_dir=str(out))
    found = set(done.names["members"])
    assert {f"ring{n}" for n in range(8)} <= found, "the ring must be found, or the test looks at nothing"
    everywhere = {kind: [v for v in shared if v in done.text] for kind, shared in values.items()}
    assert everywhere.pop("prompt_text") == [], "prompts never appear"
    # The test bites: each of these kinds is spoken of by number on the page.
    assert "#1" in done.page or redaction == "none"
    if redaction == "strict":
        assert everywhere == {kind: [] for kind in PERSONAL}
        assert not re.search(r"canary-|own-(?:ip|device|card|phone|email)-", done.text)
        assert 'class="mask"' not in done.page
    if redaction == "standard":
        unmasked = re.sub(r'<button type="button" class="mask".*?</button>', "", done.page, flags=re.DOTALL)
        assert "canary-" not in unmasked
        assert 'class="mask"' in done.page
        assert everywhere["device"]
    if redaction == "none":
        assert everywhere["device"]
        assert 'class="mask"' not in done.page
    # Partners are told of no user and of no value of theirs, at any level.
    shared = (out / "stix.json").read_text(encoding="utf-8")
    assert not re.search(r"canary|own-|ring\d|other\d", shared)
    # The tables beside the page stay exact at every level.
    held = pl.read_parquet(out / "expansion.parquet").explode("evidence").unnest("evidence")["value"].to_list()
    assert set(values["device"]) <= set(held)


def test_a_kind_nobody_declared_is_taken_for_personal() -> None:
    hubs = pl.DataFrame({"kind": ["badge"], "value": ["B-17"]})
    assert name_values(hubs, kinds=KINDS).full("badge", "B-17") == "badge #1"
    assert name_values(hubs, kinds=KINDS, redaction="none").full("badge", "B-17") == "badge B-17"


def test_a_personal_value_without_a_number_is_not_shown() -> None:
    """What nobody numbered cannot slip through."""
    names = name_values(pl.DataFrame({"kind": ["ip"], "value": ["192.0.2.1"]}), kinds=KINDS, redaction="strict")
    assert names.short("ip", "192.0.2.99") == "(not shown)"
    assert names.short("prompt_template", "tpl_1") == "tpl_1"


def test_sentences_with_values_cut_short() -> None:
    """A long value stands in a reason with its beginning only; that goes too."""
    value = "x" * 90
    said = f"shares device {value[:40]}… (90 characters) with 3 of the set"
    names = Names("strict", {("device", value): 1})
    assert names.tell(said, [{"kind": "device", "value": value}]) == "shares device #1 with 3 of the set"
