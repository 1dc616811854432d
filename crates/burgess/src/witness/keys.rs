//! The witness's own keys: one file, made at the first start, readable by its owner alone.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use burgess_ledger::Cosigner;
use zeroize::Zeroizing;

use super::Start;
use crate::cli::run::Failure;

const HEAD: &str = "burgess.witness-key/1";
/// A head, a name of 255 bytes and two seeds in hex.
const FILE_BYTES_MAX: u64 = 1_024;

/// Reads the keys, or makes them in a folder where nothing was signed yet.
pub(super) fn open(start: &Start, folder_is_new: bool) -> Result<Vec<Cosigner>, Failure> {
    let path = &*start.keys();
    // What cannot be looked at is not taken for missing.
    if !path.try_exists()? {
        if start.key_file.is_some() {
            return Err(Failure(format!(
                "`{}` is not there: give the file that holds this witness's keys",
                path.display()
            )));
        }
        if !folder_is_new {
            return Err(Failure(format!(
                "`{}` is missing although this witness has signed: put it back, or begin a new witness in another folder",
                path.display()
            )));
        }
        make(path, start.name.as_deref())?;
    }
    read(path, start.name.as_deref())
}

fn make(path: &Path, name: Option<&str>) -> Result<(), Failure> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => {
            let mut random = [0_u8; 8];
            getrandom::fill(&mut random)?;
            format!("burgess-witness/{}", hex(&random))
        }
    };
    let mut seeds = Zeroizing::new([0_u8; 64]);
    getrandom::fill(seeds.as_mut_slice())?;
    let (first, second) = seeds.split_at(32);
    let text = Zeroizing::new(format!(
        "{HEAD}\nname {name}\ned25519 {}\nml-dsa-44 {}\n",
        hex(first),
        hex(second)
    ));
    cosigners(&text)?;
    let new = path.with_extension("new");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}

fn read(path: &Path, name: Option<&str>) -> Result<Vec<Cosigner>, Failure> {
    let in_file = |cause: String| Failure(format!("`{}`: {cause}", path.display()));
    let file = File::open(path).map_err(|cause| in_file(cause.to_string()))?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        return Err(in_file(
            "others can read it, run `chmod 600` on it".to_owned(),
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    let keys = cosigners(&text).map_err(|Failure(cause)| in_file(cause))?;
    let held = keys.first().map_or("", |key| key.verifier().name());
    match name {
        Some(name) if name != held => Err(in_file(format!(
            "its keys are those of `{held}`, not of `{name}`: leave --name out"
        ))),
        _ => Ok(keys),
    }
}

fn cosigners(text: &str) -> Result<Vec<Cosigner>, Failure> {
    let bad = || Failure(format!("is not a file of `{HEAD}` as a witness makes it"));
    let lines: Vec<&str> = text
        .strip_suffix('\n')
        .ok_or_else(bad)?
        .split('\n')
        .collect();
    let [HEAD, name, first, second] = lines.as_slice() else {
        return Err(bad());
    };
    let name = name.strip_prefix("name ").ok_or_else(bad)?;
    let first = first
        .strip_prefix("ed25519 ")
        .and_then(seed)
        .ok_or_else(bad)?;
    let second = second
        .strip_prefix("ml-dsa-44 ")
        .and_then(seed)
        .ok_or_else(bad)?;
    Ok(vec![
        Cosigner::ed25519(name, *first)?,
        Cosigner::ml_dsa_44(name, *second)?,
    ])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seed(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != seed.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in seed.iter_mut().zip(pairs) {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(seed)
}
