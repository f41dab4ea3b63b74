/** The exports of a component, for the entry module that `tidemill plugin build` writes. */

import { explain, isOutOfMemory, Retryable } from "./failures.js";
import { Filter } from "./filter.js";
import { bindGrants } from "./grants.js";
import { Reducer } from "./reducer.js";
import { Transform } from "./transform.js";

export { bindGrants };

const KINDS = { transform: Transform, filter: Filter, reducer: Reducer };

export function transform(plugin, project) {
  check(plugin, "transform");
  return { definition: definitionOf(plugin, project), transformer: guarded(plugin, ["process"]) };
}

export function filter(plugin, project) {
  check(plugin, "filter");
  return { definition: definitionOf(plugin, project), predicate: guarded(plugin, ["keep"]) };
}

export function reducer(plugin, project) {
  check(plugin, "reducer");
  if (plugin.migrates !== project.migrates) {
    throw new TypeError("a reducer has a function `migrate` where tidemill-plugin.toml says `migrates = true`, and only there");
  }
  return {
    definition: definitionOf(plugin, project),
    reduction: guarded(plugin, ["fold", "merge", "finish"]),
    migration: guarded(plugin, ["migrate"]),
  };
}

function check(plugin, world) {
  if (!(plugin instanceof KINDS[world])) {
    throw new TypeError(`the default export of src/plugin is no ${world}, as tidemill-plugin.toml says: make it with \`${world}({…})\``);
  }
}

function definitionOf(plugin, { name, version }) {
  const parameters = Object.entries(plugin.parameters).map(([parameter, { kind, default: fallback, doc }]) => ({
    name: parameter,
    kind,
    default: fallback === null ? null : { tag: kind, val: fallback },
    doc,
  }));
  const reads = {
    keys: plugin.reads.includes("key"),
    values: plugin.reads.includes("value"),
    headers: plugin.reads.includes("headers"),
    timestamps: plugin.reads.includes("timestamp"),
  };
  const { summary, ports, stateVersion } = plugin;
  return {
    describe: () => ({ name, version, summary, parameters, reads, ports, stateVersion }),
    configure(settings) {
      try {
        plugin.configure(Object.fromEntries(settings.map(({ name, value }) => [name, value.val])));
      } catch (error) {
        throw error instanceof RangeError ? error.message : explain(error);
      }
    },
  };
}

/** Errors of the call as a whole, in the contract's words. */
function guarded(plugin, names) {
  const run = (name) => (...parameters) => {
    try {
      return plugin[name](...parameters);
    } catch (error) {
      if (isOutOfMemory(error)) throw error;
      throw { tag: error instanceof Retryable ? "retryable" : "fatal", val: explain(error) };
    }
  };
  return Object.fromEntries(names.map((name) => [name, run(name)]));
}
