"""What the Atlas CLI and the Terraform provider send, call by call, with their oddities. The sequences
follow the public sources of both clients (mongodb/mongodb-atlas-cli, mongodb/terraform-provider-mongodbatlas).
"""

import datetime
import time
import urllib.parse

import pymongo
import pytest

from wire_client import WireClient

ATLAS = "/api/atlas/v2"
LIST = "includeCount=true&itemsPerPage=100&pageNum=1"
CLI = "atlascli/1.55.0 (linux;amd64;)"
TERRAFORM = "terraform-provider-mongodbatlas/2.4.0 Terraform/1.14.0"


def unique(name):
    return f"{name} {time.time_ns() % 10**10}"


@pytest.fixture
def cli(summary):
    return WireClient(summary["baseUrl"], "Atlas CLI sequences", CLI, (summary["publicKey"], summary["privateKey"]))


@pytest.fixture
def terraform(summary):
    """The provider with an organization of its own, made as its resource makes it."""
    start = WireClient(
        summary["baseUrl"], "Terraform sequences", TERRAFORM, (summary["publicKey"], summary["privateKey"])
    )
    owner = start.call("GET", f"{ATLAS}/orgs/{summary['orgId']}/users?{LIST}", date="2025-02-19").expect(200)
    made = start.call("POST", f"{ATLAS}/orgs", {
        "apiKey": {"desc": "created by Terraform", "roles": ["ORG_OWNER"]},
        "name": unique("terraform"),
        "orgOwnerId": owner.json["results"][0]["id"],
        "skipDefaultAlertsSettings": True,
    }).expect(201).json
    own = WireClient(
        summary["baseUrl"], "Terraform sequences", TERRAFORM, (made["apiKey"]["publicKey"], made["apiKey"]["privateKey"])
    )
    return own, made["organization"]["id"]


def wait_for(get, reached, seconds=60):
    deadline = time.time() + seconds
    while True:
        answer = get()
        if reached(answer):
            return answer
        assert time.time() < deadline, f"still {answer.status} {answer.body[:300]!r}"
        time.sleep(0.3)


def fill(uri, database, collection):
    """Documents to archive: without any an archive stays PENDING, as on Atlas."""
    now = datetime.datetime.now(datetime.timezone.utc)
    with pymongo.MongoClient(uri, serverSelectionTimeoutMS=20_000) as client:
        client[database][collection].insert_many([{"at": now - datetime.timedelta(days=n)} for n in range(10)])


def with_user(address, summary, username, password):
    """An address with credentials, and with the TLS options of the quickstart's cluster."""
    options = urllib.parse.urlsplit(summary["connectionStrings"]["cluster"]).query
    hosts = urllib.parse.urlsplit(address).netloc
    return f"mongodb://{username}:{password}@{hosts}/?{options}"


def make_cluster(client, group, name):
    spec = {"instanceSize": "M10", "nodeCount": 3}
    region = {"electableSpecs": spec, "priority": 7, "providerName": "AWS", "regionName": "US_EAST_1"}
    client.call("POST", f"{ATLAS}/groups/{group}/clusters", {
        "clusterType": "REPLICASET", "name": name, "replicationSpecs": [{"regionConfigs": [region], "zoneName": "Zone 1"}],
    }, date="2024-10-23", headers=[("Use-Effective-Instance-Fields", "false")]).expect(201)
    path = f"{ATLAS}/groups/{group}/clusters/{name}"
    ready = wait_for(
        lambda: client.call("GET", path, date="2024-08-05").expect(200), lambda answer: answer.json["stateName"] == "IDLE"
    )
    return ready.json["connectionStrings"]["standard"]


