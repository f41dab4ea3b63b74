/**
 * What a pipeline can grant: a log, and the plugin's own metrics.
 *
 * A component imports what `grants` in `tidemill-plugin.toml` names, and the pipeline has to grant it. In native
 * tests both are remembered in `remembered`.
 */

import { Fatal } from "./failures.js";

/** What was logged and counted in native tests. */
export const remembered = { messages: [], counters: [], gauges: [] };

const host = { isComponent: false, logging: null, metrics: null };

/** For the entry module of a component. */
export function bindGrants(interfaces) {
  Object.assign(host, { isComponent: true, ...interfaces });
}

/** The interface, or `null` in native tests. */
function granted(grant) {
  if (host[grant] === null && host.isComponent) {
    throw new Fatal(`the component was built without \`${grant}\`: \`grants = ["${grant}"]\` in tidemill-plugin.toml`);
  }
  return host[grant];
}

function write(level, message) {
  const logging = granted("logging");
  if (logging === null) remembered.messages.push({ level, message });
  else logging.log(level, String(message));
}

/** Messages that the host shows with the pipeline's and operator's names. */
export const log = {
  trace: (message) => write("trace", message),
  debug: (message) => write("debug", message),
  info: (message) => write("info", message),
  warn: (message) => write("warn", message),
  error: (message) => write("error", message),
};

const labelsOf = (labels) => Object.entries(labels).map(([name, value]) => ({ name, value: String(value) }));

/** The plugin's own metrics, shown beside the host's. Label values should be few. */
export const metrics = {
  /** Adds to a counter. */
  count(name, by = 1, labels = {}) {
    const metrics = granted("metrics");
    if (metrics === null) remembered.counters.push({ name, by, labels });
    else metrics.count(name, labelsOf(labels), by);
  },
  /** Sets a gauge. */
  gauge(name, value, labels = {}) {
    const metrics = granted("metrics");
    if (metrics === null) remembered.gauges.push({ name, value, labels });
    else metrics.gauge(name, labelsOf(labels), value);
  },
};
