/**
 * A little world to test in: what the service says, and a server that answers.
 */
import { nullTranslator } from '@jupyterlab/translation';
import { ISignal, Signal } from '@lumino/signaling';

import {
  AccessEnd,
  AreaOfMine,
  ClusterOfMine,
  DaskOfMine,
  HistoryLine,
  Lifetime,
  Me,
  ServerOfMine
} from '../generated/panel';
import { NOTHING } from '../model';
import {
  IDiskActs,
  IFacilityModel,
  IFacilityState,
  ILargest,
  IRecount
} from '../tokens';
import { ILanguage } from '../words';

export const GIB = 1024 ** 3;
export const NOW = Date.parse('2026-11-20T10:00:00Z') / 1000;
export const ENGLISH: ILanguage = {
  trans: nullTranslator.load('jupyterlab_af'),
  code: 'en'
};

export function area(path: string, more: Partial<AreaOfMine> = {}): AreaOfMine {
  return {
    name: path.split('/')[2] ?? path,
    kind: 'private',
    path,
    read_only: false,
    survives: true,
    group: null,
    ...more
  };
}

export const SERVER: ServerOfMine = {
  name: '',
  profile: 'ml-infn',
  profile_display_name: 'ML-INFN',
  size: 'small',
  gpu: 'slice',
  cores: 1.5,
  memory_bytes: 2 * GIB,
  start_id: 's-1',
  home: '/af/private',
  areas: [
    area('/af/private'),
    area('/af/shared', { kind: 'shared', read_only: true, group: 'hackathon' }),
    area('/af/shared/student1', { kind: 'shared', group: 'hackathon' }),
    area('/af/collabspace/GW', { kind: 'collab', group: 'hackathon/gw' }),
    area('/af/collabspace/backups/GW', {
      kind: 'backup',
      read_only: true,
      group: 'hackathon/gw'
    }),
    area('/cvmfs', { kind: 'cvmfs', read_only: true, survives: false })
  ],
  left_out: [{ name: 'archive', reason: 'The area archive is for cygno.' }]
};

export const ME: Me = {
  user: 'student1',
  groups: ['hackathon', 'hackathon/gw'],
  admin: false,
  facility: { name: 'INFN analysis facility', contact: 'support@example.org' },
  server: SERVER
};

export const LIFETIME: Lifetime = {
  started_at: NOW - 3600,
  last_active_at: NOW - 600,
  idle_seconds: 3600,
  longest_seconds: 12 * 3600,
  active_while: ['kernels'],
  idle_stop_at: NOW + 3000,
  longest_stop_at: NOW + 11 * 3600,
  stop_at: NOW + 3000,
  warn_seconds: 600
};

export const CLUSTER: ClusterOfMine = {
  name: '0123456789abcdef',
  server_name: '',
  is_of_this_server: true,
  status: 'running',
  started_at: NOW - 60,
  worker_cores: 1,
  worker_memory_bytes: 2 * GIB,
  wanted: 3,
  ready: 2
};

export const DASK: DaskOfMine = {
  max_clusters: 2,
  worker_cores: [1, 4],
  worker_memory_bytes: [GIB, 8 * GIB],
  user_cores: 16,
  user_memory_bytes: 32 * GIB,
  used_cores: 3,
  used_memory_bytes: 6 * GIB,
  idle_seconds: 1800
};

export function line(id: number, more: Partial<HistoryLine> = {}): HistoryLine {
  return {
    id,
    at: NOW - 100 + id,
    actor: 'student1',
    action: 'server.start',
    target: 'student1/',
    rule: '',
    result: 'done',
    ...more
  };
}

export const ALL: IFacilityState = {
  connection: { kind: 'back' },
  me: ME,
  lifetime: LIFETIME,
  clusters: [CLUSTER],
  dask: DASK,
  storage: null,
  access: null,
  token: null,
  lines: [line(2), line(1)]
};

export const END: AccessEnd = {
  rule: 'denied',
  reason: 'Your groups no longer open this. Ask support@example.org.',
  since: NOW,
  ends_at: NOW + 600
};

/** An open document, as far as saving it looks at it. */
export class FakeDocument {
  constructor(
    readonly localPath: string,
    more: { dirty?: boolean; collaborative?: boolean; canSave?: boolean } = {}
  ) {
    const { dirty = true, collaborative = false, canSave = true } = more;
    this.model = { dirty, collaborative };
    this.canSave = canSave;
  }

