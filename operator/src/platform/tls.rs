//! The TLS security profile of an OpenShift cluster, in the words of the flags of the controller and the speakers.

use metallb_runtime::tls::{Settings, SettingsError};
use serde_json::Value;

/// The suites of TLS 1.2 that there are here: what OpenSSL calls them, as the profile does, and their name in the register of
/// IANA, as the flag does. Those of TLS 1.3 are fixed; the others of a profile are older and not offered.
const SUITES: [(&str, &str); 6] = [
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
];

/// What servers speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// TLS 1.3, whose suites are fixed
    Newest,
    /// TLS 1.2 with these suites, by their names in the register of IANA and at least one; and TLS 1.3
    FromTls12(Vec<&'static str>),
}

impl Profile {
    /// The profile of `api_server`, an APIServer of `config.openshift.io`.
    pub(super) fn of(api_server: &Value) -> Self {
        let profile = &api_server["spec"]["tlsSecurityProfile"];
        match profile["type"].as_str() {
            Some("Modern") => Self::Newest,
            Some("Custom") => Self::custom(&profile["custom"]),
            // `Old` adds versions and suites that are not offered here. An empty profile means `Intermediate`.
            Some("Old" | "Intermediate") | None => Self::intermediate(),
            Some(unknown) => {
                tracing::warn!(
                    profile = unknown,
                    "a TLS security profile of that name is unknown here, taken for Intermediate"
                );
                Self::intermediate()
            }
        }
    }

    fn intermediate() -> Self {
        Self::FromTls12(SUITES.map(|(_, iana)| iana).into())
    }

    /// A profile that leaves nothing of TLS 1.2 that could be offered, leaves TLS 1.3: never something weaker than it says.
    fn custom(custom: &Value) -> Self {
        let wanted = custom["ciphers"].as_array();
        let wanted: Vec<&str> = wanted.into_iter().flatten().filter_map(Value::as_str).collect();
        let suites: Vec<&'static str> = SUITES
            .into_iter()
            .filter(|(openssl, iana)| wanted.contains(openssl) || wanted.contains(iana))
            .map(|(_, iana)| iana)
            .collect();
        if custom["minTLSVersion"] == "VersionTLS13" || suites.is_empty() {
            Self::Newest
        } else {
            Self::FromTls12(suites)
        }
    }

    /// The values of the flags: the lowest version, and the suites.
    fn values(&self) -> (&'static str, String) {
        match self {
            Self::Newest => ("VersionTLS13", String::new()),
            Self::FromTls12(suites) => ("VersionTLS12", suites.join(",")),
        }
    }

    /// The flags of the controller and the speakers.
    pub fn arguments(&self) -> Vec<String> {
        let (version, suites) = self.values();
        let mut arguments = vec![format!("--tls-min-version={version}")];
        if !suites.is_empty() {
            arguments.push(format!("--tls-cipher-suites={suites}"));
        }
        arguments
    }

    /// The same for the operator's own server.
    ///
    /// # Errors
    /// None: the suites are among those that there are.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        let (version, suites) = self.values();
        Settings::new(version, &suites, "")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(profile: &Value) -> Profile {
        Profile::of(&json!({ "spec": { "tlsSecurityProfile": profile } }))
    }

    #[test]
    fn profiles_become_what_can_be_offered_and_never_less_strict() {
        let intermediate = profile(&json!({ "type": "Intermediate", "intermediate": {} }));
        assert!(matches!(&intermediate, Profile::FromTls12(suites) if suites.len() == 6));
        let custom = |version: &str, ciphers: &[&str]| {
            profile(&json!({ "type": "Custom", "custom": { "minTLSVersion": version, "ciphers": ciphers } }))
        };
        let two = ["ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"];
        for (what, found, expected) in [
            (
                "nothing said",
                Profile::of(&json!({ "spec": {} })),
                intermediate.clone(),
            ),
            ("old", profile(&json!({ "type": "Old" })), intermediate.clone()),
            (
                "of a later OpenShift",
                profile(&json!({ "type": "Next" })),
                intermediate.clone(),
            ),
            (
                "modern",
                profile(&json!({ "type": "Modern", "modern": {} })),
                Profile::Newest,
            ),
            (
                "custom, from TLS 1.3",
                custom("VersionTLS13", &two),
                Profile::Newest,
            ),
            (
                "custom, with a suite that is too old",
                custom("VersionTLS11", &two),
                Profile::FromTls12(vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]),
            ),
            (
                "custom, with nothing else",
                custom("VersionTLS12", &["AES128-SHA"]),
                Profile::Newest,
            ),
            (
                "custom, incomplete",
                profile(&json!({ "type": "Custom" })),
                Profile::Newest,
            ),
        ] {
            assert_eq!(found, expected, "{what}");
        }
    }

    /// The flags are those of the other programs, which refuse to start with what they do not know.
    #[test]
    fn the_programs_understand_the_flags_and_offer_every_suite() {
        for found in [Profile::Newest, Profile::intermediate()] {
            let value = |flag: &str| {
                let arguments = found.arguments();
                let found = arguments.iter().find_map(|argument| argument.strip_prefix(flag));
                found.unwrap_or_default().to_owned()
            };
            assert_eq!(
                (
                    value("--tls-min-version=").as_str(),
                    value("--tls-cipher-suites=")
                ),
                found.values(),
            );
            let settings = found.settings().unwrap();
            assert!(settings.left_out().is_empty(), "{found:?}");
        }
    }
}
