"""The two endpoints through an ordinary driver."""

import datetime
import time

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, errors


@pytest.fixture(scope="module", name="flights")
def fixture_flights(clients):
    """The flights through each endpoint."""
    return {name: client.sample_flights.flights for name, client in clients.items()}


def raw(collection):
    """The same collection, returning raw documents."""
    options = bson.CodecOptions(document_class=RawBSONDocument)
    return collection.with_options(codec_options=options)


def test_every_document_is_in_exactly_one_place(flights, loaded, summary):
    """Cluster and archive split the loaded documents; nothing is in both or neither."""
    live = {d["_id"]: d.raw for d in raw(flights["cluster"]).find()}
    cold = {d["_id"]: d.raw for d in raw(flights["archive"]).find()}
    assert not live.keys() & cold.keys()
    assert live | cold == loaded
    assert len(cold) == summary["run"]["documents"]


def test_the_union_is_what_was_loaded_byte_for_byte(flights, loaded):
    """Cluster and archive read as one collection, without doubles."""
    seen = [d.raw for d in raw(flights["clusterAndArchive"]).find()]
    assert len(seen) == len(loaded)
    assert {bson.decode(d)["_id"]: d for d in seen} == loaded


def test_counts(flights, loaded):
    """count, countDocuments and distinct agree with the documents."""
    union = flights["clusterAndArchive"]
    documents = [bson.decode(d) for d in loaded.values()]
    assert union.count_documents({}) == len(documents)
    assert union.estimated_document_count() == len(documents)
    of_ua = sum(d["carrier"] == "UA" for d in documents)
    assert union.count_documents({"carrier": "UA"}) == of_ua
    assert sorted(union.distinct("origin")) == sorted({d["origin"] for d in documents})


def test_find_options(flights, loaded):
    """Filter, sort, projection, skip, limit and small batches over the union."""
    start, end = (datetime.datetime(2013, month, 15) for month in (9, 10))
    documents = [bson.decode(d) for d in loaded.values()]
    wanted = [d for d in documents if start <= d["time_hour"] < end and d["origin"] == "JFK"]
    wanted.sort(key=lambda d: (d["time_hour"], d["_id"]))
    found = list(
        flights["clusterAndArchive"]
        .find({"time_hour": {"$gte": start, "$lt": end}, "origin": "JFK"}, {"carrier": 1})
        .sort([("time_hour", 1), ("_id", 1)])
        .skip(7)
        .limit(50)
        .batch_size(11)
    )
    assert found == [{"_id": d["_id"], "carrier": d["carrier"]} for d in wanted[7:57]]


def test_aggregate(flights, loaded):
    """A group over the union equals the same group over what was loaded."""
    expected = {}
    for document in map(bson.decode, loaded.values()):
        entry = expected.setdefault(document["carrier"], [0, 0])
        entry[0] += 1
        entry[1] += document["distance"]
    pipeline = [
        {"$match": {"distance": {"$gt": 0}}},
        {"$group": {"_id": "$carrier", "n": {"$sum": 1}, "miles": {"$sum": "$distance"}}},
        {"$sort": {"n": -1, "_id": 1}},
    ]
    found = list(flights["clusterAndArchive"].aggregate(pipeline))
    assert {d["_id"]: [d["n"], d["miles"]] for d in found} == expected
    assert [d["n"] for d in found] == sorted((d["n"] for d in found), reverse=True)


def test_nulls_and_dates_are_kept(flights):
    """A cancelled flight has nulls, not missing fields, and BSON dates."""
    cancelled = flights["archive"].find_one({"dep_time": None})
    assert cancelled["dep_time"] is None and cancelled["air_time"] is None
    assert isinstance(cancelled["time_hour"], datetime.datetime)


def test_explain_shows_pruning(clients):
    """A month's query reads fewer files than there are."""
    command = {"find": "flights", "filter": {"time_hour": {"$lt": datetime.datetime(2013, 2, 1)}}}
    plan = clients["archive"].sample_flights.command("explain", command)
    assert plan["ok"] == 1.0
    text = str(plan)
    assert "queryPlanner" in plan or "plan" in plan, text


def test_names(clients):
    """Databases and collections are listed."""
    for name in ("archive", "clusterAndArchive"):
        assert "sample_flights" in clients[name].list_database_names()
        assert "flights" in clients[name].sample_flights.list_collection_names()


@pytest.mark.parametrize("name", ["archive", "clusterAndArchive"])
def test_writes_are_refused_by_name(flights, name):
    """The endpoints are read-only and say so."""
    with pytest.raises(errors.OperationFailure) as refusal:
        flights[name].insert_one({"_id": 1})
    assert "insert" in str(refusal.value)


def test_unsupported_stages_are_refused_by_name(flights):
    """What is not supported is never answered wrongly."""
    with pytest.raises(errors.OperationFailure) as refusal:
        list(flights["archive"].aggregate([{"$geoNear": {"near": [0, 0], "distanceField": "d"}}]))
    assert "$geoNear" in str(refusal.value)


def test_wrong_passwords_are_refused(summary):
    """SCRAM says no."""
    uri = summary["connectionStrings"]["archive"]
    scheme, rest = uri.split("://")
    user, host = rest.split("@")
    wrong = f"{scheme}://{user.split(':')[0]}:wrong@{host}"
    with MongoClient(wrong) as client, pytest.raises(errors.OperationFailure) as refusal:
        client.sample_flights.command("count", "flights")
    assert refusal.value.code == 18


def test_a_deleted_user_loses_an_open_connection(api, summary):
    """Deleting a database user reaches connections that it has opened."""
    users = f"/api/atlas/v2/groups/{summary['groupId']}/databaseUsers"
    body = {
        "databaseName": "admin",
        "username": "leaver",
        "password": "leaver123",
        "roles": [{"databaseName": "admin", "roleName": "readAnyDatabase"}],
    }
    assert api.call("POST", users, body)[0] == 201
    host = summary["connectionStrings"]["cluster"].split("@")[1]
    with MongoClient(f"mongodb://leaver:leaver123@{host}") as client:
        assert client.sample_flights.flights.find_one() is not None
        with pytest.raises(errors.OperationFailure):
            client.sample_flights.flights.insert_one({"_id": "not allowed"})
        assert api.call("DELETE", users + "/admin/leaver")[0] == 204
        time.sleep(2.5)
        with pytest.raises(errors.OperationFailure):
            client.sample_flights.flights.find_one()


def test_writes_to_the_cluster(clients):
    """The sandbox cluster is an ordinary cluster."""
    things = clients["cluster"].conformance.things
    things.drop()
    things.insert_many([{"_id": n, "n": n} for n in range(10)])
    with pytest.raises(errors.DuplicateKeyError):
        things.insert_one({"_id": 1})
    assert things.update_many({"n": {"$lt": 5}}, {"$inc": {"n": 100}}).modified_count == 5
    assert things.delete_one({"_id": 9}).deleted_count == 1
    things.create_index("n")
    assert [d["_id"] for d in things.find({"n": {"$gte": 100}}).sort("n")] == [0, 1, 2, 3, 4]
    things.drop()
