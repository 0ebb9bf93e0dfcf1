//! Lines and columns of the values in a YAML text. Knows nothing of what the values mean.

use std::collections::BTreeMap;
use std::fmt;

use metallb_core::migration::Step;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// Whether they count in the text under a key, because its lines are not lines of the file.
    pub(super) within_value: bool,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// The place of every value.
pub(super) struct Positions {
    spot: Spot,
    inner: Inner,
}

enum Inner {
    Scalar,
    List(Vec<Positions>),
    Map(BTreeMap<String, Positions>),
}

impl Spot {
    /// Where the parser says.
    pub(super) fn of(location: Location) -> Self {
        Self {
            within_value: false,
            line: location.line(),
            column: location.column(),
        }
    }
}

impl Positions {
    /// Reads `yaml`. `None` if that fails: it can, in corners where a parser that knows the types does not.
    pub(super) fn of(yaml: &str) -> Option<Self> {
        serde_saphyr::from_str(yaml).ok()
    }

    /// The value that the steps lead to, or the last one on the way that is there.
    pub(super) fn find(&self, steps: &[Step]) -> Option<Spot> {
        let Some((step, rest)) = steps.split_first() else {
            return Some(self.spot);
        };
        let next = match (step, &self.inner) {
            (Step::Key(key), Inner::Map(values)) => values.get(key),
            (Step::Entry(number), Inner::List(values)) => values.get(*number),
            (Step::Key(_) | Step::Entry(_), Inner::Scalar | Inner::List(_) | Inner::Map(_)) => None,
        };
        next.map_or(Some(self.spot), |next| next.find(rest))
    }
}

impl<'de> Deserialize<'de> for Positions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned {
            value, referenced, ..
        } = Spanned::<Inner>::deserialize(deserializer)?;
        Ok(Self {
            spot: Spot::of(referenced),
            inner: value,
        })
    }
}

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Takes whatever comes and keeps only its shape.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Inner;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Inner, A::Error> {
        let mut values = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            values.insert(key, value);
        }
        Ok(Inner::Map(values))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Inner, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Inner::List(values))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Inner, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Inner, E> {
        Ok(Inner::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Inner, E> {
        Ok(Inner::Scalar)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Inner, E> {
        Ok(Inner::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Inner, E> {
        Ok(Inner::Scalar)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Inner, E> {
        Ok(Inner::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Inner, E> {
        Ok(Inner::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Inner, E> {
        Ok(Inner::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Inner, E> {
        Ok(Inner::Scalar)
    }

    fn visit_none<E>(self) -> Result<Inner, E> {
        Ok(Inner::Scalar)
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            within_value,
            line,
            column,
        } = self;
        let of = if *within_value { " of data.config" } else { "" };
        write!(f, "line {line}, column {column}{of}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_the_way_to_them() {
        let yaml = "peers:\n- my-asn: 1\n  password: null\nbgp-communities: {a: '1:1'}\n";
        let positions = Positions::of(yaml).unwrap();
        let key = |key: &str| Step::Key(key.to_owned());
        for (steps, line, column) in [
            (vec![], 1, 1),
            (vec![key("peers"), Step::Entry(0)], 2, 3),
            (vec![key("peers"), Step::Entry(0), key("my-asn")], 2, 11),
            (vec![key("peers"), Step::Entry(0), key("password")], 3, 13),
            (vec![key("peers"), Step::Entry(0), key("not there")], 2, 3),
            (vec![key("bgp-communities"), key("a")], 4, 22),
        ] {
            let spot = positions.find(&steps).unwrap();
            assert_eq!((spot.line, spot.column), (line, column), "{steps:?}");
        }
    }
}
