//! The base score of a CVSS 3.0 or 3.1 vector (FIRST, CVSS v3.1 specification, section 7.1), in
//! tenths. CVSS 4.0 scores come from a table of 270 rows and are not computed here: such a record
//! falls back on the band that its database names.

use super::record::Severity;

/// The band of a vector's base score; `None` for other versions and broken vectors.
pub(super) fn band(vector: &str) -> Option<Severity> {
    Some(match tenths(vector)? {
        90.. => Severity::Critical,
        70.. => Severity::High,
        40.. => Severity::Medium,
        _ => Severity::Low,
    })
}

/// The base score times ten.
fn tenths(vector: &str) -> Option<u32> {
    let metrics = vector
        .strip_prefix("CVSS:3.0/")
        .or_else(|| vector.strip_prefix("CVSS:3.1/"))?;
    let metric = |name: &str| {
        metrics
            .split('/')
            .filter_map(|part| part.split_once(':'))
            .find_map(|(key, value)| (key == name).then_some(value))
    };
    let changed = match metric("S")? {
        "C" => true,
        "U" => false,
        _ => return None,
    };
    let exploitability =
        8.22 * value(
            metric("AV")?,
            &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)],
        )? * value(metric("AC")?, &[("L", 0.77), ("H", 0.44)])?
            * if changed {
                value(metric("PR")?, &[("N", 0.85), ("L", 0.68), ("H", 0.5)])?
            } else {
                value(metric("PR")?, &[("N", 0.85), ("L", 0.62), ("H", 0.27)])?
            }
            * value(metric("UI")?, &[("N", 0.85), ("R", 0.62)])?;
    let loss = |name| Some(1.0 - value(metric(name)?, &[("H", 0.56), ("L", 0.22), ("N", 0.0)])?);
    let base = 1.0 - loss("C")? * loss("I")? * loss("A")?;
    let impact = if changed {
        7.52 * (base - 0.029) - 3.25 * (base - 0.02_f64).powi(15)
    } else {
        6.42 * base
    };
    if impact <= 0.0 {
        return Some(0);
    }
    let sum = impact + exploitability;
    let score = if changed { 1.08 * sum } else { sum };
    Some(round_up(score.min(10.0)))
}

fn value(name: &str, table: &[(&str, f64)]) -> Option<f64> {
    table
        .iter()
        .find_map(|(key, value)| (*key == name).then_some(*value))
}

/// "Roundup" of the specification, appendix A: to the next tenth, on integers, so that 4.000001
/// from binary fractions does not become 4.1.
fn round_up(score: f64) -> u32 {
    let hundred_thousandths = (score * 100_000.0).round();
    (0..=100)
        .find(|tenths| f64::from(*tenths) * 10_000.0 >= hundred_thousandths)
        .unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_scores_are_those_of_the_standard_s_examples() {
        // FIRST, "CVSS v3.1 Examples".
        for (vector, score) in [
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:L/I:L/A:N", 54),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 61),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 31),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100),
            ("CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:N", 0),
        ] {
            assert_eq!(tenths(vector), Some(score), "{vector}");
        }
        assert_eq!(tenths("CVSS:4.0/AV:N"), None);
        assert_eq!(tenths("CVSS:3.1/AV:N"), None);
    }
}
