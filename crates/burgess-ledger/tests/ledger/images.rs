//! A real file system that loses power, and one that is full: ext4 in an image, mounted through a
//! loop device. Only where root is at hand, so no requirement is claimed here.
//!
//! The power goes while four threads append: the writer is stopped where it stands, and the image
//! is copied as the device holds it. What the kernel still keeps in its cache is not in the copy.

use crate::killing::{Acknowledged, writer};
use crate::support::{ORIGIN, as_root, counted, draft, open, outside_verifier, signer, slice};
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{AppendError, Ledger, Options, verify};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|cause| format!("{program}: {cause}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A mounted image; unmounted when dropped.
struct Mounted {
    point: PathBuf,
    device: String,
}

impl Mounted {
    fn mount(image: &Path, point: &Path) -> Result<Self, String> {
        fs::create_dir_all(point).unwrap();
        let (from, to) = (image.to_str().unwrap(), point.to_str().unwrap());
        run("mount", &["-o", "loop", from, to])?;
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let mut lines = mounts.lines().filter_map(|line| line.split_once(' '));
        let line = lines.find(|(_, rest)| rest.split(' ').next() == Some(to));
        let device = line.expect("it is mounted").0.rsplit('/').next().unwrap();
        Ok(Self {
            point: point.to_owned(),
            device: device.to_owned(),
        })
    }

    fn ledger(&self) -> PathBuf {
        self.point.join("ledger")
    }

    /// Writes that the device has completed, and what it still has in hand.
    fn writes(&self) -> (u64, u64) {
        let stat = fs::read_to_string(format!("/sys/block/{}/stat", self.device)).unwrap();
        let mut fields = stat.split_whitespace().map(|field| field.parse().unwrap());
        (fields.nth(4).unwrap(), fields.nth(3).unwrap())
    }

    /// The image as the device holds it at one moment.
    fn copy(&self, image: &Path, to: &Path) {
        for _ in 0..200 {
            let before = self.writes();
            let (from, to) = (image.to_str().unwrap(), to.to_str().unwrap());
            run("cp", &["--sparse=always", from, to]).unwrap();
            if before.1 == 0 && before == self.writes() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the device never rested");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let point = self.point.to_str().unwrap();
        let done = run("umount", &[point]).or_else(|_| run("umount", &["-l", point]));
        if let Err(cause) = done {
            println!("{point} stays mounted: {cause}");
        }
    }
}

fn make(image: &Path, mib: u64) -> Result<(), String> {
    fs::File::create(image).unwrap().set_len(mib << 20).unwrap();
    run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()])
}

/// Lets a writer run until it has acknowledged so many entries, and takes the power away.
fn cut(mounted: &Mounted, image: &Path, copy: &Path, lines: u64, told: &mut Acknowledged) {
    let mut child = writer(&mounted.ledger());
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut seen = 0;
    while seen < lines {
        seen += u64::from(told.take(&receiver.recv().unwrap()).is_some());
    }
    run("kill", &["-STOP", &child.id().to_string()]).unwrap();
    // What was acknowledged before the stop is on its way through the pipe.
    while let Ok(line) = receiver.recv_timeout(Duration::from_millis(50)) {
        told.take(&line);
    }
    mounted.copy(image, copy);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(receiver); // what came after the copy was never heard
    reader.join().unwrap();
}

/// Cuts on one image, after which the next begins.
const CUTS_ON_AN_IMAGE: u64 = 10;

#[test]
fn power_cuts_under_a_real_file_system_lose_nothing_that_was_acknowledged() {
    if !as_root(&["mount", "mkfs.ext4"]) {
        return;
    }
    let rounds = slice("images", 0..3);
    let count = rounds.end - rounds.start;
    let outside = outside_verifier();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut told = Acknowledged::default();
    for round in rounds {
        if round % CUTS_ON_AN_IMAGE == 0 || !at("image").exists() {
            told = Acknowledged::default();
            make(&at("image"), 96).unwrap();
        }
        match Mounted::mount(&at("image"), &at("mnt")) {
            Ok(mounted) => cut(
                &mounted,
                &at("image"),
                &at("copy"),
                50 + round * 211 % 700,
                &mut told,
            ),
            Err(cause) => {
                println!("SKIPPED no loop device can be mounted here: {cause}");
                return;
            }
        }
        fs::rename(at("copy"), at("image")).unwrap();
        let mounted = Mounted::mount(&at("image"), &at("mnt")).unwrap();
        let mut read = |name: &str| fs::read(mounted.ledger().join(name));
        verify::log(&mut read, &signer().verifier(), None)
            .unwrap_or_else(|flaw| panic!("round {round}: {flaw}"));
        if let Some(outside) = &outside {
            let folder = mounted.ledger();
            outside.accepts(&folder, &signer().vkey()).unwrap();
        }
        told.all_in(&open(&mounted.ledger()), round);
    }
    counted("images", count);
}

#[test]
fn a_real_file_system_that_is_full_is_refused_by_name_and_goes_on_once_there_is_space() {
    if !as_root(&["mount", "mkfs.ext4"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (image, point) = (folder.path().join("image"), folder.path().join("mnt"));
    make(&image, 24).unwrap();
    let mounted = match Mounted::mount(&image, &point) {
        Ok(mounted) => mounted,
        Err(cause) => {
            println!("SKIPPED no loop device can be mounted here: {cause}");
            return;
        }
    };
    let ballast = point.join("ballast");
    fs::write(&ballast, vec![1; 4 << 20]).unwrap();
    let options = Options {
        checkpoint_interval: Duration::from_millis(5),
        segment_bytes: 1 << 20,
        reserve_bytes: 4 << 20,
        ..Options::default()
    };
    let reopen = |recovery| {
        let options = Options {
            recovery,
            ..options.clone()
        };
        Ledger::open(&mounted.ledger(), ORIGIN, signer(), options).unwrap()
    };
    let ledger = reopen(false);
    let mut receipts = Vec::new();
    let mut large = draft("outbox", None, "app");
    large.side = vec![b's'; 6_000]; // a side file and what replaces it fit the reserve
    let refusal = loop {
        match ledger.append_blocking(large.clone()) {
            Ok(receipt) => receipts.push(receipt),
            Err(refusal) => break refusal,
        }
    };
    assert!(
        matches!(refusal, AppendError::StorageFull { .. }),
        "{refusal}"
    );
    let all_there = |ledger: &Ledger| {
        for receipt in &receipts {
            let entry = ledger.entry(receipt.index).unwrap();
            assert_eq!(leaf_hash(&entry), receipt.leaf_hash);
        }
    };
    all_there(&ledger);
    let mut read = |name: &str| fs::read(mounted.ledger().join(name));
    verify::log(&mut read, &signer().verifier(), None).unwrap();
    drop(ledger);
    let goes_on = |recovery| {
        let ledger = reopen(recovery);
        all_there(&ledger);
        ledger
            .append_blocking(draft("outbox", None, "app"))
            .unwrap();
        ledger.publish_blocking().unwrap();
    };
    goes_on(true); // in the room of the reserve
    fs::remove_file(&ballast).unwrap();
    goes_on(false);
    counted("full_images", 1);
}
