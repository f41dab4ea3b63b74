//! A guest's memory, laid out by the host: results of the canonical ABI, byte for byte.

/// Where the image starts in the guest's memory.
pub const START: u32 = 1024;

/// Results and their lists, one after the other.
#[derive(Default)]
pub struct Image {
    bytes: Vec<u8>,
}

/// A column, right or wrong.
#[derive(Clone, Default)]
pub struct Col {
    pub data: Vec<u8>,
    pub offsets: Vec<u32>,
    pub validity: Vec<u8>,
}

impl Col {
    /// A column of present items.
    pub fn of(items: &[&str]) -> Self {
        let mut column = Self { offsets: vec![0], ..Self::default() };
        for item in items {
            column.data.extend(item.as_bytes());
            column.offsets.push(column.data.len() as u32);
        }
        column
    }
}

/// What `process` gives back.
#[derive(Clone, Default)]
pub struct Outcome {
    pub keys: Col,
    pub values: Col,
    pub headers: Col,
    pub timestamps: Vec<i64>,
    pub counts: Vec<u32>,
    pub ports: Vec<u16>,
    pub rejected: Vec<(u32, Vec<u8>)>,
}

impl Image {
    fn address(&self) -> u32 {
        START + self.bytes.len() as u32
    }

    /// The first address after the image.
    pub fn end(&self) -> u32 {
        self.address().next_multiple_of(16)
    }

    fn align(&mut self) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.address()
    }

    /// Address and length of a list of bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> [u32; 2] {
        let at = self.align();
        self.bytes.extend(bytes);
        [at, bytes.len() as u32]
    }

    /// The address of 32-bit words.
    pub fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bytes(&bytes)[0]
    }

    fn list32(&mut self, items: &[u32]) -> [u32; 2] {
        [self.words(items), items.len() as u32]
    }

    /// The six words of a column.
    pub fn column(&mut self, column: &Col) -> Vec<u32> {
        let (data, offsets) = (self.bytes(&column.data), self.list32(&column.offsets));
        [data, offsets, self.bytes(&column.validity)].concat()
    }

    /// The 27 words of `ok(outcome)`: case, keys, values, headers, timestamps, counts, ports, rejected.
    pub fn outcome_words(&mut self, outcome: &Outcome) -> Vec<u32> {
        let mut words = vec![0];
        for column in [&outcome.keys, &outcome.values, &outcome.headers] {
            words.extend(self.column(column));
        }
        let times: Vec<u8> =
            outcome.timestamps.iter().flat_map(|time| time.to_le_bytes()).collect();
        words.extend([self.bytes(&times)[0], outcome.timestamps.len() as u32]);
        words.extend(self.list32(&outcome.counts));
        let ports: Vec<u8> = outcome.ports.iter().flat_map(|port| port.to_le_bytes()).collect();
        words.extend([self.bytes(&ports)[0], outcome.ports.len() as u32]);
        let mut rejected = Vec::new();
        for (index, reason) in &outcome.rejected {
            rejected.push(*index);
            rejected.extend(self.bytes(reason));
        }
        words.extend([self.words(&rejected), outcome.rejected.len() as u32]);
        words
    }

    /// The address of `ok(outcome)`.
    pub fn outcome(&mut self, outcome: &Outcome) -> u32 {
        let words = self.outcome_words(outcome);
        self.words(&words)
    }

    /// The address of a description; `texts` are required parameters of kind text.
    pub fn description(&mut self, name: &str, version: &str, reads: u8, texts: &[&str]) -> u32 {
        let mut parameters = Vec::new();
        for text in texts {
            let [start, length] = self.bytes(text.as_bytes());
            // Name, kind, no default (eight words with padding), no doc.
            parameters.extend([start, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        let parameters = [self.words(&parameters), texts.len() as u32];
        let words: Vec<[u32; 2]> = [name, version, "a guest by hand"]
            .iter()
            .map(|text| self.bytes(text.as_bytes()))
            .chain([parameters, [u32::from(reads), 0], [0, 0]])
            .collect();
        self.words(&words.concat())
    }

    /// As the text format wants it.
    pub fn escaped(&self) -> String {
        self.bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
    }
}

/// Index of the address of a list in the words of [`Image::outcome_words`]; its length follows.
pub mod ptr_len {
    pub const KEYS_OFFSETS: usize = 3;
    pub const VALUES_DATA: usize = 7;
    pub const VALUES_OFFSETS: usize = 9;
    pub const COUNTS: usize = 21;
    pub const REJECTED: usize = 25;
}
