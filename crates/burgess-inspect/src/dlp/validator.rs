//! Checks on the digits themselves: check digits, issuer prefixes, lengths, impossible ranges.
//! A passed check is evidence with a known weight (one number in ten passes Luhn, one in 97 passes
//! mod 97); it is never a verdict. No text and no context here.

/// Luhn's check (ISO/IEC 7812-1, annex B) over ASCII digits.
pub fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit.wrapping_sub(b'0'));
            match (place % 2, value) {
                (1, 5..) => value * 2 - 9,
                (1, _) => value * 2,
                _ => value,
            }
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// How usual a card prefix and length are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brand {
    /// Visa, Mastercard, American Express, Discover, JCB, UnionPay, Mir: a common length.
    Common,
    /// Diners, Maestro and lengths that exist but are rare (Visa of 13 or 19 digits).
    Rare,
}

/// The issuer range (issuer identification number) that these ASCII digits fall in, if any.
/// Ranges as the card networks publish them.
pub fn card_brand(digits: &[u8]) -> Option<Brand> {
    let prefix = |count: usize| {
        digits
            .get(..count)
            .unwrap_or_default()
            .iter()
            .fold(0_u32, |value, digit| {
                value * 10 + u32::from(digit.wrapping_sub(b'0'))
            })
    };
    let (one, two, three, four, six) = (prefix(1), prefix(2), prefix(3), prefix(4), prefix(6));
    match digits.len() {
        16 if one == 4 => Some(Brand::Common),
        13 | 19 if one == 4 => Some(Brand::Rare),
        16 if (51..=55).contains(&two) || (2221..=2720).contains(&four) => Some(Brand::Common),
        15 if two == 34 || two == 37 => Some(Brand::Common),
        16 if four == 6011 || (644..=659).contains(&three) => Some(Brand::Common),
        16 if (3528..=3589).contains(&four) => Some(Brand::Common),
        16 if two == 62 || (2200..=2204).contains(&four) => Some(Brand::Common),
        17..=19 if two == 62 || two == 65 || (2200..=2204).contains(&four) => Some(Brand::Rare),
        14..=19 if (300..=305).contains(&three) || matches!(two, 36 | 38 | 39) => Some(Brand::Rare),
        16 if matches!(two, 60 | 81 | 82) || three == 508 => Some(Brand::Rare),
        12..=19 if maestro(four) || (500_000..=509_999).contains(&six) => Some(Brand::Rare),
        12..=19 if (560_000..=589_999).contains(&six) || two == 67 => Some(Brand::Rare),
        _ => None,
    }
}

fn maestro(four: u32) -> bool {
    matches!(
        four,
        5018 | 5020 | 5038 | 5893 | 6304 | 6390 | 6759 | 6761..=6763
    )
}

/// Total length of an IBAN per country (ISO 13616 registry), from its two uppercase letters.
pub fn iban_length(country: &[u8]) -> Option<usize> {
    Some(match country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"FK" | b"FO" | b"GL" | b"NL" | b"SD" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"MN" | b"XK" => 20,
        b"CH" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"CR" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"OM" | b"SO" | b"TL" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"BI" | b"DJ" | b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"GT" | b"HN" | b"HU" | b"LB" | b"NI" | b"PL"
        | b"SV" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" => 29,
        b"JO" | b"KW" | b"MU" | b"YE" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    })
}

/// ISO/IEC 7064 MOD 97-10 over an IBAN without separators, letters in either case.
pub fn mod97(iban: &[u8]) -> bool {
    let (Some(head), Some(rest)) = (iban.get(..4), iban.get(4..)) else {
        return false;
    };
    let remainder = rest
        .iter()
        .chain(head)
        .try_fold(0_u32, |sum, byte| match byte {
            b'0'..=b'9' => Some((sum * 10 + u32::from(byte - b'0')) % 97),
            b'A'..=b'Z' => Some((sum * 100 + u32::from(byte - b'A') + 10) % 97),
            b'a'..=b'z' => Some((sum * 100 + u32::from(byte - b'a') + 10) % 97),
            _ => None,
        });
    remainder == Some(1)
}

/// Whether nine ASCII digits can be a US social security number: no area 000, 666 or 9xx, no group
/// 00, no serial 0000 (SSA, POMS RM 10201.035), and none of the numbers that were printed on
/// specimens and voided.
pub fn ssn(digits: &[u8]) -> bool {
    let (Some(area), Some(group), Some(serial)) =
        (digits.get(..3), digits.get(3..5), digits.get(5..9))
    else {
        return false;
    };
    digits.len() == 9
        && area != b"000"
        && area != b"666"
        && !area.starts_with(b"9")
        && group != b"00"
        && serial != b"0000"
        && digits != b"078051120"
        && digits != b"219099999"
        && digits.iter().any(|digit| Some(digit) != digits.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_accept_published_samples_and_refuse_a_changed_digit() {
        assert!(luhn(b"4111111111111111") && !luhn(b"4111111111111112"));
        assert!(mod97(b"DE89370400440532013000") && !mod97(b"DE89370400440532013001"));
        assert!(mod97(b"gb82west12345698765432") && !mod97(b"GB82"));
    }

    #[test]
    fn impossible_social_security_numbers_are_refused() {
        assert!(ssn(b"078051123") && ssn(b"899010001"));
        for dead in [
            b"000011234",
            b"666011234",
            b"900011234",
            b"123001234",
            b"123010000",
        ] {
            assert!(!ssn(dead), "{}", String::from_utf8_lossy(dead));
        }
        assert!(!ssn(b"078051120") && !ssn(b"111111111") && !ssn(b"12345678"));
    }

    #[test]
    fn card_prefix_and_length_must_agree() {
        assert_eq!(card_brand(b"4111111111111111"), Some(Brand::Common));
        assert_eq!(card_brand(b"378282246310005"), Some(Brand::Common));
        assert_eq!(card_brand(b"30569309025904"), Some(Brand::Rare));
        assert_eq!(card_brand(b"37828224631000"), None);
        assert_eq!(card_brand(b"1111111111111111"), None);
    }

    #[test]
    fn an_iban_length_is_known_per_country() {
        assert_eq!(iban_length(b"DE"), Some(22));
        assert_eq!(iban_length(b"ZZ"), None);
    }
}
