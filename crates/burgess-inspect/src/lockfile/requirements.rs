//! pip's requirements file format (pip documentation, "Requirements File Format"; names and version
//! specifiers as in PEP 508 and PEP 440).

use std::str::FromStr as _;

use pep440_rs::Version;

use super::{Ecosystem, Hash, LockfileError, Manifest, Package};

/// Options that take a package or another file; every other option only says where to look.
const EDITABLE: [&str; 2] = ["-e", "--editable"];
const OTHER_FILE: [&str; 2] = ["-r", "--requirement"];
const CONSTRAINTS: [&str; 2] = ["-c", "--constraint"];

const EXPECTED: &str = "a requirement such as `name==1.2.3`";

pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Manifest, LockfileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', line).count() + 1;
        LockfileError::syntax(file, line, "UTF-8 text", "other bytes")
    })?;
    let mut manifest = Manifest::new(Ecosystem::PyPI);
    for (line, text) in logical_lines(text.trim_start_matches('\u{feff}')) {
        entry(file, line, &text, &mut manifest)?;
    }
    Ok(manifest)
}

/// Lines with continuations joined and comments removed, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        let (start, mut joined) = open.take().unwrap_or((index + 1, String::new()));
        // A comment ends a logical line even when it ends in a backslash.
        let is_comment = line.trim_start().starts_with('#');
        match line.strip_suffix('\\') {
            Some(part) if !is_comment => {
                joined.push_str(part);
                open = Some((start, joined));
            }
            _ => {
                joined.push_str(line);
                lines.push((start, joined));
            }
        }
    }
    lines.extend(open);
    lines
        .into_iter()
        .map(|(line, text)| (line, without_comment(&text).trim().to_owned()))
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

/// A `#` opens a comment at the start and after a blank; in a URL it is a fragment.
fn without_comment(text: &str) -> &str {
    let mut last = ' ';
    for (at, found) in text.char_indices() {
        if found == '#' && last.is_whitespace() {
            return text.get(..at).unwrap_or(text);
        }
        last = found;
    }
    text
}

fn entry(
    file: &str,
    line: usize,
    text: &str,
    manifest: &mut Manifest,
) -> Result<(), LockfileError> {
    if text.starts_with('-') {
        option(text, manifest);
        return Ok(());
    }
    if is_direct(text) {
        direct(text, manifest);
        return Ok(());
    }
    requirement(file, line, text, manifest)
}

fn option(text: &str, manifest: &mut Manifest) {
    let (name, value) = text.split_once(['=', ' ', '\t']).unwrap_or((text, ""));
    // `-rother.txt` and `-egit+…` are written together as well.
    let short = text.get(..2).unwrap_or(text);
    let (name, value) = if !text.starts_with("--") && name.len() > 2 {
        (short, text.get(2..).unwrap_or_default())
    } else {
        (name, value)
    };
    if EDITABLE.contains(&name) {
        direct(value.trim(), manifest);
    } else if OTHER_FILE.contains(&name) {
        manifest.skip(
            text,
            "another file, which was not read: put its packages into this one",
            true,
        );
    } else if CONSTRAINTS.contains(&name) {
        manifest.skip(
            text,
            "constraints, which bring no package of their own",
            false,
        );
    }
}

fn is_direct(text: &str) -> bool {
    let word = text.split([' ', ';']).next().unwrap_or_default();
    let name_end = word
        .find(['@', '[', '=', '<', '>', '~', '!'])
        .unwrap_or(word.len());
    let head = word.get(..name_end).unwrap_or_default();
    head.contains([':', '/'])
        || word.starts_with('.')
        || [".whl", ".zip", ".tar.gz"]
            .iter()
            .any(|ending| head.ends_with(ending))
}

/// A package by address: not in any registry, so nothing can be looked up.
fn direct(address: &str, manifest: &mut Manifest) {
    let (why, mutable) = address_kind(address);
    manifest.skip(address, why, mutable);
}

