//! Keys and certificates of the cluster, new for every start.
//!
//! Owns: the files under `pki/` and every kubeconfig.
//! Never: outlives the cluster, so nothing here needs to be renewed or revoked.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;

use super::address::{API_PORT, HOST_IPV4, KUBERNETES_SERVICE, Node};
use super::layout::Layout;

/// Somebody who has a certificate.
struct Identity {
    /// Name of the files
    file: String,
    /// Common name: the user
    user: String,
    /// Organisation: the group
    group: Option<&'static str>,
    /// Names and addresses it serves under
    serves: Vec<String>,
    /// Whether it needs a kubeconfig
    kubeconfig: bool,
}

impl Identity {
    fn component(user: &str) -> Self {
        let file = user.trim_start_matches("system:").to_owned();
        Self {
            file,
            user: user.to_owned(),
            group: None,
            serves: Vec::new(),
            kubeconfig: true,
        }
    }

    fn node(node: Node) -> Self {
        let addresses = [IpAddr::from(node.ipv4()), IpAddr::from(node.ipv6())];
        Self {
            file: node.name(),
            user: format!("system:node:{}", node.name()),
            group: Some("system:nodes"),
            serves: addresses
                .iter()
                .map(ToString::to_string)
                .chain([node.name()])
                .collect(),
            kubeconfig: true,
        }
    }
}

/// The files of one identity.
#[derive(Clone, Debug)]
pub struct Files {
    /// PEM certificate
    pub certificate: PathBuf,
    /// PEM key
    pub key: PathBuf,
    /// Its kubeconfig, if it has one
    pub kubeconfig: PathBuf,
}

/// The files of the identity of this name.
pub fn files(layout: &Layout, name: &str) -> Files {
    let file = |ending: &str| layout.pki().join(format!("{name}.{ending}"));
    Files {
        certificate: file("crt"),
        key: file("key"),
        kubeconfig: file("kubeconfig"),
    }
}

/// Makes all of them, and the kubeconfig for users.
///
/// # Errors
/// If a file cannot be written.
pub fn create(layout: &Layout, nodes: &[Node]) -> Result<()> {
    fs::create_dir_all(layout.pki())?;
    let authority = authority()?;
    let authority_files = files(layout, "ca");
    write(&authority_files.certificate, &authority.pem())?;
    write(&authority_files.key, &authority.key().serialize_pem())?;
    let tokens = KeyPair::generate()?;
    let token_files = files(layout, "service-accounts");
    write(&token_files.key, &tokens.serialize_pem())?;
    write(&token_files.certificate, &tokens.public_key_pem())?;

    for identity in identities(nodes) {
        let (certificate, key) = sign(&authority, &identity)?;
        let target = files(layout, &identity.file);
        write(&target.certificate, &certificate)?;
        write(&target.key, &key)?;
        if identity.kubeconfig {
            write(
                &target.kubeconfig,
                &kubeconfig(&authority.pem(), &certificate, &key)?,
            )?;
        }
    }
    // The one for people belongs to whoever owns the checkout, for `kubectl` needs no root.
    let admin = layout.kubeconfig();
    fs::copy(files(layout, "admin").kubeconfig, &admin)?;
    let owner = fs::metadata(layout.checkout())?;
    std::os::unix::fs::chown(&admin, Some(owner.uid()), Some(owner.gid()))
        .with_context(|| format!("cannot give {} to the owner of the checkout", admin.display()))
}

fn identities(nodes: &[Node]) -> Vec<Identity> {
    let api_server = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "localhost",
        "127.0.0.1",
    ];
    let addresses = [KUBERNETES_SERVICE.to_string(), HOST_IPV4.to_string()];
    let masters = Some("system:masters");
    let mut all = vec![
        Identity {
            serves: api_server
                .map(str::to_owned)
                .into_iter()
                .chain(addresses)
                .collect(),
            kubeconfig: false,
            ..Identity::component("kube-apiserver")
        },
        Identity {
            group: masters,
            kubeconfig: false,
            ..Identity::component("kubelet-client")
        },
        Identity {
            kubeconfig: false,
            ..Identity::component("front-proxy")
        },
        Identity {
            group: masters,
            ..Identity::component("admin")
        },
        Identity::component("system:kube-controller-manager"),
        Identity::component("system:kube-scheduler"),
        Identity::component("system:kube-proxy"),
    ];
    all.extend(nodes.iter().map(|node| Identity::node(*node)));
    all
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "metallb test cluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn sign(authority: &CertifiedIssuer<'static, KeyPair>, identity: &Identity) -> Result<(String, String)> {
    let mut params = CertificateParams::new(identity.serves.clone())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, identity.user.clone());
    if let Some(group) = identity.group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

fn kubeconfig(authority: &str, certificate: &str, key: &str) -> Result<String> {
    const NAME: &str = "metallb-cluster";
    let encode = |pem: &str| BASE64_STANDARD.encode(pem);
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "clusters": [{"name": NAME, "cluster": {
            "server": format!("https://{HOST_IPV4}:{API_PORT}"),
            "certificate-authority-data": encode(authority),
        }}],
        "users": [{"name": NAME, "user": {
            "client-certificate-data": encode(certificate),
            "client-key-data": encode(key),
        }}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
    });
    Ok(serde_saphyr::to_string(&config)?)
}

/// Only root reads keys.
fn write(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_is_understood_by_the_client_library() {
        let text = kubeconfig("authority", "certificate", "key").unwrap();
        let config = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("metallb-cluster"));
        let server = config.clusters[0].cluster.as_ref().unwrap().server.as_deref();
        assert_eq!(server, Some("https://172.30.0.1:6443"));
    }

    #[test]
    fn a_node_is_a_member_of_the_group_of_nodes() {
        let nodes = Node::first(1).unwrap();
        let node = identities(&nodes).pop().unwrap();
        assert_eq!(
            (node.user.as_str(), node.group),
            ("system:node:node1", Some("system:nodes"))
        );
        assert_eq!(node.serves, ["172.30.0.11", "fd30::11", "node1"]);
    }
}
