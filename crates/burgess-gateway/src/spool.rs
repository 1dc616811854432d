//! The spool: where a body waits, whole, until the verdict.
//!
//! In memory, bounded per body and for all together; it is never written to a disk, so nothing has
//! to be encrypted or wiped there. Not here: what the verdict is.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for bodies, shared by all calls.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    room: Arc<Semaphore>,
    body_bytes_max: usize,
}

/// A body that waits. Its room is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// A body could not be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpoolError {
    /// Longer than one body may be.
    TooLarge,
    /// All the room is taken.
    NoRoom,
    /// The sender stopped, or broke the framing.
    Broken,
    /// It took too long.
    TimedOut,
}

impl Spool {
    pub(crate) fn new(bytes_max: usize, body_bytes_max: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(bytes_max)),
            body_bytes_max,
        }
    }

    pub(crate) const fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }

    /// Reads a body to its end. Trailers are dropped.
    pub(crate) async fn take(
        &self,
        body: Incoming,
        time_max: Duration,
    ) -> Result<Waiting, SpoolError> {
        let read = self.read(body);
        tokio::time::timeout(time_max, read)
            .await
            .unwrap_or(Err(SpoolError::TimedOut))
    }

    async fn read(&self, mut body: Incoming) -> Result<Waiting, SpoolError> {
        let most = u64::try_from(self.body_bytes_max).unwrap_or(u64::MAX);
        if body.size_hint().lower() > most {
            return Err(SpoolError::TooLarge);
        }
        let mut bytes = BytesMut::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| SpoolError::Broken)?;
            let Ok(chunk) = frame.into_data() else {
                continue;
            };
            if bytes.len().saturating_add(chunk.len()) > self.body_bytes_max {
                return Err(SpoolError::TooLarge);
            }
            let more = self.reserve(chunk.len())?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Waiting {
            bytes: bytes.freeze(),
            _room: room,
        })
    }

    /// Takes room for `bytes` more; refused rather than waited for, so that two half-read bodies
    /// never wait for each other.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, SpoolError> {
        let bytes = u32::try_from(bytes).map_err(|_| SpoolError::TooLarge)?;
        self.room
            .clone()
            .try_acquire_many_owned(bytes)
            .map_err(|_| SpoolError::NoRoom)
    }
}