def test_cli_archives_without_type_and_partitions(cli, summary):
    """`clusters onlineArchives create` leaves the type out and may send no partition fields."""
    base = f"{ATLAS}/groups/{summary['groupId']}/clusters/{summary['clusterName']}/onlineArchives"
    collection = unique("cli").replace(" ", "-")
    fill(summary["connectionStrings"]["cluster"], "sequences", collection)
    made = cli.call("POST", base, {
        "collName": collection,
        "criteria": {"dateField": "at", "dateFormat": "ISODATE", "expireAfterDays": 3},
        "dbName": "sequences",
        "partitionFields": [],
    }).expect(200).json
    assert made["criteria"]["type"] == "DATE"
    assert [field["fieldName"] for field in made["partitionFields"]] == ["at"]
    one = f"{base}/{made['_id']}"
    cli.call("GET", f"{base}?{LIST}").expect(200)
    # `update` sends the id and the age alone.
    updated = cli.call("PATCH", one, {"_id": made["_id"], "criteria": {"expireAfterDays": 4}}).expect(200).json
    assert (updated["criteria"]["expireAfterDays"], updated["criteria"]["dateField"]) == (4, "at")
    # `watch` leaves when the archive is neither PENDING nor PAUSING.
    wait_for(
        lambda: cli.call("GET", one).expect(200), lambda answer: answer.json["state"] not in ("PENDING", "PAUSING")
    )
    # `pause` and `start` write the state.
    paused = cli.call("PATCH", one, {"_id": made["_id"], "state": "PAUSING"}).expect(200).json
    assert paused["paused"] is True
    wait_for(lambda: cli.call("GET", one).expect(200), lambda answer: answer.json["state"] == "PAUSED")
    started = cli.call("PATCH", one, {"_id": made["_id"], "state": "ACTIVE"}).expect(200).json
    assert started["paused"] is False
    assert cli.call("DELETE", one).expect(200).json == {}


def test_cli_calls_on_the_way(cli, summary):
    """What the CLI asks beside the Admin API; a base URL with a slash at its end doubles one."""
    nobody = WireClient(summary["baseUrl"], "Atlas CLI sequences", CLI)
    assert nobody.call("GET", "/api/private/unauth/nds/defaultMongoDBMajorVersion", date=None).expect(200).body
    nobody.call("POST", "/api/private/unauth/telemetry/events", [{"a": 1}], date=None).expect(202)
    assert "currentIpv4Address" in cli.call("GET", "/api/private/ipinfo", date=None).expect(200).json
    cli.call("GET", f"/{ATLAS}/orgs?{LIST}").expect(200)
    assert nobody.call("POST", "//api/private/unauth/telemetry/events", [], date=None).status in (202, 404)


def test_cli_organizations_projects_and_keys(cli, summary):
    org = summary["orgId"]
    cli.call("GET", f"{ATLAS}/orgs?{LIST}").expect(200)
    cli.call("GET", f"{ATLAS}/orgs/{org}").expect(200)
    cli.call("GET", f"{ATLAS}/orgs/{org}/users?{LIST}", date="2025-02-19").expect(200)
    cli.call("GET", f"{ATLAS}/orgs/{org}/groups?{LIST}").expect(200)
    # The SDK serializes required read-only fields with zero values.
    group = cli.call("POST", f"{ATLAS}/groups", {
        "clusterCount": 0, "created": "0001-01-01T00:00:00Z", "name": unique("cli"), "orgId": org,
        "regionUsageRestrictions": "COMMERCIAL_FEDRAMP_REGIONS_ONLY", "withDefaultAlertsSettings": True,
    }).expect(201).json["id"]
    key = cli.call("POST", f"{ATLAS}/groups/{group}/apiKeys", {"desc": "cli", "roles": ["GROUP_READ_ONLY"]}).expect(200).json
    # `projects apiKeys assign` is a PATCH.
    cli.call("PATCH", f"{ATLAS}/groups/{group}/apiKeys/{key['id']}", {"roles": ["GROUP_DATA_ACCESS_READ_ONLY"]}).expect(200)
    entries = f"{ATLAS}/orgs/{org}/apiKeys/{key['id']}/accessList"
    cli.call("POST", f"{entries}?{LIST}", [{"ipAddress": "192.0.2.7"}]).expect(200)
    cli.call("DELETE", f"{entries}/192.0.2.7").expect(204)
    cli.call("POST", entries, [{"cidrBlock": "192.0.2.0/24"}]).expect(200)
    cli.call("DELETE", f"{entries}/192.0.2.0%2F24").expect(204)
    cli.call("DELETE", f"{ATLAS}/orgs/{org}/apiKeys/{key['id']}").expect(204)
    assert cli.call("DELETE", f"{ATLAS}/groups/{group}").expect(202).json == {}


def test_cli_live_migration_link(cli, summary):
    path = f"{ATLAS}/orgs/{summary['orgId']}/liveMigrations/linkTokens"
    assert cli.call("POST", path, {"accessListIps": ["192.0.2.7"]}).expect(201).json["linkToken"]
    cli.call("DELETE", path).expect(204)
    # Nothing is linked any more: clients look for this code.
    assert cli.call("DELETE", path).expect(404).code == "UNEXPECTED_ERROR"


