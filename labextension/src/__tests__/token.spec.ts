import { Widget } from '@lumino/widgets';
import { MessageLoop } from '@lumino/messaging';

import { AccessEnd, TokenOfMine } from '../generated/panel';
import { tokenWords } from '../token';
import { TokenItem } from '../tokenitem';
import { ALL, ENGLISH, FakeModel, NOW } from './worlds';

function token(left: number | null, problem = ''): TokenOfMine {
  const expires_at = left === null ? null : NOW + left;
  return { expires_at, lifetime_seconds: 3600, problem };
}

describe('tokenWords', () => {
  it.each<[TokenOfMine | null, string, boolean, RegExp]>([
    [null, '', false, /^$/],
    [token(43 * 60), 'IAM token: valid 43 min', false, /renewed by itself/],
    [token(720), 'IAM token: valid 12 min', false, /renewed by itself/],
    [token(719), 'IAM token: valid 12 min', true, /Log out at the hub/],
    [token(60), 'IAM token: valid 60 s', true, /Log out at the hub/],
    [token(0), 'IAM token: expired', true, /Log out at the hub/],
    [token(null, 'Log in again.'), 'IAM token: none', true, /^Log in again\.$/],
    [token(3000, 'Refused.'), 'IAM token: valid 50 min', true, /^Refused\.$/],
    [
      { ...token(60), lifetime_seconds: null },
      'IAM token: valid 60 s',
      false,
      /renewed by itself/
    ]
  ])('%j is "%s"', (told, text, isAmber, tooltip) => {
    const words = tokenWords(told, NOW, ENGLISH);
    expect([words.text, words.isAmber]).toEqual([text, isAmber]);
    expect(words.tooltip).toMatch(tooltip);
  });
});

describe('TokenItem', () => {
  let model: FakeModel;
  let item: TokenItem;
  let opened: number;

  function draw(): void {
    MessageLoop.flush();
  }

  beforeEach(() => {
    jest.useFakeTimers();
    opened = 0;
    model = new FakeModel({ ...ALL, token: token(43 * 60) });
    const open = (): void => void (opened += 1);
    item = new TokenItem({ model, language: ENGLISH, open });
    Widget.attach(item, document.body);
    draw();
  });

  afterEach(() => {
    item.dispose();
    jest.useRealTimers();
  });

  it('counts down by itself and asks nothing', () => {
    expect(item.node.textContent).toBe('IAM token: valid 43 min');
    model.time += 61;
    jest.advanceTimersByTime(61_000);
    draw();
    expect(item.node.textContent).toBe('IAM token: valid 42 min');
    expect(model.asked).toEqual([]);
  });

  it('goes when the server was stopped, and the token with it', () => {
    const access = {
      rule: 'denied',
      reason: '',
      since: NOW - 60,
      ends_at: NOW
    };
    model.tell({ access: access as AccessEnd });
    draw();
    expect(item.isShown).toBe(true);
    model.tell({
      connection: { kind: 'away', cause: 'unreachable', reason: '' }
    });
    draw();
    expect(item.isShown).toBe(false);
  });

  it('is amber when it is not renewed, and no longer when it is', () => {
    model.tell({ token: token(43 * 60, 'Log in again.') });
    draw();
    expect(item.hasClass('jp-mod-warn')).toBe(true);
    expect(item.node.title).toBe('Log in again.');
    model.tell({ token: token(3600) });
    draw();
    expect(item.hasClass('jp-mod-warn')).toBe(false);
  });

  it('shows nothing where there is no token to have', () => {
    let changes = 0;
    item.shownChanged.connect(() => (changes += 1));
    expect(item.isShown).toBe(true);
    model.tell({ token: null });
    expect([item.isShown, changes]).toEqual([false, 1]);
  });

  it('opens the panel at a click', () => {
    item.node.click();
    expect(opened).toBe(1);
  });

  it('is quiet after it was disposed', () => {
    item.dispose();
    model.tell({ token: null });
    jest.advanceTimersByTime(3_600_000);
    expect(item.isDisposed).toBe(true);
  });
});
