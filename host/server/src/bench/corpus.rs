//! Lines of words that follow Zipf's law.

use fastrand::Rng;

use crate::zipf::Zipf;

/// Different words.
const WORDS: usize = 10_000;
/// A line ends with the word that takes it to this length; the average is then about 104 bytes.
const LINE_BYTES_MIN: usize = 102;

/// Lines without their ends, one after the other.
pub struct Corpus {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Corpus {
    /// The same seed gives the same lines.
    pub fn generate(lines: usize, seed: u64) -> Corpus {
        let words: Vec<String> = (0..WORDS).map(word).collect();
        let zipf = Zipf::new(WORDS, 1.0);
        let mut random = Rng::with_seed(seed);
        let mut corpus =
            Corpus { bytes: Vec::with_capacity(lines * 108), ends: Vec::with_capacity(lines) };
        for _ in 0..lines {
            let start = corpus.bytes.len();
            corpus.bytes.extend_from_slice(words[zipf.pick(random.f64())].as_bytes());
            while corpus.bytes.len() - start < LINE_BYTES_MIN {
                corpus.bytes.push(b' ');
                corpus.bytes.extend_from_slice(words[zipf.pick(random.f64())].as_bytes());
            }
            corpus.ends.push(corpus.bytes.len());
        }
        corpus
    }

    pub fn lines(&self) -> usize {
        self.ends.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn line(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

/// The words of a line, as native code finds them: blanks by vector instructions.
pub fn for_each_word<'a>(line: &'a [u8], mut each: impl FnMut(&'a [u8])) {
    let mut start = 0;
    for end in memchr::memchr_iter(b' ', line).chain([line.len()]) {
        if end > start {
            each(&line[start..end]);
        }
        start = end + 1;
    }
}

/// Frequent words are short, as in a language: 2 to 7 letters. They are the rank in base 26, which has room
/// enough in that length, so words differ.
fn word(rank: usize) -> String {
    let length = 2 + (rank + 1).ilog10() as usize + rank % 3;
    let mut left = rank;
    let letters = (0..length).map(|_| {
        let letter = b'a' + (left % 26) as u8;
        left /= 26;
        char::from(letter)
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ() {
        let mut words: Vec<String> = (0..WORDS).map(word).collect();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), WORDS);
    }

    #[test]
    fn lines_are_about_104_bytes_of_about_19_words() {
        let corpus = Corpus::generate(2000, 1);
        let bytes = corpus.bytes() as f64 / 2000.0;
        let words: usize =
            (0..2000).map(|line| corpus.line(line).split(|byte| *byte == b' ').count()).sum();
        let words = words as f64 / 2000.0;
        assert!((103.0..106.0).contains(&bytes), "{bytes} bytes");
        assert!((17.0..21.0).contains(&words), "{words} words");
    }
}
