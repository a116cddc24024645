//! Which addresses may be dialled on behalf of users.
//!
//! A user gives a connection string; names in it, SRV answers and the hosts of a server's `hello` all
//! end as addresses, and each one is judged here before a connection is made. Otherwise a connection
//! string would be a way to reach what only this machine can reach: its own services, its network,
//! the credentials that clouds serve on fixed addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

/// Why an address may not be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// Link-local, and with it the metadata services of most clouds.
    #[error("{0} is a link-local or cloud metadata address, which is never dialled")]
    Metadata(IpAddr),
    /// Nothing listens there: unspecified, multicast, broadcast, reserved.
    #[error("{0} is not the address of one host")]
    NotAHost(IpAddr),
    /// Loopback or private, and not allowed by the configuration.
    #[error("{0} is a loopback or private address; clusters.allowed_networks does not hold it")]
    Private(IpAddr),
    /// One of our own listeners.
    #[error("port {1} of {0} belongs to this Portolan instance")]
    OwnPort(IpAddr, u16),
    /// Port 0.
    #[error("port 0 cannot be dialled")]
    PortZero,
}

/// The policy: public addresses yes, private ones by configuration, metadata services never.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
    own_ports: Vec<RangeInclusive<u16>>,
    own_addresses: Vec<IpAddr>,
}

impl AddressPolicy {
    /// A policy that allows the loopback and private addresses of `allowed`, and keeps away from
    /// `own_ports` on every address that may be this machine.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>, own_ports: Vec<RangeInclusive<u16>>) -> Self {
        Self { allowed, own_ports, own_addresses: Vec::new() }
    }

    /// Names public addresses of this machine, on which its own ports are refused as well.
    #[must_use]
    pub fn with_own_addresses(mut self, addresses: Vec<IpAddr>) -> Self {
        self.own_addresses = addresses;
        self
    }

    /// Loopback, for instances that live on one machine.
    ///
    /// # Panics
    /// Never: the networks are constants.
    #[must_use]
    pub fn loopback_networks() -> Vec<IpNet> {
        ["127.0.0.0/8", "::1/128"]
            .into_iter()
            .map(|net| net.parse().expect("a constant network"))
            .collect()
    }

    /// Judges one address and port.
    ///
    /// # Errors
    /// [`AddressRefused`] naming the rule.
    pub fn judge(&self, ip: IpAddr, port: u16) -> Result<(), AddressRefused> {
        if port == 0 {
            return Err(AddressRefused::PortZero);
        }
        // The address itself and the IPv4 address that it may carry: a packet to either ends there.
        for address in [Some(ip), embedded_v4(ip).map(IpAddr::V4)].into_iter().flatten() {
            self.judge_one(ip, address, port)?;
        }
        Ok(())
    }

    fn judge_one(&self, shown: IpAddr, ip: IpAddr, port: u16) -> Result<(), AddressRefused> {
        let class = classify(ip);
        match class {
            Class::Metadata => return Err(AddressRefused::Metadata(shown)),
            Class::NotAHost => return Err(AddressRefused::NotAHost(shown)),
            Class::Private | Class::Public | Class::Wrapped => {}
        }
        let may_be_ours = class == Class::Private || self.own_addresses.contains(&ip);
        if may_be_ours && self.own_ports.iter().any(|ports| ports.contains(&port)) {
            return Err(AddressRefused::OwnPort(shown, port));
        }
        if class == Class::Private && !self.is_allowed(shown, ip) {
            return Err(AddressRefused::Private(shown));
        }
        Ok(())
    }

    fn is_allowed(&self, shown: IpAddr, ip: IpAddr) -> bool {
        self.allowed.iter().any(|net| net.contains(&ip) || net.contains(&shown))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Public,
    Private,
    Metadata,
    NotAHost,
    /// An IPv6 form of an IPv4 address: judged by what it carries.
    Wrapped,
}

fn classify(ip: IpAddr) -> Class {
    match ip {
        IpAddr::V4(ip) => classify_v4(ip),
        IpAddr::V6(ip) => classify_v6(ip),
    }
}

fn in_v4(ip: Ipv4Addr, network: [u8; 4], prefix: u32) -> bool {
    let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    u32::from(ip) & mask == u32::from(Ipv4Addr::from(network)) & mask
}

/// By the IANA special-purpose registry, and the fixed addresses of cloud metadata services outside
/// link-local space: Alibaba Cloud 100.100.100.200, Azure 168.63.129.16, Oracle 192.0.0.192.
fn classify_v4(ip: Ipv4Addr) -> Class {
    const METADATA: [[u8; 4]; 3] = [[100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]];
    const PRIVATE: [([u8; 4], u32); 11] = [
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 88, 99, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
    ];
    if in_v4(ip, [169, 254, 0, 0], 16) || METADATA.contains(&ip.octets()) {
        Class::Metadata
    } else if in_v4(ip, [0, 0, 0, 0], 8) || in_v4(ip, [224, 0, 0, 0], 3) {
        Class::NotAHost
    } else if PRIVATE.iter().any(|(network, prefix)| in_v4(ip, *network, *prefix)) {
        Class::Private
    } else {
        Class::Public
    }
}

/// Metadata services on IPv6: AWS `fd00:ec2::254` (its whole `fd00:ec2::/32`), Google Cloud
/// `fd20:ce::254`, Scaleway `fd00:42::42`.
fn classify_v6(ip: Ipv6Addr) -> Class {
    let s = ip.segments();
    let metadata = (s[0] == 0xfd00 && s[1] == 0x0ec2)
        || ip == Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)
        || ip == Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42);
    if metadata || s[0] & 0xffc0 == 0xfe80 {
        Class::Metadata
    } else if ip.is_loopback() {
        Class::Private
    } else if embedded_v4(IpAddr::V6(ip)).is_some() {
        Class::Wrapped
    } else if ip.is_unspecified() || ip.is_multicast() || s[0] == 0x0100 {
        Class::NotAHost
    } else if is_private_v6(s) {
        Class::Private
    } else {
        Class::Public
    }
}

/// Unique local, old site-local, documentation, Teredo and other protocol assignments (2001::/23),
/// local-use NAT64, and whatever is not global unicast (2000::/3).
fn is_private_v6(s: [u16; 8]) -> bool {
    s[0] & 0xe000 != 0x2000
        || (s[0] == 0x2001 && (s[1] < 0x0200 || s[1] == 0x0db8))
        || s[0] & 0xfff0 == 0x3ff0
}

/// The IPv4 address inside an IPv4-mapped, IPv4-compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056)
/// address.
fn embedded_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let mapped = s[..5] == [0; 5] && s[5] == 0xffff;
    let compatible = s[..6] == [0; 6] && !(s[6] == 0 && s[7] <= 1);
    let nat64 = s[..6] == [0x0064, 0xff9b, 0, 0, 0, 0];
    if mapped || compatible || nat64 {
        Some(v4(s[6], s[7]))
    } else if s[0] == 0x2002 {
        Some(v4(s[1], s[2]))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
