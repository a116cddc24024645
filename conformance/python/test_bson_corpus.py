"""The drivers' BSON corpus: every valid document, deprecated types and all, archived and read back byte by byte.

Each of its byte strings goes through twice: `within` a document, as the value of a field, and `bare`, as a document of
its own that has an `_id` before its fields and a date behind them.
"""

import collections
import datetime
import json
import os
import pathlib

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import errors

from archiving import create_archive, pause, wait_for

CORPUS = pathlib.Path(os.environ.get("PORTOLAN_BSON_CORPUS", ""))
COLD = datetime.datetime(2020, 1, 1)
DATE = "cold_since"
# Byte strings in release 4.20.0 of pymongo, the canonical ones and those in an older form.
CANONICAL, DEGENERATE = 731, 4
# What cannot go through as `bare`, and why.
LEFT_OUT = {
    "multi-type.json 0 canonical_bson bare": "it has the same _id as that of multi-type-deprecated.json",
}


def document(elements):
    """A document of these encoded elements."""
    body = b"".join(elements) + b"\0"
    return (len(body) + 4).to_bytes(4, "little") + body


def elements_of(raw):
    """The encoded elements of a document."""
    return raw[4:-1]


def field(name, value):
    """One encoded element."""
    return elements_of(bson.encode({name: value}))


def has_id(raw):
    """Whether a document has an `_id`; it is then the first field."""
    return raw[5:9] == b"_id\0"


def within(name, raw):
    """The bytes as the value of a field."""
    return document([field("_id", name), field(DATE, COLD), b"\x03value\0" + raw])


def bare(name, raw):
    """The bytes as they are, between an `_id` and a date."""
    first = b"" if has_id(raw) else field("_id", name)
    return document([first, elements_of(raw), field(DATE, COLD)])


def cases():
    """Every byte string of the corpus by its name."""
    found = {}
    for path in sorted(CORPUS.glob("*.json")):
        for number, case in enumerate(json.loads(path.read_text()).get("valid", [])):
            for form in ("canonical_bson", "degenerate_bson"):
                if form in case:
                    found[f"{path.name} {number} {form}"] = bytes.fromhex(case[form])
    return found


def documents(corpus):
    """What is archived, by name."""
    made = {}
    for case, raw in corpus.items():
        for form in (within, bare):
            name = f"{case} {form.__name__}"
            if name not in LEFT_OUT:
                made[name] = form(name, raw)
    return made


def raw_of(client):
    """The collection with documents as they are."""
    options = bson.CodecOptions(document_class=RawBSONDocument)
    return client.bson_corpus.documents.with_options(codec_options=options)


def refusals(collection, made):
    """Inserts one by one: what the cluster refused, and in which words."""
    refused = {}
    for name, raw in made.items():
        try:
            collection.insert_one(RawBSONDocument(raw))
        except errors.WriteError as error:
            refused[name] = str(error)
    return refused


@pytest.fixture(scope="module", name="corpus")
def fixture_corpus():
    """The corpus, which is there and whole."""
    corpus = cases()
    forms = collections.Counter(name.rsplit(" ", 1)[1] for name in corpus)
    assert (forms["canonical_bson"], forms["degenerate_bson"]) == (CANONICAL, DEGENERATE)
    return corpus


@pytest.fixture(scope="module", name="archived")
def fixture_archived(api, summary, clients, corpus):
    """All that was inserted, after it was archived."""
    made = documents(corpus)
    collection = raw_of(clients["cluster"])
    collection.drop()
    assert not refusals(collection, made)
    assert sorted(d.raw for d in collection.find()) == sorted(made.values()), "the cluster alters nothing"
    archives = f"/api/atlas/v2/groups/{summary['groupId']}/clusters/{summary['clusterName']}/onlineArchives"
    rule = {
        "dbName": "bson_corpus",
        "collName": "documents",
        "criteria": {"type": "DATE", "dateField": DATE, "expireAfterDays": 30},
        "partitionFields": [{"fieldName": DATE, "order": 0}],
    }
    path = create_archive(api, archives, rule)
    wait_for("the archive run", lambda: collection.count_documents({}) == 0)
    pause(api, path)
    yield made
    api.call("DELETE", path)
    collection.drop()


@pytest.mark.parametrize("endpoint", ["archive", "clusterAndArchive"])
def test_every_document_is_read_back_byte_by_byte(clients, corpus, archived, endpoint):
    """As many as there are, each with the bytes that it had."""
    found = [d.raw for d in raw_of(clients[endpoint]).find()]
    print(f"{len(corpus)} byte strings of the corpus, {len(found)} documents read through {endpoint}")
    assert len(found) == len(archived) == 2 * len(corpus) - len(LEFT_OUT)
    assert sorted(found) == sorted(archived.values())


def test_deprecated_types_are_among_them(corpus):
    """The byte that names a type: undefined, DBPointer, symbol, code with scope; binary of subtypes 2 and 3."""
    types = {raw[4] for raw in corpus.values()}
    assert {0x06, 0x0C, 0x0E, 0x0F} <= types
    binary = [raw for name, raw in corpus.items() if name.startswith("binary.json")]
    assert {2, 3} <= {raw[4 + 1 + len("x\0") + 4] for raw in binary}
