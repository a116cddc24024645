//! Connection strings that users give: which ones are taken.
//!
//! Options are an allow-list: a driver option that reads a file, dials a proxy or starts a program
//! would act with the rights of this process. The addresses behind the host names are another
//! matter, judged by [`crate::address`] when they are dialled.
//! Syntax: <https://www.mongodb.com/docs/manual/reference/connection-string/>.

use std::net::{IpAddr, Ipv6Addr};

/// Why a connection string was refused. Never repeats user names or passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriRefused {
    /// Neither `mongodb://` nor `mongodb+srv://`.
    #[error("a connection string begins with mongodb:// or mongodb+srv://")]
    Scheme,
    /// Longer than anything sensible.
    #[error("a connection string has at most {URI_BYTES_MAX} characters")]
    TooLong,
    /// No host, an empty one, or one with characters that no host name has.
    #[error("{0:?} is not a host name or address with an optional port")]
    Host(String),
    /// A Unix domain socket.
    #[error("Unix domain sockets are not dialled")]
    UnixSocket,
    /// `mongodb+srv` with several hosts or a port.
    #[error("mongodb+srv takes exactly one host name and no port")]
    SrvHosts,
    /// User name or password with characters that need percent encoding.
    #[error("user name and password must be percent-encoded")]
    UserInfo,
    /// A database name with characters that no database name has.
    #[error("the default database is not a database name")]
    Database,
    /// An option without a value, or given twice with different values.
    #[error("option {0} has no value or contradicts itself")]
    Option(String),
    /// An option outside the allow-list.
    #[error("option {0} is not supported")]
    OptionNotAllowed(String),
    /// A mechanism that would use the credentials of this process or machine.
    #[error("authentication mechanism {0} is not supported")]
    Mechanism(String),
}

/// Longest connection string taken.
pub const URI_BYTES_MAX: usize = 8192;

/// Port of a host without one.
pub const DEFAULT_PORT: u16 = 27017;

/// Options that do no more than shape the conversation with the cluster, in lower case.
const ALLOWED_OPTIONS: [&str; 34] = [
    "appname",
    "authmechanism",
    "authsource",
    "compressors",
    "connecttimeoutms",
    "directconnection",
    "heartbeatfrequencyms",
    "journal",
    "loadbalanced",
    "localthresholdms",
    "maxconnecting",
    "maxidletimems",
    "maxpoolsize",
    "maxstalenessseconds",
    "minpoolsize",
    "readconcernlevel",
    "readpreference",
    "readpreferencetags",
    "replicaset",
    "retryreads",
    "retrywrites",
    "serverselectiontimeoutms",
    "sockettimeoutms",
    "srvmaxhosts",
    "srvservicename",
    "ssl",
    "tls",
    "tlsallowinvalidcertificates",
    "tlsallowinvalidhostnames",
    "tlsinsecure",
    "uuidrepresentation",
    "w",
    "waitqueuetimeoutms",
    "wtimeoutms",
];

/// Mechanisms that need nothing but the user name and password of the connection string.
const ALLOWED_MECHANISMS: [&str; 4] = ["DEFAULT", "SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"];

/// One host of a connection string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriHost {
    /// Name or address; IPv6 without brackets.
    pub name: String,
    /// Port; `None` for SRV names.
    pub port: Option<u16>,
}

impl std::fmt::Display for UriHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let v6 = self.name.contains(':');
        let (open, close) = if v6 { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}", self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// What may be shown of a connection string that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedUri {
    /// Whether the hosts come from DNS SRV records.
    pub srv: bool,
    /// The hosts, in order.
    pub hosts: Vec<UriHost>,
    /// The default database.
    pub database: Option<String>,
    /// Whether it carries a user name.
    pub has_user: bool,
    /// Whether it asks for TLS; SRV does unless told otherwise.
    pub tls: bool,
    /// `replicaSet`.
    pub replica_set: Option<String>,
    /// `directConnection`.
    pub direct_connection: bool,
}

/// Checks a connection string.
///
/// # Errors
/// [`UriRefused`] naming what was wrong, without secrets.
pub fn check(uri: &str) -> Result<CheckedUri, UriRefused> {
    if uri.len() > URI_BYTES_MAX {
        return Err(UriRefused::TooLong);
    }
    let (srv, rest) = split_scheme(uri)?;
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = authority.split_once('/').unwrap_or((authority, ""));
    let (user_info, host_list) = match authority.rsplit_once('@') {
        Some((user_info, hosts)) => (Some(user_info), hosts),
        None => (None, authority),
    };
    let has_user = user_info.map_or(Ok(false), check_user_info)?;
    let hosts = parse_hosts(host_list, srv)?;
    let database = check_database(database)?;
    let options = Options::parse(query)?;
    Ok(CheckedUri {
        srv,
        hosts,
        database,
        has_user,
        tls: options.flag("tls").or(options.flag("ssl")).unwrap_or(srv),
        replica_set: options.get("replicaset").map(str::to_owned),
        direct_connection: options.flag("directconnection").unwrap_or(false),
    })
}

