//! What a table is for: owner, archive, namespace, partition fields. Kept as table properties, so
//! that an archive can be read, checked and attached again from its files alone.

use std::collections::HashMap;

use bson::RawDocument;
use portolan_model::{
    ArchiveDefinition, ArchiveRules, DateFormat, PartitionFieldType, ShardField, ShardKey,
};

use crate::{LakeError, definition, identity_under, rules};

/// The layout that this version writes.
pub(crate) const LAYOUT_VERSION: &str = "1";

pub(crate) const OWNER: &str = "portolan.owner";
const ARCHIVE: &str = "portolan.archive";
pub(crate) const NAMESPACE: &str = "portolan.namespace";
pub(crate) const UUID: &str = "portolan.collectionUuid";
const SHARD_KEY: &str = "portolan.shardKey";
const PATHS: &str = "portolan.partitionPaths";
const TYPES: &str = "portolan.partitionTypes";
const MONTH_PATH: &str = "portolan.month.path";
const MONTH_FORMAT: &str = "portolan.month.format";
const CONFIG_VERSION: &str = "portolan.configVersion";
const LAYOUT: &str = "portolan.layoutVersion";

/// Kinds of the fields of a shard key.
const HASHED: &str = "hashed";
const RANGED: &str = "ranged";

/// What a table is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableSpec {
    /// The archive, which is also the table's name.
    pub archive_id: String,
    /// Id of the installation that may write.
    pub owner: String,
    /// `database.collection`.
    pub namespace: String,
    /// UUID of the collection when the table was made.
    pub collection_uuid: Option<String>,
    /// Shard key of the collection when the table was made: what its documents are known by beside `_id`.
    pub shard_key: Option<ShardKey>,
    /// Dotted paths of the partition fields, at most three, in order.
    pub partition_paths: Vec<String>,
    /// Types of the partition fields, by position. Absent or `None`: the column `p_<field>` is a
    /// string with the canonical text of whatever the field holds.
    pub partition_types: Vec<Option<PartitionFieldType>>,
    /// DATE criteria: where the month comes from. `None`: the table is not partitioned.
    pub month: Option<MonthSpec>,
    /// Version of the archive's criteria when the table was made; later ones travel with commits.
    pub config_version: i64,
    /// What was set for the archive's data, as this version of the table has it.
    pub rules: ArchiveRules,
    /// The archive as it was defined; tables of earlier versions do not say.
    pub definition: Option<ArchiveDefinition>,
}

/// Where the partition value `month` comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthSpec {
    /// Dotted path of the date.
    pub path: String,
    /// How the date is written.
    pub format: DateFormat,
}

impl TableSpec {
    /// UUID of the collection, in bytes.
    #[must_use]
    pub fn collection_uuid(&self) -> Option<[u8; 16]> {
        hex::decode(self.collection_uuid.as_deref()?).ok()?.try_into().ok()
    }

    /// Identity of a document of the collection.
    #[must_use]
    pub fn identity(&self, doc: &RawDocument) -> Vec<u8> {
        identity_under(doc, self.shard_key.as_ref())
    }

    /// Type of the `index`-th partition field, if it is known.
    #[must_use]
    pub fn partition_type(&self, index: usize) -> Option<PartitionFieldType> {
        self.partition_types.get(index).copied().flatten()
    }

    pub(crate) fn check(&self) -> Result<(), LakeError> {
        if self.partition_paths.len() > 3 {
            return Err(LakeError::Invalid("at most three partition fields".into()));
        }
        if self.archive_id.is_empty() || self.owner.is_empty() {
            return Err(LakeError::Invalid("a table needs an archive and an owner".into()));
        }
        Ok(())
    }

