"""The tables of `python/test_interop.py` through Spark with Delta Lake, and written by it, too."""

import os
import pathlib
import shutil
import sys

import bson
import pytest
from pyspark.sql import SparkSession

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "python"))
from tables import COLUMNS, ROWS, TABLES, check  # noqa: E402


@pytest.fixture(scope="module", name="spark")
def fixture_spark(tmp_path_factory):
    """A local session with the Delta jars that the runner fetched."""
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.jars", os.environ["PORTOLAN_SPARK_JARS"])
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


def rows(spark, path):
    """Rows through Spark."""
    return [row.asDict() for row in spark.read.format("delta").load(str(path)).select(*COLUMNS).collect()]


@pytest.mark.parametrize("state", ROWS)
def test_spark(spark, state):
    """Equal content."""
    check(rows(spark, TABLES / state), state)


@pytest.mark.parametrize("state", ROWS)
def test_pruning_by_month(spark, state):
    """A predicate on the partition finds the February of the documents."""
    path = str(TABLES / state)
    found = spark.read.format("delta").load(path).where("month = '2024-02'").select("_doc").collect()
    dates = [bson.decode(bytes(row["_doc"]))["at"] for row in found]
    everything = [bson.decode(bytes(row["_doc"]))["at"] for row in rows(spark, path)]
    assert len(dates) == sum(date.month == 2 for date in everything) > 0
    assert all(date.month == 2 for date in dates)


def test_what_spark_compacts_is_the_same(spark, tmp_path):
    """Another engine may compact a copy: no row changes."""
    copy = tmp_path / "copy"
    shutil.copytree(TABLES / "appended", copy)
    spark.sql(f"OPTIMIZE delta.`{copy}`")
    check(rows(spark, copy), "appended")
