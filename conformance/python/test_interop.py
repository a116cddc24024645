"""Tables through other engines, after each kind of change: what they read is what the lake holds."""

import json
import pathlib

import bson
import duckdb
import duckdb_extension_delta
import pytest
from deltalake import DeltaTable

from tables import COLUMNS, ROWS, TABLES, check


def by_deltalake(uri, month=None):
    """Rows through delta-rs."""
    filters = [("month", "=", month)] if month else None
    return DeltaTable(uri).to_pyarrow_table(columns=COLUMNS, filters=filters).to_pylist()


@pytest.fixture(scope="module", name="connection")
def fixture_connection():
    """DuckDB with its Delta extension, which comes from a package and not from the network."""
    folder = pathlib.Path(duckdb_extension_delta.__file__).parent
    (extension,) = folder.glob("extensions/v*/delta.duckdb_extension")
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    yield connection
    connection.close()


def by_duckdb(connection, uri, month=None):
    """Rows through DuckDB's reader, which is the Delta kernel."""
    where = f"WHERE month = '{month}'" if month else ""
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    # The package has no time zones for Python: dates come as numbers.
    columns = columns.replace('"p_at"', 'epoch_ms("p_at") AS p_at')
    result = connection.execute(f"SELECT {columns} FROM delta_scan('{uri}') {where}")
    names = [column[0] for column in result.description]
    return [dict(zip(names, row)) for row in result.fetchall()]


@pytest.mark.parametrize("state", ROWS)
def test_deltalake(state):
    """delta-rs for Python."""
    rows = by_deltalake(f"file://{TABLES / state}")
    check(rows, state)
    assert all(row["p_at"].replace(tzinfo=None) == bson.decode(row["_doc"])["at"] for row in rows)


@pytest.mark.parametrize("state", ROWS)
def test_duckdb(connection, state):
    """DuckDB."""
    rows = by_duckdb(connection, f"file://{TABLES / state}")
    check(rows, state)
    zero = bson.datetime_ms.DatetimeMS
    assert all(row["p_at"] == int(zero(bson.decode(row["_doc"])["at"])) for row in rows)


@pytest.mark.parametrize("state", ROWS)
def test_pruning_by_month_agrees(connection, state):
    """Both engines find the same February."""
    uri = f"file://{TABLES / state}"
    february = sorted(row["_doc"] for row in by_deltalake(uri, "2024-02"))
    assert february and february == sorted(row["_doc"] for row in by_duckdb(connection, uri, "2024-02"))


def test_a_compaction_changes_no_data():
    """Readers of changes see none; the history says which commits were which."""
    table = DeltaTable(f"file://{TABLES / 'compacted'}")
    newest = table.history(1)[0]
    assert newest["operation"] == "OPTIMIZE" and newest["portolanKind"] == "compact"
    log = TABLES / "compacted/_delta_log" / f"{table.version():020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    files = [action[kind] for action in actions for kind in ("add", "remove") if kind in action]
    assert len(files) == 7 and not any(file["dataChange"] for file in files)


def test_nothing_of_a_redacted_document_is_left():
    """No object but those of the newest version, and no entry of the log before it."""
    table = DeltaTable(f"file://{TABLES / 'redacted'}")
    named = {uri.rsplit("/", 1)[1] for uri in table.file_uris()}
    stored = {path.name for path in (TABLES / "redacted").glob("**/part-*")}
    assert stored == named
    entries = sorted(path.name for path in (TABLES / "redacted/_delta_log").glob("*.json"))
    assert entries == [f"{table.version():020}.json"]
