//! What consumers say about themselves and are told: topics and partitions.
//!
//! Of the `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment` that members of type
//! `consumer` exchange, only what all versions begin with is read. **Bytes from outside: nothing
//! is believed.**

/// The protocol type of Kafka's consumers.
pub const CONSUMER: &str = "consumer";

/// The topics in a member's metadata; `None` where they cannot be read.
pub fn topics(metadata: &[u8]) -> Option<Vec<&str>> {
    let mut fields = Fields::begin(metadata)?;
    let count = fields.count()?;
    // Collected one by one: the count is only a claim.
    (0..count).map(|_| fields.string()).collect()
}

/// The partitions in a member's assignment, by topic; `None` where they cannot be read.
pub fn assigned(assignment: &[u8]) -> Option<Vec<(&str, Vec<i32>)>> {
    let mut fields = Fields::begin(assignment)?;
    let count = fields.count()?;
    let topic = |_| {
        let name = fields.string()?;
        let count = fields.count()?;
        let partitions: Option<Vec<i32>> = (0..count).map(|_| fields.i32()).collect();
        Some((name, partitions?))
    };
    (0..count).map(topic).collect()
}

/// Reads from the front; `None` once something is missing.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Behind the version.
    fn begin(bytes: &'a [u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk::<2>()?;
        (i16::from_be_bytes(*version) >= 0).then_some(Self(rest))
    }

    fn i32(&mut self) -> Option<i32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*number))
    }

    fn count(&mut self) -> Option<i32> {
        self.i32().map(|count| count.max(0))
    }

    fn string(&mut self) -> Option<&'a str> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let length = usize::try_from(i16::from_be_bytes(*length)).ok()?;
        let (text, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{assigned, topics};

    #[test]
    fn names_are_read_and_nothing_else_is_believed() {
        let mut metadata = vec![0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c'];
        assert_eq!(topics(&metadata), Some(vec!["a", "bc"]));
        metadata.extend([0, 0, 0, 0, 9, 9]);
        assert_eq!(topics(&metadata), Some(vec!["a", "bc"]));
        for length in 0..13 {
            assert_eq!(topics(&metadata[..length]), None, "{length}");
        }
        assert_eq!(topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(topics(&[0, 0, 0xff, 0xff, 0xff, 0xff]), Some(vec![]));
        assert_eq!(topics(&[0, 0, 0, 0, 0, 1, 0x80, 0]), None);
        assert_eq!(topics(&[0, 0, 0, 0, 0, 1, 0, 1, 0xff]), None);
    }

    #[test]
    fn assignments_are_read_by_topic() {
        let assignment =
            [0, 1, 0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0];
        assert_eq!(assigned(&assignment), Some(vec![("a", vec![3, 4])]));
        for length in 0..21 {
            assert_eq!(assigned(&assignment[..length]), None, "{length}");
        }
        // What a member without partitions gets.
        assert_eq!(assigned(&[0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Some(vec![]));
        assert_eq!(assigned(&[]), None);
    }
}
