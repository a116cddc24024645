"""What tools send: mongosh when it starts, Compass when it opens a collection, mongodump and
mongorestore. The commands are those that MongoDB's tools were seen to send; answers are read as they do."""

import os

import bson
import pymongo
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure


@pytest.fixture
def client():
    address = f"mongodb://{os.environ['DB_IP']}:{os.environ['DB_PORT']}/"
    with MongoClient(address, directConnection=True) as client:
        client.drop_database("tools")
        yield client
        client.drop_database("tools")


def fill(db):
    db.create_collection("log", capped=True, size=8192, max=5)
    db.log.insert_many([{"_id": n} for n in range(8)])
    rules = {"$jsonSchema": {"required": ["n"], "properties": {"n": {"bsonType": "int"}}}}
    db.create_collection("items", validator=rules, validationLevel="moderate")
    db.items.insert_many([{"_id": n, "n": n, "s": f"Item {n}"} for n in range(50)])
    db.items.create_index("s", collation={"locale": "en", "strength": 2}, name="by_s")
    db.items.create_index([("n", pymongo.DESCENDING)], unique=True, sparse=True)
    db.create_collection("few", viewOn="items", pipeline=[{"$match": {"n": {"$lt": 3}}}])


def test_mongosh_starts(client):
    admin = client.admin
    assert admin.command("buildInfo")["versionArray"][0] == 8
    assert admin.command("ping")["ok"] == 1
    with pytest.raises(OperationFailure) as caught:
        admin.command("getParameter", "foo")
    assert "documentdb_api" not in str(caught.value)
    with pytest.raises(OperationFailure) as caught:
        admin.command("atlasVersion")
    assert caught.value.code == 59
    assert "version" in admin.command("getParameter", 1, featureCompatibilityVersion=1)["featureCompatibilityVersion"]
    assert admin.command("getLog", "startupWarnings")["log"] == []
    assert list(client.admin.atlascli.aggregate([{"$match": {"a": 1}}, {"$group": {"_id": 1}}])) == []
    assert "databases" in admin.command("listDatabases", nameOnly=True)
    fill(client.tools)
    names = client.tools.command("listCollections", nameOnly=True, authorizedCollections=True)
    found = {one["name"]: one["type"] for one in names["cursor"]["firstBatch"]}
    assert found == {"few": "view", "items": "collection", "log": "collection"}
    plan = client.tools.command("explain", {"find": "items", "filter": {"n": 5}}, verbosity="queryPlanner")
    assert plan["queryPlanner"]["winningPlan"]["inputStage"]["indexName"] == "n_-1"


def test_compass_opens_a_collection(client):
    db = client.tools
    fill(db)
    stats = list(db.items.aggregate([{"$collStats": {"storageStats": {}, "count": {}}}]))[0]
    assert (stats["count"], stats["storageStats"]["nindexes"]) == (50, 3)
    assert db.command("dbStats")["views"] == 1
    sample = list(db.items.aggregate([{"$match": {}}, {"$sample": {"size": 10}}], allowDiskUse=True, maxTimeMS=60_000))
    assert len(sample) == 10
    page = list(db.items.find({}, {"_id": 1, "__doc": "$$ROOT"}, sort=[("n", -1)], limit=20, skip=20).max_time_ms(60_000))
    assert [one["__doc"]["n"] for one in page] == list(range(29, 9, -1))
    facets = list(db.items.aggregate([{"$facet": {"n": [{"$bucketAuto": {"groupBy": "$n", "buckets": 4}}], "k": [{"$count": "k"}]}}]))
    assert len(facets[0]["n"]) == 4 and facets[0]["k"] == [{"k": 50}]
    assert db.few.count_documents({}) == 3
    assert db.command("collMod", "items", index={"name": "by_s", "hidden": True})["hidden_new"] is True
    changed = db.items.find_one_and_update({"_id": 1}, {"$set": {"n": 1000}}, return_document=True, bypassDocumentValidation=True)
    assert changed["n"] == 1000


def dump(db):
    """As mongodump writes it: options and indexes as metadata, documents as bytes."""
    dumped = {}
    for entry in db.command("listCollections")["cursor"]["firstBatch"]:
        name, options = entry["name"], entry["options"]
        if entry["type"] == "view":
            dumped[name] = {"options": options, "indexes": [], "documents": []}
            continue
        raw = db.get_collection(name, bson.CodecOptions(document_class=bson.raw_bson.RawBSONDocument))
        documents = [one.raw for one in raw.find({}, hint={"_id": 1}, no_cursor_timeout=True)]
        indexes = db.command("listIndexes", name)["cursor"]["firstBatch"]
        dumped[name] = {"options": options, "indexes": indexes, "documents": documents, "uuid": entry["info"]["uuid"]}
    return dumped


def restore(db, dumped):
    """As mongorestore does it: collections with their options, documents, and then indexes."""
    for name, one in dumped.items():
        db.command({"create": name, **one["options"]})
        documents = [bson.raw_bson.RawBSONDocument(raw) for raw in one["documents"]]
        if documents:
            command = {"insert": name, "documents": documents, "ordered": False, "bypassDocumentValidation": True}
            assert db.command(command)["n"] == len(documents)
        others = [index for index in one["indexes"] if index["name"] != "_id_"]
        if others:
            db.command("createIndexes", name, indexes=others)


def test_a_dump_is_restored_as_it_was(client):
    fill(client.tools)
    client.tools.items.insert_one({"_id": "breaks the rules"}, bypass_document_validation=True)
    before = dump(client.tools)
    client.drop_database("tools")
    restore(client.tools, before)
    after = dump(client.tools)
    for name, one in before.items():
        assert after[name]["options"] == one["options"], name
        assert after[name]["indexes"] == one["indexes"], name
        assert after[name]["documents"] == one["documents"], name
    assert [one["_id"] for one in client.tools.log.find()] == [3, 4, 5, 6, 7]
    with pytest.raises(OperationFailure) as caught:
        client.tools.items.insert_one({"_id": "breaks them, too"})
    assert caught.value.code == 121


def test_a_tail_follows_a_capped_collection(client):
    fill(client.tools)
    cursor = client.tools.log.find(cursor_type=pymongo.CursorType.TAILABLE_AWAIT)
    cursor.max_await_time_ms(50)
    assert [next(cursor)["_id"] for _ in range(5)] == [3, 4, 5, 6, 7]
    assert next(cursor, None) is None and cursor.alive
    client.tools.log.insert_one({"_id": 8})
    assert next(cursor)["_id"] == 8
    cursor.close()
