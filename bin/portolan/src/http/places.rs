//! Places for connections: so many in all, and so many for one address, so that one machine, however slow or
//! greedy, does not take them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one listener.
#[derive(Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_address_max: usize,
    /// Addresses that stand for many clients.
    proxies: Arc<Vec<IpNet>>,
}

impl Places {
    pub(super) fn new(max: usize, per_address_max: usize, proxies: Vec<IpNet>) -> Self {
        Self {
            all: Arc::new(Semaphore::new(max)),
            taken: Arc::default(),
            per_address_max,
            proxies: Arc::new(proxies),
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from an address, if there is one.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let permit = self.all.clone().try_acquire_owned().ok()?;
        let mut taken = self.taken();
        let count = taken.entry(address).or_default();
        let for_many = self.proxies.iter().any(|proxy| proxy.contains(&address));
        if *count >= self.per_address_max && !for_many {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { places: self.clone(), address, _permit: permit })
    }
}

/// A place that was taken; given back when it is dropped.
pub(super) struct Place {
    places: Places,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_places() {
        let [greedy, other, proxy] = ["192.0.2.1", "192.0.2.2", "192.0.2.9"]
            .map(|text| text.parse::<IpAddr>().expect("an address"));
        let places = Places::new(6, 2, vec!["192.0.2.9/32".parse().expect("a network")]);
        let first = places.take(greedy).expect("a place");
        let _second = places.take(greedy).expect("a place");
        assert!(places.take(greedy).is_none(), "two are all that one address gets");
        let mapped = "::ffff:192.0.2.1".parse().expect("an address");
        assert!(places.take(mapped).is_none(), "the same address in other clothes");
        let _other = places.take(other).expect("a place");
        let _proxied: Vec<Place> = (0..3).map(|_| places.take(proxy).expect("a place")).collect();
        assert!(places.take(other).is_none(), "all places are taken");
        drop(first);
        assert!(places.take(greedy).is_some(), "a place that was given back");
    }
}
