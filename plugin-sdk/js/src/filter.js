/** Filters: keep or drop each record, without copying any. */

import { Plugin } from "./plugin.js";
import { Call, Record } from "./record.js";

export class Filter extends Plugin {
  #keep;

  constructor(definition) {
    super(definition, ["keep"]);
    this.#keep = definition.keep;
  }

  keep(records) {
    const call = new Call(records);
    const [keep, settings, length] = [this.#keep, this.settings, call.length];
    const bitmap = new Uint8Array((length + 7) >> 3);
    for (let index = 0; index < length; index++) {
      if (keep(new Record(call, index), settings)) bitmap[index >> 3] |= 1 << (index & 7);
    }
    return bitmap;
  }
}

/** Makes a filter. There are no rejections here: an error fails the call. */
export function filter(definition) {
  return new Filter(definition);
}
