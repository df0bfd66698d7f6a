import { PresenceWatch } from '../presence';
import { setHidden, settle } from './worlds';

const MINUTE = 60_000;

let said: number;
let fails: boolean;
let watch: PresenceWatch;

function press(): void {
  document.body.dispatchEvent(new KeyboardEvent('keydown', { bubbles: true }));
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] });
  setHidden(false);
  said = 0;
  fails = false;
  watch = new PresenceWatch(async () => {
    said += 1;
    if (fails) {
      throw new Error('away');
    }
  });
  watch.open();
});

afterEach(() => {
  watch.dispose();
  jest.useRealTimers();
});

describe('PresenceWatch', () => {
  it('says that the page was opened', () => {
    expect(said).toBe(1);
  });

  it('says what is done at most once a minute, and nothing by itself', () => {
    for (let second = 0; second < 90; second += 1) {
      jest.advanceTimersByTime(1000);
      press();
    }
    expect(said).toBe(2);
    jest.advanceTimersByTime(60 * MINUTE);
    expect(said).toBe(2);
  });

  it.each([
    ['keydown', () => press()],
    ['pointerdown', () => document.dispatchEvent(new Event('pointerdown'))],
    ['wheel', () => document.dispatchEvent(new Event('wheel'))],
    ['touchstart', () => document.dispatchEvent(new Event('touchstart'))]
  ])('takes %s for an act', (_, act) => {
    jest.advanceTimersByTime(2 * MINUTE);
    act();
    expect(said).toBe(2);
  });

  it('does not take a mouse that passes for an act', () => {
    jest.advanceTimersByTime(2 * MINUTE);
    document.dispatchEvent(new Event('pointermove'));
    document.dispatchEvent(new Event('mousemove'));
    expect(said).toBe(1);
  });

  it('sees what a widget keeps to itself', () => {
    const box = document.createElement('div');
    box.addEventListener('keydown', event => event.stopPropagation());
    document.body.append(box);
    jest.advanceTimersByTime(2 * MINUTE);
    box.dispatchEvent(new KeyboardEvent('keydown', { bubbles: true }));
    expect(said).toBe(2);
    box.remove();
  });

  it('says nothing while hidden, and at once when seen again', () => {
    setHidden(true);
    jest.advanceTimersByTime(2 * MINUTE);
    press();
    expect(said).toBe(1);
    setHidden(false);
    expect(said).toBe(2);
  });

  it('says at the next act what failed', async () => {
    jest.advanceTimersByTime(2 * MINUTE);
    fails = true;
    press();
    await settle();
    fails = false;
    press();
    expect(said).toBe(3);
  });

  it('says again after the clock was set back', () => {
    jest.setSystemTime(Date.now() - 100 * MINUTE);
    press();
    expect(said).toBe(2);
  });

  it('says nothing once it is disposed', () => {
    watch.dispose();
    jest.advanceTimersByTime(2 * MINUTE);
    press();
    expect(said).toBe(1);
    expect(watch.isDisposed).toBe(true);
  });
});
