"""MongoDB's MCP server against Portolan with a service account, over stdio: the Atlas tools that reach the
operations served here. Its OAuth library takes tokens over TLS alone, so a proxy that ends TLS stands between.

PORTOLAN_MCP names the server's program; the runner sets it."""

import json
import os
import re
import select
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest
import trustme


class TlsProxy:
    """Ends TLS on a port of its own and passes the bytes on."""

    def __init__(self, target, folder):
        authority = trustme.CA()
        self.authority = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(self.context)
        parts = urllib.parse.urlsplit(target)
        self.target = (parts.hostname, parts.port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with self.context.wrap_socket(connection, server_side=True) as near:
                with socket.create_connection(self.target) as far:
                    back = threading.Thread(target=self.copy, args=(far, near), daemon=True)
                    back.start()
                    self.copy(near, far)
                    back.join()
        except OSError:
            pass

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def stop(self):
        self.listener.close()


class McpServer:
    def __init__(self, summary, folder):
        self.proxy = TlsProxy(summary["baseUrl"], folder)
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "DO_NOT_TRACK": "1", "MDB_MCP_TELEMETRY": "disabled",
            "MDB_MCP_LOG_PATH": str(folder), "MDB_MCP_API_BASE_URL": self.proxy.url,
            "NODE_EXTRA_CA_CERTS": str(self.proxy.authority), "SSL_CERT_FILE": str(self.proxy.authority),
            "MDB_MCP_API_CLIENT_ID": summary["clientId"], "MDB_MCP_API_CLIENT_SECRET": summary["clientSecret"],
            # Nobody is there to confirm what a tool is about to do.
            "MDB_MCP_CONFIRMATION_REQUIRED_TOOLS": "",
        }
        self.process = subprocess.Popen(
            ["node", os.environ["PORTOLAN_MCP"], "--transport", "stdio"], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        self.number, self.unread = 0, b""
        client = {"name": "portolan-conformance", "version": "1"}
        self.request("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def line(self, deadline):
        while b"\n" not in self.unread:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.time()))
            assert ready, "the MCP server does not answer"
            read = os.read(self.process.stdout.fileno(), 1 << 16)
            assert read, "the MCP server ended"
            self.unread += read
        line, self.unread = self.unread.split(b"\n", 1)
        return json.loads(line)

    def request(self, method, params, seconds=60):
        self.number += 1
        self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        deadline = time.time() + seconds
        while True:
            message = self.line(deadline)
            if message.get("id") == self.number and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]

    def tool(self, name, /, **arguments):
        result = self.request("tools/call", {"name": name, "arguments": arguments})
        text = "\n".join(part.get("text", "") for part in result["content"])
        assert not result.get("isError"), f"{name}: {text}"
        return text

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.proxy.stop()


@pytest.fixture(scope="module")
def mcp(summary, tmp_path_factory):
    server = McpServer(summary, tmp_path_factory.mktemp("mcp"))
    yield server
    server.stop()


def test_it_offers_the_atlas_tools(mcp):
    names = {tool["name"] for tool in mcp.request("tools/list", {})["tools"]}
    assert {"atlas-list-orgs", "atlas-list-projects", "atlas-list-clusters", "atlas-create-db-user"} <= names


def test_it_reads_organizations_projects_and_clusters(mcp, summary):
    assert summary["orgId"] in mcp.tool("atlas-list-orgs")
    assert summary["groupId"] in mcp.tool("atlas-list-projects", orgId=summary["orgId"])
    assert summary["clusterName"] in mcp.tool("atlas-list-clusters", projectId=summary["groupId"])
    inspected = mcp.tool("atlas-inspect-cluster", projectId=summary["groupId"], clusterName=summary["clusterName"])
    assert summary["clusterName"] in inspected and "IDLE" in inspected


