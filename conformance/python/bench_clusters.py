"""What many sandbox clusters cost in one process: made by the Admin API, filled, and started again.

    python bench_clusters.py PORTOLAN CLUSTERS DOCUMENTS

Starts `portolan serve` in a temporary folder, makes so many clusters, inserts so many documents into each,
reads them, and restarts the server. Prints one JSON object: memory of the process in each state, seconds,
and whether every cluster had its port and its documents again.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

from pymongo import MongoClient

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from conftest import Api  # noqa: E402

PORTS = (31_000, 31_999)
HTTP_PORT = 30_999
USER, PASSWORD = "bench", "bench-password"
PROJECT_CLUSTERS = 100
ATLAS = "/api/atlas/v2"


class Server:
    """`portolan serve`."""

    def __init__(self, program, folder):
        self.config = folder / "portolan.toml"
        self.program = program
        if not self.config.exists():
            self.config.write_text(
                f'dir = "{folder}/data"\n[server]\nlisten = "127.0.0.1:{HTTP_PORT}"\n'
                f"[endpoints]\nport_range = [{PORTS[0]}, {PORTS[1]}]\n[limits]\nrate_multiplier = 1000.0\n"
            )
            owner = ["--org", "Bench", "--user", "owner@example.com"]
            command = [program, "bootstrap", "--config", str(self.config), *owner]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            self.credentials = {"baseUrl": f"http://127.0.0.1:{HTTP_PORT}", **json.loads(told)}

    def start(self):
        began = time.perf_counter()
        self.process = subprocess.Popen([self.program, "serve", "--config", str(self.config)], stdout=subprocess.DEVNULL)
        while True:
            assert self.process.poll() is None, "the server ended"
            try:
                with urllib.request.urlopen(self.credentials["baseUrl"] + "/readyz", timeout=5):
                    return time.perf_counter() - began
            except OSError:
                time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0

    def memory_mb(self):
        fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        return {"resident": int(fields["VmRSS"].split()[0]) // 1000, "peak": int(fields["VmHWM"].split()[0]) // 1000,
                "threads": int(fields["Threads"])}


def made(api, org, count):
    """So many clusters in as many projects as they need; their connection strings by name."""
    names = []
    for first in range(0, count, PROJECT_CLUSTERS):
        status, project = api.call("POST", f"{ATLAS}/groups", {"name": f"P{first}", "orgId": org})
        assert status == 201, project
        group = project["id"]
        limit = {"value": PROJECT_CLUSTERS}
        assert api.call("PATCH", f"{ATLAS}/groups/{group}/limits/atlas.project.deployment.clusters", limit)[0] == 200
        user = {"databaseName": "admin", "username": USER, "password": PASSWORD, "roles": [{"databaseName": "admin", "roleName": "atlasAdmin"}]}
        assert api.call("POST", f"{ATLAS}/groups/{group}/databaseUsers", user)[0] == 201
        for number in range(first, min(first + PROJECT_CLUSTERS, count)):
            region = {"providerName": "AWS", "regionName": "US_EAST_1", "priority": 7,
                      "electableSpecs": {"instanceSize": "M10", "nodeCount": 3}}
            body = {"name": f"C{number}", "clusterType": "REPLICASET", "replicationSpecs": [{"regionConfigs": [region]}]}
            status, answer = api.call("POST", f"{ATLAS}/groups/{group}/clusters", body)
            assert status == 201, answer
            names.append((group, f"C{number}"))
    return names


def addresses(api, names):
    found = {}
    for group, name in names:
        while True:
            _, cluster = api.call("GET", f"{ATLAS}/groups/{group}/clusters/{name}")
            if cluster["stateName"] == "IDLE":
                break
            time.sleep(0.1)
        found[name] = cluster["connectionStrings"]["standard"]
    return found


def client(address):
    return MongoClient(address, username=USER, password=PASSWORD)


def filled(uris, documents):
    batch = [{"n": n, "k": n * 7919 % 100_003, "text": "x" * 250} for n in range(documents)]
    for uri in uris.values():
        with client(uri) as one:
            one.bench.items.create_index("k")
            for first in range(0, documents, 1_000):
                one.bench.items.insert_many([dict(document) for document in batch[first : first + 1_000]])


def counted(uris):
    total = 0
    for uri in uris.values():
        with client(uri) as one:
            total += sum(1 for _ in one.bench.items.find({}, {"n": 1}))
    return total


def main():
    program, count, documents = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        server = Server(program, pathlib.Path(folder))
        server.start()
        try:
            told = {"clusters": count, "documents": documents, "before": server.memory_mb()}
            api = Api(server.credentials)
            began = time.perf_counter()
            names = made(api, server.credentials["orgId"], count)
            uris = addresses(api, names)
            told["seconds to make one"] = round((time.perf_counter() - began) / count, 3)
            told["at rest"] = server.memory_mb()
            filled(uris, documents)
            told["filled"] = server.memory_mb()
            assert counted(uris) == count * documents
            told["read"] = server.memory_mb()
            files = [file for file in pathlib.Path(folder).rglob("cluster.redb")]
            told["files"] = len(files)
            told["file megabytes"] = round(sum(file.stat().st_size for file in files) / 1e6, 1)
            server.stop()
            told["seconds to start again"] = round(server.start(), 1)
            told["started again"] = server.memory_mb()
            assert addresses(Api(server.credentials), names) == uris, "a cluster has another port"
            assert counted(uris) == count * documents
            told["started again and read"] = server.memory_mb()
        finally:
            server.process.kill()
    print(json.dumps(told, indent=1))


main()
