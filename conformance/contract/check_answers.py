"""Holds every recorded answer against the public contract of the Admin API (OpenAPI 3.0), except the
deviations that deviations.json lists, and counts which served operations were called at all.

    check_answers.py [--some] RECORDINGS OPENAPI [CONTRACT]

RECORDINGS is a folder of JSON lines, one exchange each; OPENAPI is the server's own document, which says
what is served. Without CONTRACT the answers are not checked, and the script says so and counts nothing.
Ends with status 1 when an answer is neither as the contract says nor a listed deviation, when a listed
deviation of a called operation is not needed, or when a served operation was never called. With --some, when
only some of the programs ran, a deviation may be there for another one, and the last is only said.
"""

import collections
import copy
import json
import pathlib
import re
import sys

import jsonschema
import yaml

HERE = pathlib.Path(__file__).parent
PREFIX = "/api/atlas/v2"


class Operations:
    """Operations of an OpenAPI document, found by request."""

    def __init__(self, document):
        self.known = []
        for path, item in document["paths"].items():
            if not path.startswith(PREFIX):
                continue
            pattern = re.sub(r"\\\{[^}]*\\\}", "([^/]+)", re.escape(path))
            literals = len(re.sub(r"\{[^}]*\}", "", path))
            for method, operation in item.items():
                if isinstance(operation, dict) and "operationId" in operation:
                    self.known.append((literals, method.upper(), re.compile(pattern + "/?$"), operation))
        self.known.sort(key=lambda one: -one[0])

    def find(self, method, path):
        path = re.sub("%3[aA]", ":", re.sub("/+", "/", path))
        for _, known, pattern, operation in self.known:
            if known == method and pattern.match(path):
                return operation
        return None


def as_json_schema(contract):
    """Schemas of OpenAPI 3.0 in the words of JSON Schema, for answers."""
    schemas = contract["components"]["schemas"]
    for name, schema in list(schemas.items()):
        mapping = schema.get("discriminator", {}).get("mapping")
        if not mapping or "oneOf" not in schema:
            continue
        plain = {key: value for key, value in schema.items() if key not in ("oneOf", "discriminator")}
        schemas[name + "__plain"] = plain
        base = "#/components/schemas/" + name
        for place in set(mapping.values()):
            child = schemas.get(place.rsplit("/", 1)[-1], {})
            child["allOf"] = [
                {"$ref": base + "__plain"} if one.get("$ref") == base else one for one in child.get("allOf", [])
            ]
            if not child["allOf"]:
                del child["allOf"]
    contract["components"]["schemas"] = {name: convert(schema) for name, schema in schemas.items()}
    return contract


