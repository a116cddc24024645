//! Keys sort as values do: by property and by table.

use bson::{Bson, RawBsonRef};
use proptest::prelude::*;

use super::{encode, encode_descending, prune_key};
use crate::compare::compare;
use crate::testing::{decimal, holder, number, value};

fn with<T>(value: &Bson, f: impl FnOnce(RawBsonRef<'_>) -> T) -> T {
    f(holder(value).get("v").unwrap().unwrap())
}

fn key(value: &Bson) -> Vec<u8> {
    with(value, encode)
}

fn order(a: &Bson, b: &Bson) -> std::cmp::Ordering {
    with(a, |x| with(b, |y| compare(x, y)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn byte_order_of_keys_is_the_order_of_values(a in value(), b in value()) {
        prop_assert_eq!(key(&a).cmp(&key(&b)), order(&a, &b));
    }

    #[test]
    fn byte_order_of_number_keys_is_the_order_of_numbers(a in number(), b in number()) {
        prop_assert_eq!(key(&a).cmp(&key(&b)), order(&a, &b));
    }

    #[test]
    fn order_of_numbers_is_transitive(a in number(), b in number(), c in number()) {
        let mut sorted = [a, b, c];
        sorted.sort_by(order);
        prop_assert!(order(&sorted[0], &sorted[2]).is_le());
    }

    #[test]
    fn descending_keys_reverse_the_order_even_when_concatenated(
        a in value(), b in value(), c in value(), d in value()
    ) {
        let pair = |x: &Bson, y: &Bson| [with(x, encode_descending), key(y)].concat();
        let expected = order(&a, &b).reverse().then(order(&c, &d));
        prop_assert_eq!(pair(&a, &c).cmp(&pair(&b, &d)), expected);
    }

    #[test]
    fn prune_keys_are_short_and_monotone(a in value(), b in value()) {
        let (x, y) = (with(&a, |v| prune_key(Some(v))), with(&b, |v| prune_key(Some(v))));
        for k in [&x, &y].into_iter().flatten() {
            prop_assert!(k.len() <= 32);
        }
        if let (Some(x), Some(y)) = (x, y) && order(&a, &b).is_le() {
            prop_assert!(x <= y, "{} {}", x, y);
        }
    }

    #[test]
    fn prune_keys_are_cut_full_keys(a in value()) {
        if let Some(short) = with(&a, |v| prune_key(Some(v))) {
            prop_assert_eq!(short, super::hex(super::cut(&key(&a))));
        }
    }

    #[test]
    fn all_numbers_share_one_bracket(a in number()) {
        prop_assert!(with(&a, |v| prune_key(Some(v))).unwrap().starts_with("1e"));
    }
}

#[test]
fn one_has_one_key_whatever_its_type() {
    for one in [Bson::Int64(1), Bson::Double(1.0), decimal("1"), decimal("1.000")] {
        assert_eq!(key(&one), key(&Bson::Int32(1)), "{one:?}");
    }
    assert_eq!(key(&Bson::Double(-0.0)), key(&Bson::Int32(0)));
    assert_ne!(key(&decimal("0.1")), key(&Bson::Double(0.1)));
    assert_ne!(key(&Bson::Int64((1 << 53) + 1)), key(&Bson::Double(9_007_199_254_740_992.0)));
}

#[test]
fn missing_has_the_prune_key_of_null_and_arrays_have_none() {
    assert_eq!(prune_key(None), with(&Bson::Null, |v| prune_key(Some(v))));
    assert_eq!(super::missing(), key(&Bson::Null));
    assert_eq!(with(&Bson::Array(vec![]), |v| prune_key(Some(v))), None);
}