  readonly model: { dirty: boolean; collaborative: boolean };
  readonly canSave: boolean;
  trouble: Error | null = null;
  saves = 0;

  async save(): Promise<void> {
    this.saves += 1;
    if (this.trouble) {
      throw this.trouble;
    }
    this.model.dirty = false;
  }
}

/** Says what it is told to say, and notes what is asked of it. */
export class FakeModel implements IFacilityModel {
  constructor(state: Partial<IFacilityState> = ALL) {
    this.state = { ...NOTHING, ...state };
  }

  readonly root: string = '/af';
  readonly asked: string[] = [];
  state: IFacilityState;
  time = NOW;
  answer: Lifetime | Error = LIFETIME;
  diskTrouble: Error | null = null;
  recounted: IRecount = { has_begun: true, again_at: NOW, counted_at: NOW };
  filling: ILargest = {
    entries: [],
    largest_files: [],
    used_bytes: 0,
    files: 0,
    counted_at: null
  };

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Change the state. */
  tell(state: Partial<IFacilityState>): void {
    this.state = { ...this.state, ...state };
    this._changed.emit();
  }

  now(): number {
    return this.time;
  }

  async keep(): Promise<Lifetime> {
    this.asked.push('keep');
    if (this.answer instanceof Error) {
      throw this.answer;
    }
    this.tell({ lifetime: this.answer });
    return this.answer;
  }

  async stopCluster(name: string): Promise<void> {
    this.asked.push(`stop ${name}`);
    if (this.answer instanceof Error) {
      throw this.answer;
    }
  }

  readonly disks: IDiskActs = {
    largest: ({ area, owner }, path) =>
      this._disk(`largest ${area}/${owner} ${path}`, () => this.filling),
    recount: ({ area, owner }) =>
      this._disk(`recount ${area}/${owner}`, () => this.recounted),
    remove: path => this._disk(`remove ${path}`, () => undefined)
  };

  dashboardUrl(name: string): string {
    return `/user/student1/jupyterlab-af/clusters/${name}/status`;
  }

  retry(): void {
    this.asked.push('retry');
  }

  private async _disk<T>(asked: string, answer: () => T): Promise<T> {
    this.asked.push(asked);
    if (this.diskTrouble) {
      throw this.diskTrouble;
    }
    return answer();
  }

  private readonly _changed = new Signal<this, void>(this);
}

type Piece = { readonly done: boolean; readonly value?: Uint8Array };

/** A stream that the test writes, and a browser's response that carries it. */
export class FakeStream {
  constructor(status = 200, date = '', kind = 'text/event-stream') {
    const headers = new Headers({
      'Content-Type': kind,
      ...(date && { Date: date })
    });
    const reader = {
      read: () => this._read(),
      cancel: async () => this.end()
    };
    const body = { getReader: () => reader };
    const ok = status === 200;
    this.response = { ok, status, headers, body } as unknown as Response;
  }

  readonly response: Response;

  write(text: string): void {
    const value = new TextEncoder().encode(text);
    this._put(Promise.resolve({ done: false, value }));
  }

  end(): void {
    this._put(Promise.resolve({ done: true }));
  }

  break(): void {
    const broken = Promise.reject<Piece>(new TypeError('network error'));
    broken.catch(() => undefined);
    this._put(broken);
  }

  private _put(piece: Promise<Piece>): void {
    this._pieces.push(piece);
    this._arrived();
  }

  private async _read(): Promise<Piece> {
    while (this._pieces.length === 0) {
      await new Promise<void>(resolve => (this._arrived = resolve));
    }
    return this._pieces.shift() as Promise<Piece>;
  }

  private readonly _pieces: Promise<Piece>[] = [];
  private _arrived = (): void => undefined;
}

/** Hide the page or show it, as a browser does. */
export function setHidden(isHidden: boolean): void {
  Object.defineProperty(document, 'hidden', {
    configurable: true,
    value: isHidden
  });
  document.dispatchEvent(new Event('visibilitychange'));
}

/** Let everything that waits only for others come to its end. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await Promise.resolve();
    await new Promise(resolve =>
      jest.requireActual('timers').setImmediate(resolve)
    );
  }
}

/** Wait until a check no longer throws; throw what it throws if it always does. */
export async function eventually(check: () => void): Promise<void> {
  const end = Date.now() + 5000;
  for (;;) {
    try {
      check();
      return;
    } catch (error) {
      if (Date.now() > end) {
        throw error;
      }
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}
