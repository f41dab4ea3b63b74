//! Numbers as whole billionths: what is added, compared and printed is exact.

use core::fmt;

/// A number times 10^9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Billionths(pub i128);

/// Why a value is no number that can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// It is not a decimal number.
    NotANumber,
    /// It is 10^18 or more, or -10^18 or less.
    OutOfRange,
}

impl fmt::Display for NumberError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotANumber => "a value is no decimal number",
            Self::OutOfRange => "a value is not between -10^18 and 10^18",
        })
    }
}

const ONE: u128 = 1_000_000_000;
/// Fraction digits that are kept.
const FRACTION_DIGITS: i64 = 9;
/// Numbers are below 10^18, so that 10^11 of them can be added.
const LIMIT: u128 = 1_000_000_000_000_000_000 * ONE;
/// Digits that are looked at; those after them cannot change how a number is rounded.
const DIGITS_MAX: u32 = 36;

impl Billionths {
    /// Reads a decimal number: `-12`, `3.25`, `.5`, `6.02e23`; ASCII white space around it is ignored.
    /// Digits beyond the ninth of the fraction are rounded, half away from zero.
    pub fn parse(text: &[u8]) -> Result<Self, NumberError> {
        let text = text.trim_ascii();
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let magnitude = Decimal::parse(text)?.billionths()?;
        Ok(Self(if negative { -magnitude } else { magnitude }))
    }

    /// The quotient, rounded half away from zero. `divisor` must be positive.
    pub fn divided_by(self, divisor: i128) -> Self {
        let (quotient, rest) = (self.0 / divisor, self.0 % divisor);
        let away =
            i128::from(rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2)) * self.0.signum();
        Self(quotient + away)
    }
}

impl fmt::Display for Billionths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (magnitude, sign) = (self.0.unsigned_abs(), if self.0 < 0 { "-" } else { "" });
        let (whole, mut fraction) = (magnitude / ONE, magnitude % ONE);
        write!(out, "{sign}{whole}")?;
        if fraction == 0 {
            return Ok(());
        }
        let mut width = FRACTION_DIGITS as usize;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        write!(out, ".{fraction:0width$}")
    }
}

/// `digits * 10^exponent`.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    digits: u128,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &[u8]) -> Result<Self, NumberError> {
        let mut number = Self { digits: 0, exponent: 0 };
        let (mut taken, mut any, mut in_fraction) = (0u32, false, false);
        let mut rest = text;
        while let [byte, after @ ..] = rest {
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    if taken < DIGITS_MAX {
                        number.digits = number.digits * 10 + u128::from(byte - b'0');
                        taken += u32::from(number.digits != 0);
                        number.exponent -= i64::from(in_fraction);
                    } else {
                        number.exponent += i64::from(!in_fraction);
                    }
                }
                b'.' if !in_fraction => in_fraction = true,
                b'e' | b'E' if any => {
                    number.exponent += exponent(after)?;
                    return Ok(number);
                }
                _ => return Err(NumberError::NotANumber),
            }
            rest = after;
        }
        if any { Ok(number) } else { Err(NumberError::NotANumber) }
    }

    /// The nearest number of billionths, half away from zero.
    fn billionths(self) -> Result<i128, NumberError> {
        let shift = self.exponent + FRACTION_DIGITS;
        let power =
            u32::try_from(shift.unsigned_abs()).ok().and_then(|shift| 10u128.checked_pow(shift));
        let magnitude = match (self.digits, power) {
            (0, _) => 0,
            (digits, Some(power)) if shift >= 0 => {
                digits.checked_mul(power).ok_or(NumberError::OutOfRange)?
            }
            (digits, Some(power)) => {
                digits / power + u128::from(digits % power >= power.div_ceil(2))
            }
            (_, None) if shift >= 0 => return Err(NumberError::OutOfRange),
            (_, None) => 0,
        };
        match i128::try_from(magnitude) {
            Ok(number) if magnitude < LIMIT => Ok(number),
            _ => Err(NumberError::OutOfRange),
        }
    }
}

/// The digits after `e`. Beyond a million they are all the same: too large, or zero.
fn exponent(text: &[u8]) -> Result<i64, NumberError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::NotANumber);
    }
    let value = digits
        .iter()
        .fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000));
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_and_print() {
        let table = [
            ("0", "0"),
            ("-0", "0"),
            ("+7", "7"),
            (" 12 \n", "12"),
            ("-12.50", "-12.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("0.000000001", "0.000000001"),
            ("0.0000000005", "0.000000001"),
            ("-0.0000000005", "-0.000000001"),
            ("0.00000000049999999999999999999999999999999999999999", "0"),
            ("999999999999999999.999999999", "999999999999999999.999999999"),
            ("1.5e3", "1500"),
            ("15E-1", "1.5"),
            ("1e-400", "0"),
            ("0e999999999999999999999", "0"),
            ("000000000000000000000000000000000000000000000000001", "1"),
            ("1234567890123456789012345678901234567890e-30", "1234567890.123456789"),
        ];
        for (text, printed) in table {
            assert_eq!(Billionths::parse(text.as_bytes()).unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_told_from_what_is_too_large() {
        for text in [
            "", " ", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "NaN", "inf", "1,5", "1 2",
            "--1", "١",
        ] {
            assert_eq!(Billionths::parse(text.as_bytes()), Err(NumberError::NotANumber), "{text}");
        }
        for text in [
            "1e18",
            "-1e18",
            "1000000000000000000",
            "1e99",
            "1e999999999999999999999",
            "999999999999999999.9999999995",
        ] {
            assert_eq!(Billionths::parse(text.as_bytes()), Err(NumberError::OutOfRange), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(number in -(LIMIT as i128) + 1..LIMIT as i128) {
            prop_assert_eq!(Billionths::parse(Billionths(number).to_string().as_bytes()), Ok(Billionths(number)));
        }

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(prop_oneof![Just(b'9'), Just(b'e'), Just(b'.'), any::<u8>()], 0..60)) {
            let _ = Billionths::parse(&bytes);
        }

        #[test]
        fn a_quotient_is_the_nearest(sum in any::<i64>(), count in 1i128..1_000_000) {
            let quotient = Billionths(sum.into()).divided_by(count).0;
            let doubled_error = 2 * (i128::from(sum) - quotient * count).abs();
            prop_assert!(doubled_error <= count);
        }
    }
}