fn split_scheme(uri: &str) -> Result<(bool, &str), UriRefused> {
    if let Some(rest) = uri.strip_prefix("mongodb+srv://") {
        Ok((true, rest))
    } else {
        uri.strip_prefix("mongodb://").map(|rest| (false, rest)).ok_or(UriRefused::Scheme)
    }
}

fn check_user_info(user_info: &str) -> Result<bool, UriRefused> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let clean = |part: &str| !part.contains(['@', ':', '/', '?', '#', '[', ']']);
    let decoded = |part: &str| percent_decode(part).is_some();
    if user.is_empty() || ![user, password].into_iter().all(|part| clean(part) && decoded(part)) {
        return Err(UriRefused::UserInfo);
    }
    Ok(true)
}

fn parse_hosts(list: &str, srv: bool) -> Result<Vec<UriHost>, UriRefused> {
    let hosts = list.split(',').map(|host| parse_host(host, srv)).collect::<Result<Vec<_>, _>>()?;
    if srv && (hosts.len() != 1 || list.contains(':')) {
        return Err(UriRefused::SrvHosts);
    }
    Ok(hosts)
}

fn parse_host(text: &str, srv: bool) -> Result<UriHost, UriRefused> {
    let refused = || UriRefused::Host(text.chars().take(255).collect());
    if text.to_ascii_lowercase().contains("%2f") || text.ends_with(".sock") {
        return Err(UriRefused::UnixSocket);
    }
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (name, after) = rest.split_once(']').ok_or_else(refused)?;
        name.parse::<Ipv6Addr>().map_err(|_| refused())?;
        (name, after.strip_prefix(':').or(after.is_empty().then_some("")).ok_or_else(refused)?)
    } else {
        text.split_once(':').unwrap_or((text, ""))
    };
    if !is_host_name(name) {
        return Err(refused());
    }
    let port = match port {
        "" if text.ends_with(':') => return Err(refused()),
        "" => DEFAULT_PORT,
        digits => digits.parse().ok().filter(|port| *port != 0).ok_or_else(refused)?,
    };
    Ok(UriHost { name: name.to_ascii_lowercase(), port: (!srv).then_some(port) })
}

fn is_host_name(name: &str) -> bool {
    let byte_ok = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let plain = !name.is_empty() && name.len() <= 253 && name.bytes().all(byte_ok);
    plain && !name.starts_with('.') || name.parse::<IpAddr>().is_ok()
}

fn check_database(text: &str) -> Result<Option<String>, UriRefused> {
    if text.is_empty() {
        return Ok(None);
    }
    let name = percent_decode(text).ok_or(UriRefused::Database)?;
    if name.len() > 63 || name.contains(['/', '\\', '.', ' ', '"', '$', '\0']) {
        return Err(UriRefused::Database);
    }
    Ok(Some(name))
}

struct Options(Vec<(String, String)>);

impl Options {
    fn parse(query: &str) -> Result<Self, UriRefused> {
        let mut options = Self(Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            options.take(pair)?;
        }
        options.check_mechanism()?;
        options.check_tls()?;
        Ok(options)
    }

    fn take(&mut self, pair: &str) -> Result<(), UriRefused> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let shown: String = name.chars().take(64).collect();
        let key = name.to_ascii_lowercase();
        if !ALLOWED_OPTIONS.contains(&key.as_str()) {
            return Err(UriRefused::OptionNotAllowed(shown));
        }
        let value = percent_decode(value)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| UriRefused::Option(shown.clone()))?;
        // Tags alone may be given several times, in order of preference.
        let repeated = self.get(&key).is_some_and(|earlier| earlier != value);
        if repeated && key != "readpreferencetags" {
            return Err(UriRefused::Option(shown));
        }
        self.0.push((key, value));
        Ok(())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.get(key).map(|value| value == "true")
    }

    fn check_mechanism(&self) -> Result<(), UriRefused> {
        match self.get("authmechanism") {
            Some(name) if !ALLOWED_MECHANISMS.contains(&name) => {
                Err(UriRefused::Mechanism(name.chars().take(64).collect()))
            }
            _ => Ok(()),
        }
    }

    fn check_tls(&self) -> Result<(), UriRefused> {
        for key in ["tls", "ssl", "directconnection"] {
            if self.get(key).is_some_and(|value| !["true", "false"].contains(&value)) {
                return Err(UriRefused::Option(key.to_owned()));
            }
        }
        match (self.flag("tls"), self.flag("ssl")) {
            (Some(tls), Some(ssl)) if tls != ssl => Err(UriRefused::Option("tls".to_owned())),
            _ => Ok(()),
        }
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
