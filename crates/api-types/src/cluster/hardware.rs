//! Providers, their instance sizes and regions, by the names of the Admin API
//! (<https://www.mongodb.com/docs/atlas/reference/cloud-providers/>). Here they are labels: nothing runs
//! there.

use serde_json::{Map, Value, json};

use crate::{ErrorCode, Fields, Problem};

/// The providers of dedicated clusters.
pub(super) const CLOUDS: [&str; 3] = ["AWS", "AZURE", "GCP"];
/// Sizes of clusters on shared hardware.
pub(super) const TENANT_SIZES: [&str; 3] = ["M0", "M2", "M5"];

const AWS_SIZES: &str = "M10 M20 M30 M40 M50 M60 M80 M100 M140 M200 M300 R40 R50 R60 R80 R200 R300 R400 \
     R700 M40_NVME M50_NVME M60_NVME M80_NVME M200_NVME M400_NVME M30_GEN_2 M40_GEN_2 M50_GEN_2 \
     M60_GEN_2 M80_GEN_2 M140_GEN_2 M200_GEN_2 M300_GEN_2 R40_GEN_2 R50_GEN_2 R60_GEN_2 R80_GEN_2 \
     R200_GEN_2 R300_GEN_2 R400_GEN_2 R700_GEN_2 M40_NVME_GEN_2 M50_NVME_GEN_2 M60_NVME_GEN_2 \
     M80_NVME_GEN_2 M200_NVME_GEN_2 M400_NVME_GEN_2";
const AZURE_SIZES: &str = "M10 M20 M30 M40 M50 M60 M80 M90 M200 R40 R50 R60 R80 R200 R300 R400 M60_NVME \
     M80_NVME M200_NVME M300_NVME M400_NVME M600_NVME";
const GCP_SIZES: &str = "M10 M20 M30 M40 M50 M60 M80 M140 M200 M250 M300 M400 R40 R50 R60 R80 R200 R300 \
     R400 R600 M30_GEN_2 M40_GEN_2 M50_GEN_2 M60_GEN_2 M80_GEN_2 M140_GEN_2 M200_GEN_2 R40_GEN_2 \
     R50_GEN_2 R60_GEN_2 R80_GEN_2 R200_GEN_2 R300_GEN_2 R400_GEN_2";

const AWS_REGIONS: &str = "US_EAST_1 US_EAST_2 US_WEST_1 US_WEST_2 CA_CENTRAL_1 CA_WEST_1 MX_CENTRAL_1 \
     SA_EAST_1 EU_NORTH_1 EU_WEST_1 EU_WEST_2 EU_WEST_3 EU_CENTRAL_1 EU_CENTRAL_2 EU_SOUTH_1 EU_SOUTH_2 \
     AP_EAST_1 AP_EAST_2 AP_NORTHEAST_1 AP_NORTHEAST_2 AP_NORTHEAST_3 AP_SOUTHEAST_1 AP_SOUTHEAST_2 \
     AP_SOUTHEAST_3 AP_SOUTHEAST_4 AP_SOUTHEAST_5 AP_SOUTHEAST_6 AP_SOUTHEAST_7 AP_SOUTH_1 AP_SOUTH_2 \
     ME_SOUTH_1 ME_CENTRAL_1 AF_SOUTH_1 IL_CENTRAL_1 CN_NORTH_1 CN_NORTHWEST_1 US_GOV_WEST_1 \
     US_GOV_EAST_1";
