//! Names of the old configuration as names of Kubernetes objects. Owns the rule; it is the one of MetalLB's own
//! converter, except that a name Kubernetes takes stays as it is: Services ask for pools by name.

/// The most that this converter lets a name have.
const MOST_CHARACTERS: usize = 63;

/// The name that Kubernetes takes for `name`; `None` if nothing sensible is left of it.
pub(super) fn object_name(name: &str) -> Option<String> {
    if is_object_name(name) {
        return Some(name.to_owned());
    }
    let cut: String = name.chars().take(MOST_CHARACTERS).collect();
    let lower = cut.to_lowercase().replace('_', "-");
    let begun = lower.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let name = begun.trim_end_matches('-');
    is_object_name(name).then(|| name.to_owned())
}

/// A DNS subdomain (RFC 1123): labels of letters, digits and dashes between dots, none of which begins or ends with a
/// dash.
fn is_object_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_valid_and_valid_ones_stay() {
        let long = "x".repeat(70);
        for (given, made) in [
            ("default", Some("default")),
            ("my-pool-2", Some("my-pool-2")),
            ("a", Some("a")),
            ("10-net", Some("10-net")),
            ("rack1.example.org", Some("rack1.example.org")),
            (long.as_str(), Some(long.as_str())),
            ("My_Pool", Some("my-pool")),
            ("_2_Public", Some("public")),
            ("public_", Some("public")),
            ("PUBLIC", Some("public")),
            ("my pool", None),
            ("___", None),
            ("", None),
        ] {
            assert_eq!(object_name(given).as_deref(), made, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_that_has_to_change_is_cut() {
        let made = object_name(&"Ab_".repeat(30)).unwrap();
        assert_eq!((made.len(), &made[..6]), (62, "ab-ab-"));
    }
}
