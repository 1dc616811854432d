//! The set of shards: one log in several parts, by retention class and in time.
//!
//! Each class has a line of shards, all sealed but the last. A shard lies in a folder of its own
//! under the set's, has an origin and a key of its own, and begins with the last checkpoint of the
//! one before. Turning a line (at the end of a period, or to change the key) seals its last shard
//! and begins the next; a crash between the two is finished by opening.
//!
//! Not here: what belongs to which class, when a line turns, keys, and clocks.

use crate::batch::Batch;
use crate::blocking::wait_for;
use crate::leaf::{Draft, Receipt};
use crate::note::{NoteSigner, NoteVerifier};
use crate::recovery::OpenError;
use crate::sealing::check_link;
use crate::sequencer::AppendError;
use crate::shard::{Ledger, Options};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{RwLock as Turn, watch};

/// The class that every set has; its first shard keeps the set's own name as its origin.
pub const MAIN: &str = "main";
/// Bytes of a class's name at most: it is a part of folder and origin.
const CLASS_BYTES_MAX: usize = 32;

/// Gives the signing key of a shard: called with the shard's name and its origin, for open shards
/// alone. A key is asked for again at every opening, so it must be durable before it is given; a
/// new shard should have a new one.
pub type Keys = dyn Fn(&str, &str) -> Result<NoteSigner, String> + Send + Sync;

/// One shard of a set.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Its folder's name: the class, and from the second on `-` and its number.
    pub name: String,
    /// Its retention class.
    pub class: String,
    /// Its place in its line, from 1.
    pub number: u32,
    /// The shard itself; read-only where it is sealed.
    pub ledger: Ledger,
}

impl Shard {
    /// The first entry that is an event: entry 0 of a shard that follows another is the link.
    #[must_use]
    pub const fn first_event(&self) -> u64 {
        if self.number > 1 { 1 } else { 0 }
    }
}

/// A class's shards, oldest first, and the turn: appends share it, turning the line has it alone.
struct Line {
    shards: RwLock<Vec<Shard>>,
    turn: Turn<()>,
}

/// Why a set was not opened, or a line not turned.
#[derive(Debug, thiserror::Error)]
pub enum ShardsError {
    /// A name that cannot be a class's.
    #[error("`{0}` cannot name a retention class, use 1 to 32 of a-z, 0-9 and _, a letter first")]
    Class(String),
    /// There is no such class.
    #[error("there is no retention class `{0}`")]
    Unknown(String),
    /// A shard is missing from a line.
    #[error(
        "the folder `{0}` is missing although a later shard is there, restore it from a backup"
    )]
    Missing(String),
    /// A shard was not sealed although another follows it.
    #[error("the shard `{0}` is not sealed although another follows it, restore both folders")]
    Unsealed(String),
    /// No key for a shard.
    #[error("the key of shard `{shard}` cannot be had: {cause}")]
    Key {
        /// The shard.
        shard: String,
        /// Why.
        cause: String,
    },
    /// One shard could not be opened.
    #[error("shard `{shard}`: {cause}")]
    Open {
        /// The shard.
        shard: String,
        /// Why.
        cause: OpenError,
    },
    /// The last shard could not be sealed.
    #[error(transparent)]
    Seal(#[from] AppendError),
    /// The set's folder could not be used.
    #[error("`{path}`: {cause}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The operating system's answer.
        cause: io::Error,
    },
}

/// All shards of one log.
pub struct Shards {
    folder: PathBuf,
    origin: String,
    options: Options,
    keys: Arc<Keys>,
    lines: BTreeMap<String, Line>,
    /// Counts turns, so that whoever follows the set learns of new shards.
    turned: watch::Sender<u64>,
}

impl std::fmt::Debug for Shards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

impl Shards {
    /// Opens all shards under `folder`, begins a line for every class that has none, and finishes a
    /// turn that a crash cut short. Lines of classes that are not asked for any more are opened
    /// too. Blocks for file access.
    ///
    /// # Errors
    /// [`ShardsError`].
    pub fn open(
        folder: &Path,
        origin: &str,
        classes: &[&str],
        options: Options,
        keys: Arc<Keys>,
    ) -> Result<Self, ShardsError> {
        let io = |cause| ShardsError::Io {
            path: folder.to_owned(),
            cause,
        };
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut found = found(folder).map_err(io)?;
        for class in [MAIN].iter().chain(classes) {
            if !is_class(class) {
                return Err(ShardsError::Class((*class).to_owned()));
            }
            found.entry((*class).to_owned()).or_default();
        }
        let mut set = Self {
            folder: folder.to_owned(),
            origin: origin.to_owned(),
            options,
            keys,
            lines: BTreeMap::new(),
            turned: watch::Sender::new(0),
        };
        for (class, last) in found {
            let shards = set.open_line(&class, last)?;
            let line = Line {
                shards: RwLock::new(shards),
                turn: Turn::new(()),
            };
            set.lines.insert(class, line);
        }
        Ok(set)
    }

