//! Reads one request after the other from a connection.
//!
//! **A frame grows with the bytes that arrive**, never with the length that is claimed, and
//! room for it is taken before.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Header, RequestError};
use crate::budget::{Budget, NoRoom, Room};
use crate::limits::Limits;
use crate::response::EncodeError;
use crate::versions::Api;

/// The shortest request: key, version and correlation id.
const FRAME_BYTES_MIN: usize = 8;
/// The first step of a frame's growth.
const GROWTH_BYTES: usize = 64 << 10;

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the request claims {claimed} bytes")]
    Size { claimed: i32 },
    #[error("the request of API key {key} has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLarge { key: i16, bytes: usize, bytes_max: usize },
    #[error("the request is malformed")]
    Malformed(#[from] RequestError),
    #[error("API key {key} in version {version} is not spoken")]
    Unsupported { key: i16, version: i16 },
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("a batch without acknowledgement was refused with code {code} by {topic}-{partition}")]
    Unanswered { topic: String, partition: i32, code: i16 },
    #[error("the response was not taken for {0:?}")]
    SlowReceiver(Duration),
    #[error("the request did not arrive within {0:?}")]
    SlowSender(Duration),
    #[error("no request came for {0:?}")]
    Idle(Duration),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

/// One request's bytes, from the key on, and the room that they take.
#[derive(Debug)]
pub(crate) struct Frame {
    pub bytes: Bytes,
    pub room: Room,
}

/// The reading half of a connection.
pub(crate) struct FrameReader<'a, R> {
    input: R,
    limits: &'a Limits,
    budget: &'a Budget,
}

impl<'a, R: AsyncRead + Unpin> FrameReader<'a, R> {
    pub(crate) const fn new(input: R, limits: &'a Limits, budget: &'a Budget) -> Self {
        Self { input, limits, budget }
    }

    /// The next request; `None` where the client has closed the connection between two.
    ///
    /// `is_busy` says whether older requests are still at work: then nobody is idle.
    /// # Cancel safety
    /// Not cancel safe: a part of a request may be lost.
    pub(crate) async fn next(
        &mut self,
        is_busy: impl Fn() -> bool,
    ) -> Result<Option<Frame>, Refused> {
        let mut prefix = [0; 4];
        let first = loop {
            let read = self.input.read(&mut prefix);
            match tokio::time::timeout(self.limits.idle_timeout, read).await {
                Ok(read) => break read?,
                Err(_) if is_busy() => {}
                Err(_) => return Err(Refused::Idle(self.limits.idle_timeout)),
            }
        };
        if first == 0 {
            return Ok(None);
        }
        let timeout = self.limits.receive_timeout;
        let rest = self.receive(prefix, first);
        let frame = tokio::time::timeout(timeout, rest).await;
        frame.map_err(|_| Refused::SlowSender(timeout))?.map(Some)
    }

    /// The rest of a request of which `present` bytes have arrived.
    async fn receive(&mut self, mut prefix: [u8; 4], present: usize) -> Result<Frame, Refused> {
        if let Some(missing) = prefix.get_mut(present..) {
            self.input.read_exact(missing).await?;
        }
        let claimed = i32::from_be_bytes(prefix);
        let length = usize::try_from(claimed).ok().filter(|length| *length >= FRAME_BYTES_MIN);
        let length = length.ok_or(Refused::Size { claimed })?;
        let mut head = [0; FRAME_BYTES_MIN];
        self.input.read_exact(&mut head).await?;
        let (key, _) = Header::peek(&head)?;
        let bytes_max = self.bytes_max(key);
        if length > bytes_max {
            return Err(Refused::TooLarge { key, bytes: length, bytes_max });
        }
        let room = self.budget.take(length).await?;
        let mut bytes = BytesMut::with_capacity(length.min(GROWTH_BYTES));
        bytes.extend_from_slice(&head);
        while bytes.len() < length {
            self.grow(&mut bytes, length).await?;
        }
        Ok(Frame { bytes: bytes.freeze(), room })
    }

    /// Reads some of what is missing; never beyond the frame.
    async fn grow(&mut self, bytes: &mut BytesMut, length: usize) -> Result<(), Refused> {
        let missing = length - bytes.len();
        if bytes.capacity() == bytes.len() {
            bytes.reserve(missing.min(bytes.len().max(GROWTH_BYTES)));
        }
        let mut room = bytes::BufMut::limit(&mut *bytes, missing);
        match self.input.read_buf(&mut room).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    fn bytes_max(&self, key: i16) -> usize {
        // What is not spoken is refused later, with its version; it gets no room until then.
        let of_api = Api::of(key).map_or(GROWTH_BYTES, |api| api.bytes_max);
        of_api.min(self.limits.request_bytes_max).min(self.budget.bytes_max())
    }
}
