//! The disk reserve: space that the ledger holds so that a full disk can be recovered from.
//!
//! A file of zeros that nobody reads. When storage is full, appends are refused; whoever then opens
//! the ledger for recovery gets the reserve back from the file system first, and has room for the
//! events that say what was done about it. The next ordinary opening takes it again.

use crate::disk::{Disk, fill_with_zeros};
use std::io;

/// Name of the file.
pub(crate) const FILE: &str = "reserve";

/// Gives the reserve back to the file system, if it is there.
pub(crate) fn give_back(disk: &dyn Disk) -> io::Result<()> {
    match disk.size(FILE) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
        Ok(_) => {
            disk.remove(FILE)?;
            disk.sync_folder("")
        }
    }
}

/// Holds a reserve of so many bytes; what there was not room for is given back.
pub(crate) fn hold(disk: &dyn Disk, bytes: usize) -> io::Result<()> {
    if bytes == 0 {
        return give_back(disk);
    }
    match disk.size(FILE) {
        Ok(found) if usize::try_from(found) == Ok(bytes) => return Ok(()),
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let taken = take(disk, bytes);
    if taken.is_err() {
        // The first error says what is wrong; a second one adds nothing.
        let _given_back = disk.remove(FILE);
    }
    taken
}

fn take(disk: &dyn Disk, bytes: usize) -> io::Result<()> {
    let file = disk.create_in_blocks(FILE)?;
    fill_with_zeros(&*file, bytes)?;
    file.sync()?;
    disk.sync_folder("")
}
