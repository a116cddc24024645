"""Shared by the cases: the running server's summary, the documents that it loaded, its API."""

import base64
import json
import os
import pathlib
import urllib.error
import urllib.parse
import urllib.request

import bson
import pytest
import zstandard
from pymongo import MongoClient

SAMPLE = pathlib.Path(__file__).parents[2] / "bin/portolan/data/flights.bson.zst"


class Api:
    """The HTTP API with a bearer token."""

    def __init__(self, summary):
        self.base = summary["baseUrl"]
        pair = f"{summary['clientId']}:{summary['clientSecret']}".encode()
        request = urllib.request.Request(
            self.base + "/api/oauth/token",
            data=b"grant_type=client_credentials",
            headers={"Authorization": "Basic " + base64.b64encode(pair).decode()},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.token = json.load(answer)["access_token"]

    def call(self, method, path, body=None, version="2025-03-12"):
        """One call: (status, decoded body)."""
        headers = {"Authorization": "Bearer " + self.token}
        headers["Accept"] = f"application/vnd.atlas.{version}+json"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text else None


@pytest.fixture(scope="session")
def summary():
    """quickstart.json of the server under test."""
    return json.loads(pathlib.Path(os.environ["PORTOLAN_QUICKSTART"]).read_text())


@pytest.fixture(scope="session")
def api(summary):
    """The API as an organization owner."""
    return Api(summary)


@pytest.fixture(scope="module")
def clients(summary):
    """One client for each connection string."""
    opened = {name: MongoClient(uri) for name, uri in summary["connectionStrings"].items()}
    yield opened
    for client in opened.values():
        client.close()


@pytest.fixture(scope="session")
def loaded():
    """The raw documents that the quickstart loaded, by `_id`."""
    with SAMPLE.open("rb") as file:
        raw = zstandard.ZstdDecompressor().stream_reader(file).read()
    documents = {}
    while raw:
        size = int.from_bytes(raw[:4], "little")
        document, raw = raw[:size], raw[size:]
        documents[bson.decode(document)["_id"]] = document
    return documents
