import { integer, transform } from "@tidemill/sdk";

export default transform({
  summary: "Emits the long words of each line, one record for each, with the word as the key",
  reads: ["value"],
  parameters: {
    length_min: integer({ doc: "Leave out words with fewer letters.", default: 5 }),
  },
  // A line that is not UTF-8 is rejected, the others go on.
  process(record, { length_min }) {
    const words = record.text.split(/\s+/).filter((word) => word.length >= length_min);
    return words.map((word) => ({ key: word, value: "" }));
  },
});