fn address_kind(address: &str) -> (&'static str, bool) {
    let plain = address.split('#').next().unwrap_or_default();
    let digest =
        address.contains("#sha256=") || address.contains("&sha256=") || address.contains("--hash=");
    if ["git+", "hg+", "svn+", "bzr+"]
        .iter()
        .any(|scheme| plain.starts_with(scheme))
    {
        let commit = plain.rsplit_once('@').is_some_and(|(_, reference)| {
            reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        ("a source repository, not a registry version", !commit)
    } else if plain.contains("://") {
        ("an address, not a registry version", !digest)
    } else {
        ("a local path, not a registry version", false)
    }
}

fn requirement(
    file: &str,
    line: usize,
    text: &str,
    manifest: &mut Manifest,
) -> Result<(), LockfileError> {
    let bad = |found: &str| LockfileError::syntax(file, line, EXPECTED, found);
    let (text, hashes) = split_options(file, line, text)?;
    let name_end = text
        .find(|found: char| !(found.is_ascii_alphanumeric() || matches!(found, '-' | '_' | '.')))
        .unwrap_or(text.len());
    let name = text
        .get(..name_end)
        .unwrap_or_default()
        .trim_end_matches(['-', '_', '.']);
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(bad(text));
    }
    let rest =
        without_extras(text.get(name.len()..).unwrap_or_default()).ok_or_else(|| bad(text))?;
    if let Some(address) = rest.strip_prefix('@') {
        let address = address.split(" ;").next().unwrap_or_default().trim();
        let (why, mutable) = address_kind(address);
        manifest.skip(
            &format!("{name} @ {address}"),
            why,
            mutable && hashes.is_empty(),
        );
        return Ok(());
    }
    let specifiers = rest.split(';').next().unwrap_or_default().trim();
    let specifiers = specifiers
        .strip_prefix('(')
        .map_or(specifiers, |inside| inside.trim_end_matches(')'));
    let normal = Ecosystem::PyPI.normalise(name);
    match pinned(specifiers).ok_or_else(|| bad(text))? {
        Some(version) => manifest.packages.push(Package {
            purl: Ecosystem::PyPI.purl(&normal, &version),
            name: normal,
            version,
            dev: false,
            hashes,
            licence: None,
            needs: Vec::new(),
        }),
        None => manifest.unpinned.push(normal),
    }
    Ok(())
}

/// Per-requirement options stand after the requirement: `--hash=sha256:…`.
fn split_options<'a>(
    file: &str,
    line: usize,
    text: &'a str,
) -> Result<(&'a str, Vec<Hash>), LockfileError> {
    let Some(at) = text.find(" --") else {
        return Ok((text, Vec::new()));
    };
    let (requirement, options) = text.split_at_checked(at).unwrap_or((text, ""));
    let mut hashes = Vec::new();
    for option in options.split_whitespace() {
        let Some(value) = option.strip_prefix("--hash=") else {
            continue;
        };
        let hash = value.split_once(':').and_then(|(name, hex)| {
            let (algorithm, length) = match name {
                "sha256" => ("SHA-256", 64),
                "sha384" => ("SHA-384", 96),
                "sha512" => ("SHA-512", 128),
                _ => return None,
            };
            let whole = hex.len() == length && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            whole.then(|| Hash {
                algorithm,
                hex: hex.to_ascii_lowercase(),
            })
        });
        hashes.push(hash.ok_or_else(|| {
            LockfileError::syntax(
                file,
                line,
                "a hash such as `--hash=sha256:` and 64 hexadecimal digits",
                option,
            )
        })?);
    }
    Ok((requirement.trim(), hashes))
}

/// Leaves out `[extra, other]`.
fn without_extras(rest: &str) -> Option<&str> {
    let rest = rest.trim_start();
    match rest.strip_prefix('[') {
        Some(inside) => inside.split_once(']').map(|(_, after)| after.trim_start()),
        None => Some(rest),
    }
}

/// The one exact version that a specifier set allows, `Some(None)` when it allows more, `None` when
/// it is not a specifier set.
fn pinned(specifiers: &str) -> Option<Option<String>> {
    let mut exact = None;
    if specifiers.is_empty() {
        return Some(None);
    }
    for specifier in specifiers.split(',') {
        let specifier = specifier.trim();
        let (operator, version) = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"]
            .into_iter()
            .find_map(|operator| Some((operator, specifier.strip_prefix(operator)?.trim())))?;
        if version.is_empty() || version.contains(char::is_whitespace) {
            return None;
        }
        let wild = version.ends_with(".*");
        let number = version.trim_end_matches(".*");
        match operator {
            "===" => exact = Some(version.to_owned()),
            "==" if !wild && Version::from_str(number).is_ok() => exact = Some(version.to_owned()),
            "==" | "!=" if wild && Version::from_str(number).is_ok() => {}
            _ if Version::from_str(version).is_ok() => {}
            _ => return None,
        }
    }
    Some(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        read("requirements.txt", text.as_bytes()).expect("readable")
    }

    #[test]
    fn a_range_is_never_read_as_a_version() {
        for range in [
            "a>=1.0",
            "a>=1,<2",
            "a~=2.3",
            "a",
            "a==1.*",
            "a!=1.0",
            "a (>=1.0)",
            "a[x]>1 ; os_name=='nt'",
        ] {
            let read = manifest(range);
            assert_eq!(read.unpinned, ["a"], "{range}");
            assert!(read.packages.is_empty(), "{range}");
        }
    }

    #[test]
    fn one_exact_version_is_found_in_every_spelling() {
        for (pin, version) in [
            ("a==1.0", "1.0"),
            ("A == 1.0 # why", "1.0"),
            ("a[x, y]==1.0; python_version >= '3'", "1.0"),
            ("a (==1.0)", "1.0"),
            ("a===weird", "weird"),
            ("a==1.0,!=1.1", "1.0"),
            (
                "a==1.0 \\\n  --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000",
                "1.0",
            ),
        ] {
            let read = manifest(pin);
            let found: Vec<_> = read
                .packages
                .iter()
                .map(|package| package.version.as_str())
                .collect();
            assert_eq!(found, [version], "{pin}");
        }
    }

    #[test]
    fn addresses_are_skipped_with_a_reason_and_branches_count_as_mutable() {
        let commit = "0123456789012345678901234567890123456789";
        let read = manifest(&format!(
            "-e git+https://h/x.git@main#egg=x\ny @ https://h/y.whl\n./local\ngit+https://h/z@{commit}\n-r more.txt\n"
        ));
        let mutable: Vec<_> = read.skipped.iter().map(|skipped| skipped.mutable).collect();
        assert_eq!(mutable, [true, true, false, false, true]);
    }

    #[test]
    fn what_is_not_a_requirement_is_an_error_with_its_line() {
        for bad in [
            "ok==1.0\n==1.0",
            "ok==1.0\na=1.0",
            "ok==1.0\na==",
            "ok==1.0\na==one two",
            "ok==1.0\n<html>",
        ] {
            let error = read("requirements.txt", bad.as_bytes()).expect_err(bad);
            assert!(
                error
                    .to_string()
                    .starts_with("requirements.txt:2: expected"),
                "{error}"
            );
        }
    }
}
