//! Where an archive's data is processed and stored. The names are those of the Atlas Admin API; which
//! storage location stands behind a region is configuration.

use std::fmt;
use std::str::FromStr;

/// A cloud provider's name. On a self-hosted instance it is a label that selects a storage location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloudProvider {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

impl CloudProvider {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "AZURE",
            Self::Gcp => "GCP",
        }
    }

    /// The regions that the Admin API accepts for archives of this provider
    /// (schema `DataProcessRegion` of the public OpenAPI).
    #[must_use]
    pub const fn archive_regions(self) -> &'static [&'static str] {
        match self {
            Self::Aws => &[
                "US_EAST_1",
                "US_WEST_2",
                "SA_EAST_1",
                "EU_WEST_1",
                "EU_WEST_2",
                "EU_CENTRAL_1",
                "AP_SOUTH_1",
                "AP_SOUTHEAST_1",
                "AP_SOUTHEAST_2",
                "AP_NORTHEAST_2",
            ],
            Self::Azure => &["US_EAST_2", "EUROPE_WEST", "BRAZIL_SOUTH"],
            Self::Gcp => &["CENTRAL_US", "WESTERN_EUROPE"],
        }
    }
}

impl fmt::Display for CloudProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CloudProvider {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "AWS" => Ok(Self::Aws),
            "AZURE" => Ok(Self::Azure),
            "GCP" => Ok(Self::Gcp),
            _ => Err(()),
        }
    }
}

/// Provider and region of an archive; immutable after creation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataProcessRegion {
    /// The provider.
    pub provider: CloudProvider,
    /// One of [`CloudProvider::archive_regions`].
    pub region: String,
}

impl Default for DataProcessRegion {
    /// AWS `US_EAST_1`, as Atlas fills in.
    fn default() -> Self {
        Self { provider: CloudProvider::Aws, region: "US_EAST_1".to_owned() }
    }
}
