//! A proxy that loses answers: it cuts a connection after a produce request was forwarded and answered, and
//! before the answer got through. The client cannot know that the records are stored, and must send them again.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

const PRODUCE: [u8; 2] = [0, 0];

/// Runs until the test process ends.
pub struct Proxy {
    address: String,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    /// In front of the server at `127.0.0.1:PORT`. Every other produce request loses its answer.
    pub fn start(server: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = listener.local_addr().unwrap().port();
        let theirs: u16 = server.rsplit_once(':').unwrap().1.parse().unwrap();
        let (requests, cuts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = cuts.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", theirs)).unwrap();
                forward(client, server, [theirs, ours], requests.clone(), counted.clone());
            }
        });
        Proxy { address: format!("127.0.0.1:{ours}"), cuts }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many answers it has lost.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

fn forward(
    client: TcpStream,
    server: TcpStream,
    ports: [u16; 2],
    requests: Arc<AtomicUsize>,
    cuts: Arc<AtomicUsize>,
) {
    // The correlation ids of the requests whose answers are lost.
    let doomed = Arc::new(Mutex::new(HashSet::new()));
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let marked = doomed.clone();
    std::thread::spawn(move || {
        while let Some(frame) = read_frame(&mut from_client) {
            if frame[4..6] == PRODUCE && requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
            {
                marked.lock().insert(frame[8..12].to_vec());
            }
            if to_server.write_all(&frame).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let (mut from_server, mut to_client) = (server, client);
    std::thread::spawn(move || {
        while let Some(frame) = read_frame(&mut from_server) {
            if doomed.lock().contains(&frame[4..8]) {
                cuts.fetch_add(1, Ordering::Relaxed);
                break;
            }
            if to_client.write_all(&with_our_port(frame, ports)).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_server.shutdown(Shutdown::Both);
    });
}

/// A frame with its length before it.
fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut frame = length.to_vec();
    stream.take(u64::from(u32::from_be_bytes(length))).read_to_end(&mut frame).ok()?;
    (frame.len() == 4 + u32::from_be_bytes(length) as usize).then_some(frame)
}

/// A server advertises itself: where an answer names its address, it names the proxy's instead.
fn with_our_port(mut frame: Vec<u8>, [theirs, ours]: [u16; 2]) -> Vec<u8> {
    let advertised = |port: u16| [b"127.0.0.1", &u32::from(port).to_be_bytes()[..]].concat();
    let (old, new) = (advertised(theirs), advertised(ours));
    for at in 0..frame.len().saturating_sub(old.len() - 1) {
        if frame[at..].starts_with(&old) {
            frame[at..at + new.len()].copy_from_slice(&new);
        }
    }
    frame
}