    /// A set of one open shard, `main`, that is opened already and cannot be turned: for whoever
    /// has one log alone, such as a test.
    #[must_use]
    pub fn of(ledger: Ledger) -> Self {
        let origin = ledger.origin().to_owned();
        let shard = Shard {
            name: MAIN.to_owned(),
            class: MAIN.to_owned(),
            number: 1,
            ledger,
        };
        let line = Line {
            shards: RwLock::new(vec![shard]),
            turn: Turn::new(()),
        };
        Self {
            folder: PathBuf::new(),
            origin,
            options: Options::default(),
            keys: Arc::new(|_, _| Err("this set has one shard for good".to_owned())),
            lines: BTreeMap::from([(MAIN.to_owned(), line)]),
            turned: watch::Sender::new(0),
        }
    }

    /// All shards: `main` first, then the other classes by name, each oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Shard> {
        let main = self.lines.get(MAIN).into_iter();
        let others = self.lines.iter().filter(|(class, _)| *class != MAIN);
        main.chain(others.map(|(_, line)| line))
            .flat_map(Line::shards)
            .collect()
    }

    /// The shard of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Shard> {
        self.all().into_iter().find(|shard| shard.name == name)
    }

    /// The shard of that origin.
    #[must_use]
    pub fn of_origin(&self, origin: &str) -> Option<Shard> {
        self.all()
            .into_iter()
            .find(|shard| shard.ledger.origin() == origin)
    }

    /// The open shard of a class; of [`MAIN`] where there is no such class.
    #[must_use]
    pub fn current(&self, class: &str) -> Option<Shard> {
        self.line(class)?.shards().pop()
    }

    /// The classes.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.lines.keys().map(String::as_str)
    }

    /// The folder of a shard.
    #[must_use]
    pub fn folder_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Appends a batch to the open shard of a class, as [`Ledger::append_all`] does. A line that is
    /// being turned is waited for, so that nobody meets a sealed shard.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append_all(
        &self,
        class: &str,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Receipt>, AppendError> {
        let line = self.line(class).ok_or(AppendError::Closed)?;
        let _turn = line.turn.read().await;
        let open = line.shards().pop().ok_or(AppendError::Closed)?;
        open.ledger.append_all(drafts).await
    }

    /// As [`Shards::append_all`], for a batch that is laid out already.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append_batch(
        &self,
        class: &str,
        batch: Batch,
    ) -> Result<Vec<Receipt>, AppendError> {
        let line = self.line(class).ok_or(AppendError::Closed)?;
        let _turn = line.turn.read().await;
        let open = line.shards().pop().ok_or(AppendError::Closed)?;
        open.ledger.append_batch(batch).await
    }

    /// The highest number that `source` has handed over durably, in whatever shard.
    #[must_use]
    pub fn highest(&self, source: &str) -> u64 {
        let lines = self.lines.values().filter_map(|line| line.shards().pop());
        lines
            .map(|shard| shard.ledger.highest(source))
            .max()
            .unwrap_or(0)
    }

    /// Why nothing new should be begun in some class; `None` where all is well.
    #[must_use]
    pub fn last_error(&self) -> Option<AppendError> {
        let lines = self.lines.values().filter_map(|line| line.shards().pop());
        lines.filter_map(|shard| shard.ledger.last_error()).next()
    }

    /// Changes whenever a line was turned.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.turned.subscribe()
    }

    /// Seals the last shard of a class and begins the next, with its own key. Appends wait
    /// meanwhile. Answers the sealed shard. Blocks for file access.
    ///
    /// # Errors
    /// [`ShardsError`]. Once the shard is sealed, the next call, or opening, begins the next one.
    pub fn turn(&self, class: &str) -> Result<Shard, ShardsError> {
        let unknown = || ShardsError::Unknown(class.to_owned());
        let line = self.lines.get(class).ok_or_else(unknown)?;
        let _turn = wait_for(line.turn.write());
        let last = line.shards().pop().ok_or_else(unknown)?;
        // A key that cannot be had must not leave the line without an open shard.
        let next = (name(class, last.number + 1), last.number + 1);
        self.signer(&next.0)?;
        last.ledger.seal()?;
        let ledger = self.open_next(&next.0, &last)?;
        let shard = Shard {
            name: next.0,
            class: class.to_owned(),
            number: next.1,
            ledger,
        };
        line.shards
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(shard);
        self.turned.send_modify(|turns| *turns += 1);
        Ok(last)
    }

    /// Ends writing in all shards, as [`Ledger::close`] does. Blocks for file access.
    pub fn close(&self) {
        for shard in self.all() {
            shard.ledger.close();
        }
    }

    fn line(&self, class: &str) -> Option<&Line> {
        self.lines.get(class).or_else(|| self.lines.get(MAIN))
    }

    fn origin_of(&self, name: &str) -> String {
        if name == MAIN {
            self.origin.clone()
        } else {
            format!("{}/{name}", self.origin)
        }
    }

    fn signer(&self, name: &str) -> Result<NoteSigner, ShardsError> {
        (self.keys)(name, &self.origin_of(name)).map_err(|cause| ShardsError::Key {
            shard: name.to_owned(),
            cause,
        })
    }

    /// Opens the shards of a line, the last one for writing.
    fn open_line(&self, class: &str, last: u32) -> Result<Vec<Shard>, ShardsError> {
        let mut shards: Vec<Shard> = Vec::new();
        let mut number = 1;
        loop {
            let name = name(class, number);
            let ledger = match shards.last() {
                None if number == last.max(1) && !self.is_sealed(&name) => {
                    self.open_first(&name)?
                }
                Some(before) if number >= last && !self.is_sealed(&name) => {
                    self.open_next(&name, before)?
                }
                before => self.open_sealed(&name, before)?,
            };
            let sealed = ledger.is_sealed();
            shards.push(Shard {
                name,
                class: class.to_owned(),
                number,
                ledger,
            });
            if !sealed {
                return Ok(shards);
            }
            number += 1;
        }
    }

    fn is_sealed(&self, name: &str) -> bool {
        self.folder.join(name).join(crate::marks::SEALED).exists()
    }

    fn open_first(&self, name: &str) -> Result<Ledger, ShardsError> {
        let (folder, origin) = (self.folder.join(name), self.origin_of(name));
        let signer = self.signer(name)?;
        Ledger::open(&folder, &origin, signer, self.options.clone())
            .map_err(|cause| open_error(name, cause))
    }

    fn open_next(&self, name: &str, before: &Shard) -> Result<Ledger, ShardsError> {
        let (folder, origin) = (self.folder.join(name), self.origin_of(name));
        let (signer, options) = (self.signer(name)?, self.options.clone());
        Ledger::open_after(&folder, &origin, signer, options, &before.ledger)
            .map_err(|cause| open_error(name, cause))
    }

    /// A sealed shard is checked under the key in its own folder, and its first entry against the
    /// shard before; that it is the operator's true one is for the newest shard's key to say.
    fn open_sealed(&self, name: &str, before: Option<&Shard>) -> Result<Ledger, ShardsError> {
        let folder = self.folder.join(name);
        if !folder.is_dir() {
            return Err(ShardsError::Missing(name.to_owned()));
        }
        if !self.is_sealed(name) {
            return Err(ShardsError::Unsealed(name.to_owned()));
        }
        let path = folder.join("vkey");
        let key =
            std::fs::read_to_string(&path).map_err(|cause| ShardsError::Io { path, cause })?;
        let verifier = NoteVerifier::parse(key.trim_end()).map_err(|cause| ShardsError::Key {
            shard: name.to_owned(),
            cause: cause.to_string(),
        })?;
        let origin = self.origin_of(name);
        if verifier.name() != origin {
            let cause = format!("it is for `{}`, not for `{origin}`", verifier.name());
            return Err(ShardsError::Key {
                shard: name.to_owned(),
                cause,
            });
        }
        let opened = Ledger::open_sealed(&folder, &verifier);
        let ledger = opened.map_err(|cause| open_error(name, cause))?;
        if let Some(before) = before {
            check_link(&ledger, &before.ledger).map_err(|cause| open_error(name, cause))?;
        }
        Ok(ledger)
    }
}

