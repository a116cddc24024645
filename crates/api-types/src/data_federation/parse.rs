//! Reading `DataLakeTenant`. Portolan makes no such instance, but says first what is wrong with a
//! request, so that nobody mistakes a typing error for a missing feature.

use crate::{ErrorCode, Fields, Problem};

const READ_ONLY: [&str; 4] = ["groupId", "hostnames", "privateEndpointHostnames", "state"];
const STORE_PROVIDERS: [&str; 8] =
    ["atlas", "azure", "dls:aws", "dls:azure", "dls:gcp", "gcs", "http", "s3"];
const FORMATS: [&str; 18] = [
    ".avro",
    ".avro.bz2",
    ".avro.gz",
    ".bson",
    ".bson.bz2",
    ".bson.gz",
    ".bsonx",
    ".csv",
    ".csv.bz2",
    ".csv.gz",
    ".json",
    ".json.bz2",
    ".json.gz",
    ".orc",
    ".parquet",
    ".tsv",
    ".tsv.bz2",
    ".tsv.gz",
];
const AWS_REGIONS: [&str; 12] = [
    "SYDNEY_AUS",
    "MUMBAI_IND",
    "FRANKFURT_DEU",
    "DUBLIN_IRL",
    "LONDON_GBR",
    "VIRGINIA_USA",
    "OREGON_USA",
    "SAOPAULO_BRA",
    "MONTREAL_CAN",
    "TOKYO_JPN",
    "SEOUL_KOR",
    "SINGAPORE_SGP",
];
const AZURE_REGIONS: [&str; 3] = ["VIRGINIA_USA", "AMSTERDAM_NLD", "SAOPAULO_BRA"];
const GCP_REGIONS: [&str; 2] = ["IOWA_USA", "BELGIUM_EU"];
/// Most entries of one list of a request.
const ENTRIES_MAX: usize = 1_000;

/// A checked request: what it asks to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantDraft {
    /// The name; an update may leave it out.
    pub name: Option<String>,
}

/// Reads the body of a creation.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_create(fields: Fields) -> Result<TenantDraft, Problem> {
    let draft = parse_update(fields)?;
    match draft.name {
        Some(_) => Ok(draft),
        None => Err(Problem::missing_attribute("name")),
    }
}

/// Reads the body of an update.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_update(mut fields: Fields) -> Result<TenantDraft, Problem> {
    fields.ignore(&READ_ONLY);
    let name = fields.text("name", 1, 64)?;
    if let Some(config) = fields.object("cloudProviderConfig")? {
        check_provider_config(config)?;
    }
    if let Some(region) = fields.object("dataProcessRegion")? {
        check_region(region)?;
    }
    if let Some(storage) = fields.object("storage")? {
        check_storage(storage)?;
    }
    fields.finish()?;
    Ok(TenantDraft { name })
}

fn check_provider_config(mut config: Fields) -> Result<(), Problem> {
    if let Some(mut aws) = config.object("aws")? {
        aws.ignore(&["externalId", "iamAssumedRoleARN", "iamUserARN"]);
        check_role(&mut aws)?;
        aws.required_text("testS3Bucket", 1, 255)?;
        aws.finish()?;
    }
    for (name, read_only) in [
        ("azure", &["atlasAppId", "servicePrincipalId", "tenantId"] as &[&str]),
        ("gcp", &["gcpServiceAccount"]),
    ] {
        if let Some(mut provider) = config.object(name)? {
            provider.ignore(read_only);
            check_role(&mut provider)?;
            provider.finish()?;
        }
    }
    config.finish()
}

fn check_role(provider: &mut Fields) -> Result<(), Problem> {
    let role: Option<portolan_model::EventId> = provider.id("roleId")?;
    role.map(|_| ()).ok_or_else(|| provider.missing("roleId"))
}

fn check_region(mut region: Fields) -> Result<(), Problem> {
    let regions = region.one_of("cloudProvider", |provider| match provider {
        "AWS" => Some(&AWS_REGIONS as &[&str]),
        "AZURE" => Some(&AZURE_REGIONS),
        "GCP" => Some(&GCP_REGIONS),
        _ => None,
    })?;
    let regions = regions.ok_or_else(|| region.missing("cloudProvider"))?;
    let known = region.one_of("region", |name| regions.contains(&name).then_some(()))?;
    known.ok_or_else(|| region.missing("region"))?;
    region.finish()
}

fn check_storage(mut storage: Fields) -> Result<(), Problem> {
    let mut stores = Vec::new();
    for mut store in entries(&mut storage, "stores")? {
        stores.extend(store.string("name")?);
        let known = |provider: &str| STORE_PROVIDERS.contains(&provider).then_some(());
        // The other fields differ by provider; nothing reads them.
        store.one_of("provider", known)?.ok_or_else(|| store.missing("provider"))?;
    }
    for mut database in entries(&mut storage, "databases")? {
        database.text("name", 1, 64)?;
        database.int("maxWildcardCollections", 1, 1_000)?;
        for mut view in entries(&mut database, "views")? {
            for name in ["name", "pipeline", "source"] {
                view.string(name)?;
            }
            view.finish()?;
        }
        for mut collection in entries(&mut database, "collections")? {
            collection.text("name", 1, 255)?;
            for source in entries(&mut collection, "dataSources")? {
                check_source(source, &stores)?;
            }
            collection.finish()?;
        }
        database.finish()?;
    }
    storage.finish()
}

fn entries(fields: &mut Fields, name: &str) -> Result<Vec<Fields>, Problem> {
    let entries = fields.objects(name)?.unwrap_or_default();
    if entries.len() <= ENTRIES_MAX {
        return Ok(entries);
    }
    let rule = format!("must have at most {ENTRIES_MAX} entries");
    Err(Problem::validation(&fields.path_of(name), rule))
}

fn check_source(mut source: Fields, stores: &[String]) -> Result<(), Problem> {
    source.bool("allowInsecure")?;
    for name in [
        "collection",
        "collectionRegex",
        "database",
        "databaseRegex",
        "datasetName",
        "datasetPrefix",
        "path",
        "provenanceFieldName",
    ] {
        source.string(name)?;
    }
    source.one_of("defaultFormat", |format| FORMATS.contains(&format).then_some(()))?;
    source.int32("trimLevel", 0, i32::MAX)?;
    source.strings("urls")?;
    let path = source.path_of("storeName");
    if let Some(store) = source.string("storeName")?
        && !stores.contains(&store)
    {
        let detail =
            format!("{path} names the store {store:?}, which storage.stores does not have.");
        let problem = Problem::new(ErrorCode::ValidationError, detail);
        return Err(problem.at(path, "must be the name of an entry of storage.stores"));
    }
    source.finish()
}
