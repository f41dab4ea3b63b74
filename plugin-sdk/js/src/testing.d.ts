import type { Content, Filter, Header, Reducer, Transform, Window } from "./index.js";

/** Text and bytes stand for a record with that value. */
export type RecordLike =
  | string
  | Uint8Array
  | { value?: Content; key?: Content; headers?: [name: string, value: Content][]; timestamp?: number };

/** A record that a transform emitted, with what it inherited. */
export interface Emitted {
  readonly key: Uint8Array | null;
  readonly keyText: string | null;
  readonly value: Uint8Array | null;
  readonly text: string | null;
  readonly headers: Header[];
  readonly timestamp: number;
  readonly port: string;
}
type Values = { [name: string]: string | number | boolean };

/** Runs a transform over records. */
export function run(plugin: Transform, records: RecordLike[], settings?: Values): {
  emitted: Emitted[];
  rejected: { index: number; reason: string }[];
};
/** The records that a filter keeps. */
export function kept<R extends RecordLike>(plugin: Filter, records: R[], settings?: Values): R[];
/** The value of each key as text. */
export function reduce(plugin: Reducer, records: RecordLike[], settings?: Values, window?: Window | null): { [key: string]: string | null };
/** Throws where a cut of the records gives another result. */
export function checkReducer(plugin: Reducer, records: RecordLike[], settings?: Values): void;
/** The accumulators, as text, that a reducer makes of those that an older version wrote. */
export function migrated(plugin: Reducer, states: (string | Uint8Array | object)[], fromVersion: number): string[];
/** What was logged and counted. */
export const remembered: {
  messages: { level: string; message: string }[];
  counters: { name: string; by: number; labels: object }[];
  gauges: { name: string; value: number; labels: object }[];
};
export function textOf(bytes: Uint8Array | null): string | null;
export function bytes(text: string): Uint8Array;
