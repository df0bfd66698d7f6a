import { EventStream } from '../stream';
import { StreamEvent } from '../tokens';
import { FakeStream, setHidden, settle } from './worlds';

const BACK = 'event: back\ndata: {"kind":"back"}\n\n';

function history(number: number): string {
  return `id: e-${number}\nevent: history\ndata: {"kind":"history","lines":[]}\n\n`;
}

/** A person's own server: answers with the given streams in turn. */
class FakeServer {
  constructor(readonly streams: (FakeStream | Error)[]) {}

  readonly asked: string[] = [];
  readonly signals: AbortSignal[] = [];
  readonly told: StreamEvent[] = [];
  clock = 0;

  readonly stream = new EventStream({
    connect: async (lastId, signal) => {
      const next = this.streams[this.asked.length];
      this.asked.push(lastId);
      this.signals.push(signal);
      if (next === undefined || next instanceof Error) {
        throw next ?? new Error('asked too often');
      }
      return next.response;
    },
    take: event => this.told.push(event),
    setClock: shown => (this.clock = shown)
  });

  get kinds(): string[] {
    return this.told.map(event => event.kind);
  }
}

async function opened(
  ...streams: (FakeStream | Error)[]
): Promise<[FakeServer, EventStream]> {
  const server = new FakeServer(streams);
  server.stream.open();
  await settle();
  return [server, server.stream];
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] });
  setHidden(false);
});

afterEach(() => {
  jest.useRealTimers();
});

describe('EventStream', () => {
  it('hands on what the server says, wherever it was cut', async () => {
    const first = new FakeStream(200, 'Fri, 20 Nov 2026 10:00:00 GMT');
    const [server, stream] = await opened(first);
    first.write(': \n\nevent: back\nda');
    first.write('ta: {"kind":"back"}\n\n' + history(1));
    await settle();
    expect(server.kinds).toEqual(['back', 'history']);
    expect(server.asked).toEqual(['']);
    expect(server.clock).toBe(Date.parse('2026-11-20T10:00:00Z'));
    stream.dispose();
  });

  it('asks nothing while the page is hidden, and goes on from where it was', async () => {
    const [first, second] = [new FakeStream(), new FakeStream()];
    const [server, stream] = await opened(first, second);
    first.write(BACK + history(7));
    await settle();
    setHidden(true);
    expect(server.signals[0].aborted).toBe(true);
    first.break();
    await settle();
    jest.advanceTimersByTime(24 * 3600 * 1000);
    await settle();
    expect(server.asked).toEqual(['']);
    expect(server.kinds).toEqual(['back', 'history']);
    setHidden(false);
    await settle();
    expect(server.asked).toEqual(['', 'e-7']);
    stream.dispose();
  });

  it('asks nothing on a page that was never seen', async () => {
    setHidden(true);
    const [server, stream] = await opened();
    jest.advanceTimersByTime(3600 * 1000);
    await settle();
    expect(server.asked).toEqual([]);
    stream.dispose();
  });

  it('asks nothing while the stream is open', async () => {
    const first = new FakeStream();
    const [server, stream] = await opened(first);
    for (let minutes = 0; minutes < 20; minutes += 1) {
      jest.advanceTimersByTime(55 * 1000);
      first.write(': \n\n');
      await settle();
    }
    expect(server.asked).toEqual(['']);
    stream.dispose();
  });

  it('comes again when nothing was heard for a minute, though it looks open', async () => {
    const [server, stream] = await opened(new FakeStream(), new FakeStream());
    jest.advanceTimersByTime(61 * 1000);
    await settle();
    jest.advanceTimersByTime(1100);
    await settle();
    expect(server.asked).toEqual(['', '']);
    stream.dispose();
  });

  it('says once that the server is away, and comes again after growing pauses', async () => {
    const broken = Array.from({ length: 8 }, () => new TypeError('Failed'));
    const last = new FakeStream();
    const [server, stream] = await opened(...broken, last);
    const pauses: number[] = [];
    for (let asked = 1; asked < 9; asked++) {
      let waited = 0;
      while (server.asked.length === asked) {
        jest.advanceTimersByTime(250);
        waited += 250;
        await settle();
      }
      pauses.push(waited / 1000);
    }
    expect(pauses[0]).toBeLessThanOrEqual(1.25);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(30.25);
    expect(Math.max(...pauses)).toBeGreaterThan(14);
    last.write(BACK);
    await settle();
    expect(server.kinds).toEqual(['away', 'back']);
    stream.dispose();
  });

  it('comes again when the stream ends, with the id of the last event', async () => {
    const [first, second] = [new FakeStream(), new FakeStream()];
    const [server, stream] = await opened(first, second);
    first.write(history(3));
    await settle();
    first.end();
    await settle();
    jest.advanceTimersByTime(1100);
    await settle();
    expect(server.asked).toEqual(['', 'e-3']);
    expect(server.kinds).toEqual(['history']);
    stream.dispose();
  });

  it('is over outside a facility', async () => {
    const [server, stream] = await opened(new FakeStream(404));
    jest.advanceTimersByTime(3600 * 1000);
    setHidden(true);
    setHidden(false);
    await settle();
    expect(server.asked).toEqual(['']);
    expect(server.told).toEqual([
      { kind: 'away', cause: 'outside', reason: '' }
    ]);
    stream.dispose();
  });

  it('tries at once when the person asks for it', async () => {
    const [server, stream] = await opened(
      new TypeError('Failed'),
      new FakeStream()
    );
    stream.retry();
    await settle();
    expect(server.asked).toEqual(['', '']);
    stream.dispose();
  });

  it('says that the server is away when the page to log in answers', async () => {
    const [server, stream] = await opened(new FakeStream(200, '', 'text/html'));
    expect(server.told).toEqual([
      { kind: 'away', cause: 'unreachable', reason: '' }
    ]);
    stream.dispose();
  });

  it('takes no endless event', async () => {
    const first = new FakeStream();
    const [server, stream] = await opened(first);
    first.write('x'.repeat(600_000));
    await settle();
    expect(server.kinds).toEqual(['away']);
    stream.dispose();
  });

  it('hears nothing after it was disposed', async () => {
    const first = new FakeStream();
    const [server, stream] = await opened(first);
    stream.dispose();
    setHidden(true);
    setHidden(false);
    jest.advanceTimersByTime(3600 * 1000);
    await settle();
    expect(server.signals[0].aborted).toBe(true);
    expect(server.asked).toEqual(['']);
  });
});
