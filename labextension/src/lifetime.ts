/**
 * When the server is stopped, by which rule, and whether a person can put it off.
 */
import { Lifetime } from './generated/panel';

/** A person is offered to put the end off when that gives so much of the idle time. */
const WORTH_SHARE = 0.1;
/** And always when it gives this much. */
const WORTH_SECONDS = 60;

/** When the server is stopped. Times are in seconds since 1970. */
export interface IDeadline {
  readonly at: number;
  readonly rule: 'idle' | 'longest';
  /** When it would be stopped if the person asked now; null if that moves nothing. */
  readonly keptUntil: number | null;
}

/** Return when the server is stopped, or null if it never is. */
export function deadlineOf(
  lifetime: Lifetime | null,
  now: number
): IDeadline | null {
  if (lifetime === null || lifetime.stop_at === null) {
    return null;
  }
  const {
    stop_at: at,
    longest_stop_at: ceiling,
    idle_seconds: idle
  } = lifetime;
  if (ceiling !== null && at >= ceiling) {
    return { at, rule: 'longest', keptUntil: null };
  }
  const kept = Math.min(now + (idle ?? 0), ceiling ?? Infinity);
  const worth = Math.min(WORTH_SECONDS, (idle ?? 0) * WORTH_SHARE);
  return {
    at,
    rule: 'idle',
    keptUntil: kept - at >= worth ? kept : null
  };
}

/** Return how long to wait until the text of a countdown changes, in seconds. */
export function tickOf(left: number): number {
  if (left <= 120) {
    return 1;
  }
  // On to the next whole minute, or to where seconds begin to be told.
  return Math.min(left % 60 || 60, left - 120) + 0.05;
}