def test_paths_as_clients_write_them(cli, summary):
    """A trailing slash at the root, a custom method with its colon escaped, dates without a version."""
    for path in (ATLAS, f"{ATLAS}/", f"/{ATLAS}"):
        assert cli.call("GET", path).expect(200).json["appName"] == "MongoDB Atlas"
    for colon in (":", "%3A", "%3a"):
        refused = cli.call("POST", f"{ATLAS}/groups/{summary['groupId']}{colon}migrate", {}, date="2024-05-30")
        assert refused.expect(400).code == "MISSING_ATTRIBUTE"
    older = cli.call("GET", f"{ATLAS}/orgs", date="2025-03-12").expect(200)
    assert older.headers["content-type"].startswith("application/vnd.atlas.2023-01-01+json")
    too_old = cli.call("POST", f"{ATLAS}/groups/{summary['groupId']}:migrate", {}, date="2023-01-01")
    assert too_old.expect(406).code == "INVALID_VERSION_DATE"


def test_terraform_organization(terraform):
    """The new organization takes its own key at once; `securityContact` is sent empty."""
    client, org = terraform
    client.call("PATCH", f"{ATLAS}/orgs/{org}/settings", {
        "apiAccessListRequired": False, "genAIFeaturesEnabled": True, "multiFactorAuthRequired": False,
        "restrictEmployeeAccess": False, "securityContact": "",
    }).expect(200)
    assert client.call("GET", f"{ATLAS}/orgs/{org}").expect(200).json["skipDefaultAlertsSettings"] is True
    client.call("GET", f"{ATLAS}/orgs/{org}/settings").expect(200)
    client.call("PATCH", f"{ATLAS}/orgs/{org}", {"name": unique("renamed"), "skipDefaultAlertsSettings": True}).expect(200)
    client.call("DELETE", f"{ATLAS}/orgs/{org}").expect(204)


def test_terraform_online_archive(terraform, summary):
    """A project with a cluster and an archive, from plan to destroy."""
    client, org = terraform
    group = client.call("POST", f"{ATLAS}/groups", {
        "clusterCount": 0, "created": "0001-01-01T00:00:00Z", "name": unique("tf"), "orgId": org,
        "tags": [], "withDefaultAlertsSettings": True,
    }).expect(201).json["id"]
    client.call("GET", f"{ATLAS}/groups/{group}").expect(200)
    name = "tf" + group[-8:]
    address = make_cluster(client, group, name)
    client.call("POST", f"{ATLAS}/groups/{group}/databaseUsers", {
        "databaseName": "admin", "groupId": group, "password": "correct-horse-1", "username": "tf",
        "roles": [{"databaseName": "shop", "roleName": "readWrite"}], "scopes": [], "labels": [],
    }).expect(201)
    fill(with_user(address, summary, "tf", "correct-horse-1"), "shop", "orders")
    base = f"{ATLAS}/groups/{group}/clusters/{name}/onlineArchives"
    made = client.call("POST", base, {
        "collName": "orders", "collectionType": "STANDARD",
        "criteria": {"dateField": "at", "dateFormat": "ISODATE", "expireAfterDays": 3, "type": "DATE"},
        "dbName": "shop",
        "partitionFields": [{"fieldName": "at", "order": 0}, {"fieldName": "customer", "order": 1}],
        "schedule": {"type": "DEFAULT"},
    }).expect(200).json
    one = f"{base}/{made['_id']}"
    wait_for(
        lambda: client.call("GET", one).expect(200), lambda answer: answer.json["state"] in ("IDLE", "ACTIVE")
    )
    client.call("PATCH", one, {"dataExpirationRule": {"expireAfterDays": 10}}).expect(200)
    # A removed block is an empty object; a removed schedule is the default one.
    unruled = client.call("PATCH", one, {"dataExpirationRule": {}, "schedule": {"type": "DEFAULT"}}).expect(200).json
    assert "dataExpirationRule" not in unruled
    client.call("PATCH", one, {"paused": True, "collectionType": "STANDARD"}).expect(200)
    client.call("GET", f"{base}?{LIST}").expect(200)
    client.call("DELETE", one).expect(200)
    assert client.call("GET", one).expect(404).code == "RESOURCE_NOT_FOUND"
    client.call("DELETE", f"{ATLAS}/groups/{group}/clusters/{name}?retainBackups=false", date="2023-02-01").expect(202)
    clusters = f"{ATLAS}/groups/{group}/clusters?{LIST}"
    wait_for(
        lambda: client.call("GET", clusters, date="2024-08-05").expect(200), lambda answer: answer.json["totalCount"] == 0
    )
    wait_for(lambda: client.call("DELETE", f"{ATLAS}/groups/{group}"), lambda answer: answer.status == 202)
    client.call("DELETE", f"{ATLAS}/orgs/{org}").expect(204)


