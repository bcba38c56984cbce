"""The command line: the files it writes, the codes it exits with, and what it says of bad input."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from toolkit.cli import main
from toolkit.model import tables
from toolkit.model.tables import conform
from toolkit.resources import bundled

TINY = bundled("data_samples") / "tiny"
SEEDS = json.loads((TINY / "escalations.jsonl").read_text().splitlines()[0])["seed_accounts"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: (exit code, standard output, standard error)."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def _conforms(folder: Path, **contracts: type) -> None:
    for name, contract in contracts.items():
        conform(pl.read_parquet(folder / f"{name}.parquet"), contract, keep_extra=True)


def test_link_writes_its_five_tables(run: Run, tmp_path: Path) -> None:
    """Observations, links, members, clusters and hubs, each under its contract."""
    assert run("link", TINY, "--out", tmp_path)[0] == 0
    _conforms(tmp_path, observations=tables.Observations, links=tables.Links, members=tables.Members)
    _conforms(tmp_path, clusters=tables.Clusters, hubs=tables.Hubs)


def test_expand_writes_the_expansion_with_links_and_hubs(run: Run, tmp_path: Path) -> None:
    """The seeds of the first escalation find their ring."""
    code, _, err = run("expand", TINY, *(word for seed in SEEDS for word in ("--seed", seed)), "--out", tmp_path)
    assert code == 0
    assert f"{len(SEEDS)} of {len(SEEDS)} seeds occur" in err
    _conforms(tmp_path, expansion=tables.Expansion, links=tables.Links, hubs=tables.Hubs)
    assert pl.read_parquet(tmp_path / "expansion.parquet")["included"].sum() > 10


def test_expand_reads_observations_alone(run: Run, tmp_path: Path) -> None:
    """A single observations.parquet is data enough."""
    run("link", TINY, "--out", tmp_path / "linked")
    observations = tmp_path / "linked" / "observations.parquet"
    assert run("expand", observations, "--seed", SEEDS[0], "--out", tmp_path / "ring")[0] == 0
    assert (tmp_path / "ring" / "expansion.parquet").exists()


def test_timeline_writes_three_tables(run: Run, tmp_path: Path) -> None:
    """Events of the accounts in one order, their sessions, and what is wrong with the record."""
    assert run("timeline", TINY, "--account", SEEDS[0], "--account", SEEDS[1], "--out", tmp_path)[0] == 0
    _conforms(tmp_path, timeline=tables.Events, sessions=tables.Sessions, quality=tables.Quality)
    assert set(pl.read_parquet(tmp_path / "timeline.parquet")["account_id"]) <= set(SEEDS[:2])


def test_timeline_of_real_logs_keeps_every_event(run: Run, tmp_path: Path, real_data: Path) -> None:
    """2,900 CloudTrail events in, 2,900 out, in one total order."""
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "tables:\n  events:\n    account: principal\n    time: event_time\n    event_id: event_id\n"
        "    event: {column: event_name, prefix: aws.}\n    indicators: {ip: ip, user_agent: ua}\n"
    )
    assert run("timeline", real_data / "cloudtrail_stratus", "--mapping", mapping, "--out", tmp_path / "out")[0] == 0
    told = pl.read_parquet(tmp_path / "out" / "timeline.parquet")
    order = ["event_at", "source", "seq", "event_id"]
    assert told.height == 2900
    assert told.select(order).equals(told.select(order).sort(order))
    assert told.select(order).is_duplicated().sum() == 0


def test_check_prints_a_ledger_that_adds_up(run: Run) -> None:
    """Accepted + duplicate + quarantined = rows, in words."""
    code, out, _ = run("check", TINY)
    assert code == 0
    assert "accepted +" in out
    assert "requests" in out


def test_sample_writes_a_world(run: Run, tmp_path: Path) -> None:
    """The committed sample is what the command writes."""
    assert run("sample", "tiny", "--out", tmp_path, "--seed", 0)[0] == 0
    assert (tmp_path / "requests.parquet").read_bytes() == (TINY / "requests.parquet").read_bytes()
    assert (tmp_path / "SYNTHETIC").exists()


def test_templates_are_listed_with_their_parameters(run: Run) -> None:
    """Name, purpose, and every parameter with its default."""
    code, out, _ = run("templates")
    assert code == 0
    assert "ring_escalation" in out
    assert "seed_accounts" in out


# ---------------------------------------------------------------- bad input: a message, a code, no traceback


def _write(folder: Path, name: str, text: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


LOGINS = "account_id,event_at,kind,ip,device_id\na,2026-01-05T10:00:00Z,login,10.1.1.1,d1\n"


def _missing_column(folder: Path) -> tuple[object, ...]:
    _write(folder, "logins.csv", LOGINS)
    _write(folder, "mapping.yaml", "tables:\n  logins: {account: acount_id, time: event_at, event: login}\n")
    return "check", folder


def _empty_folder(folder: Path) -> tuple[object, ...]:
    folder.mkdir()
    return "link", folder, "--out", folder / "out"


def _no_folder(folder: Path) -> tuple[object, ...]:
    return "link", folder / "nowhere", "--out", folder / "out"


def _truncated_parquet(folder: Path) -> tuple[object, ...]:
    whole = (TINY / "accounts.parquet").read_bytes()
    return "check", _write(folder, "accounts.parquet", whole[: len(whole) // 2])


def _a_log_file(folder: Path) -> tuple[object, ...]:
    return "check", _write(folder, "syslog", "Jan 22 07:52:33 host x: y\n") / "syslog"


def _out_is_a_file(folder: Path) -> tuple[object, ...]:
    _write(folder, "auth_events.csv", LOGINS)
    return "link", folder, "--out", folder / "auth_events.csv"


def _absent_account(folder: Path) -> tuple[object, ...]:
    return "timeline", _write(folder, "auth_events.csv", LOGINS), "--account", "nobody", "--out", folder / "out"


def _unknown_template(folder: Path) -> tuple[object, ...]:
    return "report", "ring_esclation", "--data", TINY, "--out", folder / "out"


def _misspelt_parameter(folder: Path) -> tuple[object, ...]:
    return "report", "ring_escalation", "--data", TINY, "--out", folder / "out", "-p", "seed_acounts=a", "-p", "seed=x"


def _unknown_sample(folder: Path) -> tuple[object, ...]:
    return "sample", "tinny", "--out", folder


def _no_seed(folder: Path) -> tuple[object, ...]:
    return "expand", TINY, "--out", folder


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (_missing_column, "did you mean 'account_id'?"),
        (_empty_folder, "found nothing"),
        (_no_folder, "nowhere"),
        (_truncated_parquet, "accounts.parquet"),
        (_a_log_file, "format: csv"),
        (_out_is_a_file, "is a file"),
        (_absent_account, "0 of 1 accounts"),
        (_unknown_template, "did you mean 'ring_escalation'?"),
        (_misspelt_parameter, "did you mean 'seed_accounts'?"),
        (_unknown_sample, "did you mean 'tiny'?"),
        (_no_seed, "--seed"),
    ],
    ids=lambda c: c.__name__.strip("_") if callable(c) else "",
)
def test_bad_calls_exit_2_and_say_what_next(
    case: Callable[[Path], tuple[object, ...]], said: str, run: Run, tmp_path: Path
) -> None:
    """What was wrong, what was found, what to do; never a traceback."""
    code, out, err = run(*case(tmp_path / "data"))
    assert code == 2
    assert said in out + err
    assert "Traceback" not in out + err


def test_every_fault_of_the_parameters_is_said_at_once(run: Run, tmp_path: Path) -> None:
    """A misspelt name and an ill-typed value come in one message, before anything runs."""
    _, _, err = run(*_misspelt_parameter(tmp_path))
    assert "seed_acounts" in err
    assert "whole number" in err
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_refused_in_words(run: Run, tmp_path: Path) -> None:
    """A small gzip that unpacks to a cell of gigabytes is named, with the cap it breaks."""
    bomb = tmp_path / "auth_events.csv.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as out:
        out.write(b"account_id,event_at,kind,ip\na,2026-01-05T10:00:00Z,login,")
        for _ in range(2048):
            out.write(b"x" * 2**20)
    code, _, err = run("check", tmp_path)
    assert code == 2
    assert "auth_events.csv.gz" in err


def test_seeds_that_do_not_occur_are_an_answer(run: Run, tmp_path: Path) -> None:
    """'0 of 2 seeds occur', exit 0, and the seeds in the table with the reason."""
    words = ["--seed", "nobody", "--seed", "no one"]
    code, _, err = run("expand", TINY, *words, "--out", tmp_path)
    assert code == 0
    assert "0 of 2 seeds occur" in err
    assert pl.read_parquet(tmp_path / "expansion.parquet")["included"].to_list() == [False, False]


def test_one_account_and_no_events(run: Run, tmp_path: Path) -> None:
    """One account links with nobody; a table of no rows is said to hold none."""
    one = _write(tmp_path / "one", "auth_events.csv", LOGINS)
    assert run("link", one, "--out", tmp_path / "linked")[0] == 0
    assert pl.read_parquet(tmp_path / "linked" / "links.parquet").is_empty()
    none = _write(tmp_path / "none", "auth_events.csv", LOGINS.splitlines()[0] + "\n")
    code, out, err = run("link", none, "--out", tmp_path / "nothing")
    assert code == 2
    assert "0 observations" in err
    assert "Traceback" not in out + err
