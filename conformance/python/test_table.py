"""The archive's table through another engine: the Delta Lake reader of delta-rs for Python."""

import bson
from deltalake import DeltaTable


def test_the_table_holds_the_loaded_bytes(summary, loaded):
    """`_doc` decodes back to what was loaded, byte for byte, and the readable columns agree."""
    table = DeltaTable(summary["storage"])
    rows = table.to_pyarrow_table(columns=["_doc", "_id", "p_time_hour", "p_carrier", "p_origin", "month"])
    assert rows.num_rows == summary["run"]["documents"]
    assert len(table.file_uris()) == summary["run"]["files"]
    seen = set()
    for row in rows.to_pylist():
        document = bson.decode(row["_doc"])
        assert row["_doc"] == loaded[document["_id"]]
        assert row["p_carrier"] == document["carrier"] and row["p_origin"] == document["origin"]
        assert row["p_time_hour"].replace(tzinfo=None) == document["time_hour"]
        assert row["month"] == document["time_hour"].strftime("%Y-%m")
        seen.add(document["_id"])
    assert len(seen) == rows.num_rows


def test_partitions_are_months(summary):
    """Only the month is a partition value."""
    table = DeltaTable(summary["storage"])
    assert table.metadata().partition_columns == ["month"]
