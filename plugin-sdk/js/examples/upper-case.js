import { transform } from "@tidemill/sdk";

export default transform({
  summary: "Folds each value to upper case",
  reads: ["value"],
  process: (record) => record.text.toUpperCase(),
});
