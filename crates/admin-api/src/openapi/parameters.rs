//! Parameters of paths and queries, and the words for those that many operations share.

use portolan_api_types::description::schemas::{Mode, Schemas};
use portolan_api_types::description::{Field, Operation};
use serde_json::{Map, Value, json};

/// A name in paths: its pattern or none, an example, what it says.
type PathWord = (&'static str, Option<&'static str>, &'static str, &'static str);

const HEX: Option<&str> = Some("^[a-f0-9]{24}$");

/// Everything that stands in braces in a path.
const PATH_WORDS: &[PathWord] = &[
    ("orgId", HEX, "5f1b3c8e2d4a6b7c8d9e0f1a", "Id of the organization."),
    ("groupId", HEX, "5f1b3c8e2d4a6b7c8d9e0f1b", "Id of the project."),
    ("groupName", None, "Sales", "Name of the project."),
    ("userId", HEX, "5f1b3c8e2d4a6b7c8d9e0f1c", "Id of the user."),
    ("userName", None, "ada@example.org", "E-mail address of the user."),
    ("invitationId", HEX, "5f1b3c8e2d4a6b7c8d9e0f1d", "Id of the invitation."),
    ("teamId", HEX, "5f1b3c8e2d4a6b7c8d9e0f1e", "Id of the team."),
    ("teamName", None, "Operators", "Name of the team."),
    ("apiUserId", HEX, "5f1b3c8e2d4a6b7c8d9e0f1f", "Id of the API key."),
    (
        "clientId",
        Some("^mdb_sa_id_[a-fA-F0-9]{24}$"),
        "mdb_sa_id_5f1b3c8e2d4a6b7c8d9e0f1a",
        "Client id of the service account.",
    ),
    ("secretId", HEX, "5f1b3c8e2d4a6b7c8d9e0f20", "Id of the secret."),
    ("ipAddress", None, "192.0.2.7", "Address, or network with its slash written as %2F."),
    ("entryValue", None, "192.0.2.7", "Address, or network with its slash written as %2F."),
    ("eventId", HEX, "5f1b3c8e2d4a6b7c8d9e0f21", "Id of the event."),
    ("clusterName", None, "flights", "Name of the cluster."),
    ("name", None, "flights", "Name of the cluster."),
    ("sampleDatasetId", HEX, "5f1b3c8e2d4a6b7c8d9e0f22", "Id of the load of sample data."),
    ("databaseName", None, "admin", "Database that the user is defined on: admin."),
    ("username", None, "importer", "Name of the database user."),
    ("archiveId", HEX, "5f1b3c8e2d4a6b7c8d9e0f23", "Id of the online archive."),
    ("sourceOrgId", HEX, "5f1b3c8e2d4a6b7c8d9e0f28", "Id of the source's organization."),
    ("runId", HEX, "5f1b3c8e2d4a6b7c8d9e0f24", "Id of the run."),
    ("operationId", HEX, "5f1b3c8e2d4a6b7c8d9e0f24", "Id of the operation."),
    ("liveMigrationId", HEX, "5f1b3c8e2d4a6b7c8d9e0f25", "Id of the live migration."),
    ("validationId", HEX, "5f1b3c8e2d4a6b7c8d9e0f26", "Id of the validation."),
    ("limitName", None, "atlas.project.deployment.clusters", "Name of the limit."),
    ("tenantName", None, "flights-archive", "Name of the federated database instance."),
    ("endpointSetId", None, "clusters", "Id of the set of endpoints."),
    ("endpointId", None, "vpce-0123456789abcdef0", "Id of the private endpoint."),
    ("containerId", HEX, "5f1b3c8e2d4a6b7c8d9e0f27", "Id of the container."),
];

/// Parameters that stand among the components, by name.
pub(super) fn shared() -> Value {
    let query = |name: &str, schema: Value, text: &str| json!({ "name": name, "in": "query", "description": text, "schema": schema });
    json!({
        "envelope": query(
            "envelope",
            json!({ "type": "boolean", "default": false }),
            "Answers 200 with the answer as `content` beside its `status`; lists get the status added.",
        ),
        "pretty": query(
            "pretty",
            json!({ "type": "boolean", "default": false }),
            "Writes the answer with line breaks.",
        ),
        "pageNum": query(
            "pageNum",
            json!({ "type": "integer", "minimum": 1, "maximum": 2_147_483_647, "default": 1 }),
            "Which page, from 1.",
        ),
        "itemsPerPage": query(
            "itemsPerPage",
            json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 100 }),
            "Items of a page.",
        ),
        "includeCount": query(
            "includeCount",
            json!({ "type": "boolean", "default": true }),
            "Whether the answer has totalCount.",
        ),
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// The parameters of an operation: those of its path, its own, and those that it shares.
pub(super) fn of(path: &str, said: &Operation, styled: bool, schemas: &mut Schemas<'_>) -> Value {
    let mut parameters: Vec<Value> = names(path).into_iter().map(in_path).collect();
    parameters.extend(said.query.iter().map(|field| in_query(field, schemas)));
    if said.paged {
        parameters.extend(["pageNum", "itemsPerPage", "includeCount"].map(reference));
    }
    if styled {
        parameters.extend(["envelope", "pretty"].map(reference));
    }
    Value::Array(parameters)
}

/// The names in braces, in order.
pub(crate) fn names(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

fn in_path(name: &str) -> Value {
    let word = PATH_WORDS.iter().find(|(known, ..)| *known == name);
    let mut schema = Map::from_iter([("type".to_owned(), json!("string"))]);
    let mut parameter = json!({ "name": name, "in": "path", "required": true });
    if let Some((_, pattern, example, text)) = word {
        parameter["description"] = json!(text);
        parameter["example"] = json!(example);
        match pattern {
            Some(pattern) => schema.insert("pattern".to_owned(), json!(pattern)),
            None => schema.insert("minLength".to_owned(), json!(1)),
        };
    }
    parameter["schema"] = Value::Object(schema);
    parameter
}

fn in_query(field: &Field, schemas: &mut Schemas<'_>) -> Value {
    let mut schema = schemas.field(field, Mode::Request);
    let text = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    json!({
        "name": field.name,
        "in": "query",
        "required": field.required,
        "description": text,
        "schema": schema,
    })
}
