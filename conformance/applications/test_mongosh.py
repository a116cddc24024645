"""The shell itself against a sandbox cluster: mongosh runs scripts as people type them."""

import json
import os
import subprocess

import pytest

ADDRESS = f"mongodb://{os.environ['DB_IP']}:{os.environ['DB_PORT']}"
pytestmark = pytest.mark.skipif("PORTOLAN_MONGOSH" not in os.environ, reason="the runner names the shell")


def shell(script):
    """Runs a script; gives what it printed."""
    command = ["node", os.environ["PORTOLAN_MONGOSH"], f"{ADDRESS}/shell", "--quiet", "--eval", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def answer(script):
    """What a script returns."""
    return json.loads(shell(f"EJSON.stringify((() => {{ {script} }})())"))


def typed(lines):
    """What the interactive shell prints for lines that are typed into it."""
    command = ["node", os.environ["PORTOLAN_MONGOSH"], f"{ADDRESS}/shell", "--norc"]
    done = subprocess.run(command, input="\n".join([*lines, "exit", ""]), capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(autouse=True)
def clean():
    shell("db.dropDatabase()")
    yield
    shell("db.dropDatabase()")


def test_the_shell_starts_and_greets():
    text = typed(["show dbs", "db.runCommand({ ping: 1 })", "db.items.insertOne({ _id: 1 })", "show collections", "it"])
    assert "8.0" in text and "portolan" in text, text
    assert "acknowledged: true" in text and "items" in text
    assert "MongoServerError" not in text and "Error:" not in text, text


def test_documents_are_written_read_and_explained():
    found = answer("""
        db.items.insertMany([...Array(250).keys()].map(n => ({ _id: n, n: n % 10, s: 'item ' + n, at: new Date(n), l: Long('9007199254740993') })));
        db.items.createIndex({ n: 1, s: -1 });
        const updated = db.items.updateMany({ n: 3 }, { $set: { 'a.b': [1, 2] }, $unset: { s: '' } });
        const plan = db.items.find({ n: 4 }).sort({ s: -1 }).explain('executionStats');
        return {
            count: db.items.countDocuments({ n: { $in: [1, 2] } }),
            all: db.items.find().toArray().length,
            long: db.items.findOne({ _id: 7 }).l.toString(),
            modified: updated.modifiedCount,
            stage: plan.queryPlanner.winningPlan.inputStage.stage,
            examined: plan.executionStats.totalKeysExamined,
            removed: db.items.deleteMany({ n: 9 }).deletedCount,
            groups: db.items.aggregate([{ $group: { _id: '$n', c: { $sum: 1 } } }, { $sort: { _id: 1 } }]).toArray().length,
            changed: db.items.findAndModify({ query: { _id: 1 }, update: { $inc: { n: 1 } }, new: true }).n,
        };
    """)
    assert found == {
        "count": 50, "all": 250, "long": "9007199254740993", "modified": 25, "stage": "IXSCAN", "examined": 25, "removed": 25, "groups": 9, "changed": 2,
    }


def test_helpers_about_the_server_and_its_collections():
    found = answer("""
        db.createCollection('log', { capped: true, size: 10000 });
        db.items.insertOne({ a: 1 });
        db.createView('some', 'items', [{ $match: { a: 1 } }]);
        const stats = db.items.stats(), all = db.stats();
        return {
            names: db.getCollectionNames().sort(),
            kinds: db.getCollectionInfos().map(one => one.type).sort(),
            count: stats.count, indexes: stats.nindexes, views: all.views, capped: db.log.isCapped(),
            size: db.items.totalIndexSize() >= 0 && db.items.storageSize() >= 0 && db.items.dataSize() > 0,
            version: db.version().startsWith("8.0"), valid: db.items.validate().valid,
            set: rs.status().members.length, primary: rs.isMaster().ismaster, conf: typeof db.hello().setName,
            databases: db.adminCommand({ listDatabases: 1 }).databases.some(one => one.name === 'shell'),
            host: db.hostInfo().ok, server: db.serverStatus().ok, options: db.serverCmdLineOpts().ok,
            renamed: db.items.renameCollection('things').ok, view: db.some.find().toArray().length,
            hidden: db.things.createIndex({ a: 1 }) && db.things.hideIndex('a_1').hidden_new,
            indexed: db.things.getIndexes().map(one => one.name), 
        };
    """)
    assert found == {
        "names": ["items", "log", "some"], "kinds": ["collection", "collection", "view"], "count": 1, "indexes": 1, "views": 1,
        "capped": True, "size": True, "version": True, "valid": True, "set": 1, "primary": True, "conf": "string",
        "databases": True, "host": 1, "server": 1, "options": 1, "renamed": 1, "view": 0, "hidden": True,
        "indexed": ["_id_", "a_1"],
    }


def test_sessions_transactions_and_bulks():
    found = answer("""
        db.items.insertOne({ _id: 1, n: 0 });
        const session = db.getMongo().startSession({ causalConsistency: true });
        const items = session.getDatabase('shell').items;
        session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' } });
        items.updateOne({ _id: 1 }, { $inc: { n: 5 } });
        const outside = db.items.findOne().n, inside = items.findOne().n;
        session.commitTransaction();
        session.startTransaction();
        items.deleteMany({});
        session.abortTransaction();
        session.endSession();
        const bulk = db.items.initializeUnorderedBulkOp();
        bulk.insert({ _id: 2 });
        bulk.find({ _id: 1 }).updateOne({ $set: { x: 1 } });
        bulk.find({ _id: 3 }).upsert().replaceOne({ y: 1 });
        const done = bulk.execute();
        let code;
        try { db.items.insertMany([{ _id: 2 }, { _id: 4 }], { ordered: false }); } catch (error) { code = error.code; }
        return { outside, inside, n: db.items.findOne().n, inserted: done.insertedCount, upserted: done.upsertedCount, code, count: db.items.countDocuments() };
    """)
    assert found == {"outside": 0, "inside": 5, "n": 5, "inserted": 1, "upserted": 1, "code": 11000, "count": 4}


def test_change_streams():
    found = answer("""
        const stream = db.watch([], { fullDocument: 'updateLookup' });
        stream.tryNext();
        db.items.insertOne({ _id: 1 });
        db.items.updateOne({ _id: 1 }, { $set: { a: 1 } });
        db.items.drop();
        const kinds = [];
        while (kinds.length < 3) { const event = stream.tryNext(); if (event) kinds.push(event.operationType); }
        const token = stream.getResumeToken();
        stream.close();
        return { kinds, token: typeof token._data };
    """)
    assert found == {"kinds": ["insert", "update", "drop"], "token": "string"}


def test_errors_are_told_by_name():
    text = shell("""
        for (const wrong of [
            () => db.items.find({ $where: 'true' }).toArray(),
            () => db.items.find({ at: { $near: [1, 2] } }).toArray(),
            () => db.items.aggregate([{ $search: {} }]).toArray(),
            () => db.items.createIndex({ a: 'text' }),
            () => db.createCollection('t', { timeseries: { timeField: 'at' } }),
        ]) { try { wrong(); print('nothing was refused'); } catch (error) { print(error.codeName + ': ' + error.message); } }
    """)
    lines = text.splitlines()
    for line, name in zip(lines, ["$where", "$near", "$search", "text", "time"], strict=True):
        assert name in line.lower().replace("-", "") and "nothing was refused" not in line, text
