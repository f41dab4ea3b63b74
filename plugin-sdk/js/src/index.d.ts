/** Content of a part of a record: text is written as UTF-8. */
export type Content = string | Uint8Array | null;
/** A name, and a value or `null`. */
export type Header = [name: string, value: Uint8Array | null];
export type Part = "key" | "value" | "headers" | "timestamp";

/** An input record. Parts that the plugin does not read are empty. */
export interface Record {
  /** A view of the call's own buffer; empty where the value is absent. */
  readonly value: Uint8Array;
  /** The value as text; a record whose value is not UTF-8 is rejected. */
  readonly text: string;
  /** The value as JSON; a record whose value is none is rejected. */
  readonly json: any;
  readonly hasValue: boolean;
  readonly key: Uint8Array;
  readonly keyText: string;
  readonly hasKey: boolean;
  /** Decoded each time that they are asked for. */
  readonly headers: Header[];
  /** Milliseconds since 1970-01-01 UTC. */
  readonly timestamp: number;
}

/** A record to emit. What is left out stays as it is in the input record; `null` makes a part absent. */
export interface Out {
  value?: Content;
  key?: Content;
  headers?: [name: string, value: Content][] | null;
  timestamp?: number;
  /** Name of the output port; the first one by default. */
  port?: string;
}

/** A record with that value, a record, none, or several of them. */
export type Output = string | Uint8Array | Out | null | undefined | void | Iterable<string | Uint8Array | Out | null>;

export interface Parameter<T> {
  readonly kind: "text" | "integer" | "number" | "boolean";
  readonly type: string;
  readonly doc: string;
  readonly default: T | null;
  readonly choices?: readonly T[];
}
export interface ParameterOptions<T> {
  /** What people read about it. */
  doc: string;
  /** Without one the pipeline has to set it. */
  default?: T;
}
export function text(options: ParameterOptions<string>): Parameter<string>;
export function integer(options: ParameterOptions<number>): Parameter<number>;
export function number(options: ParameterOptions<number>): Parameter<number>;
export function boolean(options: ParameterOptions<boolean>): Parameter<boolean>;
/** One of some words. */
export function choice<const W extends string>(choices: readonly W[], options: ParameterOptions<NoInfer<W>>): Parameter<W>;

export type Parameters = { readonly [name: string]: Parameter<any> };
/** What a pipeline set, by the declared parameters. */
export type Settings<P> = { readonly [N in keyof P]: P[N] extends Parameter<infer T> ? T : never };

interface Common<P extends Parameters, S> {
  /** What the plugin does, in one line. */
  summary: string;
  /** The parts of a record that the plugin looks at; the host leaves the others out. */
  reads?: readonly Part[];
  parameters?: P;
  /** Makes once of the parameters what the functions get as `settings`; what it throws is shown to people. */
  prepare?(parameters: Settings<P>): S;
}

export interface TransformDefinition<P extends Parameters, S> extends Common<P, S> {
  /** Names of the outputs; one, called `out`, by default. */
  ports?: readonly string[];
  /** Called for each record. An error that it throws rejects the record. */
  process(record: Record, settings: S): Output;
}
export interface FilterDefinition<P extends Parameters, S> extends Common<P, S> {
  /** Whether the record is kept. */
  keep(record: Record, settings: S): boolean;
}

/** How accumulators are kept: as text or as bytes. If the form changes, raise `stateVersion`. */
export type Codec<A> =
  | { form: "text"; encode(accumulator: A): string; decode(encoded: string): A }
  | { form: "bytes"; encode(accumulator: A): Uint8Array; decode(encoded: Uint8Array): A };
export const json: Codec<any>;
export const bytes: Codec<Uint8Array>;

/** Half open, in milliseconds since 1970-01-01 UTC. */
export interface Window {
  readonly start: number;
  readonly end: number;
}
/** What a finished accumulator belongs to. */
export interface Group {
  readonly key: Uint8Array;
  readonly keyText: string;
  readonly hasKey: boolean;
  /** `null` for running totals. */
  readonly window: Window | null;
}
/** An accumulator as an older version wrote it. */
export interface State {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly json: any;
}
export interface ReducerDefinition<A, P extends Parameters, S> extends Common<P, S> {
  /** Rises when accumulators get another form than before. */
  stateVersion?: number;
  /** JSON by default. */
  accumulator?: Codec<A>;
  /** What a key without records has: a new one each time, if it can be changed. */
  zero(settings: S): A;
  /** Adds a record (its value and timestamp), and gives the accumulator back. */
  fold(accumulator: A, record: Record, settings: S): A;
  /** Adds what was folded from the records that came after those of `accumulator`. */
  merge(accumulator: A, later: A, settings: S): A;
  /** The value of the key's record. */
  finish(accumulator: A, group: Group, settings: S): Content | undefined;
  /**
   * The accumulator of this version, of one that was written under an older `stateVersion`. tidemill-plugin.toml has to
   * say `migrates = true`. What it throws leaves the older version running.
   */
  migrate?(state: State, fromVersion: number): A;
}

export interface Plugin {
  readonly summary: string;
}
export interface Transform extends Plugin {
  readonly world?: "transform";
}
export interface Filter extends Plugin {
  readonly world?: "filter";
}
export interface Reducer extends Plugin {
  readonly world?: "reducer";
}
export function transform<P extends Parameters = {}, S = Settings<P>>(definition: TransformDefinition<P, S>): Transform;
export function filter<P extends Parameters = {}, S = Settings<P>>(definition: FilterDefinition<P, S>): Filter;
export function reducer<A, P extends Parameters = {}, S = Settings<P>>(definition: ReducerDefinition<A, P, S>): Reducer;

/** This record is refused, the others go on; the operator's policy says what becomes of it. */
export class Reject extends Error {}
/** The whole call fails, and trying again would not help. */
export class Fatal extends Error {}
/** The whole call fails; trying the same records again may help. */
export class Retryable extends Error {}
/** Refuses the record at hand. */
export function reject(reason: string): never;

/** Messages that the host shows; needs the grant `logging`. */
export const log: { [level in "trace" | "debug" | "info" | "warn" | "error"]: (message: string) => void };
/** The plugin's own metrics; needs the grant `metrics`. Label values should be few. */
export const metrics: {
  count(name: string, by?: number, labels?: { [name: string]: string }): void;
  gauge(name: string, value: number, labels?: { [name: string]: string }): void;
};
