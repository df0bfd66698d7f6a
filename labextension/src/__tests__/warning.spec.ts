import { Notification } from '@jupyterlab/apputils';

import { StopWarning } from '../warning';
import {
  ALL,
  ENGLISH,
  FakeModel,
  LIFETIME,
  NOW,
  setHidden,
  settle
} from './worlds';

/** Let time go by, for the model and for timers. */
async function pass(model: FakeModel, seconds: number): Promise<void> {
  model.time += seconds;
  jest.advanceTimersByTime(seconds * 1000);
  await settle();
}

function shown(): string[] {
  return Notification.manager.notifications.map(({ message }) => message);
}

function press(): void {
  const [action] = Notification.manager.notifications[0].options.actions ?? [];
  action.callback(new MouseEvent('click'));
}

function warned(model = new FakeModel(ALL)): [FakeModel, StopWarning] {
  return [model, new StopWarning({ model, language: ENGLISH })];
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] });
  setHidden(false);
  Notification.dismiss();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('StopWarning', () => {
  it('warns when the end comes near, once', async () => {
    const [model, warning] = warned();
    await pass(model, 3000 - 600 - 10);
    expect(shown()).toEqual([]);
    await pass(model, 15);
    expect(shown()).toEqual([
      expect.stringMatching(
        /^Your server stops at .* because nothing happens in it\. Saved files stay\.$/
      )
    ]);
    model.tell({ clusters: [] });
    await pass(model, 60);
    expect(shown()).toHaveLength(1);
    warning.dispose();
  });

  it('takes the warning back when the end moves away', async () => {
    const [model, warning] = warned();
    await pass(model, 2500);
    expect(shown()).toHaveLength(1);
    const later = NOW + 6000;
    model.tell({
      lifetime: { ...LIFETIME, idle_stop_at: later, stop_at: later }
    });
    expect(shown()).toEqual([]);
    await pass(model, 3000);
    expect(shown()).toHaveLength(1);
    warning.dispose();
  });

  it('keeps the server when asked, and says until when', async () => {
    const [model, warning] = warned();
    await pass(model, 2500);
    model.answer = { ...LIFETIME, stop_at: NOW + 6000 };
    press();
    await settle();
    expect(model.asked).toEqual(['keep']);
    expect(shown()).toEqual([
      expect.stringMatching(/^Your server now runs until .*\.$/)
    ]);
    warning.dispose();
  });

  it('says why the server cannot be kept', async () => {
    const [model, warning] = warned();
    await pass(model, 2500);
    model.answer = new Error('Your server ends at 18:00.');
    press();
    await settle();
    expect(shown()).toContain('Your server ends at 18:00.');
    warning.dispose();
  });

  it('offers nothing where nothing can be moved', async () => {
    const lifetime = { ...LIFETIME, idle_stop_at: null, idle_seconds: null };
    const [model, warning] = warned(
      new FakeModel({
        ...ALL,
        lifetime: {
          ...lifetime,
          stop_at: NOW + 700,
          longest_stop_at: NOW + 700
        }
      })
    );
    await pass(model, 200);
    expect(shown()[0]).toContain('its longest time is over');
    const [notification] = Notification.manager.notifications;
    expect(notification.options.actions).toEqual([]);
    warning.dispose();
  });

  it('says nothing while the facility is away', async () => {
    const [model, warning] = warned();
    model.tell({
      connection: { kind: 'away', cause: 'unreachable', reason: '' }
    });
    await pass(model, 2900);
    expect(shown()).toEqual([]);
    model.tell({ connection: { kind: 'back' } });
    await pass(model, 2);
    expect(shown()).toHaveLength(1);
    warning.dispose();
  });

  it('says nothing on a hidden page, and what holds when it is seen again', async () => {
    const [model, warning] = warned();
    setHidden(true);
    await pass(model, 2500);
    expect(shown()).toEqual([]);
    setHidden(false);
    model.tell({ connection: { kind: 'back' } });
    await pass(model, 2);
    expect(shown()).toHaveLength(1);
    warning.dispose();
    expect(shown()).toEqual([]);
  });
});
