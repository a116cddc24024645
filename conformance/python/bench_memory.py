"""What an archiving process needs of memory while it archives a source of any size.

    python bench_memory.py seed FILE
    python bench_memory.py run BASE_URL CLIENT_ID ORG_ID SOURCE_URI PID DOCUMENTS

`seed` writes 2,000 different documents of about 2 KB for `replay`, the example of the sandbox. `run` attaches
the source, archives its collection `replay.documents`, and prints one JSON object: documents, bytes, seconds,
and resident memory in kB when each tenth of the documents was archived, with the peak as the kernel counts
it. The secret of the service account comes from PORTOLAN_CLIENT_SECRET.
"""

import json
import os
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import bson

ACCEPT = "application/vnd.atlas.2025-03-12+json"
WORDS = "amber basin cedar delta ember fjord grove harbor inlet juniper knoll lagoon meadow".split()


def seed(path):
    """Orders with lines: text, numbers, nesting, and values that do not compress away."""
    rng = random.Random(7)
    with open(path, "wb") as file:
        for number in range(2_000):
            lines = [
                {
                    "sku": f"{rng.randrange(10**9):09}",
                    "name": " ".join(rng.choices(WORDS, k=6)),
                    "price": rng.randrange(100, 100_000) / 100,
                    "count": rng.randrange(1, 20),
                }
                for _ in range(rng.randrange(8, 18))
            ]
            document = {
                "customer": bson.ObjectId(rng.randbytes(12)),
                "region": rng.choice(WORDS),
                "total": sum(line["price"] * line["count"] for line in lines),
                "lines": lines,
                "note": " ".join(rng.choices(WORDS, k=rng.randrange(10, 60))),
                "token": rng.randbytes(64),
                "number": number,
            }
            file.write(bson.encode(document))


class Api:
    """A client of a running instance."""

    def __init__(self, base_url, client_id):
        self.base_url = base_url
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": os.environ["PORTOLAN_CLIENT_SECRET"],
        }
        body = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"{base_url}/api/oauth/token", data=body)
        with urllib.request.urlopen(request) as answer:
            self.token = json.load(answer)["access_token"]

    def call(self, method, path, body=None):
        """The answer as JSON; an error says what was answered."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": ACCEPT}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        url = f"{self.base_url}/api/{path}"
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from error


def memory_kb(pid):
    """Resident now, and at most so far."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line)
    return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])


def run(base_url, client_id, org, uri, pid, documents):
    api, documents = Api(base_url, client_id), int(documents)
    group = api.call("POST", "atlas/v2/groups", {"name": "Memory", "orgId": org})["id"]
    body = {"name": "Replay", "connectionString": uri, "writesQuiesced": False}
    api.call("POST", f"portolan/v1/groups/{group}/clusters:attach", body)
    before = memory_kb(pid)[0]
    criteria = {"type": "DATE", "dateField": "at", "dateFormat": "ISODATE", "expireAfterDays": 30}
    body = {
        "dbName": "replay",
        "collName": "documents",
        "criteria": criteria,
        "partitionFields": [{"fieldName": "at", "order": 0}],
    }
    started = time.monotonic()
    archives = "clusters/Replay/onlineArchives"
    made = api.call("POST", f"atlas/v2/groups/{group}/{archives}", body)
    path = f"portolan/v1/groups/{group}/{archives}/{made['_id']}"
    tenths, shown = [], {}
    while shown.get("documentsMoved", 0) < documents:
        time.sleep(0.5)
        listed = api.call("GET", f"{path}/runs")["results"]
        shown = listed[0] if listed else {}
        if shown.get("phase") == "FAILED":
            raise SystemExit(f"the run failed: {shown['error']}")
        while len(tenths) < shown.get("documentsMoved", 0) * 10 // documents:
            tenths.append(memory_kb(pid)[0])
    seconds = time.monotonic() - started
    statistics = api.call("GET", f"{path}/statistics")
    print(
        json.dumps(
            {
                "documents": statistics["documents"],
                "bytes": shown["bytesRead"],
                "stored": statistics["bytesStored"],
                "seconds": round(seconds, 1),
                "level": shown["level"],
                "before_kb": before,
                "tenths_kb": tenths,
                "peak_kb": memory_kb(pid)[1],
            }
        )
    )


if __name__ == "__main__":
    {"seed": seed, "run": run}[sys.argv[1]](*sys.argv[2:])
