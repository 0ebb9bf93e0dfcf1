//! A Service that one of the nodes announces, while a test moves it.
//!
//! Owns: who announced it first, and waiting until a certain node answers for it, or any could.
//! Never: moves it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fixtures::WEB_PORT;
use crate::kubernetes::TempNamespace;
use crate::lab::Lab;
use crate::metallb::{WEB, addresses, event};
use crate::wait::{self, Look};

/// See the module.
pub struct Announced<'a> {
    /// The Service's
    pub namespace: &'a TempNamespace,
    /// Who sees who answers
    pub lab: &'a Lab,
    /// The one that is announced
    pub address: Ipv4Addr,
    /// The node that announced it first
    pub owner: String,
    nodes_by_mac: BTreeMap<String, String>,
    limit: Duration,
}

impl<'a> Announced<'a> {
    /// The Service [`WEB`] once it is announced at `address`. A move of it may take as long as `limit`.
    ///
    /// # Errors
    /// If nobody announces it.
    pub async fn web(
        namespace: &'a TempNamespace,
        lab: &'a Lab,
        address: Ipv4Addr,
        limit: Duration,
    ) -> Result<Self> {
        addresses(namespace, WEB, 1).await?;
        let told = event(namespace, WEB, "nodeAssigned").await?.message;
        let owner = told.as_deref().and_then(|text| text.split('"').nth(1));
        Ok(Self {
            namespace,
            lab,
            address,
            owner: owner.context("the Event names a node")?.to_owned(),
            nodes_by_mac: lab.nodes_by_mac().await?,
            limit,
        })
    }

    /// Waits until each node leads those who send to it to a server. The kube-proxy of one may hear of the address a second
    /// after another one, and a node that does not know it looks for it on the segment: "No route to host".
    ///
    /// # Errors
    /// If one of them does not.
    pub async fn served_through_each_node(&self) -> Result<()> {
        let client = self.lab.client()?;
        for (mac, node) in &self.nodes_by_mac {
            wait::until(format!("{node} to lead to a server"), self.limit, async || {
                let asked = client.http_get_through(mac, self.address.into(), WEB_PORT, "/hostname");
                Ok::<_, anyhow::Error>(match asked.await {
                    Ok(_) => Look::Done(()),
                    Err(error) => Look::NotYet(format!("{error:#}")),
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Whether this is the hardware address of the first owner.
    pub fn is_owner(&self, mac: &str) -> bool {
        self.nodes_by_mac.get(mac) == Some(&self.owner)
    }

    /// Waits until the first owner, and no other node, answers.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn answered_by_the_owner(&self) -> Result<()> {
        self.answered_by("the first owner to answer", |node| node == self.owner)
            .await
    }

    /// Waits until one node answers that is not the first owner.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn answered_by_another(&self) -> Result<()> {
        self.answered_by("another node to answer", |node| node != self.owner)
            .await
    }

    async fn answered_by(&self, what: &str, right: impl Fn(&str) -> bool) -> Result<()> {
        let client = self.lab.client()?;
        wait::until(what, self.limit, async || {
            let macs = client.arp(self.address).await?;
            let nodes: Vec<_> = macs.iter().filter_map(|mac| self.nodes_by_mac.get(mac)).collect();
            Ok::<_, anyhow::Error>(match nodes[..] {
                [node] if right(node) => Look::Done(()),
                _ => Look::NotYet(format!("answers of {nodes:?}")),
            })
        })
        .await
    }
}
