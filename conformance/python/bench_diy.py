"""What one would write by hand: pymongo to pyarrow to a zstd Parquet file. No verification, no deletes.

    python bench_diy.py CONNECTION_STRING TARGET_FILE

Prints one JSON object: documents, bytes of BSON, seconds.
"""

import json
import sys
import time

import bson
import pyarrow
import pyarrow.parquet
from pymongo import MongoClient


def main():
    """Copies sample_flights.flights."""
    uri, target = sys.argv[1:]
    with MongoClient(uri) as client:
        flights = client.sample_flights.flights
        start = time.perf_counter()
        documents = list(flights.find())
        for document in documents:
            document["_id"] = str(document["_id"])
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(documents), target, compression="zstd")
        seconds = time.perf_counter() - start
    size = sum(len(bson.encode(document)) for document in documents)
    print(json.dumps({"documents": len(documents), "bytes": size, "seconds": seconds}))


main()
