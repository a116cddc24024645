//! From the body of a request, in any of its forms, to a checked draft or change.

use portolan_model::Tag;
use serde_json::{Map, Value};

use super::flat::Flat;
use super::{ClusterDraft, Form, NAME_CHARS_MAX, default_settings, hardware, merge_settings};
use super::{settings, specs};
use crate::{ErrorCode, Fields, Problem, tags};

/// Fields that only the server writes.
const IGNORED: [&str; 18] = [
    "connectionStrings",
    "createDate",
    "deleteAfterDate",
    "effectiveReplicationSpecs",
    "featureCompatibilityVersion",
    "featureCompatibilityVersionExpirationDate",
    "groupId",
    "id",
    "internalClusterRole",
    "links",
    "mongoDBEmployeeAccessGrant",
    "mongoDBVersion",
    "mongoURI",
    "mongoURIUpdated",
    "mongoURIWithOptions",
    "srvAddress",
    "stateName",
    "useAwsTimeBasedSnapshotCopyForFastInitialSync",
];

/// What a client changes about the hardware.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum HardwareChange {
    /// Nothing.
    #[default]
    Keep,
    /// All of it, described in the newer forms, without ids.
    Replace(Vec<Value>),
    /// Parts of it, described in the flat form.
    Flat(Box<Flat>),
}

/// A checked update body: a merge. What is absent stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterChange {
    /// The name, which cannot change.
    pub name: Option<String>,
    /// Whether it is to be paused.
    pub paused: Option<bool>,
    /// Labels, all of them.
    pub tags: Option<Vec<Tag>>,
    /// Refuses deletion while set.
    pub termination_protection_enabled: Option<bool>,
    /// The hardware described.
    pub hardware: HardwareChange,
    /// One disk size for all of it, in GB.
    pub disk_size_gb: Option<Value>,
    /// What else a client sets.
    pub settings: Map<String, Value>,
}

impl ClusterChange {
    /// Whether hardware is described.
    #[must_use]
    pub fn touches_hardware(&self) -> bool {
        self.hardware != HardwareChange::Keep || self.disk_size_gb.is_some()
    }

    /// The changed `replicationSpecs`: stored ones in, stored ones out, ids kept.
    ///
    /// # Errors
    /// A [`Problem`] that names the field: a region of another provider, a wrong number of nodes.
    pub fn apply_hardware(&self, stored_json: &str) -> Result<Value, Problem> {
        let stored: Vec<Value> = serde_json::from_str(stored_json).unwrap_or_default();
        let mut specs = match &self.hardware {
            HardwareChange::Keep => stored,
            HardwareChange::Replace(specs) => with_known_ids(specs.clone(), &stored),
            HardwareChange::Flat(flat) => flat.apply(stored)?,
        };
        specs::complete(&mut specs, self.disk_size_gb.as_ref());
        Ok(Value::Array(specs))
    }
}

fn with_known_ids(mut specs: Vec<Value>, stored: &[Value]) -> Vec<Value> {
    for (spec, old) in specs.iter_mut().zip(stored) {
        for name in ["id", "zoneId"] {
            spec[name] = old[name].clone();
        }
    }
    specs
}

/// Reads a create request.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_create(fields: Fields, form: Form) -> Result<ClusterDraft, Problem> {
    let change = parse(fields, form, true)?;
    if change.paused == Some(true) {
        let what = "creating a cluster that is paused; create it, then pause it";
        return Err(Problem::unsupported(what).at("paused", "must be false"));
    }
    let mut replication_specs = match &change.hardware {
        HardwareChange::Keep => vec![specs::default_spec()],
        HardwareChange::Replace(specs) => specs.clone(),
        HardwareChange::Flat(flat) => flat.apply(vec![specs::default_spec()])?,
    };
    specs::complete(&mut replication_specs, change.disk_size_gb.as_ref());
    let mut settings = default_settings();
    merge_settings(&mut settings, change.settings);
    Ok(ClusterDraft {
        name: change.name.ok_or_else(|| Problem::missing_attribute("name"))?,
        tags: change.tags.unwrap_or_default(),
        termination_protection_enabled: change.termination_protection_enabled.unwrap_or_default(),
        replication_specs,
        settings,
    })
}

/// Reads an update request.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_update(fields: Fields, form: Form) -> Result<ClusterChange, Problem> {
    parse(fields, form, false)
}

/// Takes and forgets what a client may ask for and what changes nothing here.
fn forget_hints(fields: &mut Fields) -> Result<(), Problem> {
    fields.string("acceptDataRisksAndForceReplicaSetReconfig")?;
    fields.string("configServerType")?;
    fields.bool("retainBackups")?;
    Ok(())
}

fn parse(mut fields: Fields, form: Form, create: bool) -> Result<ClusterChange, Problem> {
    fields.ignore(&IGNORED);
    forget_hints(&mut fields)?;
    let name = match create {
        true => Some(read_name(&mut fields)?),
        false => fields.text("name", 0, NAME_CHARS_MAX)?,
    };
    let (hardware, disk_size_gb) = match form {
        Form::Flat => {
            let flat = Flat::read(&mut fields)?;
            let hardware = match flat.is_empty() {
                true => HardwareChange::Keep,
                false => HardwareChange::Flat(Box::new(flat)),
            };
            (hardware, hardware::take_disk(&mut fields, "diskSizeGB")?)
        }
        Form::Advanced => {
            (replaced(&mut fields, form)?, hardware::take_disk(&mut fields, "diskSizeGB")?)
        }
        Form::PerShard => (replaced(&mut fields, form)?, None),
    };
    let change = ClusterChange {
        name,
        paused: fields.bool("paused")?,
        tags: tags::take(&mut fields, "tags")?,
        termination_protection_enabled: fields.bool("terminationProtectionEnabled")?,
        hardware,
        disk_size_gb,
        settings: settings::read(&mut fields)?,
    };
    fields.finish()?;
    Ok(change)
}

fn replaced(fields: &mut Fields, form: Form) -> Result<HardwareChange, Problem> {
    Ok(specs::read(fields, form)?.map_or(HardwareChange::Keep, HardwareChange::Replace))
}

/// The name of a new cluster, attached and flex ones included.
pub(crate) fn read_name(fields: &mut Fields) -> Result<String, Problem> {
    let name = fields.required_string("name")?;
    let mut bytes = name.bytes();
    let good = name.len() <= NAME_CHARS_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if good {
        return Ok(name);
    }
    let rule = "must be 1 to 64 letters, digits and hyphens, not starting with a hyphen";
    let detail = format!("Cluster name {name:?} is invalid. It {rule}.");
    Err(Problem::new(ErrorCode::ClusterNameInvalid, detail).with(name).at("name", rule))
}
