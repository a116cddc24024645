"""FerretDB 1.24.2, attached as a live cluster of level L0, and 500 documents archived from it."""

import datetime
import os

import pytest
from pymongo import MongoClient

from archiving import create_archive, pause, wait_for

DOCUMENTS = 500


@pytest.fixture(scope="module", name="uri")
def fixture_uri():
    """Where FerretDB listens."""
    return os.environ["PORTOLAN_FERRETDB"]


@pytest.fixture(scope="module", name="source")
def fixture_source(uri):
    """The collection, freshly filled."""
    with MongoClient(uri) as client:
        events = client.ferret.events
        events.drop()
        start = datetime.datetime(2020, 1, 1)
        events.insert_many(
            {"_id": n, "at": start + datetime.timedelta(hours=n), "who": f"user {n % 7}", "n": n}
            for n in range(DOCUMENTS)
        )
        events.insert_many({"_id": 10_000 + n, "n": n} for n in range(5))
        yield events


def test_attach_and_archive(api, summary, uri, source):
    """Attach, archive, and read everything back through the union."""
    group = f"/api/portolan/v1/groups/{summary['groupId']}"
    body = {"name": "Ferret", "connectionString": uri}
    status, answer = api.call("POST", group + "/clusters:attach", body)
    assert (status, "writesQuiesced" in str(answer)) == (400, True), answer
    status, answer = api.call("POST", group + "/clusters:attach", body | {"writesQuiesced": True})
    assert status == 201 and answer["level"] == "L0", answer

    archives = f"/api/atlas/v2/groups/{summary['groupId']}/clusters/Ferret/onlineArchives"
    rule = {
        "dbName": "ferret",
        "collName": "events",
        "criteria": {"type": "DATE", "dateField": "at", "expireAfterDays": 30},
        "partitionFields": [{"fieldName": "at", "order": 0}],
    }
    path = create_archive(api, archives, rule)

    def left():
        return source.count_documents({}) == 5

    wait_for("the archive run", left)

    pause(api, path)
    status, strings = api.call("GET", group + "/clusters/Ferret/connectionStrings")
    assert status == 200, strings
    account = summary["connectionStrings"]["cluster"].split("://")[1].split("@")[0]

    def with_account(name):
        return strings[name].replace("<db_username>:<db_password>", account)

    with MongoClient(with_account("clusterAndArchive")) as client:
        found = sorted(d["_id"] for d in client.ferret.events.find())
    assert found == [*range(DOCUMENTS), *(10_000 + n for n in range(5))]
    with MongoClient(with_account("archive")) as client:
        assert client.ferret.events.count_documents({}) == DOCUMENTS