const AZURE_REGIONS: &str = "US_EAST_2 US_EAST US_CENTRAL US_NORTH_CENTRAL US_SOUTH_CENTRAL \
     US_WEST_CENTRAL US_WEST US_WEST_2 US_WEST_3 CANADA_EAST CANADA_CENTRAL MEXICO_CENTRAL BRAZIL_SOUTH \
     BRAZIL_SOUTHEAST EUROPE_NORTH EUROPE_WEST GERMANY_WEST_CENTRAL GERMANY_NORTH SWEDEN_CENTRAL \
     SWEDEN_SOUTH SWITZERLAND_NORTH SWITZERLAND_WEST UK_SOUTH UK_WEST NORWAY_EAST NORWAY_WEST \
     FRANCE_CENTRAL FRANCE_SOUTH ITALY_NORTH SPAIN_CENTRAL POLAND_CENTRAL AUSTRALIA_CENTRAL \
     AUSTRALIA_CENTRAL_2 AUSTRALIA_EAST AUSTRALIA_SOUTH_EAST NEW_ZEALAND_NORTH INDIA_CENTRAL \
     INDIA_SOUTH INDIA_WEST CHINA_EAST CHINA_NORTH ASIA_EAST ASIA_SOUTH_EAST JAPAN_EAST JAPAN_WEST \
     KOREA_CENTRAL KOREA_SOUTH SOUTH_AFRICA_NORTH SOUTH_AFRICA_WEST UAE_CENTRAL UAE_NORTH \
     QATAR_CENTRAL ISRAEL_CENTRAL US_GOV_VIRGINIA US_GOV_ARIZONA US_GOV_TEXAS";
const GCP_REGIONS: &str = "CENTRAL_US EASTERN_US US_EAST_4 US_EAST_5 WESTERN_US US_WEST_2 US_WEST_3 \
     US_WEST_4 US_SOUTH_1 NORTH_AMERICA_NORTHEAST_1 NORTH_AMERICA_NORTHEAST_2 NORTH_AMERICA_SOUTH_1 \
     SOUTH_AMERICA_EAST_1 SOUTH_AMERICA_WEST_1 WESTERN_EUROPE EUROPE_NORTH_1 EUROPE_WEST_2 \
     EUROPE_WEST_3 EUROPE_WEST_4 EUROPE_WEST_6 EUROPE_WEST_8 EUROPE_WEST_9 EUROPE_WEST_10 \
     EUROPE_WEST_12 EUROPE_SOUTHWEST_1 EUROPE_CENTRAL_2 MIDDLE_EAST_CENTRAL_1 MIDDLE_EAST_CENTRAL_2 \
     MIDDLE_EAST_WEST_1 AUSTRALIA_SOUTHEAST_1 AUSTRALIA_SOUTHEAST_2 AFRICA_SOUTH_1 \
     EASTERN_ASIA_PACIFIC NORTHEASTERN_ASIA_PACIFIC SOUTHEASTERN_ASIA_PACIFIC ASIA_EAST_2 \
     ASIA_NORTHEAST_2 ASIA_NORTHEAST_3 ASIA_SOUTH_1 ASIA_SOUTH_2 ASIA_SOUTHEAST_2 CENTRAL_US_AW \
     EASTERN_US_AW US_EAST_4_AW US_EAST_5_AW WESTERN_US_AW US_WEST_2_AW US_WEST_3_AW US_WEST_4_AW \
     US_SOUTH_1_AW";

/// The instance sizes of a provider, smallest first.
pub(super) fn sizes(provider: &str) -> impl Iterator<Item = &'static str> {
    let known = match provider {
        "AWS" => AWS_SIZES,
        "AZURE" => AZURE_SIZES,
        "GCP" => GCP_SIZES,
        _ => "M0 M2 M5",
    };
    known.split_whitespace()
}

/// The regions of a provider; the first is the one that clients are offered first.
pub(super) fn regions(provider: &str) -> impl Iterator<Item = &'static str> {
    let known = match provider {
        "AWS" => AWS_REGIONS,
        "AZURE" => AZURE_REGIONS,
        "GCP" => GCP_REGIONS,
        _ => "",
    };
    known.split_whitespace()
}

