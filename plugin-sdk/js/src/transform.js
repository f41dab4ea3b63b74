/** Transforms: any number of records from each record. */

import { Emitted } from "./emitted.js";
import { explain, isOfTheCall } from "./failures.js";
import { Plugin } from "./plugin.js";
import { Call, Record } from "./record.js";

export class Transform extends Plugin {
  #process;

  constructor(definition) {
    super(definition, ["process"]);
    this.#process = definition.process;
  }

  process(records) {
    const call = new Call(records);
    const emitted = new Emitted();
    const rejected = [];
    const [run, settings, length, texts] = [this.#process, this.settings, call.length, emitted.texts];
    let oneTextEach = true;
    for (let index = 0; index < length; index++) {
      try {
        const result = run(new Record(call, index), settings);
        if (oneTextEach && typeof result === "string") {
          texts.push(result);
          continue;
        }
        oneTextEach = false;
        emitted.take(index, result);
      } catch (error) {
        if (isOfTheCall(error)) throw error;
        oneTextEach = false;
        rejected.push({ index, reason: explain(error) });
        emitted.nothing(index);
      }
    }
    return emitted.outcome(call, this, rejected);
  }
}

/** Makes a transform. An error that `process` throws rejects the record. */
export function transform(definition) {
  return new Transform(definition);
}
