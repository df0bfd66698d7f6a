import { ProfileModel, stateOf } from '../model';
import { IMe, IUnavailable, MeReply } from '../tokens';

const ME: IMe = {
  available: true,
  user: 'student1',
  groups: ['hackathon'],
  admin: false,
  facility: { name: 'INFN analysis facility', contact: 'support@example.org' },
  server: null
};

function unavailable(cause: IUnavailable['cause']): IUnavailable {
  const outside = cause === 'outside';
  return { available: false, outside, cause, reason: '' };
}

/** Answers with the given replies in turn, and counts the questions. */
class FakeServer {
  constructor(readonly replies: (MeReply | Error)[]) {}

  asked = 0;

  ask = async (): Promise<MeReply> => {
    const reply = this.replies[this.asked++];
    if (reply === undefined || reply instanceof Error) {
      throw reply ?? new Error('asked too often');
    }
    return reply;
  };
}

describe('stateOf', () => {
  it('knows the person when the facility answered', () => {
    expect(stateOf(ME)).toEqual({ kind: 'known', me: ME });
  });

  it('shows nothing outside a facility', () => {
    expect(stateOf(unavailable('outside'))).toEqual({ kind: 'hidden' });
  });

  it('keeps why the facility did not answer', () => {
    const state = { kind: 'unreachable', cause: 'refused' };
    expect(stateOf(unavailable('refused'))).toEqual(state);
  });
});

describe('ProfileModel', () => {
  it('is hidden until somebody answered', async () => {
    const model = new ProfileModel(new FakeServer([ME]).ask);
    expect(model.isShown).toBe(false);
    await model.refresh();
    expect(model.isShown).toBe(true);
  });

  it('counts a rejection as unreachable', async () => {
    const model = new ProfileModel(new FakeServer([new Error('away')]).ask);
    await model.refresh();
    const state = { kind: 'unreachable', cause: 'unreachable' };
    expect(model.state).toEqual(state);
  });

  it('asks once when two ask at once', async () => {
    const server = new FakeServer([ME]);
    const model = new ProfileModel(server.ask);
    await Promise.all([model.refresh(), model.refresh()]);
    expect(server.asked).toBe(1);
  });

  it('retries while unreachable, and never once it knows', async () => {
    const server = new FakeServer([unavailable('unreachable'), ME]);
    const model = new ProfileModel(server.ask);
    await model.refresh();
    await model.retry();
    await model.retry();
    expect(server.asked).toBe(2);
    expect(model.state).toEqual({ kind: 'known', me: ME });
  });

  it('does not retry outside a facility', async () => {
    const server = new FakeServer([unavailable('outside')]);
    const model = new ProfileModel(server.ask);
    await model.refresh();
    await model.retry();
    expect(server.asked).toBe(1);
  });

  it('is hidden when the person does not want it', async () => {
    const model = new ProfileModel(new FakeServer([ME]).ask);
    await model.refresh();
    model.setWanted(false);
    expect(model.isShown).toBe(false);
  });

  it('says nothing after it was disposed', async () => {
    const model = new ProfileModel(new FakeServer([ME]).ask);
    let changes = 0;
    model.changed.connect(() => changes++);
    const asking = model.refresh();
    model.dispose();
    await asking;
    expect(changes).toBe(0);
    expect(model.state).toEqual({ kind: 'hidden' });
  });
});
