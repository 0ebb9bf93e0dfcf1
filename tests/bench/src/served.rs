//! One Service from its creation until a client on the segment can reach it.
//!
//! Owns: the moments that are measured.
//! Never: decides what else the cluster does meanwhile.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::oneshot;
use tokio::try_join;

use crate::crowd::{Crowd, Purpose};
use crate::figure::Sample;
use crate::wire::Client;

/// How long each step took, counted from before the create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Until the API server had answered
    pub create: Duration,
    /// Until a watch brought the address
    pub address: Duration,
    /// The part of it after a watch had brought the Service itself
    pub allocation: Duration,
    /// Until a watch brought a ready endpoint: before that nobody may announce the address
    pub endpoints: Duration,
    /// Until somebody answered an ARP request for it
    pub answer: Duration,
}

impl Served {
    /// Creates the Service of this number for the web server, and follows it.
    ///
    /// # Errors
    /// If a step takes longer than `limit`.
    pub async fn follow(crowd: &mut Crowd, client: Client, number: usize, limit: Duration) -> Result<Self> {
        let (ready, is_ready) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        // Entering a network namespace and opening a socket take milliseconds: not those of the implementation.
        let asking = client.ask(async move |asker| {
            let _ = ready.send(());
            asker.first_answer(told.await?, limit).await
        });
        let following = async {
            is_ready.await.context("the client cannot ask")?;
            let created = crowd.create(number..number + 1, Purpose::Announcement).await?;
            let created = created.into_values().next().context("it was created")?;
            let given = crowd.has_address(number, limit).await?;
            let _ = tell.send(given.address);
            let ready = crowd.has_endpoints(number, limit).await?;
            Ok((created, given, ready))
        };
        let (answered, (created, given, ready)) = try_join!(asking, following)?;
        Ok(Self {
            create: created.answered - created.asked,
            address: given.at - created.asked,
            allocation: given.at - given.appeared,
            endpoints: ready - created.asked,
            answer: answered - created.asked,
        })
    }
}

/// The same step of many Services.
#[derive(Clone, Debug)]
pub struct Samples {
    /// See [`Served::create`].
    pub creates: Sample,
    /// See [`Served::address`].
    pub addresses: Sample,
    /// See [`Served::allocation`].
    pub allocations: Sample,
    /// See [`Served::endpoints`].
    pub endpoints: Sample,
    /// See [`Served::answer`].
    pub answers: Sample,
}

impl Samples {
    /// Puts them in order. None if there are none.
    pub fn of(served: &[Served]) -> Option<Self> {
        let sample = |step: fn(&Served) -> Duration| Sample::of(served.iter().map(step));
        Some(Self {
            creates: sample(|served| served.create)?,
            addresses: sample(|served| served.address)?,
            allocations: sample(|served| served.allocation)?,
            endpoints: sample(|served| served.endpoints)?,
            answers: sample(|served| served.answer)?,
        })
    }
}
