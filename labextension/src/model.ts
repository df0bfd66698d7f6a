/**
 * What is known of the facility; the widgets draw it.
 */
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { HistoryLine, Lifetime } from './generated/panel';
import {
  IDiskActs,
  IFacilityModel,
  IFacilityState,
  StreamEvent
} from './tokens';

/** How many lines about me are kept. */
const LINES = 50;

/** A clock that is so little off is right: the server's clock is read in seconds. */
const SKEW_SECONDS = 5;

/** Nothing is known yet. */
export const NOTHING: IFacilityState = {
  connection: { kind: 'waiting' },
  me: null,
  lifetime: null,
  clusters: [],
  dask: null,
  storage: null,
  access: null,
  token: null,
  lines: []
};

/** Return the state after an event. */
export function reduce(
  state: IFacilityState,
  event: StreamEvent
): IFacilityState {
  switch (event.kind) {
    case 'away':
    case 'back':
      return { ...state, connection: event };
    case 'me':
      return { ...state, me: event.me };
    case 'lifetime':
      return { ...state, lifetime: event.lifetime };
    case 'clusters':
      return { ...state, clusters: event.clusters, dask: event.dask };
    case 'storage':
      return { ...state, storage: event };
    case 'access':
      return { ...state, access: event.end };
    case 'token':
      return { ...state, token: event.token };
    case 'history':
      return { ...state, lines: newest(state.lines, event.lines) };
    default:
      // A newer service may say more.
      return state;
  }
}

/** Return the newest of both, newest first; a line that is told twice is one line. */
function newest(
  known: readonly HistoryLine[],
  told: readonly HistoryLine[]
): HistoryLine[] {
  const lines = new Map([...known, ...told].map(line => [line.id, line]));
  return [...lines.values()].sort((a, b) => b.id - a.id).slice(0, LINES);
}

/**
 * Keeps the state that the events of the stream lead to; asks nothing by itself.
 */
export class FacilityModel implements IFacilityModel, IDisposable {
  constructor(options: FacilityModel.IOptions) {
    this._acts = options.acts;
    this.root = options.root;
  }

  readonly root: string;

  get state(): IFacilityState {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  now(): number {
    return Date.now() / 1000 + this._skew;
  }

  /** Say what the server's clock showed just now, in milliseconds. */
  setClock(shown: number): void {
    const skew = (shown - Date.now()) / 1000;
    this._skew = Math.abs(skew) > SKEW_SECONDS ? skew : 0;
  }

  /** Take an event of the stream. */
  take(event: StreamEvent): void {
    const state = reduce(this._state, event);
    if (state !== this._state && !this._isDisposed) {
      this._state = state;
      this._changed.emit();
    }
  }

  async keep(): Promise<Lifetime> {
    const lifetime = await this._acts.keep();
    this.take({ kind: 'lifetime', lifetime });
    return lifetime;
  }

  async stopCluster(name: string): Promise<void> {
    await this._acts.stopCluster(name);
  }

  get disks(): IDiskActs {
    return this._acts.disks;
  }

  dashboardUrl(name: string): string {
    return this._acts.dashboardUrl(name);
  }

  retry(): void {
    this._acts.retry();
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  private readonly _acts: FacilityModel.IActs;
  private readonly _changed = new Signal<this, void>(this);
  private _state = NOTHING;
  private _skew = 0;
  private _isDisposed = false;
}

/** A namespace for the model's options. */
export namespace FacilityModel {
  /** What a person can do. */
  export interface IActs {
    keep(): Promise<Lifetime>;
    stopCluster(name: string): Promise<void>;
    dashboardUrl(name: string): string;
    readonly disks: IDiskActs;
    retry(): void;
  }

  /** What the model is made of. */
  export interface IOptions {
    readonly acts: IActs;
    readonly root: string;
  }
}
