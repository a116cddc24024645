"""What the tables of `crates/lake/tests/tables.rs` must hold, for every engine that reads them."""

import json
import os
import pathlib

import bson

TABLES = pathlib.Path(os.environ.get("PORTOLAN_TABLES", "."))
ROWS = {"appended": 360, "compacted": 360, "expired": 114, "redacted": 359, "checkpointed": 360}
COLUMNS = ["_doc", "_id", "_seq", "_batch", "month", "p_at", "p_customer_id"]


def expected(state):
    """What the lake says that the table holds: (bytes, move, batch), sorted."""
    lines = (TABLES / f"{state}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return sorted((bytes.fromhex(row["doc"]), row["seq"], row["batch"]) for row in rows)


def check(rows, state):
    """Equal content, and readable columns that agree with the documents."""
    found = sorted((bytes(row["_doc"]), row["_seq"], row["_batch"]) for row in rows)
    assert found == expected(state)
    assert len(rows) == ROWS[state]
    for row in rows:
        document = bson.decode(bytes(row["_doc"]))
        assert row["_id"] == str(document["_id"])
        assert row["month"] == document["at"].strftime("%Y-%m")
        assert row["p_customer_id"] == document["customer"]["id"]
    assert len({row["_id"] for row in rows}) == len(rows)
    assert state != "redacted" or "300" not in {row["_id"] for row in rows}
