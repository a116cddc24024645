"""An HTTP client that sends exactly the bytes that it is told, as the Go clients of the Admin API do: with
Digest each call is two requests, and both carry the body. Every answer is recorded for the contract check."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import socket
import urllib.parse


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    @property
    def code(self):
        return (self.json or {}).get("errorCode")

    def expect(self, status):
        assert self.status == status, f"{self.status}, wanted {status}: {self.body[:500]!r}"
        return self


class WireClient:
    """Calls of one program with one credential."""

    def __init__(self, base, program, agent, key=None, token=None):
        parts = urllib.parse.urlsplit(base)
        self.host, self.port = parts.hostname, parts.port
        self.program, self.agent, self.key, self.token = program, agent, key, token

    def send(self, method, target, headers, body=b""):
        """One request on a connection of its own, its target and headers as they are."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}:{self.port}", f"User-Agent: {self.agent}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        lines += ["Connection: close", "", ""]
        with socket.create_connection((self.host, self.port), timeout=60) as connection:
            connection.sendall("\r\n".join(lines).encode() + body)
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            return Answer(response.status, dict((k.lower(), v) for k, v in response.getheaders()), response.read())

    def call(self, method, target, body=None, date="2023-01-01", headers=()):
        """A call as the SDK makes it: the same date in Accept and Content-Type."""
        media = f"application/vnd.atlas.{date}+json" if date else "application/json"
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = [("Accept", media), *([("Content-Type", media)] if data else []), *headers]
        if self.token:
            answer = self.send(method, target, [*headers, ("Authorization", f"Bearer {self.token}")], data)
        elif self.key:
            challenge = self.send(method, target, headers, data).expect(401)
            proof = digest(challenge.headers["www-authenticate"], self.key, method, target)
            answer = self.send(method, target, [*headers, ("Authorization", proof)], data)
        else:
            answer = self.send(method, target, headers, data)
        self.record(method, target, media, data, answer)
        return answer

    def record(self, method, target, accept, data, answer):
        folder = os.environ.get("PORTOLAN_RECORDINGS")
        if not folder:
            return
        path, _, query = target.partition("?")
        line = {
            "program": self.program, "method": method, "path": path, "query": query, "accept": accept,
            "request": data.decode(), "status": answer.status,
            "contentType": answer.headers.get("content-type", ""), "body": "",
        }
        try:
            json.loads(answer.body)
            line["body"] = answer.body.decode()
        except ValueError:
            line["base64"] = base64.b64encode(answer.body).decode()
        with open(pathlib.Path(folder) / "sequences.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")


def digest(challenge, key, method, target):
    """The answer of the Go client: a new client nonce each time, the algorithm in quotes."""
    fields = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge.split(" ", 1)[1]))
    assert set(fields) <= {"realm", "domain", "nonce", "algorithm", "qop", "stale"}, "Go refuses other fields"
    public, private = key
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
    client_nonce = base64.b64encode(os.urandom(12)).decode()
    first = md5(f"{public}:{fields['realm']}:{private}")
    second = md5(f"{method}:{target}")
    response = md5(f"{first}:{fields['nonce']}:00000001:{client_nonce}:auth:{second}")
    return (
        f'Digest username="{public}", realm="{fields["realm"]}", nonce="{fields["nonce"]}", uri="{target}", '
        f'response="{response}", algorithm="MD5", cnonce="{client_nonce}", qop=auth, nc=00000001'
    )
