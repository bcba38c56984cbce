"""The README keeps its word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import toolkit as tk
from toolkit.sources.mapping import read_mapping

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


@pytest.mark.parametrize("source", _blocks("python"), ids=["investigation", "sql"])
def test_python_examples_run(source: str) -> None:
    """They run as they stand, from the checkout."""
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "acct_" in done.stdout


def test_the_mapping_reads() -> None:
    """The mapping of three tables is a mapping."""
    (text,) = _blocks("yaml")
    mapping = read_mapping(yaml.safe_load(text))
    assert sorted(mapping.tables) == ["billing", "logins", "prompts"]
    assert mapping.kinds["badge"].regime == "unique"


def test_the_mapping_fits_the_tables_it_describes(tmp_path: Path) -> None:
    """Three tables with the columns it names are read, and give observations of its kinds."""
    (text,) = _blocks("yaml")
    (tmp_path / "mapping.yaml").write_text(text)
    (tmp_path / "logins.csv").write_text(
        "id,user_id,created_at,action,client_ip,device_uuid,ua\n01,007,2026-03-01T10:00:00Z,login,10.0.0.1,d1,firefox\n"
    )
    (tmp_path / "billing.csv").write_text("customer,ts,card_fingerprint,bin\n007,1772359200000,c1,400000\n")
    (tmp_path / "prompts.ndjson").write_text(
        '{"user_id": "007", "at": "2026-03-01 10:05:00", "prompt": "hi", "template": "t1", "staff_badge": "b1"}\n'
    )
    data = tk.read_data(tmp_path)
    assert data.events.select("account_id", "event").rows() == [
        ("007", "payment"),
        ("007", "auth.login"),
        ("007", "chat"),
    ]
    kinds = set(tk.find_observations(data)["kind"])
    assert kinds == {"ip", "device", "user_agent", "card", "card_bin", "prompt_template", "badge"}


def test_commands_exist() -> None:
    """Every `toolkit` command the README names is one, with the options it names."""
    bin_ = Path(sys.executable).parent / "toolkit"
    for line in [line for block in _blocks("console") for line in block.splitlines() if line.startswith("toolkit ")]:
        words = line.split("#")[0].split()
        shown = subprocess.run(
            [bin_, words[1], "--help"], capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
        )
        assert shown.returncode == 0, line
        for option in [w for w in words if w.startswith("-")]:
            assert option in shown.stdout, (line, option)


def test_links_lead_somewhere() -> None:
    """Files the README points to are there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_make_targets_exist() -> None:
    """Every `make` word the README names is a target."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    assert set(re.findall(r"`make ([a-z]+)", README)) | {"demo", "test"} <= targets