impl Line {
    fn shards(&self) -> Vec<Shard> {
        self.shards
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn open_error(name: &str, cause: OpenError) -> ShardsError {
    ShardsError::Open {
        shard: name.to_owned(),
        cause,
    }
}

fn is_class(name: &str) -> bool {
    let tail = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    name.len() <= CLASS_BYTES_MAX
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && name.bytes().all(tail)
}

/// The name of a shard of a class.
pub(crate) fn name(class: &str, number: u32) -> String {
    if number > 1 {
        format!("{class}-{number}")
    } else {
        class.to_owned()
    }
}

/// Class and number of a shard's folder.
pub(crate) fn parse(name: &str) -> Option<(&str, u32)> {
    let (class, number) = match name.split_once('-') {
        None => (name, 1),
        Some((class, text)) => {
            let number: u32 = text.parse().ok()?;
            (
                class,
                (number > 1 && number.to_string() == text).then_some(number)?,
            )
        }
    };
    is_class(class).then_some((class, number))
}

/// The classes that have folders, and the highest number of each.
fn found(folder: &Path) -> io::Result<BTreeMap<String, u32>> {
    let mut classes: BTreeMap<String, u32> = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((class, number)) = name.to_str().and_then(parse) else {
            continue;
        };
        // What has no key has not begun.
        if entry.path().join("vkey").is_file() {
            let last = classes.entry(class.to_owned()).or_default();
            *last = number.max(*last);
        }
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_a_class_and_a_number_in_one_spelling() {
        assert_eq!(parse("main"), Some(("main", 1)));
        assert_eq!(parse("traffic-12"), Some(("traffic", 12)));
        for other in [
            "", "main-", "main-1", "main-02", "Main", "1a", "a-b", "tmp.new", "main-2-3",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
