/** What every kind of plugin has: a description, and settings. */

import { checkParameters, readParameters } from "./parameters.js";

const PARTS = ["key", "value", "headers", "timestamp"];

export class Plugin {
  #prepare;

  constructor(definition, functions) {
    const { summary, reads = [], ports = [], parameters = {}, stateVersion = 0, prepare } = definition;
    if (!summary) throw new TypeError("a plugin needs a `summary`: people choose it by that line");
    for (const name of functions) {
      if (typeof definition[name] !== "function") throw new TypeError(`a plugin of this kind needs a function \`${name}\``);
    }
    for (const part of reads) {
      if (!PARTS.includes(part)) throw new TypeError(`\`reads\` names \`${part}\`; the parts of a record are ${PARTS.join(", ")}`);
    }
    for (const port of ports) {
      if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(port)) throw new TypeError(`port \`${port}\`: lower case expected, words joined by \`-\``);
    }
    checkParameters(parameters);
    this.summary = summary;
    this.reads = reads;
    this.ports = ports;
    this.parameters = parameters;
    this.stateVersion = stateVersion;
    this.settings = undefined;
    this.#prepare = prepare ?? ((settings) => settings);
  }

  /** Takes what a pipeline set; throws with what is wrong. */
  configure(values) {
    this.settings = this.#prepare(readParameters(this.parameters, values));
  }
}
