/** How a plugin says that something is wrong. */

/** This record is refused, the others go on; the operator's policy says what becomes of it. */
export class Reject extends Error {}

/** The whole call fails, and trying again would not help. */
export class Fatal extends Error {}

/** The whole call fails; trying the same records again may help. */
export class Retryable extends Error {}

/** Refuses the record at hand. */
export function reject(reason) {
  throw new Reject(reason);
}

/** True for what is no matter of one record. */
export function isOfTheCall(error) {
  return error instanceof Fatal || error instanceof Retryable || isOutOfMemory(error);
}

/** The instance cannot be used any more: the host drops it where the error leaves the component. */
export function isOutOfMemory(error) {
  return error?.name === "InternalError" && /memory/.test(error.message);
}

/** An error in one line. */
export function explain(error) {
  if (error instanceof Reject || error instanceof Fatal || error instanceof Retryable) return error.message;
  if (!(error instanceof Error)) return String(error);
  const place = /([^/\s(]+\.[jt]s:\d+)/.exec(error.stack ?? "");
  return `${error.name}: ${error.message}${place ? ` (${place[1]})` : ""}`;
}