def test_terraform_service_accounts_list_by_pages(terraform):
    """Autogenerated resources send a dated Content-Type on all methods and page until `totalCount`."""
    client, org = terraform
    date = "application/vnd.atlas.2024-08-05+json"
    typed = [("Content-Type", date)]
    base = f"{ATLAS}/orgs/{org}/serviceAccounts"
    account = client.call("POST", base, {
        "description": "by Terraform", "name": "tf", "roles": ["ORG_MEMBER"], "secretExpiresAfterHours": 8,
    }, date="2024-08-05").expect(201).json["clientId"]
    assert client.call("GET", f"{base}/{account}", date="2024-08-05", headers=typed).expect(200).json["name"] == "tf"
    listed = client.call("GET", f"{base}?itemsPerPage=1&pageNum=1", date="2024-08-05", headers=typed).expect(200).json
    assert listed["totalCount"] == len(client.call("GET", base, date="2024-08-05").json["results"])
    past = client.call("GET", f"{base}?itemsPerPage=1&pageNum=99", date="2024-08-05").expect(200).json
    assert (past["results"], past["totalCount"]) == ([], listed["totalCount"])
    client.call("DELETE", f"{base}/{account}", date="2024-08-05", headers=typed).expect(204)
    client.call("DELETE", f"{ATLAS}/orgs/{org}").expect(204)


def test_cli_calls_what_no_sdk_release_has(cli, summary):
    """`atlas api` reaches operations that are newer than the releases of the SDK."""
    path = f"{ATLAS}/orgs/{summary['orgId']}/delegationSettings"
    before = cli.call("GET", path, date="2025-03-12").expect(200).json
    changed = cli.call("PATCH", path, {"delegatedMcpAccess": "READ_ONLY"}, date="2025-03-12").expect(200).json
    assert changed == {**before, "delegatedMcpAccess": "READ_ONLY"}
    cli.call("PATCH", path, {"delegatedMcpAccess": None}, date="2025-03-12").expect(200)
    sets = cli.call("GET", f"{ATLAS}/rateLimits?{LIST}", date="2025-03-12").expect(200).json["results"]
    one = cli.call("GET", f"{ATLAS}/rateLimits/{sets[0]['endpointSetId']}", date="2025-03-12").expect(200).json
    assert one == sets[0]
    group = f"{ATLAS}/groups/{summary['groupId']}"
    for scope in (f"{ATLAS}/orgs/{summary['orgId']}", group):
        assert cli.call("GET", f"{scope}/activityFeed", date="2025-03-12").expect(200).json["link"]
    containers = cli.call("GET", f"{group}/containers?{LIST}&providerName=AWS").expect(200).json["results"]
    assert all(container["provisioned"] is False for container in containers)
    instances = cli.call("GET", f"{group}/dataFederation?type=ONLINE_ARCHIVE").expect(200).json
    change = f"{group}/dataFederation/{instances[0]['name']}?skipRoleValidation=true"
    refused = cli.call("PATCH", change, {"name": instances[0]["name"]})
    assert (refused.status, refused.json["errorCode"]) == (403, "FEATURE_UNSUPPORTED")
    judge = f"{group}/clusterConfigurations:validate"
    edit = {"clusterDescription": {"paused": True}, "clusterName": summary["clusterName"], "editing": True}
    judged = cli.call("POST", judge, edit, date="2025-03-12").expect(200).json
    assert (judged["valid"], judged["errors"]) == (True, [])