def test_it_creates_a_project_and_a_database_user(mcp, api, summary):
    name = f"by MCP {time.time_ns() % 10**10}"
    created = mcp.tool("atlas-create-project", projectName=name, orgId=summary["orgId"])
    status, found = api.call("GET", "/api/atlas/v2/groups/byName/" + name.replace(" ", "%20"))
    assert status == 200, created
    user = f"mcp{time.time_ns() % 10**10}"
    role = {"roleName": "readWrite", "databaseName": "flights"}
    mcp.tool("atlas-create-db-user", projectId=found["id"], username=user, password="correct-horse-1", roles=[role])
    assert user in mcp.tool("atlas-list-db-users", projectId=found["id"])
    status, shown = api.call("GET", f"/api/atlas/v2/groups/{found['id']}/databaseUsers/admin/{user}")
    assert (status, shown["roles"][0]["roleName"]) == (200, "readWrite")
    api.call("DELETE", f"/api/atlas/v2/groups/{found['id']}")


def test_it_edits_the_access_list_of_a_project(mcp, api, summary):
    group = summary["groupId"]
    mcp.tool("atlas-create-access-list", projectId=group, cidrBlocks=["198.51.100.0/24"], comment="by MCP")
    listed = mcp.tool("atlas-inspect-access-list", projectId=group)
    assert "198.51.100.0/24" in listed and "by MCP" in listed
    status, _ = api.call("DELETE", f"/api/atlas/v2/groups/{group}/accessList/198.51.100.0%2F24")
    assert status == 204


def test_it_says_why_a_call_is_refused(mcp):
    with pytest.raises(AssertionError, match=re.compile("not found|no group|404|unable", re.IGNORECASE)):
        mcp.tool("atlas-list-clusters", projectId="0" * 24)


def wait_for_idle(api, group, name):
    deadline = time.time() + 60
    while True:
        status, shown = api.call("GET", f"/api/atlas/v2/groups/{group}/clusters/{name}")
        if status == 200 and shown["stateName"] == "IDLE":
            return shown
        assert time.time() < deadline, shown
        time.sleep(0.3)


def test_it_makes_pauses_scales_and_fills_clusters(mcp, api, summary):
    """Its defaults ask for snapshots and look up keys of encryption at rest, which are not there: both are named."""
    name = f"MCP clusters {time.time_ns() % 10**10}"
    mcp.tool("atlas-create-project", projectName=name, orgId=summary["orgId"])
    group = api.call("GET", "/api/atlas/v2/groups/byName/" + name.replace(" ", "%20"))[1]["id"]
    assert "US_EAST_1" in mcp.tool("atlas-get-regions", provider="AWS")
    wanted = {"projectId": group, "clusterName": "Mcp0", "provider": "AWS", "regions": ["US_EAST_1"]}
    with pytest.raises(AssertionError, match="backups of clusters"):
        mcp.tool("atlas-create-cluster", **wanted, encryptionAtRestProvider="NONE")
    mcp.tool("atlas-create-cluster", **wanted, encryptionAtRestProvider="NONE", backup="OFF")
    wait_for_idle(api, group, "Mcp0")
    assert "IDLE" in mcp.tool("atlas-inspect-cluster", projectId=group, clusterName="Mcp0")
    for action, paused in (("PAUSE", True), ("RESUME", False)):
        mcp.tool("atlas-pause-resume-cluster", projectId=group, clusterName="Mcp0", action=action)
        assert wait_for_idle(api, group, "Mcp0")["paused"] is paused
    mcp.tool("atlas-upgrade-cluster", projectId=group, clusterName="Mcp0", targetTier="M20")
    scaled = wait_for_idle(api, group, "Mcp0")["replicationSpecs"][0]["regionConfigs"][0]
    assert scaled["electableSpecs"]["instanceSize"] == "M20"
    started = mcp.tool("atlas-load-sample-dataset", projectId=group, clusterName="Mcp0")
    job = re.search(r"[0-9a-f]{24}", started.replace(group, "")).group()
    assert re.search("WORKING|COMPLETED", mcp.tool("atlas-load-sample-dataset", projectId=group, jobId=job))
    mcp.tool("atlas-create-free-cluster", projectId=group, name="Free0", region="US_EAST_1")
    wait_for_idle(api, group, "Free0")
    listed = mcp.tool("atlas-list-clusters", projectId=group)
    assert "Mcp0" in listed and "Free0" in listed
    for cluster in ("Mcp0", "Free0"):
        assert api.call("DELETE", f"/api/atlas/v2/groups/{group}/clusters/{cluster}")[0] == 202
