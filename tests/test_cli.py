"""`toolkit demo` and `toolkit report` from a shell: codes, messages, files. The other commands: test_commands.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from toolkit.cli import cli

TINY = Path(__file__).parents[1] / "data_samples" / "tiny"


def _toolkit(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
    bin_ = Path(sys.executable).parent / "toolkit"
    return subprocess.run(
        [bin_, *map(str, words)], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


def test_report_on_own_parameters(tmp_path: Path) -> None:
    """Repeated names make a list; ids stay text; the answer goes to the terminal, the path to standard output."""
    third = json.loads((TINY / "escalations.jsonl").read_text(encoding="utf-8").splitlines()[2])
    words = [word for seed in third["seed_accounts"] for word in ("-p", f"seed_accounts={seed}")]
    out = tmp_path / "a {b}"
    done = _toolkit("report", "ring_escalation", "--data", TINY, *words, "-p", "case_id=CASE-0003", "-p", "tlp=RED",
                    "-p", "redaction=strict", "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out / "report.html")
    case = json.loads((out / "case.json").read_text(encoding="utf-8"))["case"]
    assert case["seeds"] == third["seed_accounts"]
    assert case["bottom_line"] in done.stderr
    assert "TLP:RED" in (out / "report.html").read_text(encoding="utf-8")
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["parameters"]["redaction"] == "strict"
    assert str(TINY) not in json.dumps(manifest)
    # A wrong seed is doubted in the bottom line; what the terminal shows has no control characters.
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["report", "ring_escalation", "--data", TINY], 2, "was given"),
        (
            ["report", "ring_escalation", "--data", TINY, "-p", "tlp=PINK", "-p", "seed_accounts=a"],
            2,
            "tlp is one of CLEAR",
        ),
        (["report", "ring_escalation", "--data", TINY, "-p", "seed_accounts"], 2, "is not NAME=VALUE"),
        (["report", "ring_escalation", "--data", "no/where", "-p", "seed_accounts=a"], 2, "nothing at no/where"),
        (["report", "ring_escalation", "-p", "seed_accounts=a"], 2, "--data"),
        (
            ["report", "ring_escalation", "--data", TINY, "-p", "seed_accounts=a", "-p", "case_id=a/b"],
            2,
            "a case id has",
        ),
        (
            ["report", "ring_escalation", "--data", TINY, "-p", "seed_accounts=a", "-p", "as_of=soon"],
            2,
            "as_of takes a time",
        ),
        (["rport"], 2, "rport"),
    ],
)
def test_what_is_wrong_is_said(words: list[object], code: int, said: str, tmp_path: Path) -> None:
    """A message and a code, never a traceback; nothing is published."""
    out = ["--out", tmp_path / "out"] if words[0] == "report" else []
    done = _toolkit(*words, *out)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_failing_template_exits_1(tmp_path: Path) -> None:
    """The call was right, the run failed: which cell, what it said, and where the notebook is."""
    cells = [("n: int = 1\ndata_uri: str = ''\nout_dir: str = ''", ["parameters"]), ("1 / 0", [])]
    blank: dict[str, object] = {"cell_type": "code", "execution_count": None, "outputs": []}
    code = [{**blank, "id": f"c{i}", "metadata": {"tags": tags}, "source": s} for i, (s, tags) in enumerate(cells)]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    first = {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# Own"}
    notebook = {"cells": [first, *code], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "own.ipynb").write_text(json.dumps(notebook))
    done = _toolkit("report", "own", "--templates", tmp_path, "--data", TINY, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "out.failed.ipynb" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_fault_of_ours_is_said_in_a_line(tmp_path: Path) -> None:
    """And shown whole on demand."""
    locked = tmp_path / "file"
    locked.write_text("x")
    done = _toolkit("demo", "--out", locked / "below")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr


def test_every_command_explains_itself() -> None:
    """`--help` of each command says what it does and what each option is for."""
    runner = CliRunner()
    assert set(cli.commands) >= {"demo", "sample", "check", "link", "expand", "timeline", "templates", "report"}
    for name, command in cli.commands.items():
        shown = runner.invoke(cli, [name, "--help"])
        assert shown.exit_code == 0
        assert command.help, name
        for option in command.params:
            assert not isinstance(option, click.Option) or option.help, (name, option.name)


def test_templates_show_their_choices() -> None:
    done = _toolkit("templates")
    assert done.returncode == 0
    assert "AMBER+STRICT" in done.stdout
    assert "seed_accounts" in done.stdout
