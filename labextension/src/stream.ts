/**
 * The stream of events from our own server, followed while the page is seen.
 */
import { IDisposable } from '@lumino/disposable';

import { EventParser } from './sse';
import { Cause, StreamEvent } from './tokens';

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
/** A connection that held so long was a good one: the next pause is short again. */
const GOOD = 10_000;
/** Our server says every twenty seconds that it lives; a proxy may hide that it ended. */
const SILENCE = 60_000;

/** A stream that cannot be had, and why. */
class StreamError extends Error {
  constructor(readonly cause: Cause) {
    super(cause);
  }
}

/**
 * Follows the stream: opens it when the page is seen, closes it when the page is
 * hidden, opens it again with the id of the last event. There is no request while the
 * page is hidden, and none by a timer while the stream is open.
 */
export class EventStream implements IDisposable {
  constructor(options: EventStream.IOptions) {
    this._options = options;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Begin to follow. */
  open(): void {
    document.addEventListener('visibilitychange', this);
    this._follow();
  }

  /** Try now, rather than after the pause. */
  retry(): void {
    this._failures = 0;
    this._close();
    this._follow();
  }

  dispose(): void {
    this._isDisposed = true;
    document.removeEventListener('visibilitychange', this);
    this._close();
  }

  /** Listen to the page; called by the browser. */
  handleEvent(): void {
    this._failures = 0;
    if (document.hidden) {
      this._close();
    } else {
      this._follow();
    }
  }

  private _close(): void {
    window.clearTimeout(this._timer);
    this._aborter?.abort();
    this._aborter = null;
  }

  /** Open the stream, unless it is open or must not be. */
  private _follow(): void {
    if (this._aborter || document.hidden || this._isDisposed || this._isOver) {
      return;
    }
    const aborter = new AbortController();
    const began = Date.now();
    this._aborter = aborter;
    void this._read(aborter.signal)
      .catch((error: unknown) => {
        if (!aborter.signal.aborted) {
          this._sayAway(error);
        }
      })
      .then(() => {
        if (!aborter.signal.aborted) {
          this._aborter = null;
          this._wait(Date.now() - began > GOOD ? 0 : this._failures);
        }
      });
  }

  /** Open the stream again after a pause that grows with each failure. */
  private _wait(failures: number): void {
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures);
    this._failures = failures + 1;
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(
      () => this._follow(),
      pause * (0.5 + Math.random() / 2)
    );
  }

  /** Hand on the events of one connection, to its end. */
  private async _read(signal: AbortSignal): Promise<void> {
    const response = await this._options.connect(this._lastId, signal);
    if (!response.ok || !response.body) {
      throw new StreamError(causeOf(response.status));
    }
    if (!isStream(response)) {
      // Once the server is stopped, the hub's page to log in answers in its place.
      throw new StreamError('unreachable');
    }
    const shown = Date.parse(response.headers.get('Date') ?? '');
    if (!Number.isNaN(shown)) {
      this._options.setClock(shown);
    }
    const parser = new EventParser();
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await readOrGiveUp(reader);
      if (done || signal.aborted) {
        return;
      }
      for (const event of parser.feed(
        decoder.decode(value, { stream: true })
      )) {
        this._lastId = event.id || this._lastId;
        this._take(JSON.parse(event.data) as StreamEvent);
      }
    }
  }

  private _take(event: StreamEvent): void {
    this._isAway = event.kind === 'away';
    this._isOver = event.kind === 'away' && event.cause === 'outside';
    this._options.take(event);
  }

  /** Say once that there is no stream. */
  private _sayAway(error: unknown): void {
    const cause = error instanceof StreamError ? error.cause : 'unreachable';
    this._isOver = cause === 'outside';
    if (!this._isAway || this._isOver) {
      this._isAway = true;
      this._options.take({ kind: 'away', cause, reason: '' });
    }
  }

  private readonly _options: EventStream.IOptions;
  private _aborter: AbortController | null = null;
  private _timer = 0;
  private _failures = 0;
  private _lastId = '';
  private _isAway = false;
  private _isOver = false;
  private _isDisposed = false;
}

/** Return the next piece; of a stream that is silent for long, its end. */
async function readOrGiveUp(
  reader: ReadableStreamDefaultReader<Uint8Array>
): Promise<ReadableStreamReadResult<Uint8Array>> {
  const timer = window.setTimeout(() => void reader.cancel(), SILENCE);
  try {
    return await reader.read();
  } finally {
    window.clearTimeout(timer);
  }
}

/** Return whether our own server answers, and not a page of another. */
function isStream(response: Response): boolean {
  const kind = response.headers.get('Content-Type') ?? '';
  return kind.startsWith('text/event-stream');
}

/** Return what the status of our own server means. */
function causeOf(status: number): Cause {
  // A server without our extension, or one that is stopped, answers 404.
  return status === 404 ? 'outside' : 'unreachable';
}

/** A namespace for the stream's options. */
export namespace EventStream {
  /** What the stream is made of. */
  export interface IOptions {
    /** Ask our own server for the stream after an event. */
    connect(lastId: string, signal: AbortSignal): Promise<Response>;
    /** Take an event. */
    take(event: StreamEvent): void;
    /** Take what the server's clock shows, in milliseconds. */
    setClock(shown: number): void;
  }
}
