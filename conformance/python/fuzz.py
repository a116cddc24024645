"""schemathesis against the server's own OpenAPI document: no 500, no answer that the document does not declare.

    fuzz.py SUMMARY SECONDS

Works in an organization of its own, whose ids stand in for those that nobody could guess, so that requests
reach the operations behind the paths. Deterministic: two runs send the same requests. Bounded by count per
operation and, if that is not enough, by SECONDS in all."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

from conftest import Api

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES_PER_OPERATION = 6
# What would end the organization or lock the caller out of it, or bring the run to no new place.
LEFT_OUT = [
    "deleteOrg", "deleteGroup", "migrateGroup", "updateOrgSettings", "createToken", "revokeToken", "getDocs", "getMetrics",
]


def own_organization(api):
    """An organization with a service account that owns it, and things to ask for; all by their names in paths."""
    account = {"name": "fuzz", "description": "fuzz", "roles": ["ORG_OWNER"], "secretExpiresAfterHours": 8}
    status, made = api.call("POST", "/api/atlas/v2/orgs", {"name": f"Fuzz {time.time_ns()}", "serviceAccount": account})
    assert status == 201, made
    own = Api({
        "baseUrl": api.base, "clientId": made["serviceAccount"]["clientId"],
        "clientSecret": made["serviceAccount"]["secrets"][0]["secret"],
    })
    org = made["organization"]["id"]
    known = {"orgId": org, "groupName": "Fuzz", "ipAddress": "192.0.2.7", "databaseName": "admin"}

    def make(name, path, body, pointer="id", wanted=(200, 201)):
        status, made = own.call("POST", path, body)
        assert status in wanted, (path, made)
        known[name] = made[pointer]

    make("groupId", "/api/atlas/v2/groups", {"name": "Fuzz", "orgId": org})
    make("apiUserId", f"/api/atlas/v2/orgs/{org}/apiKeys", {"desc": "fuzz", "roles": ["ORG_MEMBER"]})
    make("clientId", f"/api/atlas/v2/orgs/{org}/serviceAccounts", {**account, "roles": ["ORG_MEMBER"]}, "clientId")
    member = {"username": f"fuzz{time.time_ns()}@example.org", "roles": {"orgRoles": ["ORG_MEMBER"]}}
    make("userId", f"/api/atlas/v2/orgs/{org}/users", member)
    group = f"/api/atlas/v2/groups/{known['groupId']}"
    user = {"username": "fuzz", "password": "correct-horse-1", "roles": [{"roleName": "read", "databaseName": "a"}]}
    make("username", f"{group}/databaseUsers", user, "username")
    make("clusterName", f"{group}/clusters", {"name": "fuzz"}, "name")
    archive = {"dbName": "a", "collName": "b", "criteria": {"type": "DATE", "dateField": "at", "expireAfterDays": 1}}
    make("archiveId", f"{group}/clusters/fuzz/onlineArchives", archive, "_id")
    return own, known


def main(summary, seconds):
    summary = json.loads(pathlib.Path(summary).read_text())
    own, known = own_organization(Api(summary))
    with urllib.request.urlopen(own.base + "/api/openapi.json", timeout=30) as answer:
        document = json.load(answer)
    # An envelope changes the shape of each answer; other tests look at it.
    for item in document["paths"].values():
        for operation in item.values():
            operation["parameters"] = [
                one for one in operation.get("parameters", []) if not one.get("$ref", "").endswith("/envelope")
            ]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "openapi.json").write_text(json.dumps(document))
        lines = [f'"path.{name}" = {json.dumps(value)}' for name, value in known.items()]
        (folder / "schemathesis.toml").write_text("[parameters]\n" + "\n".join(lines) + "\n")
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", folder / "schemathesis.toml",
            "run", folder / "openapi.json", "--url", own.base,
            "--header", f"Authorization: Bearer {own.token}",
            "--header", "Accept: application/vnd.atlas.2025-03-12+json",
            "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES_PER_OPERATION),
            "--generation-deterministic", "--no-shrink",
            "--max-time", seconds, "--continue-on-failure", "--warnings", "off", "--no-color",
        ]
        for name in LEFT_OUT:
            command += ["--exclude-operation-id", name]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
