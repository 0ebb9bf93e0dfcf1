//! What the cluster has besides Kubernetes itself. Owns finding it out, and the names of those kinds; what follows from it is
//! decided in [`crate::metallb::build`].
//!
//! Asked of the API server each time, and never assumed: a kind that is missing today can be installed tomorrow, and the
//! other way round.

mod tls;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResource};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::{GroupVersionKind, TypeMeta};
use kube::{Client, Error};

pub use tls::Profile;

/// A kind that is not part of Kubernetes, in the version that is used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its group
    pub group: &'static str,
    /// Its version
    pub version: &'static str,
    /// Its name
    pub name: &'static str,
    /// Its name in paths and Roles
    pub plural: &'static str,
}

/// What admits pods, as OpenShift does it.
pub const CONSTRAINTS: Kind = Kind {
    group: "security.openshift.io",
    version: "v1",
    name: "SecurityContextConstraints",
    plural: "securitycontextconstraints",
};
/// What the servers of an OpenShift cluster are to speak.
pub const API_SERVERS: Kind = Kind {
    group: "config.openshift.io",
    version: "v1",
    name: "APIServer",
    plural: "apiservers",
};
/// What the Prometheus operator collects.
pub const SERVICE_MONITORS: Kind = Kind {
    group: "monitoring.coreos.com",
    version: "v1",
    name: "ServiceMonitor",
    plural: "servicemonitors",
};
/// What the Prometheus operator warns of.
pub const PROMETHEUS_RULES: Kind = Kind {
    name: "PrometheusRule",
    plural: "prometheusrules",
    ..SERVICE_MONITORS
};
/// The one object of each kind in the group of [`API_SERVERS`].
pub const CONFIG_NAME: &str = "cluster";

impl Kind {
    /// As the client wants it.
    pub fn resource(self) -> ApiResource {
        let Self {
            group,
            version,
            name,
            plural,
        } = self;
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, name), plural)
    }

    /// As an object of it says.
    pub fn types(self) -> TypeMeta {
        TypeMeta {
            api_version: self.group_version(),
            kind: self.name.to_owned(),
        }
    }

    fn group_version(self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// What is served in the group and version of this kind.
    async fn neighbours(self, client: &Client, groups: &[APIGroup]) -> Result<Vec<APIResource>, Error> {
        let version = self.group_version();
        let served = groups
            .iter()
            .filter(|group| group.name == self.group)
            .any(|group| group.versions.iter().any(|one| one.group_version == version));
        if !served {
            return Ok(Vec::new());
        }
        match client.list_api_group_resources(&version).await {
            Ok(found) => Ok(found.resources),
            // It went between the two questions.
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// What the cluster's servers are to speak; `None` where nobody says so.
///
/// # Errors
/// The API server did not answer, or refused.
pub async fn profile(client: &Client) -> Result<Option<Profile>, Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &API_SERVERS.resource());
    match api.get(CONFIG_NAME).await {
        Ok(object) => Ok(Some(Profile::of(&object.data))),
        // The kind without the object is no cluster that anybody configured.
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is no such object, or not even its kind. Of that the API server tells in plain text, which has no reason;
/// `Status::is_not_found` looks at nothing else.
pub fn is_absent(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404)
}

/// Which of the kinds there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kinds(Vec<Kind>);

impl Kinds {
    /// These.
    pub fn of(kinds: &[Kind]) -> Self {
        Self(kinds.to_vec())
    }

    /// Those that the API server knows.
    ///
    /// # Errors
    /// It did not answer.
    pub async fn discover(client: &Client) -> Result<Self, Error> {
        let groups = client.list_api_groups().await?.groups;
        let mut known = Vec::new();
        // One question for the kinds of a group, which stand side by side.
        let kinds = [CONSTRAINTS, API_SERVERS, SERVICE_MONITORS, PROMETHEUS_RULES];
        for kinds in kinds.chunk_by(|one, next| one.group_version() == next.group_version()) {
            let served = kinds[0].neighbours(client, &groups).await?;
            let is_served = |kind: &&Kind| served.iter().any(|one| one.name == kind.plural);
            known.extend(kinds.iter().filter(is_served));
        }
        Ok(Self(known))
    }

    /// Whether `kind` is one of them.
    pub fn has(&self, kind: Kind) -> bool {
        self.0.contains(&kind)
    }
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platform {
    /// The kinds. Where there are [`CONSTRAINTS`] it is OpenShift, where Services also get certificates by annotation.
    pub kinds: Kinds,
    /// What the cluster's servers are to speak; `None` where nobody says so
    pub tls: Option<Profile>,
}

impl Platform {
    /// Finds it out.
    ///
    /// # Errors
    /// The API server did not answer, or refused.
    pub async fn discover(client: &Client) -> Result<Self, Error> {
        let kinds = Kinds::discover(client).await?;
        let mut tls = None;
        if kinds.has(API_SERVERS) {
            tls = profile(client).await?;
        }
        Ok(Self { kinds, tls })
    }

    /// Whether it is OpenShift, or something made of its parts.
    pub fn is_openshift(&self) -> bool {
        self.kinds.has(CONSTRAINTS)
    }
}
