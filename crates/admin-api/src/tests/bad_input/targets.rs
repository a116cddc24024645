//! Wrong paths, query parameters, versions, encodings and credentials.

use serde_json::{Value, json};

use super::super::declared::{DOCUMENT, resolved};
use super::super::scenario::Request;
use super::{Right, Wrong};

/// Codes for ids that are none.
const NO_ID: &[&str] =
    &["INVALID_GROUP_ID", "INVALID_ORG_ID", "INVALID_INVITATION_ID", "INVALID_PATH_PARAMETER"];

/// Each parameter of the path and of the query, wrong in each way.
pub(super) fn paths_and_queries(request: &Request<'_>) -> Vec<Wrong> {
    let mut all = Vec::new();
    for (name, value) in &request.parameters {
        all.extend(of_path(request, name, value));
    }
    for parameter in parameters(request, "query") {
        all.extend(of_query(request, &parameter));
    }
    all
}

fn parameters(request: &Request<'_>, place: &str) -> Vec<Value> {
    let method = request.route.method.as_str().to_ascii_lowercase();
    let all = DOCUMENT["paths"][request.route.path][method]["parameters"].as_array();
    all.into_iter().flatten().map(resolved).filter(|one| one["in"] == place).collect()
}

fn of_path(request: &Request<'_>, name: &'static str, value: &str) -> Vec<Wrong> {
    let with = |text: &str, right: Right| {
        let what = format!("{name} is {}", text.chars().take(40).collect::<String>());
        let target = request.target_with(name, text);
        Wrong { target, ..Wrong::of(request, what, right) }
    };
    let escapes = ["%ff", "%zz", "%2", "a%00b", "%", "%c3%28"];
    let parameters = parameters(request, "path");
    let known = parameters.iter().find(|one| one["name"] == name).expect("it is described");
    let mut all: Vec<Wrong> =
        escapes.map(|text| with(text, Right::Code(bad_status(name), NO_ID))).into();
    all.push(with(&"x".repeat(5_000), Right::Status(&[400, 404])));
    if known["schema"]["pattern"].is_string() {
        let upper = value.to_ascii_uppercase();
        for text in ["x", &upper, &format!("{value}0"), &value[1..], &format!("%20{value}")] {
            all.push(with(text, Right::Code(bad_status(name), NO_ID)));
        }
        let absent = if name == "clientId" { "mdb_sa_id_" } else { "" };
        // What describes itself under an id is not absent.
        if name != "sourceOrgId" {
            all.push(with(&format!("{absent}0123456789abcdef01234567"), absent_answer(request)));
        }
    } else {
        all.push(with("no-such-thing", absent_answer(request)));
        all.push(with("%F0%9F%90%9F", Right::Status(&[400, 403, 404])));
        all.push(with("a%2Fb", Right::Status(&[400, 403, 404])));
        all.push(with("%22%27;--", Right::Status(&[400, 403, 404])));
    }
    all
}

/// As the public error list has it: 404 for projects and organizations, 400 for others.
fn bad_status(name: &str) -> u16 {
    if matches!(name, "groupId" | "orgId") { 404 } else { 400 }
}

/// What is not there: 404, but for keys, and for operations that refuse whatever is asked.
fn absent_answer(request: &Request<'_>) -> Right {
    match request.step.refused {
        Some(_) => Right::Status(&[400, 403, 404]),
        None => Right::Status(&[400, 404]),
    }
}