def test_cli_access_lists_and_settings(cli, summary):
    """`accessLists create` answers the whole list with 201; entries are named by their address or network."""
    org, base = summary["orgId"], f"{ATLAS}/groups"
    group = cli.call("POST", base, {
        "clusterCount": 0, "created": "0001-01-01T00:00:00Z", "name": unique("lists"), "orgId": org,
    }).expect(201).json["id"]
    entries = f"{base}/{group}/accessList"
    made = cli.call("POST", f"{entries}?{LIST}", [{"ipAddress": "192.0.2.7", "comment": "cli"}]).expect(201).json
    assert made["results"][0]["cidrBlock"] == "192.0.2.7/32"
    assert made["results"][0]["links"][0]["href"].endswith("192.0.2.7%2F32")
    cli.call("GET", f"{entries}/192.0.2.7").expect(200)
    cli.call("GET", f"{entries}/192.0.2.7%2F32").expect(200)
    assert cli.call("GET", f"{entries}/192.0.2.7/status").expect(200).json["STATUS"] in ("PENDING", "ACTIVE")
    cli.call("DELETE", f"{entries}/192.0.2.7%2F32").expect(204)
    settings = cli.call("GET", f"{base}/{group}/settings").expect(200).json
    changed = cli.call("PATCH", f"{base}/{group}/settings", {"isSchemaAdvisorEnabled": False}).expect(200).json
    assert changed == {**settings, "isSchemaAdvisorEnabled": False}
    cli.call("DELETE", f"{base}/{group}").expect(202)


def test_terraform_project(terraform):
    """The project resource: create, limits, settings, the set that it reads, the list of clusters before the end."""
    client, org = terraform
    group = client.call("POST", f"{ATLAS}/groups", {
        "clusterCount": 0, "created": "0001-01-01T00:00:00Z", "name": unique("tf"), "orgId": org,
        "tags": [{"key": "environment", "value": "test"}], "withDefaultAlertsSettings": False,
    }).expect(201).json["id"]
    base = f"{ATLAS}/groups/{group}"
    limit = "atlas.project.deployment.clusters"
    assert client.call("PATCH", f"{base}/limits/{limit}", {"value": 24}).expect(200).json["value"] == 24
    assert client.call("PATCH", f"{base}/limits/no.such.limit", {"value": 1}).status == 404
    client.call("GET", f"{base}/settings").expect(200)
    client.call("PATCH", f"{base}/settings", {"isDataExplorerEnabled": False, "isSchemaAdvisorEnabled": True}).expect(200)
    client.call("POST", f"{base}/managedSlowMs/enable").expect(204)
    assert client.call("GET", f"{base}/managedSlowMs").expect(200).json is True
    client.call("DELETE", f"{base}/managedSlowMs/disable").expect(204)
    assert client.call("GET", f"{base}/managedSlowMs").expect(200).json is False
    assert client.call("GET", base).expect(200).json["tags"] == [{"key": "environment", "value": "test"}]
    named = {one["name"]: one["value"] for one in client.call("GET", f"{base}/limits").expect(200).json}
    assert named[limit] == 24
    assert client.call("GET", f"{base}/ipAddresses").expect(200).json["services"]["clusters"] == []
    client.call("GET", f"{base}/users?{LIST}&flattenTeams=true&includeOrgUsers=true", date="2025-02-19").expect(200)
    client.call("DELETE", f"{base}/limits/{limit}").expect(204)
    # The provider reads the count without asking whether it is there.
    clusters = client.call("GET", f"{base}/clusters?includeDeletedWithRetainedBackups=false&{LIST}", date="2024-08-05")
    assert clusters.expect(200).json["totalCount"] == 0
    assert client.call("DELETE", base).expect(202).json == {}
    assert client.call("GET", base).status in (401, 404)
    client.call("DELETE", f"{ATLAS}/orgs/{org}").expect(204)