    pub(crate) fn to_properties(&self) -> HashMap<String, String> {
        let types: Vec<Option<&str>> = (0..self.partition_paths.len())
            .map(|index| self.partition_type(index).map(PartitionFieldType::as_str))
            .collect();
        let mut properties = HashMap::from([
            (OWNER.to_owned(), self.owner.clone()),
            (ARCHIVE.to_owned(), self.archive_id.clone()),
            (NAMESPACE.to_owned(), self.namespace.clone()),
            (PATHS.to_owned(), serde_json::json!(self.partition_paths).to_string()),
            (TYPES.to_owned(), serde_json::json!(types).to_string()),
            (CONFIG_VERSION.to_owned(), self.config_version.to_string()),
            (LAYOUT.to_owned(), LAYOUT_VERSION.to_owned()),
            (rules::PROPERTY.to_owned(), rules::to_property(&self.rules)),
        ]);
        if let Some(uuid) = &self.collection_uuid {
            properties.insert(UUID.to_owned(), uuid.clone());
        }
        if let Some(shard_key) = &self.shard_key {
            properties.insert(SHARD_KEY.to_owned(), shard_key_to_property(shard_key));
        }
        if let Some(definition) = &self.definition {
            let value = definition::to_property(definition);
            properties.insert(definition::PROPERTY.to_owned(), value);
        }
        if let Some(month) = &self.month {
            properties.insert(MONTH_PATH.to_owned(), month.path.clone());
            properties.insert(MONTH_FORMAT.to_owned(), month.format.as_str().to_owned());
        }
        properties
    }

    pub(crate) fn from_properties(all: &HashMap<String, String>) -> Result<Self, LakeError> {
        let get = |name: &str| {
            all.get(name).ok_or_else(|| LakeError::Unsupported(format!("no property {name}")))
        };
        if get(LAYOUT)? != LAYOUT_VERSION {
            return Err(LakeError::Unsupported(format!("layout version {}", get(LAYOUT)?)));
        }
        Ok(Self {
            archive_id: get(ARCHIVE)?.clone(),
            owner: get(OWNER)?.clone(),
            namespace: get(NAMESPACE)?.clone(),
            collection_uuid: all.get(UUID).cloned(),
            shard_key: all.get(SHARD_KEY).map(|text| shard_key_of_property(text)).transpose()?,
            partition_paths: parse_json(get(PATHS)?)?,
            partition_types: parse_types(get(TYPES)?)?,
            month: parse_month(all)?,
            config_version: get(CONFIG_VERSION)?.parse().map_err(LakeError::internal)?,
            rules: rules::of_property(all.get(rules::PROPERTY).map(String::as_str))?,
            definition: definition::of_property(all.get(definition::PROPERTY).map(String::as_str))?,
        })
    }
}

/// Pairs of path and kind: a list keeps their order.
fn shard_key_to_property(shard_key: &ShardKey) -> String {
    let kind = |field: &ShardField| if field.hashed { HASHED } else { RANGED };
    let fields = shard_key.fields.iter();
    let pairs: Vec<_> = fields.map(|field| (field.path.as_str(), kind(field))).collect();
    serde_json::json!(pairs).to_string()
}

fn shard_key_of_property(text: &str) -> Result<ShardKey, LakeError> {
    let pairs: Vec<(String, String)> = parse_json(text)?;
    let field = |(path, kind): (String, String)| match kind.as_str() {
        HASHED => Ok(ShardField { path, hashed: true }),
        RANGED => Ok(ShardField { path, hashed: false }),
        _ => Err(LakeError::Unsupported(format!("shard key {text}"))),
    };
    Ok(ShardKey { fields: pairs.into_iter().map(field).collect::<Result<_, _>>()? })
}

fn parse_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, LakeError> {
    serde_json::from_str(text).map_err(LakeError::internal)
}

fn parse_types(text: &str) -> Result<Vec<Option<PartitionFieldType>>, LakeError> {
    let names: Vec<Option<String>> = parse_json(text)?;
    names
        .into_iter()
        .map(|name| match name {
            None => Ok(None),
            Some(name) => name
                .parse()
                .map(Some)
                .map_err(|()| LakeError::Unsupported(format!("partition type {name}"))),
        })
        .collect()
}

fn parse_month(all: &HashMap<String, String>) -> Result<Option<MonthSpec>, LakeError> {
    let (Some(path), Some(format)) = (all.get(MONTH_PATH), all.get(MONTH_FORMAT)) else {
        return Ok(None);
    };
    let format =
        format.parse().map_err(|()| LakeError::Unsupported(format!("date format {format}")))?;
    Ok(Some(MonthSpec { path: path.clone(), format }))
}
