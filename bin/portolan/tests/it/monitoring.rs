//! The alert rules in docs/monitoring name metrics that a real process shows, and the page beside them
//! explains exactly those.

use std::collections::BTreeSet;
use std::path::Path;

use crate::served::until;
use crate::support::{Instance, sample};

/// The rules of the file: name and expression of each. The file keeps to a simple shape.
fn rules(text: &str) -> Vec<(String, String)> {
    let mut rules = Vec::new();
    for block in text.split("- alert: ").skip(1) {
        let name = block.lines().next().unwrap_or_default().trim();
        let field = |key: &str| {
            let found = block.lines().find_map(|line| line.trim().strip_prefix(key));
            found.unwrap_or_else(|| panic!("{name} has no {key}")).trim().to_owned()
        };
        assert!(["critical", "warning", "info"].contains(&field("severity:").as_str()), "{name}");
        assert!(!field("summary:").is_empty() && !field("description:").is_empty(), "{name}");
        rules.push((name.to_owned(), field("expr:")));
    }
    rules
}

/// Names that begin with `portolan_`, each with its label matchers as they stand.
fn selectors(expression: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("portolan_") {
        let rest = &expression[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        found.push((name.to_owned(), labels.map_or("", |(labels, _)| labels).to_owned()));
    }
    found
}

fn text_of(file: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What a real process shows once it has counted how archives stand.
async fn shown() -> String {
    let sample = sample(400);
    let dir = tempfile::tempdir().expect("a folder");
    let instance = Instance::start(dir.path(), &sample.path).await;
    let url = format!("{}/metrics", instance.text("baseUrl"));
    // How archives stand is counted four times in a minute.
    let shown = until("archives in the metrics", 60, async || {
        let answer = reqwest::get(&url).await.expect("an answer");
        let text = answer.text().await.expect("text");
        text.contains("portolan_archiver_archives{").then_some(text)
    })
    .await;
    instance.stop();
    shown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_page_name_what_is_shown() {
    let shown = shown().await;
    rules_name_what_is_shown(&shown);
    the_page_explains_what_is_shown(&shown);
}

fn rules_name_what_is_shown(shown: &str) {
    let rules = rules(&text_of("monitoring/alerts.yaml"));
    assert!(rules.len() > 10, "{rules:?}");
    let series = || shown.lines().filter(|line| !line.starts_with('#'));
    let names: BTreeSet<&str> = series().filter_map(|line| line.split(['{', ' ']).next()).collect();
    for (rule, expression) in rules {
        for (name, labels) in selectors(&expression) {
            assert!(names.contains(name.as_str()), "{rule}: {name} is not among {names:?}");
            // A label with one value: some series has it. States are shown when an archive has them.
            let exact = labels.split(',').filter(|label| label.contains("=\""));
            for label in exact.filter(|label| !label.starts_with("state=")) {
                let has = |line: &str| line.starts_with(name.as_str()) && line.contains(label);
                assert!(series().any(has), "{rule}: no {name} has {label}");
            }
        }
    }
}

/// Families as the page names them: a counter by the name of its series.
fn families(shown: &str) -> BTreeSet<String> {
    let types = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.into() })
        .collect()
}

fn the_page_explains_what_is_shown(shown: &str) {
    let page = text_of("how-to/watch-an-instance.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let explained = rows.map(|(name, _)| name.split('{').next().unwrap_or(name).to_owned());
    assert_eq!(explained.collect::<BTreeSet<_>>(), families(shown));
}