def test_cli_clusters_of_the_older_version(cli, summary):
    """`clusters create`, `describe`, `update`, `pause`, `start` and `delete` with replication specs of 2023-02-01."""
    org, date = summary["orgId"], "2023-02-01"
    group = cli.call("POST", f"{ATLAS}/groups", {
        "clusterCount": 0, "created": "0001-01-01T00:00:00Z", "name": unique("clusters"), "orgId": org,
    }).expect(201).json["id"]
    specs = {"instanceSize": "M10", "nodeCount": 3, "ebsVolumeType": "STANDARD"}
    region = {"electableSpecs": specs, "priority": 7, "providerName": "AWS", "regionName": "US_EAST_1"}
    base = f"{ATLAS}/groups/{group}/clusters"
    made = cli.call("POST", base, {
        "backupEnabled": False, "biConnector": {"enabled": False}, "clusterType": "REPLICASET", "diskSizeGB": 10,
        "groupId": group, "labels": [], "mongoDBMajorVersion": "7.0", "name": "Older", "tags": [],
        "replicationSpecs": [{"numShards": 1, "regionConfigs": [region], "zoneName": "Zone 1"}],
        "terminationProtectionEnabled": False,
    }, date=date).expect(201)
    assert made.headers["content-type"].startswith("application/vnd.atlas.2023-02-01+json")
    assert made.json["replicationSpecs"][0]["numShards"] == 1
    one = f"{base}/Older"

    def idle():
        return wait_for(
            lambda: cli.call("GET", one, date=date).expect(200), lambda answer: answer.json["stateName"] == "IDLE"
        ).json

    described = idle()
    assert described["diskSizeGB"] == 10 and "effectiveReplicationSpecs" not in described
    # `update` sends back what `describe` showed, less what only the server writes.
    changed = {key: described[key] for key in ("clusterType", "replicationSpecs", "diskSizeGB", "name")}
    cli.call("PATCH", one, {**changed, "tags": [{"key": "environment", "value": "test"}]}, date=date).expect(200)
    assert idle()["tags"] == [{"key": "environment", "value": "test"}]
    for paused in (True, False):
        cli.call("PATCH", one, {"paused": paused}, date=date).expect(200)
        assert idle()["paused"] is paused
    # `clusters advancedSettings` reads and writes the process arguments of both versions.
    for version in ("2023-01-01", "2024-08-05"):
        arguments = cli.call("GET", f"{one}/processArgs", date=version).expect(200).json
        cli.call("PATCH", f"{one}/processArgs", {"javascriptEnabled": False}, date=version).expect(200)
        idle()
        after = cli.call("GET", f"{one}/processArgs", date=version).expect(200).json
        assert after == {**arguments, "javascriptEnabled": False}
        cli.call("PATCH", f"{one}/processArgs", {"javascriptEnabled": True}, date=version).expect(200)
        idle()
    # `clusters sampleData load` and `watch`.
    load = cli.call("POST", f"{ATLAS}/groups/{group}/sampleDatasetLoad/Older").expect(201).json
    assert load["clusterName"] == "Older"
    loaded = f"{ATLAS}/groups/{group}/sampleDatasetLoad/{load['_id']}"
    wait_for(lambda: cli.call("GET", loaded).expect(200), lambda answer: answer.json["state"] == "COMPLETED")
    cli.call("DELETE", one, date=date).expect(202)
    wait_for(lambda: cli.call("GET", one, date=date), lambda answer: answer.status == 404)
    wait_for(lambda: cli.call("DELETE", f"{ATLAS}/groups/{group}"), lambda answer: answer.status == 202)


def test_cli_live_migrations_with_empty_texts(cli, summary):
    """`liveMigrations create` writes every flag that was not given as an empty text."""
    group = summary["groupId"]
    body = {
        "destination": {"clusterName": summary["clusterName"], "groupId": group, "hostnameSchemaType": "", "privateLinkId": ""},
        "dropDestinationData": False,
        "migrationHosts": ["agent.example.org"],
        "source": {
            "caCertificatePath": "", "clusterName": "source", "groupId": group, "managedAuthentication": True,
            "password": "", "ssl": False, "username": "",
        },
    }
    base = f"{ATLAS}/groups/{group}/liveMigrations"
    # Nothing is linked: the request is read whole, and then judged.
    refused = cli.call("POST", base, body, date="2024-05-30").expect(400)
    assert refused.code == "VALIDATION_ERROR", refused.body
    started = cli.call("POST", f"{base}/validate", body, date="2024-05-30").expect(200).json
    ended = wait_for(
        lambda: cli.call("GET", f"{base}/validate/{started['_id']}").expect(200),
        lambda answer: answer.json["status"] != "PENDING",
    )
    assert ended.json["status"] == "FAILED" and ended.json["errorMessage"]


