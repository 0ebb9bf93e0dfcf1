//! Real connections to a real server: what it answers, and whom it cuts off.

use std::time::Duration;

use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A server with `/echo`, which answers the body, and `/wait`, which answers when `open` is notified.
async fn server(limits: Limits, open: &Arc<Notify>) -> SocketAddr {
    let open = Arc::clone(open);
    let routes = Routes::new()
        .on(Method::POST, "/echo", async |request: Request| {
            text(StatusCode::OK, request.into_body())
        })
        .on(Method::GET, "/wait", move |_| {
            let open = Arc::clone(&open);
            async move {
                open.notified().await;
                text(StatusCode::OK, "done\n")
            }
        });
    let server = Server {
        address: ([127, 0, 0, 1], 0).into(),
        tls: None,
        routes,
        limits,
    };
    let listening = server.bind().await.unwrap();
    let address = listening.address().unwrap();
    tokio::spawn(listening.serve());
    address
}

const ROOMY: Limits = Limits {
    connections: 8,
    body_bytes: 16,
};

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

async fn send(client: &mut TcpStream, line: &str, body: &str) {
    let length = body.len();
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    client.write_all(request.as_bytes()).await.unwrap();
}

/// Reads up to the end of the answer's head and the `body` after it.
async fn answered(client: &mut TcpStream, body: &str) -> String {
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).ends_with(&format!("\r\n\r\n{body}")) {
        answer.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(answer)
        .unwrap()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Waits until the server closes the connection.
async fn closed(client: &mut TcpStream) {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test]
async fn what_it_answers() {
    let address = server(ROOMY, &Arc::default()).await;
    for (line, body, status, answer) in [
        ("POST /echo", "hello", "HTTP/1.1 200 OK", "hello"),
        ("POST /echo?timeout=10s", "hello", "HTTP/1.1 200 OK", "hello"),
        ("GET /echo", "", "HTTP/1.1 405 Method Not Allowed", "use POST\n"),
        (
            "GET /secrets",
            "",
            "HTTP/1.1 404 Not Found",
            "try /echo or /wait\n",
        ),
        (
            "POST /echo",
            "seventeen letters",
            "HTTP/1.1 413 Payload Too Large",
            "the limit is 16 bytes\n",
        ),
    ] {
        let mut client = connect(address).await;
        send(&mut client, line, body).await;
        assert_eq!(answered(&mut client, answer).await, status, "{line}");
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let address = server(ROOMY, &Arc::default()).await;
    let mut client = connect(address).await;
    for body in ["one", "two"] {
        send(&mut client, "POST /echo", body).await;
        assert_eq!(answered(&mut client, body).await, "HTTP/1.1 200 OK");
    }
}

#[tokio::test]
async fn a_client_that_sends_rubbish_does_not_disturb_the_next() {
    let address = server(ROOMY, &Arc::default()).await;
    let mut rude = connect(address).await;
    rude.write_all(&[0x16, 0x03, 0x01, 0x00, 0xff, b'\n', b'\n'])
        .await
        .unwrap();
    closed(&mut rude).await;
    let mut client = connect(address).await;
    send(&mut client, "POST /echo", "hi").await;
    assert_eq!(answered(&mut client, "hi").await, "HTTP/1.1 200 OK");
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_cut_off_soon_and_who_has_talked_later() {
    let address = server(ROOMY, &Arc::default()).await;
    let start = tokio::time::Instant::now();
    closed(&mut connect(address).await).await;
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());

    let mut client = connect(address).await;
    send(&mut client, "POST /echo", "hi").await;
    answered(&mut client, "hi").await;
    let start = tokio::time::Instant::now();
    closed(&mut client).await;
    assert!(start.elapsed() > Duration::from_secs(90), "{:?}", start.elapsed());
}

#[tokio::test]
async fn when_all_places_are_taken_the_longest_idle_connection_makes_room() {
    let limits = Limits {
        connections: 2,
        ..ROOMY
    };
    let open = Arc::default();
    let address = server(limits, &open).await;
    let mut busy = connect(address).await;
    send(&mut busy, "GET /wait", "").await;
    let mut idle = connect(address).await;
    send(&mut idle, "POST /echo", "hi").await;
    answered(&mut idle, "hi").await;

    let mut next = connect(address).await;
    send(&mut next, "POST /echo", "hi").await;
    assert_eq!(answered(&mut next, "hi").await, "HTTP/1.1 200 OK");
    closed(&mut idle).await;
    open.notify_one();
    assert_eq!(answered(&mut busy, "done\n").await, "HTTP/1.1 200 OK");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_answered() {
    let address = server(ROOMY, &Arc::default()).await;
    let mut client = connect(address).await;
    send(&mut client, "GET /wait", "").await;
    let status = answered(&mut client, "took too long\n").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
}
