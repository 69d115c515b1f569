//! The load generator against servers with known behaviour.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::http::{Http, Work, judge, write_request};

/// Starts an HTTP server with a thread for each connection. `reply` builds the answer to the n-th request of a
/// connection.
fn server(reply: impl Fn(usize) -> Vec<u8> + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_nodelay(true).expect("nodelay");
            let reply = reply.clone();
            thread::spawn(move || answer_all(&stream, reply));
        }
    });
    address
}

fn answer_all(stream: &TcpStream, reply: impl Fn(usize) -> Vec<u8>) {
    let mut input = BufReader::new(stream);
    let mut output = stream;
    for n in 0.. {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().expect("a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        input.read_exact(&mut vec![0; length]).expect("the body");
        let answer = reply(n);
        // In two pieces, so that an incomplete answer is tested too.
        for piece in answer.chunks(answer.len().div_ceil(2).max(1)) {
            output.write_all(piece).expect("written");
        }
        if answer.is_empty() {
            return;
        }
    }
}

fn created(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A given number of requests of a given size.
struct Posts {
    left: u64,
    body: Vec<u8>,
    steps: u64,
    step: u64,
}

impl Posts {
    fn new(left: u64) -> Self {
        Self { left, body: b"{}".to_vec(), steps: 1, step: 0 }
    }
}

impl Work for Posts {
    fn ask(&mut self, _connection: usize, out: &mut Vec<u8>) -> bool {
        if self.step == 0 {
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
        }
        write_request(out, "POST", "/x", b"", Some(&self.body));
        true
    }

    fn answered(&mut self, _connection: usize, status: u16, body: &[u8]) -> Result<Verdict> {
        self.step = (self.step + 1) % self.steps;
        if self.step > 0 {
            return Ok(Verdict::Step);
        }
        judge("POST /x", 201, status, body)
    }
}

fn run(address: SocketAddr, clients: usize, posts: &mut Posts, plan: &Plan) -> Result<Window> {
    Driver::connect(address, clients)?.run(&mut Http { work: posts }, plan, std::process::id())
}

fn measured(pace: Pace, milliseconds: u64) -> Plan {
    let measure = Some(Duration::from_millis(milliseconds));
    Plan { pace, warm_up: Duration::from_millis(50), measure }
}

#[test]
fn given_so_much_work_exactly_so_much_is_done() {
    let address = server(|_| created("{\"id\":1}"));
    let window = run(address, 5, &mut Posts::new(1_003), &Plan::all_of_it()).expect("runs");
    assert_eq!((window.operations, window.done_in_all, window.latency.len()), (1_003, 1_003, 1_003));
    assert!(window.seconds > 0.0 && !window.ran_out);
}

#[test]
fn a_window_ends_in_time_and_counts_what_was_answered_in_it() {
    let address = server(|_| created("{}"));
    let start = Instant::now();
    let window = run(address, 3, &mut Posts::new(u64::MAX), &measured(Pace::Closed, 200)).expect("runs");
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!((window.seconds - 0.2).abs() < 1e-9);
    assert!(window.operations > 0 && window.operations < window.done_in_all, "the warm-up is not counted");
    assert_eq!(window.operations, window.latency.len());
}

#[test]
fn work_that_runs_out_shortens_the_window() {
    let address = server(|_| created("{}"));
    let window = run(address, 1, &mut Posts::new(10), &measured(Pace::Closed, 60_000)).expect("runs");
    assert!(window.ran_out && window.seconds < 30.0);
}

#[test]
fn the_open_loop_keeps_its_rate_and_asks_on_time() {
    let address = server(|_| created("{}"));
    let plan = measured(Pace::Open { per_second: 500.0 }, 400);
    let window = run(address, 4, &mut Posts::new(u64::MAX), &plan).expect("runs");
    assert_eq!(window.operations, 200, "every request that was due in the window, and no other");
    assert_eq!(window.lateness.len(), 200);
}

#[test]
fn a_stall_is_charged_for_all_whom_it_kept_waiting() {
    // One connection, 100 requests per second, one stall of 300 ms: about 30 requests were due meanwhile.
    let address = server(|n| {
        if n == 20 {
            thread::sleep(Duration::from_millis(300));
        }
        created("{}")
    });
    let plan = measured(Pace::Open { per_second: 100.0 }, 600);
    let window = run(address, 1, &mut Posts::new(u64::MAX), &plan).expect("runs");
    let slow = window.latency.count_between(50_000_000, u64::MAX);
    assert!(slow >= 20, "only {slow} of {} requests show the stall", window.operations);
    assert!(window.latency.max() >= 290_000_000);
}

#[test]
fn what_was_due_before_the_end_is_asked_after_it_rather_than_forgotten() {
    // The only connection stalls beyond the end of the window.
    let address = server(|n| {
        if n == 20 {
            thread::sleep(Duration::from_millis(500));
        }
        created("{}")
    });
    let plan = measured(Pace::Open { per_second: 100.0 }, 300);
    let window = run(address, 1, &mut Posts::new(u64::MAX), &plan).expect("runs");
    assert_eq!(window.operations, 30);
    assert!(window.latency.max() >= 450_000_000);
}

#[test]
fn an_operation_of_several_requests_is_one_operation() {
    let address = server(|_| {
        thread::sleep(Duration::from_millis(10));
        created("{}")
    });
    let mut posts = Posts { steps: 3, ..Posts::new(4) };
    let window = run(address, 1, &mut posts, &Plan::all_of_it()).expect("runs");
    assert_eq!(window.operations, 4);
    assert!(window.latency.min() >= 29_000_000, "its time runs from the first request to the last answer");
}

#[test]
fn a_request_larger_than_the_socket_takes_arrives_whole() {
    let address = server(|_| {
        thread::sleep(Duration::from_millis(5));
        created(&"x".repeat(100_000))
    });
    let mut posts = Posts { body: vec![b' '; 8 << 20], ..Posts::new(3) };
    let window = run(address, 1, &mut posts, &Plan::all_of_it()).expect("runs");
    assert_eq!(window.operations, 3);
}

#[test]
fn an_unexpected_answer_ends_the_run_with_its_text() {
    let address = server(|_| b"HTTP/1.1 409 Conflict\r\nContent-Length: 8\r\n\r\nsold_out".to_vec());
    let error = run(address, 2, &mut Posts::new(5), &Plan::all_of_it()).expect_err("a surprise").to_string();
    assert!(error.contains("409") && error.contains("sold_out"), "{error}");
}

#[test]
fn overload_is_counted_apart() {
    let address = server(|_| b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec());
    let window = run(address, 2, &mut Posts::new(10), &Plan::all_of_it()).expect("runs");
    assert_eq!((window.operations, window.refused), (0, 10));
}

#[test]
fn a_server_that_hangs_up_is_named() {
    let address = server(|_| Vec::new());
    let error = run(address, 1, &mut Posts::new(5), &Plan::all_of_it()).expect_err("hung up").to_string();
    assert!(error.contains("closed connection 0"), "{error}");
}
