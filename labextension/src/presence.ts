/**
 * Whether somebody is at the keyboard, said to our own server at most once a minute.
 */
import { IDisposable } from '@lumino/disposable';

/** What a person does on a page. Moving the mouse past it is not among them. */
const ACTS = ['keydown', 'pointerdown', 'wheel', 'touchstart'] as const;
/** Between two words of the same page, in milliseconds. */
const PAUSE = 60_000;

/**
 * Says when the page is opened, seen again or used; says nothing while it is hidden,
 * and has no timer.
 */
export class PresenceWatch implements IDisposable {
  /** @param say - tells our own server; what fails is said at the next act. */
  constructor(say: () => Promise<void>) {
    this._say = say;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Begin to watch. */
  open(): void {
    // where a widget keeps an event to itself, the act is seen before it
    const options = { capture: true, passive: true };
    for (const act of ACTS) {
      document.addEventListener(act, this, options);
    }
    document.addEventListener('visibilitychange', this);
    this.handleEvent();
  }

  dispose(): void {
    this._isDisposed = true;
    for (const act of ACTS) {
      document.removeEventListener(act, this, { capture: true });
    }
    document.removeEventListener('visibilitychange', this);
  }

  /** Take an act; called by the browser. */
  handleEvent(): void {
    const now = Date.now();
    if (document.hidden || Math.abs(now - this._saidAt) < PAUSE) {
      return;
    }
    this._saidAt = now;
    this._say().catch(() => (this._saidAt = 0));
  }

  private readonly _say: () => Promise<void>;
  private _saidAt = 0;
  private _isDisposed = false;
}