def test_terraform_teams(terraform):
    """The team and project resources: a team of users, its roles in a project, names, and the end."""
    client, org = terraform
    group = client.call("POST", f"{ATLAS}/groups", {
        "clusterCount": 0, "created": "0001-01-01T00:00:00Z", "name": unique("teams"), "orgId": org,
    }).expect(201).json["id"]
    users = client.call("GET", f"{ATLAS}/orgs/{org}/users?{LIST}", date="2025-02-19").expect(200).json["results"]
    teams = f"{ATLAS}/orgs/{org}/teams"
    name = unique("team")
    team = client.call("POST", teams, {"name": name, "usernames": [users[0]["username"]]}).expect(201).json["id"]
    assert client.call("GET", f"{teams}/{team}").expect(200).json["name"] == name
    assert client.call("GET", f"{teams}/byName/{urllib.parse.quote(name)}").expect(200).json["id"] == team
    members = client.call("GET", f"{teams}/{team}/users?{LIST}", date="2025-02-19").expect(200).json
    assert [user["id"] for user in members["results"]] == [users[0]["id"]]
    client.call("PATCH", f"{teams}/{team}", {"name": name + " renamed"}).expect(200)
    own = f"{ATLAS}/groups/{group}/teams"
    client.call("POST", own, [{"roleNames": ["GROUP_READ_ONLY"], "teamId": team}]).expect(200)
    assert client.call("GET", f"{own}?{LIST}").expect(200).json["results"][0]["teamId"] == team
    client.call("PATCH", f"{own}/{team}", {"roleNames": ["GROUP_OWNER", "GROUP_READ_ONLY"]}).expect(200)
    client.call("DELETE", f"{own}/{team}").expect(204)
    client.call("DELETE", f"{teams}/{team}/users/{users[0]['id']}").expect(204)
    client.call("DELETE", f"{teams}/{team}").expect(204)
    assert client.call("GET", f"{teams}/{team}").status == 404
    client.call("DELETE", f"{ATLAS}/groups/{group}").expect(202)
    client.call("DELETE", f"{ATLAS}/orgs/{org}").expect(204)


def test_terraform_advanced_cluster(terraform):
    """`mongodbatlas_advanced_cluster`: create, poll, process arguments, containers, sample data, update, delete."""
    client, org = terraform
    group = client.call("POST", f"{ATLAS}/groups", {
        "clusterCount": 0, "created": "0001-01-01T00:00:00Z", "name": unique("advanced"), "orgId": org,
    }).expect(201).json["id"]
    base, name, effective = f"{ATLAS}/groups/{group}", "advanced", [("Use-Effective-Instance-Fields", "false")]
    make_cluster(client, group, name)
    one = f"{base}/clusters/{name}"
    arguments = {"javascriptEnabled": True, "minimumEnabledTlsProtocol": "TLS1_2", "noTableScan": False}
    client.call("PATCH", f"{one}/processArgs", arguments, date="2024-08-05").expect(200)

    def idle():
        read = lambda: client.call("GET", one, date="2024-08-05", headers=effective).expect(200)
        return wait_for(read, lambda answer: answer.json["stateName"] == "IDLE").json

    idle()
    shown = client.call("GET", f"{one}/processArgs", date="2024-08-05").expect(200).json
    assert {key: shown[key] for key in arguments} == arguments
    containers = client.call("GET", f"{base}/containers?{LIST}&providerName=AWS").expect(200).json
    assert containers["totalCount"] == len(containers["results"]) == 1
    load = client.call("POST", f"{base}/sampleDatasetLoad/{name}").expect(201).json["_id"]
    loading = f"{base}/sampleDatasetLoad/{load}"
    wait_for(lambda: client.call("GET", loading).expect(200), lambda answer: answer.json["state"] == "COMPLETED")
    region = {
        "electableSpecs": {"instanceSize": "M20", "nodeCount": 3}, "priority": 7, "providerName": "AWS",
        "regionName": "US_EAST_1",
    }
    client.call(
        "PATCH", one, {"replicationSpecs": [{"regionConfigs": [region]}]}, date="2024-10-23", headers=effective
    ).expect(200)
    assert idle()["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"]["instanceSize"] == "M20"
    client.call("DELETE", f"{one}?retainBackups=false", date="2023-02-01").expect(202)
    wait_for(lambda: client.call("GET", one, date="2024-08-05"), lambda answer: answer.status == 404)
    wait_for(lambda: client.call("DELETE", base), lambda answer: answer.status == 202)
    client.call("DELETE", f"{ATLAS}/orgs/{org}").expect(204)
