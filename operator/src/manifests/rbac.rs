//! Service accounts, roles and bindings from the table in [`super::rules`]. The controller's and the speaker's service
//! accounts are made by the operator together with the pods; the bindings wait for them.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::names::object;

use super::Options;
use super::rules::{self, Rule};
use super::yaml::Documents;

/// One of the service accounts, and what it may do.
pub(crate) struct Account {
    /// Its name
    pub(crate) name: &'static str,
    /// In every namespace, and outside of them
    pub(crate) everywhere: Vec<PolicyRule>,
    /// In the namespace of the installation
    pub(crate) at_home: Vec<PolicyRule>,
}

/// All of them, for installers that make the accounts and roles themselves.
pub(crate) fn accounts() -> [Account; 3] {
    [
        (
            object::OPERATOR_ACCOUNT,
            rules::OPERATOR_EVERYWHERE,
            rules::OPERATOR_AT_HOME,
        ),
        (
            object::CONTROLLER,
            rules::CONTROLLER_EVERYWHERE,
            rules::CONTROLLER_AT_HOME,
        ),
        (object::SPEAKER, rules::SPEAKER_EVERYWHERE, rules::SPEAKER_AT_HOME),
    ]
    .map(|(name, everywhere, at_home)| Account {
        name,
        everywhere: everywhere.iter().map(policy).collect(),
        at_home: at_home.iter().map(policy).collect(),
    })
}

/// The operator's account and what it may do.
pub(super) fn operator(options: &Options) -> String {
    let account = ServiceAccount {
        metadata: namespaced(options, object::OPERATOR_ACCOUNT),
        ..ServiceAccount::default()
    };
    let documents = everywhere(
        Documents::default().add([], &account),
        options,
        object::OPERATOR_ACCOUNT,
        rules::OPERATOR_EVERYWHERE,
    );
    at_home(
        documents,
        options,
        object::OPERATOR_ACCOUNT,
        rules::OPERATOR_AT_HOME,
    )
    .finish()
}

/// What the controller may do.
pub(super) fn controller(options: &Options) -> String {
    let documents = everywhere(
        Documents::default(),
        options,
        object::CONTROLLER,
        rules::CONTROLLER_EVERYWHERE,
    );
    at_home(documents, options, object::CONTROLLER, rules::CONTROLLER_AT_HOME).finish()
}

/// Adds what the controller may do where no operator is.
pub(super) fn controller_alone(documents: Documents, options: &Options) -> Documents {
    let documents = everywhere(
        documents,
        options,
        object::CONTROLLER,
        rules::CONTROLLER_EVERYWHERE,
    );
    let at_home_rules = [rules::CONTROLLER_AT_HOME, rules::CONTROLLER_WITHOUT_OPERATOR].concat();
    at_home(documents, options, object::CONTROLLER, &at_home_rules)
}

/// What the speaker may do.
pub(super) fn speaker(options: &Options) -> String {
    add_speaker(Documents::default(), options).finish()
}

/// Adds what the speaker may do.
pub(super) fn add_speaker(documents: Documents, options: &Options) -> Documents {
    let documents = everywhere(documents, options, object::SPEAKER, rules::SPEAKER_EVERYWHERE);
    at_home(documents, options, object::SPEAKER, rules::SPEAKER_AT_HOME)
}

/// A ClusterRole with `rules`, bound to the service account `account`.
pub(super) fn everywhere(
    documents: Documents,
    options: &Options,
    account: &str,
    rules: &[Rule],
) -> Documents {
    // The name carries the namespace, so that two installations do not take each other's permissions.
    let name = format!("{}:{account}", options.namespace);
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        ..ObjectMeta::default()
    };
    let role = ClusterRole {
        metadata: metadata.clone(),
        rules: Some(rules.iter().map(policy).collect()),
        ..ClusterRole::default()
    };
    let binding = ClusterRoleBinding {
        metadata,
        role_ref: role_ref("ClusterRole", &name),
        subjects: Some(vec![subject(options, account)]),
    };
    let reasons: Vec<String> = rules.iter().map(reason).collect();
    documents
        .add(reasons.iter().map(String::as_str), &role)
        .add([], &binding)
}

/// A Role with `rules`, bound to the service account of the same name.
fn at_home(documents: Documents, options: &Options, account: &str, rules: &[Rule]) -> Documents {
    let metadata = namespaced(options, account);
    let role = Role {
        metadata: metadata.clone(),
        rules: Some(rules.iter().map(policy).collect()),
    };
    let binding = RoleBinding {
        metadata,
        role_ref: role_ref("Role", account),
        subjects: Some(vec![subject(options, account)]),
    };
    let reasons: Vec<String> = rules.iter().map(reason).collect();
    documents
        .add(reasons.iter().map(String::as_str), &role)
        .add([], &binding)
}

pub(super) fn policy(rule: &Rule) -> PolicyRule {
    let Rule {
        group,
        resources,
        names,
        verbs,
        reason: _,
    } = rule;
    PolicyRule {
        api_groups: Some(vec![(*group).to_owned()]),
        resources: Some(owned(resources)),
        resource_names: (!names.is_empty()).then(|| owned(names)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

fn reason(rule: &Rule) -> String {
    let Rule {
        group: _,
        resources,
        names: _,
        verbs: _,
        reason,
    } = rule;
    format!("{}: {reason}", resources.join(", "))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Metadata of `name` in the namespace of the installation.
pub(super) fn namespaced(options: &Options, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(options.namespace.clone()),
        ..ObjectMeta::default()
    }
}

/// The role `name`, to be bound.
pub(super) fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        api_group: "rbac.authorization.k8s.io".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

/// The service account `name`, to bind a role to.
pub(super) fn subject(options: &Options, name: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        namespace: Some(options.namespace.clone()),
        api_group: None,
    }
}
