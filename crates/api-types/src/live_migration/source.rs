//! What a source of migrations tells the instance that it is linked to, and how that instance lists it
//! (`LiveImportAvailableProject`). The same JSON serves both, and the store.

use portolan_model::{ClusterId, OrgId, ProjectId};
use serde_json::{Value, json};

use crate::{Fields, Problem};

/// Most projects of one source.
const PROJECTS_MAX: usize = 500;
/// Most clusters of one project.
const DEPLOYMENTS_MAX: usize = 500;

/// A cluster that can be migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its id at the source.
    pub cluster_id: Option<ClusterId>,
    /// Its name.
    pub name: String,
    /// Version of its server.
    pub mongodb_version: String,
    /// Feature compatibility version.
    pub fcv: String,
    /// Whether the source manages its users.
    pub managed: bool,
    /// Whether it is sharded.
    pub sharded: bool,
    /// Whether it speaks TLS.
    pub tls_enabled: bool,
}

/// A project of a linked source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedProject {
    /// Its id at the source.
    pub project_id: ProjectId,
    /// Its name.
    pub name: String,
    /// Hosts that can run migrations.
    pub migration_hosts: Vec<String>,
    /// Its clusters.
    pub deployments: Vec<Deployment>,
}

/// A source as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceView {
    /// Its organization.
    pub org_id: OrgId,
    /// The organization's name.
    pub org_name: String,
    /// Its projects.
    pub projects: Vec<OfferedProject>,
}

impl Deployment {
    fn json(&self) -> Value {
        let mut body = json!({
            "featureCompatibilityVersion": self.fcv,
            "managed": self.managed,
            "mongoDBVersion": self.mongodb_version,
            "name": self.name,
            "sharded": self.sharded,
            "tlsEnabled": self.tls_enabled,
        });
        if let Some(id) = self.cluster_id {
            body["clusterId"] = json!(id.to_string());
        }
        body
    }

    fn read(mut fields: Fields) -> Result<Self, Problem> {
        let version = |fields: &mut Fields, name: &str| fields.required_text(name, 1, 64);
        let flag = |fields: &mut Fields, name: &str| {
            fields.bool(name)?.ok_or_else(|| fields.missing(name))
        };
        let deployment = Self {
            cluster_id: fields.id("clusterId")?,
            name: fields.required_text("name", 1, 255)?,
            mongodb_version: version(&mut fields, "mongoDBVersion")?,
            fcv: version(&mut fields, "featureCompatibilityVersion")?,
            managed: flag(&mut fields, "managed")?,
            sharded: flag(&mut fields, "sharded")?,
            tls_enabled: flag(&mut fields, "tlsEnabled")?,
        };
        fields.finish()?;
        Ok(deployment)
    }
}

impl OfferedProject {
    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "deployments": self.deployments.iter().map(Deployment::json).collect::<Vec<_>>(),
            "migrationHosts": self.migration_hosts,
            "name": self.name,
            "projectId": self.project_id.to_string(),
        })
    }

    /// Reads one.
    ///
    /// # Errors
    /// A [`Problem`] that names the field.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let project_id = fields.id("projectId")?.ok_or_else(|| fields.missing("projectId"))?;
        let name = fields.required_text("name", 1, 64)?;
        let hosts_path = fields.path_of("migrationHosts");
        let migration_hosts = fields.strings("migrationHosts")?.unwrap_or_default();
        if migration_hosts.len() > 100 || migration_hosts.iter().any(|host| host.len() > 512) {
            return Err(Problem::validation(&hosts_path, "must be at most 100 host names"));
        }
        let path = fields.path_of("deployments");
        let deployments = fields.objects("deployments")?.unwrap_or_default();
        if deployments.len() > DEPLOYMENTS_MAX {
            let rule = format!("must have at most {DEPLOYMENTS_MAX} entries");
            return Err(Problem::validation(&path, rule));
        }
        let deployments =
            deployments.into_iter().map(Deployment::read).collect::<Result<_, _>>()?;
        fields.finish()?;
        Ok(Self { project_id, name, migration_hosts, deployments })
    }
}

impl SourceView {
    /// As it is sent.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "orgName": self.org_name,
            "projects": self.projects.iter().map(OfferedProject::json).collect::<Vec<_>>(),
        })
    }
}

/// Reads what a source sent.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_source(org_id: OrgId, mut fields: Fields) -> Result<SourceView, Problem> {
    let org_name = fields.required_text("orgName", 1, 64)?;
    let projects = fields.objects("projects")?.ok_or_else(|| fields.missing("projects"))?;
    if projects.len() > PROJECTS_MAX {
        let rule = format!("must have at most {PROJECTS_MAX} entries");
        return Err(Problem::validation("projects", rule));
    }
    let projects = projects.into_iter().map(OfferedProject::read).collect::<Result<_, _>>()?;
    fields.finish()?;
    Ok(SourceView { org_id, org_name, projects })
}
