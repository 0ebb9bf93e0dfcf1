//! Listens to the kernel's interfaces through netlink. Owns the subscription and the way back to a complete picture
//! after messages were lost. Never polls: a change is seen when it happens.

use std::collections::BTreeSet;
use std::future::Future;

use anyhow::{Context, bail};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use metallb_protocol::layer2::Interface;
use metallb_runtime::tasks::Tasks;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Handle, MulticastGroup};
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
    let first = subscribe()?;
    tasks.spawn("interfaces", async move {
        let mut subscription = first;
        let mut links = Links::default();
        loop {
            follow(subscription, &mut links, |links| {
                outputs.publish(links, &exclusions);
            })
            .await?;
            tracing::warn!("the kernel dropped netlink messages, listing all interfaces again");
            links = links.anew();
            // On a new socket. What waits in the old one is from before the loss, from after it, or from after the list
            // that would follow, and nothing tells where one ends: replayed upon the list, it would bring back
            // interfaces that have gone.
            subscription = subscribe()?;
        }
    });
    Ok(())
}

/// One netlink socket.
struct Subscription<C, M> {
    /// Moves the messages; to be polled with whatever waits for them.
    connection: C,
    handle: Handle,
    messages: M,
}

type Message = NetlinkMessage<RouteNetlinkMessage>;

fn subscribe() -> anyhow::Result<Subscription<impl Future<Output = ()>, impl Stream<Item = Message> + Unpin>>
{
    let (connection, handle, messages) =
        rtnetlink::new_multicast_connection(&GROUPS).context("open a netlink socket")?;
    Ok(Subscription {
        connection,
        handle,
        messages: messages.map(|(message, _)| message),
    })
}

/// Lists all interfaces and follows their changes, until messages were lost.
async fn follow(
    subscription: Subscription<impl Future<Output = ()>, impl Stream<Item = Message> + Unpin>,
    links: &mut Links,
    publish: impl Fn(&Links),
) -> anyhow::Result<()> {
    let Subscription {
        connection,
        handle,
        mut messages,
    } = subscription;
    let followed = async {
        list(&handle, links).await?;
        loop {
            publish(links);
            let Some(message) = messages.next().await else {
                bail!("the netlink socket was closed")
            };
            // A link that comes up sends several messages at once: one new picture is enough for all of them.
            let mut lost = observe(links, message);
            while let Some(Some(message)) = messages.next().now_or_never() {
                lost |= observe(links, message);
            }
            if lost {
                return Ok(());
            }
        }
    };
    tokio::select! {
        () = connection => bail!("the netlink socket was closed"),
        outcome = followed => outcome,
    }
}

/// Takes notice of one message. True if others before it were lost.
fn observe(links: &mut Links, message: Message) -> bool {
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
async fn list(handle: &Handle, found: &mut Links) -> anyhow::Result<()> {
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::lab::{Space, ip, ip_batch};
    use super::*;

    /// Changes that fit into the socket (`net.core.rmem_default`, 208 KiB, has room for some 250 messages, and each is one
    /// or two), and are more than one turn of the runtime reads.
    const SOME: usize = 120;
    /// More than fit.
    const MANY: usize = 2_000;

    /// Follows the interfaces until `name` is among them; their names then.
    async fn names_with(
        name: &str,
        names: &mut watch::Receiver<Option<BTreeSet<String>>>,
    ) -> BTreeSet<String> {
        let there =
            |names: &Option<BTreeSet<String>>| names.as_ref().is_some_and(|names| names.contains(name));
        let found = tokio::time::timeout(Duration::from_secs(10), names.wait_for(there)).await;
        found.expect("seen in time").unwrap().clone().unwrap()
    }

    #[test]
    fn after_lost_messages_the_picture_is_that_of_now() {
        let Some(node) = Space::new() else { return };
        node.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (list, _) = watch::channel(Vec::new());
                let (names, mut seen) = watch::channel(None);
                let mut tasks = Tasks::new();
                spawn(&mut tasks, Exclusions::none(), Outputs { list, names }).unwrap();
                names_with("lo", &mut seen).await;
                ip("link set lo up");
                // Nothing is read from here on, as on a busy node: the kernel keeps the first messages and drops the
                // last, among them the end of `ghost`.
                let flaps = || {
                    ["add", "del"]
                        .map(|act| format!("addr {act} 2001:db8::1/128 dev lo"))
                        .into_iter()
                        .cycle()
                };
                ip_batch(flaps().take(SOME));
                ip("link add ghost type bridge");
                ip_batch(flaps().take(MANY));
                ip("link del ghost");
                ip("link add after type bridge");
                assert!(names_with("after", &mut seen).await.contains("lo"));
                ip("link add last type bridge");
                assert_eq!(
                    names_with("last", &mut seen).await,
                    ["after", "last", "lo"].map(str::to_owned).into()
                );
            });
        });
    }
}
