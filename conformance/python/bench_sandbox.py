"""Rates of one MongoDB-compatible server: bulk inserts, single inserts, reads by index, ranges, updates.

    python bench_sandbox.py CONNECTION_STRING DOCUMENTS

Prints one JSON object with operations (or documents) per second. One client, one connection, no
concurrency: what is compared is the cost of an operation, not how many run at once.
"""

import datetime
import json
import random
import sys
import time

from pymongo import ASCENDING, MongoClient
from pymongo.errors import OperationFailure

SECONDS_MAX = 15
BATCH = 1_000
WIDTH = 20


def document(number):
    """About the size of a flight: 24 fields' worth of numbers, strings and a date, some 500 bytes."""
    return {
        "_id": number,
        "k": (number * 7919) % 1_000_003,
        "year": 2013,
        "month": number % 12 + 1,
        "day": number % 28 + 1,
        "dep_time": 517.0,
        "sched_dep_time": 515,
        "dep_delay": 2.0,
        "arr_time": 830.0,
        "sched_arr_time": 819,
        "arr_delay": 11.0,
        "carrier": "UA",
        "flight": 1545,
        "tailnum": f"N{number % 4000:05}",
        "origin": "EWR",
        "dest": "IAH",
        "air_time": 227.0,
        "distance": 1400,
        "hour": 5,
        "minute": 15,
        "time_hour": datetime.datetime(2013, 1, 1, tzinfo=datetime.UTC),
        "n": 0,
    }


def rate(operation, count_max, per_call=1):
    """Calls with 0, 1, 2 … until so many calls or seconds are over; calls per second."""
    start = time.perf_counter()
    calls = 0
    while calls < count_max and time.perf_counter() - start < SECONDS_MAX:
        operation(calls)
        calls += 1
    return calls * per_call / (time.perf_counter() - start)


def main():
    """Fills one collection and works on it."""
    uri, count = sys.argv[1], int(sys.argv[2])
    dice = random.Random(7)
    with MongoClient(uri) as client:
        client.drop_database("bench")
        items = client.bench.items
        items.create_index([("k", ASCENDING)])
        documents = [document(number) for number in range(count)]
        batches = [documents[at : at + BATCH] for at in range(0, count, BATCH)]
        rates = {"bulk insert": rate(lambda call: items.insert_many(batches[call]), len(batches), BATCH)}
        stored = items.count_documents({}) if len(batches) else 0
        keys = [(number * 7919) % 1_000_003 for number in range(stored)]
        rates["single insert"] = rate(lambda call: items.insert_one(document(count + call)), 500)

        def point_by_id(_call):
            assert items.find_one({"_id": dice.randrange(stored)})

        def point_by_index(_call):
            assert items.find_one({"k": dice.choice(keys)})

        def range_by_index(_call):
            low = dice.choice(keys)
            assert list(items.find({"k": {"$gte": low}}).sort("k", 1).limit(WIDTH))

        def update_by_id(_call):
            assert items.update_one({"_id": dice.randrange(stored)}, {"$set": {"n": 1}}).matched_count

        def update_by_index(_call):
            assert items.update_one({"k": dice.choice(keys)}, {"$set": {"n": 2}}).matched_count

        rates["point read by _id"] = rate(point_by_id, 2_000)
        rates["point read by index"] = rate(point_by_index, 2_000)
        rates["range read by index, 20 documents"] = rate(range_by_index, 1_000)
        rates["update by _id"] = rate(update_by_id, 500)
        rates["update by index"] = rate(update_by_index, 500)
        try:
            size = client.bench.command("collStats", "items")["size"]
        except (OperationFailure, KeyError):
            size = None
    print(json.dumps({"documents": stored, "bytes": size, "rates": rates}))


main()
