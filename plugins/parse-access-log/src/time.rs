//! The time of a log line: `10/Oct/2000:13:55:36 -0700`.

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Milliseconds since 1970-01-01 UTC, if `text` is such a time and exists in the calendar.
pub fn parse_time(text: &[u8]) -> Option<i64> {
    let &[d1, d2, b'/', ref month @ .., _, _, _, _, _] = text else { return None };
    let [m1, m2, m3, b'/', y1, y2, y3, y4, b':', h1, h2, b':', n1, n2, b':', s1, s2, b' '] = *month
    else {
        return None;
    };
    let zone = zone_seconds(text.last_chunk()?)?;
    let month = MONTHS.iter().position(|name| **name == [m1, m2, m3])? as i64 + 1;
    let day = two(d1, d2)?;
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (hour, minute, second) = (two(h1, h2)?, two(n1, n2)?, two(s1, s2)?);
    // A leap second is second 60.
    if day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds =
        days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - zone;
    Some(seconds * 1_000)
}

fn zone_seconds(&[sign, h1, h2, m1, m2]: &[u8; 5]) -> Option<i64> {
    let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
    let seconds = hours * 3_600 + minutes * 60;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the Gregorian calendar, counted in years that begin in March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_month = (153 * month + 2) / 5;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    const DAYS_TO_1970: i64 = 719_468;
    year * 365 + leap_days + days_before_month + day - 1 - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let table: [(&[u8], i64); 6] = [
            (b"01/Jan/1970:00:00:00 +0000", 0),
            (b"10/Oct/2000:13:55:36 -0700", 971_211_336_000),
            (b"29/Feb/2024:12:00:00 +0530", 1_709_188_200_000),
            (b"31/Dec/1969:23:59:59 +0000", -1_000),
            (b"31/Dec/2016:23:59:60 +0000", 1_483_228_800_000),
            (b"01/Mar/1900:00:00:00 +0000", -2_203_891_200_000),
        ];
        for (text, wanted) in table {
            assert_eq!(parse_time(text), Some(wanted), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut expected = days_since_1970(0, 1, 1);
        for year in 0..2500 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    assert_eq!(days_since_1970(year, month, day), expected);
                    expected += 1;
                }
            }
        }
        assert_eq!(days_since_1970(1970, 1, 1), 0);
    }

    #[test]
    fn other_times_are_refused() {
        let table: [&[u8]; 11] = [
            b"",
            b"10/Oct/2000:13:55:36",
            b"10/Okt/2000:13:55:36 -0700",
            b"30/Feb/2000:13:55:36 -0700",
            b"29/Feb/1900:13:55:36 -0700",
            b"00/Oct/2000:13:55:36 -0700",
            b"10/Oct/2000:24:00:00 -0700",
            b"10/Oct/2000:13:60:36 -0700",
            b"10/Oct/2000:13:55:61 -0700",
            b"10/Oct/2000:13:55:36 00700",
            b"1x/Oct/2000:13:55:36 -0700",
        ];
        for text in table {
            assert_eq!(parse_time(text), None, "{}", text.escape_ascii());
        }
    }
}
