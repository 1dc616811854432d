//! Threads that write whole files while the publisher goes on: making and filling files is most of
//! what a checkpoint costs, and none of them has to wait for another.
//!
//! Nothing need be written and no failure is known before [`Writers::wait`] answers; to make it durable
//! is somebody else's part.

use crate::disk::{Disk, DiskFile};
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Files that wait for a thread; whoever hands in more waits.
const QUEUED_MAX: usize = 8;
/// Files that each thread keeps open while they are written out. Then their memory can be had for
/// the next ones: to find memory that was not in use costs more than writing.
const OPEN_MAX: usize = 32;
/// Memory of a file that is kept for the next one, at most; usual bundles take a fraction of it.
const SPARE_BYTES_MAX: usize = 1 << 20;
/// Files from this size on are written out at once, so that a checkpoint does not come with one
/// large burst of writes. Of smaller ones there is little, and each costs a request of its own.
const WRITTEN_OUT_BYTES: usize = 16 << 10;

enum Job {
    /// A file to be written: its name and its bytes.
    File(String, Vec<u8>),
    /// Everything written so far is durable.
    Release,
}

pub(crate) struct Writers {
    jobs: Vec<SyncSender<Job>>,
    next: usize,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
    progress: Condvar,
}

#[derive(Default)]
struct Inner {
    pending: usize,
    failure: Option<io::Error>,
    /// A thread has ended in the middle of its work.
    ended: bool,
    /// Memory of files that were written.
    spare: Vec<Vec<u8>>,
}

impl State {
    /// No code panics while it holds the lock, so a poisoned one is still consistent.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writers {
    /// Starts so many threads; with none everything is written by who hands it in.
    pub(crate) fn start(disk: &Arc<dyn Disk>, threads: usize) -> io::Result<Self> {
        let mut writers = Self {
            jobs: Vec::new(),
            next: 0,
            state: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..threads {
            let (sender, receiver) = sync_channel(QUEUED_MAX);
            let (disk, state) = (disk.clone(), writers.state.clone());
            let name = "ledger-writer".to_owned();
            let work = move || run(&*disk, &receiver, &state);
            let thread = thread::Builder::new().name(name).spawn(work)?;
            writers.threads.push(thread);
            writers.jobs.push(sender);
        }
        Ok(writers)
    }

    pub(crate) fn are_there(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Empty memory, if there is any of a file that was written.
    pub(crate) fn spare(&self) -> Vec<u8> {
        let mut spare = self.state.lock().spare.pop().unwrap_or_default();
        spare.clear();
        spare
    }

    /// Hands in a file, whose folder is there.
    pub(crate) fn write(&mut self, name: &str, bytes: Vec<u8>) {
        self.state.lock().pending += 1;
        self.next = (self.next + 1) % self.jobs.len().max(1);
        let job = Job::File(name.to_owned(), bytes);
        if !self.send(self.next, job) {
            self.state.finish(Err(ended()), None);
        }
    }

    fn send(&self, to: usize, job: Job) -> bool {
        self.jobs.get(to).is_some_and(|jobs| jobs.send(job).is_ok())
    }

    /// Lets go of files that are durable.
    pub(crate) fn release(&self) {
        (0..self.jobs.len()).for_each(|to| {
            self.send(to, Job::Release); // a thread that has ended holds none
        });
    }

    /// Waits until everything that was handed in is written, and answers the first failure.
    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut inner = self.state.lock();
        while inner.pending > 0 {
            if inner.ended {
                return Err(ended());
            }
            let woken = self.state.progress.wait(inner);
            inner = woken.unwrap_or_else(PoisonError::into_inner);
        }
        inner.failure.take().map_or(Ok(()), Err)
    }
}

impl State {
    fn finish(&self, result: io::Result<()>, memory: Option<Vec<u8>>) {
        let mut inner = self.lock();
        inner.pending -= 1;
        if let Err(cause) = result {
            inner.failure.get_or_insert(cause);
        }
        inner
            .spare
            .extend(memory.filter(|it| it.capacity() <= SPARE_BYTES_MAX));
        if inner.pending == 0 {
            self.progress.notify_all();
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.jobs.clear(); // which ends the threads
        for thread in self.threads.drain(..) {
            drop(thread.join()); // one that panicked has told so already
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("a thread that writes files has ended unexpectedly")
}

/// The files that a thread has open.
#[derive(Default)]
struct Open(VecDeque<Box<dyn DiskFile>>);

impl Open {
    fn push(&mut self, file: Box<dyn DiskFile>) {
        self.0.push_back(file);
        if self.0.len() > OPEN_MAX {
            self.0.pop_front().iter().for_each(|file| file.complete());
        }
    }

    fn release(&mut self) {
        self.0.drain(..).for_each(|file| file.complete());
    }
}

/// A thread that ends in the middle of its work would otherwise be waited for without end.
struct Working<'a>(&'a State);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().ended = true;
            self.0.progress.notify_all();
        }
    }
}

fn run(disk: &dyn Disk, jobs: &Receiver<Job>, state: &State) {
    let _working = Working(state);
    let mut open = Open::default();
    while let Ok(job) = jobs.recv() {
        let Job::File(name, bytes) = job else {
            open.release();
            continue;
        };
        let written = write(disk, &name, &bytes).map(|file| open.push(file));
        state.finish(written, Some(bytes));
    }
}

/// Writes a file, and begins to write it out if that is worth it.
pub(crate) fn write(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<Box<dyn DiskFile>> {
    let file = disk.create(name)?;
    file.write_at(0, bytes)?;
    // Many files come at once, and a scheduler lets them have a core for milliseconds while the
    // sequencer waits for that very core.
    thread::yield_now();
    if bytes.len() >= WRITTEN_OUT_BYTES {
        file.complete();
        thread::yield_now();
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Directory;

    #[test]
    fn a_thread_that_panics_is_an_error_and_nobody_waits_for_it_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(Directory::take(folder.path()).unwrap());
        let mut writers = Writers::start(&disk, 1).unwrap();
        writers.write("one", b"some".to_vec());
        writers.wait().unwrap();
        assert_eq!(disk.read("one").unwrap(), b"some");

        let state = writers.state.clone();
        state.lock().pending += 1;
        let dying = thread::spawn(move || {
            let _working = Working(&state);
            panic!("as a disk of somebody else might");
        });
        assert!(dying.join().is_err());
        assert!(writers.wait().is_err());
    }
}
