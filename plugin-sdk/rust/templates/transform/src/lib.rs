//! Emits the long words of each line.

use tidemill_sdk::prelude::*;

/// What a pipeline can set.
#[derive(Parameters)]
pub struct {{pascal}} {
    /// Leave out words with fewer letters.
    #[parameter(default = 5)]
    pub length_min: u32,
}

/// Emits the long words of each line, one record for each, with the word as the key.
#[transform(reads(values))]
pub fn {{snake}}(settings: &{{pascal}}, record: Record, out: &mut Emitter) -> Result<(), Reject> {
    let line = record.value_text()?; // a line that is not UTF-8 is rejected, the others go on
    let is_long = |word: &&str| word.chars().count() >= settings.length_min as usize;
    out.value("").emit_keys(line.split_whitespace().filter(is_long));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_are_left_out() {
        let settings = {{pascal}} { length_min: 3 };
        let words = testing::run::<Plugin>(&settings, [testing::value("to be or not")]).unwrap();
        let words: Vec<String> = words.iter().map(|word| word.key_text()).collect();
        assert_eq!(words, ["not"]);
    }

    #[test]
    fn a_line_that_is_no_text_is_rejected() {
        let settings = {{pascal}} { length_min: 3 };
        let lines = [testing::value(b"\xff"), testing::value("longer")];
        let ran = testing::run_all::<Plugin>(&settings, lines).unwrap();
        assert_eq!((ran.emitted.len(), ran.rejected[0].0), (1, 0));
    }
}
