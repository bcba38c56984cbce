"""The command line: a thin skin over the same functions.

Exit codes: 0 done, 1 the run failed, 2 the call was wrong. What is wrong goes to standard error, with what was found
and what to do.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.errors import InputError, ToolkitError, visible

if TYPE_CHECKING:
    import polars as pl

    from toolkit.settings import Kind
    from toolkit.sources.read import Dataset

__all__ = ["cli", "main"]

_SIZES = ("tiny", "std", "large")
_OUT = click.Path(path_type=Path)
_REGISTRY = click.option(
    "--registry",
    type=click.Path(path_type=Path),
    help="Where known rings are kept; TOOLKIT_REGISTRY, or `registry` beside the cases, by default.",
)
_MAPPING = click.option(
    "--mapping", type=click.Path(path_type=Path), help="What your own tables mean (YAML); DATA/mapping.yaml otherwise."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="investigation-toolkit", prog_name="toolkit")
def cli() -> None:
    """From a few seed accounts to the ring, the timeline, the actions and a report anyone can re-run."""


@cli.command()
@click.option("--out", type=_OUT, default=Path("out/demo"), show_default=True, help="Where the report goes.")
def demo(out: Path) -> None:
    """Run a ring escalation on the bundled sample: report.html, in one command."""
    from toolkit.resources import bundled

    sample = bundled("data_samples") / "tiny"
    first = json.loads((sample / "escalations.jsonl").read_text(encoding="utf-8").splitlines()[0])
    _say(f"SYNTHETIC sample; escalation {first['case_id']} names {len(first['seed_accounts'])} accounts.")
    _report("ring_escalation", sample, out, {"case_id": first["case_id"], "seed_accounts": first["seed_accounts"]})


@cli.command()
@click.argument("name", default="tiny")
@click.option("--out", type=_OUT, required=True, help="Where the tables go.")
@click.option("--size", type=click.Choice(_SIZES), help="2, 20 or 1,000 thousand accounts; families: about 1 or 8.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another world.")
def sample(name: str, out: Path, size: str | None, seed: int) -> None:
    """Write a SYNTHETIC world.

    NAME is its size (tiny, std, large; with --size it is only a name), or a family of worlds of another structure:
    pools, chains, crews, adaptive, tinies, undeclared, blend, holdout.
    """
    from toolkit.errors import UnknownNameError
    from toolkit.sources.samples import FAMILIES, write_family, write_sample

    if name in FAMILIES:
        _say(f"Writing a SYNTHETIC world of the family {name}, size {size or 'std'}, seed {seed} ...")
        write_family(out, name, size or "std", seed)
    elif size is None and name not in _SIZES:
        raise UnknownNameError("sample", name, (*_SIZES, *FAMILIES))
    else:
        _say(f"Writing a SYNTHETIC world of size {size or name}, seed {seed} ...")
        write_sample(out, size or name, seed)
    _say(f"Wrote {visible(out)}; what is in it: README.md there.")


@cli.command()
@click.argument("data", type=click.Path(path_type=Path))
@_MAPPING
def check(data: Path, mapping: Path | None) -> None:
    """Print the ledger: what fits, what was set aside and why."""
    from toolkit.sources.ledger import describe_ledger

    click.echo(describe_ledger(_read(data, mapping)))


@cli.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=_OUT, required=True, help="Where the tables go.")
@_MAPPING
def link(data: Path, out: Path, mapping: Path | None) -> None:
    """Link all accounts: observations, links, members, clusters and hubs, as Parquet."""
    from toolkit.linking.network import build_network

    kinds, observations = _observe(data, mapping)
    _say(f"{observations.height:,} observations")
    network = build_network(observations, kinds=kinds, progress=_say)
    links, members, clusters, hubs = network.links, network.members, network.clusters, network.hubs
    for note in network.notes:
        _say(f"note: {note}")
    _write(out, observations=observations, links=links, members=members, clusters=clusters, hubs=hubs)
    linked = links.filter(links["level"] >= "L2").height
    if links.height and not linked:
        _say("not linked: no pair stands out against shuffled data at 1 % false discoveries, or two kinds never agree")
    _say(f"{links.height:,} pairs share something; {linked:,} are linked.")
    _say(f"{members.height:,} accounts in {clusters.height:,} clusters; {hubs.height:,} hubs explained.")


@cli.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--seed", "seeds", multiple=True, required=True, metavar="ID", help="A seed account; repeat for more.")
@click.option("--out", type=_OUT, required=True, help="Where the tables go.")
@_MAPPING
def expand(data: Path, seeds: tuple[str, ...], out: Path, mapping: Path | None) -> None:
    """Grow the set that the seeds belong to, with a reason for everyone in and out."""
    from toolkit.linking.expand import expand_from_seeds
    from toolkit.linking.hubs import link_with_hubs

    kinds, observations = _observe(data, mapping)
    found = expand_from_seeds(observations, seeds, kinds=kinds, progress=_say)
    near = found.get_column("account_id").to_list()
    links, hubs = link_with_hubs(observations, kinds=kinds, accounts=near)
    _write(out, expansion=found, links=links, hubs=hubs)
    present = found.filter(
        found["account_id"].is_in(list(seeds)) & ~found["reason"].str.starts_with("seed does not occur")
    )
    _say(f"{present.height} of {len(set(seeds))} seeds occur in these data.")
    belong = int(found["included"].sum())
    _say(f"{belong:,} accounts belong, seeds included; {found.height - belong:,} left out with reasons.")


@cli.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--account", "accounts", multiple=True, metavar="ID", help="An account; repeat for more. All by default.")
@click.option("--out", type=_OUT, required=True, help="Where the tables go.")
@_MAPPING
def timeline(data: Path, accounts: tuple[str, ...], out: Path, mapping: Path | None) -> None:
    """Put everything that happened in one order: timeline, sessions and quality notes."""
    from toolkit.timeline.build import build_timeline
    from toolkit.timeline.quality import find_quality_issues
    from toolkit.timeline.sessions import find_sessions

    dataset = _read(data, mapping)
    whole = dataset.events
    events = build_timeline(whole, accounts=list(accounts) or None)
    if accounts and events.is_empty():
        raise InputError(
            f"0 of {len(accounts)} accounts occur in {whole.height:,} events: check the ids, they are exact text"
        )
    key = "session_id" if "session_id" in events.columns else None
    told, sessions = find_sessions(events, session_key=key)
    quality = find_quality_issues(whole)
    _write(out, timeline=told, sessions=sessions, quality=quality)
    _say(f"{events.height:,} events, {sessions.height:,} sessions, {quality.height:,} quality notes.")
    if sessions.height:
        _say(f"Sessions: {sessions.get_column('how').mode().sort()[0]}.")


@cli.command()
@click.option("--templates", "folder", type=click.Path(path_type=Path), help="A folder of your own templates.")
def templates(folder: Path | None) -> None:
    """List the report templates with their parameters."""
    from toolkit.report.templates import find_templates

    for found in find_templates(folder).values():
        click.echo(f"{found.name}: {found.title}\n  {found.purpose}")
        for p in found.parameters:
            kind = ", ".join(p.choices) or p.type
            click.echo(f"  -p {p.name}={json.dumps(p.default)}  ({kind}) {p.help}")


@cli.command()
@click.argument("address")
@click.option("--out", type=_OUT, required=True, help="A new folder: a Parquet file per table.")
@_MAPPING
def pull(address: str, out: Path, mapping: Path | None) -> None:
    """Take the tables of a database, as they are at one moment, into files that every other command reads."""
    from toolkit.sources.snapshot import pull_tables

    folder = pull_tables(address, out, mapping)
    for path in sorted(folder.glob("*.parquet")):
        _say(f"{visible(path.name, 200)}: {path.stat().st_size:,} bytes")
    click.echo(str(folder))


@cli.command()
@click.option("--queries", "folder", type=click.Path(path_type=Path), help="A folder of your own .sql files.")
def queries(folder: Path | None) -> None:
    """List the queries of the library, with what they take and give."""
    from toolkit.sources.queries import find_queries

    for name, found in find_queries(folder).items():
        click.echo(f"{name}\n  {visible(found.about, 300)}")
        for parameter in found.parameters:
            default = "" if parameter.required else f" = {parameter.default!r}"
            click.echo(f"    -p {parameter.name}: {parameter.type}{default}  {visible(parameter.help, 200)}")
        click.echo(f"    gives {', '.join(f'{column.name}: {column.type}' for column in found.columns)}")


@cli.command()
@click.argument("name")
@click.option("--data", required=True, help="Parquet files, a .duckdb file, or postgresql://user@host/database.")
@click.option("-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="Repeat a name for a list.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a .parquet or .csv; printed, by default.")
@click.option("--queries", "folder", type=click.Path(path_type=Path), help="A folder of your own .sql files.")
def query(name: str, data: str, pairs: tuple[str, ...], out: Path | None, folder: Path | None) -> None:
    """Run a query of the library on files or a database."""
    from toolkit.report.exports import spreadsheet_safe, write_csv, write_parquet
    from toolkit.report.parameters import parse_assignments
    from toolkit.sources.queries import find_query, parse_values
    from toolkit.sources.sql import open_database

    if out is not None and out.suffix not in (".parquet", ".csv"):
        raise InputError(f"--out takes a .parquet or .csv file, found {visible(out.name)}")
    values = parse_values(find_query(name, folder), parse_assignments(pairs))
    found = open_database(data, queries=folder).run(name, **values)
    if out is None:
        for row in (found.columns, *spreadsheet_safe(found).rows()):
            click.echo("\t".join("" if cell is None else visible(cell, 200) for cell in row))
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        (write_csv if out.suffix == ".csv" else write_parquet)(found, out)
    _say(f"{found.height:,} rows")


@cli.command()
@click.argument("template", required=False)
@click.option("--data", type=click.Path(path_type=Path), help="A folder of tables, a file, or a DuckDB file.")
@click.option("--out", type=_OUT, help="The report folder.")
@click.option("-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="Repeat a name for a list.")
@click.option("--templates", "folder", type=click.Path(path_type=Path), help="A folder of your own templates.")
@click.option("--case", type=click.Path(path_type=Path), help="A case folder: its next run, in place of all of these.")
@click.option("--repin", is_flag=True, help="With --case: take inputs that were changed as they are now.")
@click.option("--pdf", is_flag=True, help="Print the page into report.pdf too, with Chromium.")
@click.option("--timeout", type=int, default=600, show_default=True, metavar="S", help="Seconds a cell may take.")
@_MAPPING
def report(
    template: str | None,
    data: Path | None,
    out: Path | None,
    pairs: tuple[str, ...],
    folder: Path | None,
    mapping: Path | None,
    case: Path | None,
    repin: bool,
    pdf: bool,
    timeout: int,
) -> None:
    """Run a template on your data: report.html, its tables and its manifest."""
    from toolkit.report.parameters import parse_assignments

    if case is not None:
        if template or data or out or pairs or folder or mapping:
            raise click.UsageError("a case has its template, data and parameters already: give --case alone")
        from toolkit.report.cases import open_case_folder, run_case

        opened, shown = open_case_folder(case), sys.stderr.isatty()
        _tell(run_case(opened, repin=repin, cell_timeout_s=timeout, progress=shown), pdf=pdf)
        return
    if repin:
        raise click.UsageError("--repin belongs to --case")
    given = {"TEMPLATE": template, "--data": data, "--out": out}
    if missing := [name for name, value in given.items() if value is None]:
        raise click.UsageError(f"missing {', '.join(missing)}; or --case for a case that is open")
    assert template is not None and data is not None and out is not None  # noqa: S101, PT018 - just looked at
    _report(template, data, out, parse_assignments(pairs), mapping=mapping, folder=folder, pdf=pdf, timeout=timeout)


@cli.command()
@click.argument("case_id")
@click.option("--template", required=True, help="Which; see `toolkit templates`.")
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="A folder of tables, a file, or a DuckDB file."
)
@click.option("--seed", "seeds", multiple=True, metavar="ID", help="A seed account; repeat for more.")
@click.option("-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="Repeat a name for a list.")
@click.option("--templates", "folder", type=click.Path(path_type=Path), help="A folder of your own templates.")
@click.option("--into", type=_OUT, default=Path(), help="The folder of cases; here, by default.")
@_MAPPING
def new(
    case_id: str,
    template: str,
    data: Path,
    seeds: tuple[str, ...],
    pairs: tuple[str, ...],
    folder: Path | None,
    into: Path,
    mapping: Path | None,
) -> None:
    """Open a case: a folder with its notebook, its inputs pinned by hash."""
    from toolkit.report.cases import new_case
    from toolkit.report.parameters import parse_assignments

    case = new_case(
        case_id, template, data=data, seeds=seeds, parameters=parse_assignments(pairs), mapping=mapping,
        templates=folder, into=into,
    )  # fmt: skip
    where = visible(case.path.name, 200)
    _say(f"{len(case.inputs):,} input files pinned. `toolkit lab {where}` opens the notebook; ")
    _say(f"`toolkit report --case {where}` runs it into {where}/runs.")
    click.echo(str(case.path))


@cli.command()
@click.argument("case", type=click.Path(path_type=Path))
def lab(case: Path) -> None:
    """Open a case in JupyterLab."""
    from importlib.util import find_spec

    from toolkit.report.cases import open_case_folder

    opened = open_case_folder(case)
    if find_spec("jupyterlab") is None:
        raise InputError("JupyterLab is not installed: pip install 'investigation-toolkit[lab]'")
    _say(f"JupyterLab on {visible(opened.notebook.name)}; Ctrl+C ends it.")
    command = [sys.executable, "-m", "jupyterlab", opened.notebook.name]
    os.chdir(opened.path)
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, no shell


@cli.command()
@click.argument("case", type=click.Path(path_type=Path))
@click.argument("about", metavar="FINDING|ACCOUNT")
@click.option("--verdict", required=True, help="confirmed, disputed or unsure.")
@click.option("--who", required=True, help="Who reviews; not the analyst of the run.")
@click.option("--note", default="", help="Why.")
@click.option("--run", default="", help="Which run was read; the last, by default.")
def review(case: Path, about: str, verdict: str, who: str, note: str, run: str) -> None:
    """Confirm or dispute a finding, or the step proposed for an account; the next run names the reviewer."""
    from toolkit.report.by_hand import review_case
    from toolkit.report.cases import choose_run, open_case_folder

    read = choose_run(open_case_folder(case), run)
    said = review_case(case, read, about, verdict, reviewer=who, note=note)
    click.echo(f"{said.verdict}: {visible(about, 200)}, as run {said.run} has it: {visible(said.said, 300)}")


@cli.command()
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--ring", default="", metavar="NAME", help="What the ring is called; the case's id, by default.")
@click.option("--label", default="", help="What it was, in words.")
@click.option("--who", default="", help="Who closes it; the case's analyst, by default.")
@_REGISTRY
def close(case: Path, ring: str, label: str, who: str, registry: Path | None) -> None:
    """Close a case: its ring joins those that every later case is compared with."""
    from toolkit.report.cases import open_case_folder
    from toolkit.report.closing import close_case

    entry = close_case(open_case_folder(case), ring_id=ring, label=label, who=who, registry=registry or "")
    told = entry["about"]
    click.echo(f"{visible(told['ring_id'], 200)}: {told['accounts']:,} accounts, entry {told['entry']} of the registry")
    if not told["hidden"]:
        _say("Cards and keys were left out: with TOOLKIT_REGISTRY_KEY=FILE they are kept, hidden under that key.")


@cli.command()
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--why", required=True, help="What the next reader of the registry sees.")
@click.option("--who", default="", help="Who reopens it; the case's analyst, by default.")
@_REGISTRY
def reopen(case: Path, why: str, who: str, registry: Path | None) -> None:
    """Take a closing back: its ring is no longer compared with."""
    from toolkit.report.cases import open_case_folder
    from toolkit.report.closing import reopen_case

    entry = reopen_case(open_case_folder(case), why=why, who=who, registry=registry or "")
    click.echo(f"{visible(entry['about']['ring_id'], 200)} is no longer among the known rings")


@cli.command()
@click.argument("registry", type=click.Path(path_type=Path), default=Path("registry"))
def rings(registry: Path) -> None:
    """List what a registry says: rings closed, replaced and taken back."""
    from toolkit.linking.registry import list_rings

    for row in list_rings(registry).iter_rows(named=True):
        said = f"{row['entry']:>4}  {row['marked_at']:%Y-%m-%d}  {row['state']:<8}{visible(row['ring_id'], 40)}"
        about = row["why"] or row["label"]
        click.echo(f"{said}  {row['members']:,} accounts, case {visible(row['case_id'], 64)}  {visible(about, 200)}")


@cli.command()
@click.argument("escalations", type=click.Path(path_type=Path))
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="A folder of tables, a file, or a DuckDB file."
)
@click.option("--out", type=_OUT, required=True, help="The folder of the cases; one that is there is taken up again.")
@click.option("--template", default="ring_escalation", show_default=True, help="Which is run for each.")
@click.option("-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="For all; repeat for a list.")
@click.option("--templates", "folder", type=click.Path(path_type=Path), help="A folder of your own templates.")
@click.option("--jobs", type=int, default=2, show_default=True, help="Runs at once, at most.")
@click.option(
    "--memory", type=float, default=0.0, metavar="GB", help="For all runs together; 0: four fifths of what is free."
)
@click.option("--timeout", type=int, default=600, show_default=True, metavar="S", help="Seconds a cell may take.")
@_MAPPING
def batch(
    escalations: Path,
    data: Path,
    out: Path,
    template: str,
    pairs: tuple[str, ...],
    folder: Path | None,
    jobs: int,
    memory: float,
    timeout: int,
    mapping: Path | None,
) -> None:
    """Make a report of every escalation, the most urgent first; exit code 1 if one has none."""
    from toolkit.report.batch import run_batch
    from toolkit.report.parameters import parse_assignments
    from toolkit.views.words import count_of

    told = run_batch(
        escalations, data=data, out=out, template=template, parameters=parse_assignments(pairs), mapping=mapping,
        templates=folder, jobs=jobs, memory_gb=memory, cell_timeout_s=timeout, progress=sys.stderr.isatty(),
    )  # fmt: skip
    states = Counter(outcome.status for outcome in told)
    _say(f"{count_of(len(told), 'escalation')}: {', '.join(f'{n:,} {state}' for state, n in sorted(states.items()))}.")
    for outcome in [o for o in told if o.status == "failed"][:20]:
        _say(f"  {outcome.case_id}: {visible(outcome.why, 300)}")
    click.echo(str(out / "index.html"))
    if states["failed"] or states["waiting"]:
        raise click.exceptions.Exit(1)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--data", type=click.Path(path_type=Path), help="What a report was made from: its inputs are checked too."
)
@_REGISTRY
@_MAPPING
def verify(folder: Path, data: Path | None, registry: Path | None, mapping: Path | None) -> None:
    """Check a report, or a case with all its runs, against its fingerprints; exit 1 names what changed."""
    from toolkit.errors import RunError
    from toolkit.report.cases import SETTINGS_FILE, verify_case
    from toolkit.report.log import LOG_FILE
    from toolkit.report.verify import verify_report

    is_case = any((folder / name).exists() for name in (SETTINGS_FILE, LOG_FILE))
    faults = (
        verify_case(folder, registry=registry)
        if is_case
        else verify_report(folder, data, mapping=mapping, registry=registry)
    )
    for part, name, fault in faults.rows():
        click.echo(f"{part} {visible(name, 200)}: {fault}")
    if faults.height:
        raise RunError(f"{faults.height:,} of its parts are not as they were written")
    unchecked = "" if is_case or data is not None else " The inputs were not looked at: give --data."
    click.echo(f"Everything is as it was written.{unchecked}")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--audience", required=True, help="policy, legal, peer or public.")
@click.option("--out", type=_OUT, required=True, help="Where the copy goes.")
@click.option("--key", type=click.Path(path_type=Path), help="The key for pseudonyms: one for each partner.")
@click.option("--new-key", is_flag=True, help="Make the key if there is none.")
@click.option("--tlp", default="", help="Lower the traffic-light word of the copy, if that is yours to decide.")
def share(folder: Path, audience: str, out: Path, key: Path | None, new_key: bool, tlp: str) -> None:
    """Make a copy of a report for a reader outside the team."""
    from toolkit.report.audience import share_report
    from toolkit.report.pseudonyms import read_key

    secret = read_key(key, make=new_key) if key is not None else None
    click.echo(str(share_report(folder, audience, out, key=secret, tlp=tlp) / "report.html"))


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def lint(folder: Path) -> None:
    """Say what a report must not: likelihood with confidence, figures from nowhere, personal data, live addresses."""
    from toolkit.report.lint import lint_report

    found = lint_report(folder)
    for rule, where, text in found.iter_rows():
        _say(f"{rule}: {visible(where, 80)}: {text}")
    click.echo(f"{found.height:,} faults" if found.height else "nothing to mend")
    if found.height:
        raise click.exceptions.Exit(1)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="What the report was made from; a case knows it.")
@click.option("--templates", type=click.Path(path_type=Path), help="A folder of your own templates.")
@_REGISTRY
@_MAPPING
def rerun(folder: Path, data: Path | None, templates: Path | None, registry: Path | None, mapping: Path | None) -> None:
    """Run a report, or the last run of a case, again; exit 1 shows what came out differently."""
    from toolkit.errors import RunError
    from toolkit.report.cases import SETTINGS_FILE, choose_run, open_case_folder
    from toolkit.report.registries import find_registry
    from toolkit.report.rerun import rerun_report

    if (folder / SETTINGS_FILE).exists():
        case = open_case_folder(folder)
        folder, data, mapping, templates = choose_run(case), case.data, case.mapping, case.templates
        registry = find_registry(case.path, registry or "")
    if data is None:
        raise click.UsageError("a report does not say where its data lie: give --data")
    found = rerun_report(
        folder, data=data, mapping=mapping, templates=templates, registry=registry, progress=sys.stderr.isatty()
    )
    click.echo(found.text)
    if not found.same_files:
        raise RunError("the findings are the same, files differ" if found.same else "it came out differently")


@cli.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--out", type=_OUT, help="Where the tables and comparison.md go; only told, by default.")
def compare(before: Path, after: Path, out: Path | None) -> None:
    """Set two reports side by side: accounts in and out, proposals, findings new and gone."""
    from toolkit.report.compare import compare_reports

    found = compare_reports(before, after)
    click.echo(found.text)
    if out is not None:
        from toolkit.report.exports import write_tables

        write_tables({"accounts": found.accounts, "findings": found.findings, "about": found.about}, out, csv=True)
        (out / "comparison.md").write_text(found.text, encoding="utf-8")


def _report(
    template: str,
    data: Path,
    out: Path,
    parameters: dict[str, Any],
    mapping: Path | None = None,
    folder: Path | None = None,
    *,
    pdf: bool = False,
    timeout: int = 600,
) -> None:
    from toolkit.report.run import run_report

    where = run_report(
        template,
        data=data,
        out=out,
        parameters=parameters,
        mapping=mapping,
        templates=folder,
        cell_timeout_s=timeout,
        progress=sys.stderr.isatty(),
    )
    _tell(where, pdf=pdf)


def _tell(where: Path, *, pdf: bool = False) -> None:
    """Say what a report found, and where it lies; print it where that is wanted."""
    if pdf:
        from toolkit.report.pdf import print_pdf

        _say(f"wrote {visible(print_pdf(where), 200)}")
    case = json.loads((where / "case.json").read_text(encoding="utf-8"))["case"]
    _say(visible(case["bottom_line"], 1_000))
    click.echo(str(where / "report.html"))


def _read(data: Path, mapping: Path | None, *, whole: bool = True) -> Dataset:
    from toolkit.sources.read import read_data

    dataset = read_data(data, mapping, whole=whole, progress=_say)
    for note in dataset.notes:
        _say(note)
    return dataset


def _observe(data: Path, mapping: Path | None) -> tuple[dict[str, Kind], pl.DataFrame]:
    """The kinds of the data and what they observe; the tables themselves are let go of."""
    from toolkit.linking.observations import find_observations

    dataset = _read(data, mapping, whole=False)
    return dataset.kinds, find_observations(dataset)


def _write(out: Path, **tables: pl.DataFrame) -> None:
    from toolkit.report.exports import write_tables

    for path in write_tables(tables, out):
        _say(f"wrote {visible(path, 200)}")


def _say(text: str) -> None:
    click.echo(text, err=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; no traceback unless ``TOOLKIT_DEBUG`` is set."""
    sys.exit(_guard(lambda: cli.main(args=arguments, prog_name="toolkit", standalone_mode=False)))


def _guard(command: Callable[[], Any]) -> int:
    """Turn every way to fail into a message and a code."""
    try:
        command()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        _say("Stopped.")
        return 1
    except click.ClickException as wrong:
        wrong.show()
        return 2
    except ToolkitError as error:
        _say(f"Error: {error}")
        return error.exit_code
    except OSError as error:
        _say(f"Error: {visible(error, 300)}: check that the path exists, may be written and has space")
        return 1
    except Exception as error:
        if os.environ.get("TOOLKIT_DEBUG"):
            raise
        _say(f"Error: a fault in the toolkit, not in your call: {type(error).__name__}: {visible(error, 300)}")
        _say("Set TOOLKIT_DEBUG=1 to see where; please report it.")
        return 1
    return 0
