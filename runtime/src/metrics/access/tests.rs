//! Who gets in, and how often the API server is asked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyper::header::HeaderValue;

use super::*;

/// An API server that knows the tokens "reader" and "stranger", and counts.
#[derive(Default)]
struct Kubernetes {
    asked: AtomicUsize,
    down: AtomicBool,
}

impl Review for &'static Kubernetes {
    async fn review(&self, token: &str) -> Result<Verdict, kube::Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) {
            return Err(kube::Error::LinesCodecMaxLineLengthExceeded);
        }
        Ok(match token {
            "stranger" => Verdict::Forbidden,
            "rubbish" => Verdict::Unknown,
            _ => Verdict::Allowed,
        })
    }
}

fn access() -> (&'static Kubernetes, Access<&'static Kubernetes>) {
    let kubernetes: &'static Kubernetes = Box::leak(Box::default());
    (kubernetes, Access::new(kubernetes))
}

async fn check(access: &Access<&'static Kubernetes>, authorization: &str) -> Result<(), Refusal> {
    let mut headers = HeaderMap::new();
    if !authorization.is_empty() {
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    }
    access.check(&headers).await
}

#[tokio::test(start_paused = true)]
async fn only_who_may_gets_in() {
    let (_, access) = access();
    for (authorization, outcome) in [
        ("Bearer reader", Ok(())),
        ("bearer  reader", Ok(())),
        ("Bearer stranger", Err(Refusal::Forbidden)),
        ("Bearer rubbish", Err(Refusal::Unauthorized)),
        ("Bearer ", Err(Refusal::Unauthorized)),
        ("Basic reader", Err(Refusal::Unauthorized)),
        ("reader", Err(Refusal::Unauthorized)),
        ("", Err(Refusal::Unauthorized)),
    ] {
        assert_eq!(check(&access, authorization).await, outcome, "{authorization:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_api_server_is_asked_once_a_minute_about_a_reader_and_more_often_about_a_stranger() {
    let (kubernetes, access) = access();
    for _ in 0..120 {
        let _ = check(&access, "Bearer reader").await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(kubernetes.asked.swap(0, Ordering::Relaxed), 2);
    for _ in 0..120 {
        let _ = check(&access, "Bearer stranger").await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(kubernetes.asked.load(Ordering::Relaxed), 12);
}

#[tokio::test(start_paused = true)]
async fn a_known_reader_is_let_in_while_the_api_server_is_down() {
    let (kubernetes, access) = access();
    assert_eq!(check(&access, "Bearer reader").await, Ok(()));
    kubernetes.down.store(true, Ordering::Relaxed);
    sleep(Duration::from_mins(5)).await;
    assert_eq!(check(&access, "Bearer reader").await, Ok(()));
    assert_eq!(check(&access, "Bearer another").await, Err(Refusal::Unasked));
    sleep(Duration::from_mins(6)).await;
    assert_eq!(check(&access, "Bearer reader").await, Err(Refusal::Unasked));
}

#[tokio::test(start_paused = true)]
async fn many_tokens_do_not_fill_the_memory_and_unknown_ones_are_slow() {
    let (_, access) = access();
    for number in 0..1000 {
        check(&access, &format!("Bearer reader{number}")).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(access.memory().len(), REMEMBERED);
    assert!(access.recall(fingerprint("reader999")).is_some());

    let start = Instant::now();
    for _ in 0..10 {
        let _ = check(&access, "Bearer rubbish").await;
    }
    assert!(start.elapsed() >= UNKNOWN_TOKEN * 10);
}
