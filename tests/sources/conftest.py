"""A PostgreSQL server of the tests' own: in a private folder, on a socket, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest


@dataclass
class Server:
    """A running server."""

    address: str

    def run(self, text: str) -> None:
        """Run a statement that changes something."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.address, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(text)

    def load(self, table: str, frame: pl.DataFrame) -> None:
        """Put a frame into a table of that name."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.address, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f'drop table if exists "{table}"')
            cursor.adbc_ingest(table, frame.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="create")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Debian's PostgreSQL (``make test`` installs it); as root it runs as the user postgres, for it refuses root."""
    found = [shutil.which("initdb"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), reverse=True)]
    programs = [Path(name).resolve().parent for name in found if name]
    if not programs:
        pytest.fail("these tests need PostgreSQL: sudo apt-get install postgresql")
    user = "postgres" if os.getuid() == 0 else None
    place = Path(tempfile.mkdtemp(prefix="tk-pg-"))
    try:
        if user:
            shutil.chown(place, "postgres")
        options = f"-k {place} -c listen_addresses= -c fsync=off"

        def call(program: str, *words: str | Path) -> None:
            command = [programs[0] / program, "-D", place / "data", *words]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", user=user)

        call("initdb", "-A", "trust", "-U", "tk", "--locale=C.UTF-8")
        call("pg_ctl", "-w", "-l", place / "log", "-o", options, "start")
        yield Server(f"postgresql:///postgres?host={place}&user=tk")
        call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def database(postgres: Server) -> Server:
    """A database of the server that holds nothing yet."""
    name = f"of_{uuid4().hex}"
    postgres.run(f"create database {name}")
    return Server(postgres.address.replace("/postgres?", f"/{name}?"))