fn of_query(request: &Request<'_>, parameter: &Value) -> Vec<Wrong> {
    let name = parameter["name"].as_str().expect("a name");
    let schema = &parameter["schema"];
    // Anything but `true` means no, as on Atlas.
    if matches!(name, "envelope" | "pretty") {
        return Vec::new();
    }
    let values: Vec<&str> = match schema["type"].as_str() {
        Some("integer") => vec!["", "x", "-1", "1.5", "1e3", "99999999999999999999999"],
        Some("boolean") => vec!["", "perhaps", "1", "TRUE"],
        _ if schema["enum"].is_array() => vec!["NO_SUCH_VALUE"],
        _ if schema["format"] == "date-time" => {
            vec!["", "yesterday", "2026-13-45T00:00:00Z", "1786330966"]
        }
        _ if schema["pattern"].is_string() => vec!["x", "ABCDEFABCDEFABCDEFABCDEF"],
        _ => vec!["a%00b"],
    };
    let values = values.into_iter().chain(["%ff"]);
    values
        .map(|value| {
            let (path, query) = request.target().split_once('?').map_or_else(
                || (request.target(), String::new()),
                |(path, query)| (path.to_owned(), query.to_owned()),
            );
            let others = query.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
            let query: Vec<&str> = others.filter(|pair| !pair.is_empty()).collect();
            let target = format!(
                "{path}?{}",
                [&query[..], &[&format!("{name}={value}")]].concat().join("&")
            );
            let what = format!("{name}={value}");
            let right = Right::Code(
                400,
                &["INVALID_QUERY_PARAMETER", "VALIDATION_ERROR", "INVALID_ENUM_VALUE"],
            );
            Wrong { target, ..Wrong::of(request, what, right) }
        })
        .collect()
}

/// Versions, encodings and credentials.
pub(super) fn headers(request: &Request<'_>) -> Vec<Wrong> {
    let mut all = Vec::new();
    if !request.route.versions.is_empty() {
        all.extend(versions(request));
    }
    if request.body.is_some() {
        all.extend(encodings(request));
    }
    if !request.route.access.is_public() {
        all.extend(credentials(request));
    }
    all
}

fn versions(request: &Request<'_>) -> Vec<Wrong> {
    let texts = [
        "*/*",
        "application/json",
        "application/vnd.atlas.2022-01-01+json",
        "application/vnd.atlas.2025-13-45+json",
        "application/vnd.atlas.2025-03-12+xml",
        "application/vnd.atlas.2025-03-12",
        "application/vnd.atlas.+json",
        "nonsense",
        "",
    ];
    let wrong = |text: &str| Wrong {
        headers: vec![("accept", text.to_owned())],
        ..Wrong::of(request, format!("Accept: {text}"), Right::Code(406, &["INVALID_VERSION_DATE"]))
    };
    texts.into_iter().map(wrong).collect()
}

fn encodings(request: &Request<'_>) -> Vec<Wrong> {
    let types = [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/vnd.atlas.2025-13-45+json",
        "application/vnd.other.2025-03-12+json",
        "nonsense",
    ];
    let right = || Right::Code(415, &["UNSUPPORTED_MEDIA_TYPE"]);
    let labelled = types.into_iter().map(|text| Wrong {
        headers: vec![("content-type", text.to_owned())],
        ..Wrong::of(request, format!("Content-Type: {text}"), right())
    });
    let packed = ["gzip", "br", "identity, gzip"].into_iter().map(|text| Wrong {
        headers: vec![("content-encoding", text.to_owned())],
        ..Wrong::of(request, format!("Content-Encoding: {text}"), right())
    });
    labelled.chain(packed).collect()
}

fn credentials(request: &Request<'_>) -> Vec<Wrong> {
    let texts = [
        "",
        "Bearer",
        "Bearer x",
        "Basic YTpi",
        "Digest",
        "Digest username=\"a\"",
        "Digest username=\"a\", realm=\"MMS Public API\", nonce=\"b\", uri=\"/\", response=\"c\", \
         qop=auth, nc=00000001, cnonce=\"d\"",
        "Nonsense",
    ];
    let wrong = |text: &str| Wrong {
        headers: vec![("authorization", text.to_owned())],
        anonymous: true,
        ..Wrong::of(request, format!("Authorization: {text}"), Right::Status(&[401]))
    };
    texts.into_iter().map(wrong).collect()
}

/// That the generators find something to be wrong: without it, no objection could come.
#[test]
fn parameters_have_schemas() {
    let operations = DOCUMENT["paths"].as_object().expect("paths").values();
    let all: Vec<&Value> = operations
        .flat_map(|item| item.as_object().expect("methods").values())
        .flat_map(|operation| operation["parameters"].as_array().into_iter().flatten())
        .collect();
    let schemas = all.iter().filter(|one| resolved(one)["schema"]["type"] != json!(null)).count();
    assert!(schemas > 500, "{schemas}");
}
