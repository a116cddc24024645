//! Tests of the address policy.

use proptest::prelude::*;

use super::*;

fn closed() -> AddressPolicy {
    AddressPolicy::new(Vec::new(), Vec::new())
}

fn open() -> AddressPolicy {
    let everything = ["0.0.0.0/0", "::/0"].map(|net| net.parse().expect("a network"));
    AddressPolicy::new(everything.to_vec(), vec![27100..=27199, 8080..=8080])
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn metadata_is_never_dialled() {
    for text in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fd00:42::42",
        "fe80::1",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ] {
        let verdict = open().judge(ip(text), 27017);
        assert!(matches!(verdict, Err(AddressRefused::Metadata(_))), "{text}: {verdict:?}");
    }
}

#[test]
fn no_single_host_lives_there() {
    for text in ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "ff02::1"]
    {
        let verdict = open().judge(ip(text), 27017);
        assert!(matches!(verdict, Err(AddressRefused::NotAHost(_))), "{text}: {verdict:?}");
    }
}

#[test]
fn private_addresses_need_the_configuration() {
    for text in [
        "127.0.0.1",
        "127.9.9.9",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "::1",
        "fc00::1",
        "fd12::1",
        "fec0::1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "64:ff9b:1::1",
    ] {
        let refused = closed().judge(ip(text), 27017);
        assert!(matches!(refused, Err(AddressRefused::Private(_))), "{text}: {refused:?}");
        assert_eq!(open().judge(ip(text), 27017), Ok(()), "{text}");
    }
    let loopback = AddressPolicy::new(AddressPolicy::loopback_networks(), Vec::new());
    assert_eq!(loopback.judge(ip("127.0.0.1"), 27017), Ok(()));
    assert_eq!(loopback.judge(ip("::ffff:127.0.0.1"), 27017), Ok(()));
    assert!(loopback.judge(ip("10.0.0.1"), 27017).is_err());
}

#[test]
fn public_addresses_are_dialled() {
    for text in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8"] {
        assert_eq!(closed().judge(ip(text), 27017), Ok(()), "{text}");
    }
}

#[test]
fn our_own_ports_are_ours() {
    let own = |text: &str, port| open().judge(ip(text), port);
    assert!(matches!(own("127.0.0.1", 27150), Err(AddressRefused::OwnPort(..))));
    assert!(matches!(own("::ffff:127.0.0.1", 8080), Err(AddressRefused::OwnPort(..))));
    assert!(matches!(own("10.0.0.5", 8080), Err(AddressRefused::OwnPort(..))));
    assert_eq!(own("8.8.8.8", 8080), Ok(()));
    let named = open().with_own_addresses(vec![ip("8.8.8.8")]);
    assert!(matches!(named.judge(ip("8.8.8.8"), 8080), Err(AddressRefused::OwnPort(..))));
    assert_eq!(open().judge(ip("8.8.8.8"), 0), Err(AddressRefused::PortZero));
}

proptest! {
    /// However an IPv4 address is wrapped, the verdict is no milder.
    #[test]
    fn wrapping_does_not_help(bits in any::<u32>(), port in 1u16.., allow_all in any::<bool>()) {
        let policy = if allow_all { open() } else { closed() };
        let v4 = Ipv4Addr::from(bits);
        let [high, low] = [(bits >> 16) as u16, bits as u16];
        prop_assume!(bits > 1);
        let plain = policy.judge(IpAddr::V4(v4), port);
        for wrapped in [
            v4.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        ] {
            prop_assert_eq!(plain.is_ok(), policy.judge(IpAddr::V6(wrapped), port).is_ok());
        }
    }

    /// Link-local space stays closed whatever is allowed.
    #[test]
    fn link_local_is_never_allowed(low in any::<u16>(), tail in any::<u64>(), port in 1u16..) {
        let v4 = Ipv4Addr::from(0xa9fe_0000 | u32::from(low));
        prop_assert!(open().judge(IpAddr::V4(v4), port).is_err());
        let v6 = Ipv6Addr::from(0xfe80_u128 << 112 | u128::from(tail));
        prop_assert!(open().judge(IpAddr::V6(v6), port).is_err());
    }

    /// Without configuration only addresses that the standard library calls public pass.
    #[test]
    fn closed_means_public(bits in any::<u32>(), port in 1u16..) {
        let v4 = Ipv4Addr::from(bits);
        if closed().judge(IpAddr::V4(v4), port).is_ok() {
            prop_assert!(!v4.is_private() && !v4.is_loopback() && !v4.is_link_local());
            prop_assert!(!v4.is_broadcast() && !v4.is_multicast() && !v4.is_documentation());
        }
    }
}
