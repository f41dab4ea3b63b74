/** Typed parameters: what a pipeline can set. Without a default a parameter has to be set. */

export const text = (options) => parameter("text", "string", options);
export const integer = (options) => parameter("integer", "number", options);
export const number = (options) => parameter("number", "number", options);
export const boolean = (options) => parameter("boolean", "boolean", options);

/** One of some words. */
export function choice(choices, options) {
  const doc = `${options.doc} One of ${choices.map((word) => `\`${word}\``).join(", ")}.`;
  return parameter("text", "string", { ...options, doc, choices });
}

function parameter(kind, type, { doc, default: fallback = null, choices }) {
  if (!doc) throw new TypeError("a parameter needs a `doc`: people read it before they set it");
  return { kind, type, doc, default: fallback, choices };
}

/** Checks the declaration. */
export function checkParameters(parameters) {
  for (const [name, declared] of Object.entries(parameters)) {
    if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)) {
      throw new TypeError(`parameter \`${name}\`: lower case expected, words joined by \`_\``);
    }
    if (declared.default !== null) checkValue(name, declared, declared.default);
  }
}

/** The settings that a pipeline made; throws with what is wrong. */
export function readParameters(parameters, values) {
  const settings = {};
  for (const name of Object.keys(values)) {
    if (!Object.hasOwn(parameters, name)) throw new RangeError(`there is no parameter \`${name}\``);
  }
  for (const [name, declared] of Object.entries(parameters)) {
    const value = values[name] ?? declared.default;
    if (value === null) throw new RangeError(`parameter \`${name}\` is not set`);
    checkValue(name, declared, value);
    settings[name] = value;
  }
  return settings;
}

function checkValue(name, { kind, type, choices }, value) {
  if (typeof value !== type || (kind === "integer" && !Number.isInteger(value))) {
    throw new RangeError(`parameter \`${name}\`: ${kind} expected, not ${JSON.stringify(value)}`);
  }
  if (choices && !choices.includes(value)) {
    const known = choices.map((word) => `\`${word}\``).join(", ");
    throw new RangeError(`parameter \`${name}\`: \`${value}\` is not one of ${known}`);
  }
}
