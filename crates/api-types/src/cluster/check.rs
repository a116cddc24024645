//! `clusterConfigurations:validate`: a description, judged before it is sent.

use serde_json::{Value, json};

use super::{Form, ProcessArgsChange};
use crate::{ErrorCode, Fields, Problem, tags};

/// What is to be judged.
#[derive(Debug, Clone)]
pub struct ConfigurationCheck {
    /// The cluster that it would change; `None` when it would make one.
    pub editing: Option<String>,
    /// The description, not read yet.
    pub description: Fields,
    /// What is wrong with what stands beside the description.
    pub problems: Vec<Problem>,
}

impl ConfigurationCheck {
    /// Reads the body. Mistakes in what is to be judged are results, not errors.
    ///
    /// # Errors
    /// A [`Problem`] that names the field when the request itself is wrong.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let description = fields.object("clusterDescription")?;
        let mut description = description.ok_or_else(|| fields.missing("clusterDescription"))?;
        let editing = fields.bool("editing")?.ok_or_else(|| fields.missing("editing"))?;
        let name = fields.string("clusterName")?;
        let described = description.peek_string("name");
        let editing = if editing {
            Some(name.or(described).ok_or_else(|| fields.missing("clusterName"))?)
        } else {
            if let (Some(name), None) = (name, &described) {
                description.set("name", Value::from(name));
            }
            None
        };
        let mut problems = Vec::new();
        if let Some(arguments) = fields.object("advancedConfiguration")? {
            problems.extend(ProcessArgsChange::read(arguments, Form::PerShard).err());
        }
        // Labels are judged, what is no list of labels is a mistake of the request.
        match tags::take(&mut fields, "tags") {
            Err(problem) if problem.code == ErrorCode::InvalidJsonAttribute => return Err(problem),
            tags => problems.extend(tags.err()),
        }
        if fields.object("searchDeploymentSpec")?.is_some() {
            let problem = Problem::unsupported("search nodes");
            problems.push(problem.at("searchDeploymentSpec", "must be absent"));
        }
        fields.ignore(&["tags"]);
        fields.finish()?;
        Ok(Self { editing, description, problems })
    }

    /// The answer.
    #[must_use]
    pub fn json(problems: &[Problem]) -> Value {
        let errors: Vec<Value> = problems
            .iter()
            .map(|problem| {
                json!({
                    "errorCode": problem.code.as_str(),
                    "validationIssue": problem.detail,
                })
            })
            .collect();
        json!({ "errors": errors, "valid": problems.is_empty() })
    }
}
