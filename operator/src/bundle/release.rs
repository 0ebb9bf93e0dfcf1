//! The releases there are, and which of them a newer one replaces.

/// A release with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Release {
    /// Its semantic version
    pub(super) version: &'static str,
    /// When it was made. Written down: the bundle of a version has the same bytes whenever it is generated.
    pub(super) created: &'static str,
}

/// All of them, the oldest first. Whoever raises the version of the workspace adds a line.
pub(super) const RELEASES: &[Release] = &[Release {
    version: "0.1.0",
    created: "2026-11-21T00:00:00Z",
}];

/// The one that this checkout makes.
pub(super) fn current() -> Release {
    *RELEASES.last().expect("the list is not empty")
}

/// The name of the ClusterServiceVersion of `version`.
pub(super) fn csv_name(version: &str) -> String {
    format!("{}.v{version}", super::PACKAGE)
}

/// The ClusterServiceVersion that the last of `releases` replaces. None replaces nothing.
pub(super) fn replaced(releases: &[Release]) -> Option<String> {
    let (_, older) = releases.split_last()?;
    older.last().map(|release| csv_name(release.version))
}

/// The versions that may be left out on the way to `release`: all older ones. The operator computes what should be from
/// what is, so that no version depends on the one before having run.
pub(super) fn skip_range(release: Release) -> String {
    format!(">=0.0.1 <{}", release.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_this_checkout_is_the_last_release() {
        assert_eq!(
            current().version,
            env!("CARGO_PKG_VERSION"),
            "add the release to RELEASES"
        );
    }

    #[test]
    fn each_release_replaces_the_one_before() {
        let release = |version| Release {
            version,
            created: "2026-01-01T00:00:00Z",
        };
        for (versions, replaced_one) in [
            (vec!["0.1.0"], None),
            (vec!["0.1.0", "0.2.0"], Some("metallb-operator.v0.1.0")),
            (vec!["0.1.0", "0.2.0", "0.10.0"], Some("metallb-operator.v0.2.0")),
        ] {
            let releases: Vec<Release> = versions.into_iter().map(release).collect();
            assert_eq!(replaced(&releases).as_deref(), replaced_one, "{releases:?}");
        }
    }

    #[test]
    fn releases_are_in_the_order_of_their_versions() {
        let numbers = |release: &Release| -> Vec<u32> {
            release
                .version
                .split('.')
                .map(|part| part.parse().expect("a number"))
                .collect()
        };
        let versions: Vec<Vec<u32>> = RELEASES.iter().map(numbers).collect();
        assert!(versions.iter().all(|version| version.len() == 3));
        assert!(
            versions.is_sorted_by(|older, newer| older < newer),
            "{versions:?}"
        );
        for release in RELEASES {
            release
                .created
                .parse::<k8s_openapi::jiff::Timestamp>()
                .expect("a time");
        }
    }
}
