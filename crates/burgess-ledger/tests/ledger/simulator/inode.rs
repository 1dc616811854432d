//! A file's content on the simulated disk, and what is left of it when the power goes.

use super::dice::Dice;

#[derive(Clone, Default)]
pub struct Inode {
    /// What survives everything.
    durable: Vec<u8>,
    /// What reading shows.
    pub current: Vec<u8>,
    /// A sync was asked for before.
    asked: bool,
    /// Written since the last sync that worked: offset and bytes, in order.
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl Inode {
    /// A file as it is after the power came back.
    fn settled(content: Vec<u8>) -> Self {
        Self {
            durable: content.clone(),
            current: content,
            asked: true,
            unsynced: Vec::new(),
        }
    }

    /// Whether this is not the first sync of the file.
    pub fn asked_before(&mut self) -> bool {
        std::mem::replace(&mut self.asked, true)
    }

    pub fn is_zeros(&self) -> bool {
        self.current.iter().all(|byte| *byte == 0)
    }

    /// What reading shows, as if it were durable.
    pub fn shown(&self) -> Self {
        Self::settled(self.current.clone())
    }

    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        write_into(&mut self.current, offset, bytes);
        self.unsynced.push((offset, bytes.to_vec()));
    }

    /// A sync that works.
    pub fn sync(&mut self) {
        for (offset, bytes) in std::mem::take(&mut self.unsynced) {
            write_into(&mut self.durable, offset, &bytes);
        }
    }

    /// A sync that fails: reading still shows what will never reach the disk, as on Linux.
    pub fn lose(&mut self) {
        self.unsynced.clear();
    }

    /// What the disk holds when the power comes back. Every write that no sync covered was kept,
    /// lost, torn at a prefix, or keeps any subset of its bytes; and the file may have grown to
    /// any length that those writes would have given it, whatever became of their content.
    pub fn survivor(&self, dice: &mut Dice) -> Self {
        let mut content = self.durable.clone();
        for (offset, bytes) in &self.unsynced {
            grow(&mut content, offset + bytes.len(), dice);
            match dice.roll(4) {
                0 => {}
                1 => write_into(&mut content, *offset, bytes),
                2 => {
                    let kept = usize::try_from(dice.roll(bytes.len() as u64 + 1)).unwrap();
                    write_into(&mut content, *offset, &bytes[..kept]);
                }
                _ => write_some(&mut content, *offset, bytes, dice),
            }
        }
        Self::settled(content)
    }
}

/// The file's size reached the disk, or not, or on the way there.
fn grow(content: &mut Vec<u8>, end: usize, dice: &mut Dice) {
    let missing = end.saturating_sub(content.len()) as u64;
    let grown = match dice.roll(3) {
        0 => 0,
        1 => missing,
        _ => dice.roll(missing + 1),
    };
    content.resize(content.len() + usize::try_from(grown).unwrap(), 0);
}

pub fn write_into(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// Each byte has a coin of its own.
fn write_some(content: &mut Vec<u8>, offset: usize, bytes: &[u8], dice: &mut Dice) {
    for (n, chunk) in bytes.chunks(64).enumerate() {
        let coins = dice.coins();
        for (at, byte) in chunk
            .iter()
            .enumerate()
            .filter(|(at, _)| coins >> at & 1 == 1)
        {
            write_into(content, offset + 64 * n + at, &[*byte]);
        }
    }
}

#[test]
fn after_a_cut_every_fate_of_an_unsynced_write_is_seen() {
    let mut inode = Inode::default();
    inode.write(0, b"durable");
    inode.sync();
    inode.write(7, b"written!");
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..4000 {
        let after = inode.survivor(&mut Dice(seed)).current;
        assert_eq!(after[..7], *b"durable");
        assert!(after.len() <= 15);
        for (byte, right) in after[7..].iter().zip(b"written!") {
            assert!(byte == right || *byte == 0);
        }
        seen.insert(after);
    }
    let zeros = [b"durable".as_slice(), &[0; 8]].concat();
    for fate in [
        b"durable".as_slice(),
        b"durablewritten!",
        b"durablewri",
        &zeros,
    ] {
        assert!(seen.contains(fate), "never {fate:?}");
    }
    assert!(seen.len() > 250, "{} of the subsets", seen.len());
}

#[test]
fn what_a_failed_sync_lost_is_still_read_until_the_power_goes() {
    let mut inode = Inode::default();
    inode.write(0, b"gone");
    inode.lose();
    assert_eq!(inode.current, b"gone");
    assert_eq!(inode.survivor(&mut Dice(1)).current, b"");
}
