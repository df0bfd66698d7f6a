import { FacilityModel, NOTHING, reduce } from '../model';
import { StreamEvent } from '../tokens';
import { CLUSTER, DASK, END, FakeModel, LIFETIME, line, ME } from './worlds';

const EVENTS: StreamEvent[] = [
  { kind: 'back' },
  { kind: 'me', me: ME },
  { kind: 'lifetime', lifetime: LIFETIME },
  { kind: 'clusters', clusters: [CLUSTER], dask: DASK },
  { kind: 'storage', trees: [], is_rescue: true, volume_is_full: false },
  { kind: 'access', end: END },
  {
    kind: 'token',
    token: { expires_at: 1, lifetime_seconds: 2, problem: '' }
  },
  { kind: 'history', lines: [line(1), line(2)] }
];

function makeModel(): FacilityModel {
  return new FacilityModel({
    root: '/af',
    acts: {
      keep: async () => ({ ...LIFETIME, stop_at: 1 }),
      stopCluster: async () => undefined,
      dashboardUrl: name => name,
      disks: new FakeModel().disks,
      retry: () => undefined
    }
  });
}

describe('reduce', () => {
  it('keeps the newest of each kind', () => {
    expect(EVENTS.reduce(reduce, NOTHING)).toEqual({
      connection: { kind: 'back' },
      me: ME,
      lifetime: LIFETIME,
      clusters: [CLUSTER],
      dask: DASK,
      storage: {
        kind: 'storage',
        trees: [],
        is_rescue: true,
        volume_is_full: false
      },
      access: END,
      token: { expires_at: 1, lifetime_seconds: 2, problem: '' },
      lines: [line(2), line(1)]
    });
    const back: StreamEvent = { kind: 'access', end: null };
    expect(reduce({ ...NOTHING, access: END }, back)).toEqual(NOTHING);
  });

  it('counts a line that is told twice once, and keeps fifty', () => {
    const lines = Array.from({ length: 80 }, (_, id) => line(id));
    const events: StreamEvent[] = [
      { kind: 'history', lines: lines.slice(0, 60) },
      { kind: 'history', lines: lines.slice(40) }
    ];
    const ids = events.reduce(reduce, NOTHING).lines.map(({ id }) => id);
    expect(ids).toEqual(Array.from({ length: 50 }, (_, i) => 79 - i));
  });

  it('keeps what was known while the facility is away', () => {
    const known = EVENTS.reduce(reduce, NOTHING);
    const away = { kind: 'away', cause: 'unreachable', reason: '' } as const;
    expect(reduce(known, away)).toEqual({ ...known, connection: away });
  });

  it('leaves out what a newer service says', () => {
    const news = { kind: 'news' } as unknown as StreamEvent;
    expect(reduce(NOTHING, news)).toBe(NOTHING);
  });
});

describe('FacilityModel', () => {
  it('says that it changed, and nothing after it was disposed', () => {
    const model = makeModel();
    let changes = 0;
    model.changed.connect(() => (changes += 1));
    model.take(EVENTS[0]);
    model.dispose();
    model.take(EVENTS[1]);
    expect(changes).toBe(1);
  });

  it('knows at once when the server that is kept ends', async () => {
    const model = makeModel();
    await model.keep();
    expect(model.state.lifetime?.stop_at).toBe(1);
  });

  it('goes by the clock of the server where the own one is wrong', () => {
    jest.useFakeTimers();
    const model = makeModel();
    model.setClock(Date.now() + 3_600_000);
    expect(model.now() - Date.now() / 1000).toBeCloseTo(3600, 0);
    model.setClock(Date.now() + 900);
    expect(model.now() - Date.now() / 1000).toBeCloseTo(0, 0);
    jest.useRealTimers();
  });
});