/// Refuses a region that the provider has not.
pub(crate) fn check_region(path: &str, provider: &str, region: &str) -> Result<(), Problem> {
    if regions(provider).any(|known| known == region) {
        return Ok(());
    }
    let detail = format!("No region {region} exists for provider {provider}.");
    let problem = Problem::new(ErrorCode::InvalidRegion, detail).with(region).with(provider);
    Err(problem.at(path, format!("{region} is no region of {provider}")))
}

/// Takes the name of an instance size that the provider has.
pub(super) fn take_size(
    fields: &mut Fields,
    name: &str,
    provider: &str,
) -> Result<Option<&'static str>, Problem> {
    fields.one_of(name, |text| sizes(provider).find(|size| *size == text))
}

/// The disk that comes with a size, in GB.
pub(super) fn disk_of(size: &str) -> f64 {
    let number = size.trim_start_matches(['M', 'R']).split('_').next().unwrap_or("");
    match number {
        "0" => 0.5,
        "2" => 2.0,
        "5" => 5.0,
        "10" => 10.0,
        "20" => 20.0,
        "30" => 40.0,
        "40" => 80.0,
        "50" => 160.0,
        "60" => 320.0,
        "80" | "90" => 750.0,
        "100" | "140" => 1000.0,
        "200" => 1500.0,
        _ => 2000.0,
    }
}

/// Takes a disk size in GB, 10 to 4,096.
pub(super) fn take_disk(fields: &mut Fields, name: &str) -> Result<Option<Value>, Problem> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    match value.as_f64() {
        Some(size) if (10.0..=4096.0).contains(&size) => Ok(Some(json!(size))),
        _ => Err(Problem::validation(&fields.path_of(name), "must be a number from 10 to 4096")),
    }
}

/// Fills in what a client left out of a hardware description, as the service does.
pub(super) fn fill(config: &mut Value) {
    if config["providerName"] == "TENANT" {
        return fill_tenant(config);
    }
    let aws = config["providerName"] == "AWS";
    let described = ["electableSpecs", "readOnlySpecs", "analyticsSpecs"];
    let known = |field: &str| {
        described.iter().map(|name| &config[*name][field]).find(|value| !value.is_null()).cloned()
    };
    let size = known("instanceSize").unwrap_or_else(|| json!("M10"));
    let disk =
        known("diskSizeGB").unwrap_or_else(|| json!(disk_of(size.as_str().unwrap_or_default())));
    for name in described {
        let mut hardware = match config[name].take() {
            Value::Object(given) => given,
            _ => Map::from_iter([("nodeCount".to_owned(), json!(0))]),
        };
        let mut default = |field: &str, value: Value| {
            hardware.entry(field).or_insert(value);
        };
        default("instanceSize", size.clone());
        default("diskSizeGB", disk.clone());
        default("nodeCount", json!(0));
        if aws {
            default("diskIOPS", json!(3000));
            default("ebsVolumeType", json!("STANDARD"));
        }
        config[name] = Value::Object(hardware);
    }
    if config["autoScaling"].is_null() {
        config["autoScaling"] = no_auto_scaling();
    }
}

fn fill_tenant(config: &mut Value) {
    let size = config["electableSpecs"]["instanceSize"].as_str().unwrap_or("M0").to_owned();
    // M2 and M5 are served as flex clusters today, and say so.
    let effective = if size == "M0" { "M0" } else { "FLEX" };
    config["electableSpecs"] = json!({
        "diskSizeGB": disk_of(&size),
        "effectiveInstanceSize": effective,
        "instanceSize": size,
    });
    if let Some(object) = config.as_object_mut() {
        for name in ["analyticsSpecs", "readOnlySpecs", "autoScaling", "analyticsAutoScaling"] {
            object.remove(name);
        }
        object.entry("backingProviderName").or_insert_with(|| json!("AWS"));
    }
}

pub(super) fn no_auto_scaling() -> Value {
    json!({
        "compute": { "enabled": false, "scaleDownEnabled": false },
        "diskGB": { "enabled": false },
    })
}
