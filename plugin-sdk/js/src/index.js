/**
 * Write Tidemill plugins in JavaScript or TypeScript: a plain function over records.
 *
 *     import { transform } from "@tidemill/sdk";
 *
 *     export default transform({
 *       summary: "Emits each word of a line as a record of its own",
 *       reads: ["value"],
 *       process: (record) => record.text.split(" "),
 *     });
 */

export { Fatal, Reject, Retryable, reject } from "./failures.js";
export { log, metrics } from "./grants.js";
export { boolean, choice, integer, number, text } from "./parameters.js";
export { transform } from "./transform.js";
export { filter } from "./filter.js";
export { bytes, json, reducer } from "./reducer.js";