def convert(schema):
    if isinstance(schema, list):
        return [convert(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key in ("example", "examples", "externalDocs", "discriminator") or key.startswith("x-"):
            continue
        if key == "properties":
            result[key] = {name: convert(one) for name, one in value.items()}
        elif key == "required" and isinstance(value, list):
            properties = schema.get("properties", {})
            result[key] = [name for name in value if not properties.get(name, {}).get("writeOnly")]
        elif key == "pattern" and isinstance(value, str):
            # Python's expressions have no classes of Unicode.
            result[key] = value.replace("\\p{L}\\p{N}", "\\w").replace("\\p{L}", "\\w").replace("\\p{N}", "\\d")
        elif key in ("enum", "default"):
            result[key] = value
        else:
            result[key] = convert(value)
    alternatives = result.get("oneOf", [])
    if result.get("type") == "object" and alternatives and all(one.get("type") == "string" for one in alternatives):
        # The document calls some texts with several lists of values objects (regions, types of events).
        result["type"] = "string"
    if result.pop("exclusiveMinimum", None) is True:
        result["exclusiveMinimum"] = result.pop("minimum")
    tagged = schema.get("discriminator", {})
    if "oneOf" in result and tagged.get("mapping"):
        name = tagged["propertyName"]
        del result["oneOf"]
        result["allOf"] = result.get("allOf", []) + [
            {"if": {"properties": {name: {"const": value}}, "required": [name]}, "then": {"$ref": place}}
            for value, place in tagged["mapping"].items()
        ]
    elif "oneOf" in result:
        result["anyOf"] = result.pop("oneOf")
    if result.pop("nullable", False):
        result = {"anyOf": [result, {"type": "null"}]}
    return result


class Contract:
    def __init__(self, path):
        text = pathlib.Path(path).read_text()
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.document = as_json_schema(document)
        self.operations = Operations(self.document)
        self.validators = {}

    def resolve(self, value):
        while "$ref" in value:
            place = self.document
            for part in value["$ref"].lstrip("#/").split("/"):
                place = place[part]
            value = place
        return value

    def errors(self, schema, body):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            whole = copy.copy(convert(schema))
            whole["components"] = {"schemas": self.document["components"]["schemas"]}
            self.validators[key] = jsonschema.Draft202012Validator(whole)
        found = self.validators[key].iter_errors(body)
        return [leaf for error in found for leaf in leaves(error)]

    def differences(self, operation, exchange):
        """What an answer has that the contract has not: (kind, place, words)."""
        status, media = exchange["status"], exchange["contentType"].split(";")[0].strip()
        responses = operation["responses"]
        wanted = responses.get(str(status))
        if wanted is None:
            yield "status", str(status), f"status {status} is not among {', '.join(responses)}"
            success = [key for key in responses if key.startswith("2")]
            if status >= 400 or not success:
                return
            wanted = responses[success[0]]
        content = self.resolve(wanted).get("content", {})
        if not content or not exchange["body"]:
            return
        shown = content.get(media)
        if shown is None and status < 400:
            yield "media", media, f"{media} is not among {', '.join(content)}"
            return
        schema = (shown or next(iter(content.values()))).get("schema")
        if schema is None:
            return
        for place, words in self.errors(schema, json.loads(exchange["body"])):
            yield "body", place, words


def leaves(error):
    """The errors below a failed alternative that lead furthest, else the error itself."""
    if error.validator == "anyOf" and error.context:
        types = [one for one in error.context if one.schema_path and one.schema_path[-1] != "type"]
        best = types or error.context
        return [leaf for one in best for leaf in leaves(one)]
    place = "/" + "/".join("*" if isinstance(part, int) else str(part) for part in error.absolute_path)
    rule = error.validator
    return [(f"{place}#{rule}", error.message[:300])]


def exchanges(folder):
    for file in sorted(pathlib.Path(folder).glob("*.jsonl")):
        with open(file) as lines:
            for line in lines:
                yield json.loads(line)


def covered(deviation, operation, kind, place):
    names = deviation["operations"]
    return (
        deviation["kind"] == kind
        and (names == ["*"] or operation in names)
        and re.fullmatch(deviation["place"], place) is not None
    )


def check(contract, recordings, some):
    deviations = json.loads((HERE / "deviations.json").read_text())["deviations"]
    used, wrong = collections.Counter(), collections.OrderedDict()
    counts, called = collections.Counter(), set()
    for exchange in recordings:
        if not exchange["path"].lstrip("/").startswith(PREFIX.lstrip("/")):
            continue
        operation = contract.operations.find(exchange["method"], exchange["path"])
        name = operation["operationId"] if operation else f"{exchange['method']} {exchange['path']}"
        found = [("operation", name, "the contract has no such operation")]
        if operation:
            called.add(name)
            found = contract.differences(operation, exchange)
        right = True
        for kind, place, words in found:
            known = [at for at, one in enumerate(deviations) if covered(one, name, kind, place)]
            used.update(known[:1])
            if not known:
                right = False
                wrong.setdefault((name, kind, place), (words, exchange))
        counts["right" if right else "wrong"] += 1
    for (name, kind, place), (words, exchange) in wrong.items():
        print(f"WRONG {name}: {kind} {place}: {words}\n      {exchange['program']}: {exchange['body'][:400]}")
    stale = [
        one for at, one in enumerate(deviations)
        if not (some or used[at]) and one["operations"] != ["*"]
        and all(name in called for name in one["operations"])
    ]
    for one in stale:
        print(f"STALE deviation, which no answer needs: {one['operations']} {one['kind']} {one['place']}")
    print(f"contract: {counts['right']} answers as it says or as listed, {counts['wrong']} wrong; "
          f"{len(used)} of {len(deviations)} deviations needed; {len(called)} operations")
    return not wrong and not stale


def coverage(openapi, recordings):
    operations = Operations(openapi)
    programs = collections.defaultdict(set)
    for exchange in recordings:
        found = operations.find(exchange["method"], exchange["path"])
        if found:
            programs[exchange["program"]].add(found["operationId"])
    served = {one[3]["operationId"] for one in operations.known}
    for program, names in sorted(programs.items()):
        print(f"coverage: {program} called {len(names)} of {len(served)} served operations")
    missing = served - set().union(*programs.values())
    if missing:
        print(f"NEVER CALLED by any program: {', '.join(sorted(missing))}")
    return not missing


def main(*arguments):
    some = arguments[0] == "--some"
    recordings, openapi, contract = [*arguments[some:], None][:3]
    recorded = list(exchanges(recordings))
    good = coverage(json.loads(pathlib.Path(openapi).read_text()), recorded) or some
    if not contract:
        print("contract: not run (PORTOLAN_CONTRACT names none)")
    else:
        good &= check(Contract(contract), recorded, some)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
