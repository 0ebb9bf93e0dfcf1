//! Listens to the kernel's interfaces through netlink. Owns the subscription and the way back to a complete picture
//! after messages were lost. Never polls: a change is seen when it happens.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use futures::{FutureExt, StreamExt, TryStreamExt};
use metallb_protocol::layer2::Interface;
use metallb_runtime::tasks::Tasks;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::MulticastGroup;
use tokio::sync::watch;

use super::Exclusions;
use super::links::Links;

/// IPv4 addresses are not among them: an interface answers ARP whether it has an address or not.
const GROUPS: [MulticastGroup; 2] = [MulticastGroup::Link, MulticastGroup::Ipv6Ifaddr];

/// Where the picture goes, whenever it differs from the last one.
pub(super) struct Outputs {
    /// The interfaces that may answer.
    pub(super) list: watch::Sender<Vec<Interface>>,
    /// The names of those that exist, whether they may answer or not.
    pub(super) names: watch::Sender<Option<BTreeSet<String>>>,
}

impl Outputs {
    fn publish(&self, links: &Links, exclusions: &Exclusions) {
        fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
            let changed = *old != new;
            *old = new;
            changed
        }
        self.list
            .send_if_modified(|list| replace(list, links.answering(exclusions)));
        self.names
            .send_if_modified(|names| replace(names, Some(links.names(exclusions))));
    }
}

/// Starts listening.
///
/// # Errors
/// The kernel refuses a netlink socket.
pub(super) fn spawn(tasks: &mut Tasks, exclusions: Exclusions, outputs: Outputs) -> anyhow::Result<()> {
    let (connection, handle, mut messages) =
        rtnetlink::new_multicast_connection(&GROUPS).context("open a netlink socket")?;
    tasks.spawn("netlink", connection.map(Ok));
    tasks.spawn("interfaces", async move {
        let mut links = list(&handle).await?;
        loop {
            outputs.publish(&links, &exclusions);
            let Some((message, _)) = messages.next().await else {
                bail!("the netlink socket was closed")
            };
            // A link that comes up sends several messages at once: one new picture is enough for all of them.
            let mut lost = observe(&mut links, message);
            while let Some(Some((message, _))) = messages.next().now_or_never() {
                lost |= observe(&mut links, message);
            }
            if lost {
                tracing::warn!("the kernel dropped netlink messages, listing all interfaces again");
                links = list(&handle).await?;
            }
        }
    });
    Ok(())
}

/// Takes notice of one message. True if others before it were lost.
fn observe(links: &mut Links, message: NetlinkMessage<RouteNetlinkMessage>) -> bool {
    match message.payload {
        NetlinkPayload::InnerMessage(message) => {
            links.observe(message);
            false
        }
        NetlinkPayload::Overrun(_) => true,
        _ => false,
    }
}

/// All interfaces and their addresses. Changes meanwhile wait in the subscription, and to observe again what the list
/// already has does no harm.
async fn list(handle: &rtnetlink::Handle) -> anyhow::Result<Links> {
    let mut found = Links::default();
    let mut links = handle.link().get().execute();
    while let Some(link) = links.try_next().await.context("list the interfaces")? {
        found.observe(RouteNetlinkMessage::NewLink(link));
    }
    let mut request = handle.address().get();
    request.message_mut().header.family = AddressFamily::Inet6;
    let mut addresses = request.execute();
    while let Some(address) = addresses.try_next().await.context("list the addresses")? {
        found.observe(RouteNetlinkMessage::NewAddress(address));
    }
    Ok(found)
}
