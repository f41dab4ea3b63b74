import { filter, text } from "@tidemill/sdk";

export default filter({
  summary: "Keeps the records whose value has a text in it",
  reads: ["value"],
  parameters: {
    text: text({ doc: "What a line must have in it.", default: "error" }),
  },
  keep: (record, { text }) => record.text.includes(text),
});
