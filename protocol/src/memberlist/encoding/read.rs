//! Reads messages. Owns what is let in: names and texts of a bounded length, addresses that are ones. Never keeps more
//! of a message than its fields.

use std::net::SocketAddr;

use super::super::message::{
    Ack, Alive, Dead, IndirectPing, Message, Nack, NodeState, Origin, Ping, Status, Suspect, Versions,
    address,
};
use super::super::msgpack::{Fault, Reader};
use super::{META_MAX, NAME_MAX, kind};

/// Reads what stands behind the byte of the kind; `None` if the kind is not one of a message.
///
/// A member that does not know its own port, as those before version 2 of the protocol, is at `default_port`.
pub(in super::super) fn message(kind: u8, body: &[u8], default_port: u16) -> Option<Result<Message, Fault>> {
    let reader = &mut Reader::new(body);
    Some(match kind {
        kind::PING => ping(reader).map(Message::Ping),
        kind::INDIRECT_PING => indirect_ping(reader, default_port).map(Message::IndirectPing),
        kind::ACK => ack(reader).map(Message::Ack),
        kind::NACK => nack(reader).map(Message::Nack),
        kind::SUSPECT => claim(reader).map(|(incarnation, node, from)| {
            Message::Suspect(Suspect {
                incarnation,
                node,
                from,
            })
        }),
        kind::ALIVE => member(reader, b"Node", default_port).map(|state| {
            Message::Alive(Alive {
                incarnation: state.incarnation,
                node: state.name,
                address: state.address,
                meta: state.meta,
                versions: state.versions,
            })
        }),
        kind::DEAD => claim(reader).map(|(incarnation, node, from)| {
            Message::Dead(Dead {
                incarnation,
                node,
                from,
            })
        }),
        kind::USER => Ok(Message::User(body.to_vec())),
        _ => return None,
    })
}

pub(in super::super) fn ping(reader: &mut Reader<'_>) -> Result<Ping, Fault> {
    let (mut sequence, mut node, mut origin) = (0, "", Source::default());
    reader.fields(|name, value| {
        match name {
            b"SeqNo" => sequence = value.narrow()?,
            b"Node" => node = node_name(value)?,
            _ => return origin.field(name, value),
        }
        Ok(true)
    })?;
    Ok(Ping {
        sequence,
        node: node.to_owned(),
        origin: origin.known(),
    })
}

fn indirect_ping(reader: &mut Reader<'_>, default_port: u16) -> Result<IndirectPing, Fault> {
    let (mut sequence, mut node, mut nack, mut origin) = (0, "", false, Source::default());
    let (mut ip, mut port) = (&[][..], 0);
    reader.fields(|name, value| {
        match name {
            b"SeqNo" => sequence = value.narrow()?,
            b"Target" => ip = value.bytes()?,
            b"Port" => port = value.narrow()?,
            b"Node" => node = node_name(value)?,
            b"Nack" => nack = value.boolean()?,
            _ => return origin.field(name, value),
        }
        Ok(true)
    })?;
    Ok(IndirectPing {
        sequence,
        target: socket(ip, port, default_port)?,
        node: node.to_owned(),
        nack,
        origin: origin.known(),
    })
}

/// The fields of an [`Origin`] as they come.
#[derive(Default)]
struct Source<'a> {
    ip: &'a [u8],
    port: u16,
    node: &'a str,
}

impl<'a> Source<'a> {
    fn field(&mut self, name: &[u8], value: &mut Reader<'a>) -> Result<bool, Fault> {
        match name {
            b"SourceAddr" => self.ip = value.bytes()?,
            b"SourcePort" => self.port = value.narrow()?,
            b"SourceNode" => self.node = node_name(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Only a full address is one to answer to; else the answer goes to where the question came from.
    fn known(self) -> Option<Origin> {
        let ip = address(self.ip).filter(|_| self.port != 0)?;
        Some(Origin {
            address: SocketAddr::new(ip, self.port),
            node: self.node.to_owned(),
        })
    }
}

pub(in super::super) fn ack(reader: &mut Reader<'_>) -> Result<Ack, Fault> {
    let (mut sequence, mut payload) = (0, &[][..]);
    reader.fields(|name, value| {
        match name {
            b"SeqNo" => sequence = value.narrow()?,
            b"Payload" => payload = value.bytes()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Ack {
        sequence,
        payload: payload.to_vec(),
    })
}

fn nack(reader: &mut Reader<'_>) -> Result<Nack, Fault> {
    let mut sequence = 0;
    reader.fields(|name, value| {
        let known = name == b"SeqNo";
        if known {
            sequence = value.narrow()?;
        }
        Ok(known)
    })?;
    Ok(Nack { sequence })
}

/// What a suspicion and a death have in common: incarnation, whose, and who says so.
fn claim(reader: &mut Reader<'_>) -> Result<(u32, String, String), Fault> {
    let (mut incarnation, mut node, mut from) = (0, "", "");
    reader.fields(|name, value| {
        match name {
            b"Incarnation" => incarnation = value.narrow()?,
            b"Node" => node = node_name(value)?,
            b"From" => from = node_name(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((incarnation, node.to_owned(), from.to_owned()))
}

/// A state of a push-pull; or an alive message, which calls the name otherwise and has no state.
pub(in super::super) fn member(
    reader: &mut Reader<'_>,
    name_field: &[u8],
    default_port: u16,
) -> Result<NodeState, Fault> {
    let (mut node, mut ip, mut port, mut meta) = ("", &[][..], 0, &[][..]);
    let (mut incarnation, mut status, mut versions) = (0, 0_u8, &[][..]);
    reader.fields(|name, value| {
        match name {
            b"Addr" => ip = value.bytes()?,
            b"Port" => port = value.narrow()?,
            b"Meta" => meta = value.bytes()?,
            b"Incarnation" => incarnation = value.narrow()?,
            b"State" => status = value.narrow()?,
            b"Vsn" => versions = value.bytes()?,
            _ if name == name_field => node = node_name(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if meta.len() > META_MAX {
        return Err(Fault::Unexpected);
    }
    Ok(NodeState {
        name: node.to_owned(),
        address: socket(ip, port, default_port)?,
        meta: meta.to_vec(),
        incarnation,
        status: Status::of(status).ok_or(Fault::Unexpected)?,
        versions: versions_of(versions)?,
    })
}

fn node_name<'a>(value: &mut Reader<'a>) -> Result<&'a str, Fault> {
    let bytes = value.bytes()?;
    if bytes.len() > NAME_MAX {
        return Err(Fault::Unexpected);
    }
    str::from_utf8(bytes).map_err(|_| Fault::Unexpected)
}

fn socket(ip: &[u8], port: u16, default_port: u16) -> Result<SocketAddr, Fault> {
    let ip = address(ip).ok_or(Fault::Unexpected)?;
    Ok(SocketAddr::new(ip, if port == 0 { default_port } else { port }))
}

/// All six, or it is a member of a time before versions, which upstream does not let in either.
fn versions_of(vector: &[u8]) -> Result<Versions, Fault> {
    let &[
        protocol_min,
        protocol_max,
        protocol,
        delegate_min,
        delegate_max,
        delegate,
    ] = vector
    else {
        return Err(Fault::Unexpected);
    };
    Ok(Versions {
        protocol_min,
        protocol_max,
        protocol,
        delegate_min,
        delegate_max,
        delegate,
    })
}
