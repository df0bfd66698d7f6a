/**
 * What is known of the facility; the widget draws it.
 */
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { Cause, IMe, MeReply } from './tokens';

/** Nothing to show, the facility's answer, or why there is none. */
export type ProfileState =
  | { readonly kind: 'hidden' }
  | { readonly kind: 'known'; readonly me: IMe }
  | { readonly kind: 'unreachable'; readonly cause: Cause };

/** Return the state that a reply leads to. */
export function stateOf(reply: MeReply): ProfileState {
  if (reply.available) {
    return { kind: 'known', me: reply };
  }
  if (reply.outside) {
    return { kind: 'hidden' };
  }
  return { kind: 'unreachable', cause: reply.cause };
}

/**
 * Asks once, and again only when told to; never by a timer.
 */
export class ProfileModel implements IDisposable {
  /**
   * @param ask asks the person's own server; a rejection counts as unreachable.
   */
  constructor(ask: () => Promise<MeReply>) {
    this._ask = ask;
  }

  get state(): ProfileState {
    return this._state;
  }

  /** Emitted when the state or the person's wish to see it changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether there is something to show, and the person wants to see it. */
  get isShown(): boolean {
    return this._isWanted && this._state.kind !== 'hidden';
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Say whether the person wants to see the profile. */
  setWanted(isWanted: boolean): void {
    this._isWanted = isWanted;
    this._changed.emit();
  }

  /** Ask, unless a question is on its way. */
  async refresh(): Promise<void> {
    if (this._isAsking || this._isDisposed) {
      return;
    }
    this._isAsking = true;
    const state = await this._nextState();
    this._isAsking = false;
    if (!this._isDisposed) {
      this._state = state;
      this._changed.emit();
    }
  }

  /** Ask again if the last question had no answer. */
  async retry(): Promise<void> {
    if (this._state.kind === 'unreachable') {
      await this.refresh();
    }
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  private async _nextState(): Promise<ProfileState> {
    try {
      return stateOf(await this._ask());
    } catch {
      // The widget says so, and the person can ask again.
      return { kind: 'unreachable', cause: 'unreachable' };
    }
  }

  private readonly _ask: () => Promise<MeReply>;
  private readonly _changed = new Signal<this, void>(this);
  private _state: ProfileState = { kind: 'hidden' };
  private _isAsking = false;
  private _isDisposed = false;
  private _isWanted = true;
}
