import { TranslationBundle } from '@jupyterlab/translation';

import {
  awaySentence,
  durationText,
  languageOf,
  memoryText,
  timeText,
  wordsOf
} from '../words';
import { NOTHING } from '../model';
import { ALL, END, ENGLISH, ME, NOW } from './worlds';

const { trans } = ENGLISH;
const AWAY = { kind: 'away', cause: 'unreachable', reason: '' } as const;

describe('wordsOf', () => {
  it('names the profile, and its limits on a closer look', () => {
    expect(wordsOf(ALL, ENGLISH, NOW)).toEqual({
      text: 'ML-INFN · small',
      tooltip: [
        'INFN analysis facility',
        'Cores: 1.5',
        'Memory: 2 GiB',
        'GPU: slice',
        'Contact: support@example.org'
      ].join('\n')
    });
  });

  it('names the facility when it did not start this server', () => {
    const state = { ...ALL, me: { ...ME, server: null } };
    expect(wordsOf(state, ENGLISH, NOW)).toEqual({
      text: 'INFN analysis facility',
      tooltip: 'Contact: support@example.org'
    });
  });

  it('says that the facility is away, also where more is known', () => {
    const { text, tooltip } = wordsOf(
      { ...ALL, connection: AWAY },
      ENGLISH,
      NOW
    );
    expect(text).toBe('Facility: not reachable');
    expect(tooltip).toContain('Click to ask again.');
  });

  it('says that the server was stopped, where nothing else is away', () => {
    const access = { ...END, ends_at: NOW };
    const state = { ...ALL, access, connection: AWAY };
    const say = (now: number) => wordsOf(state, ENGLISH, now).text;
    expect(say(NOW - 1)).toBe('Facility: not reachable');
    expect(say(NOW)).toBe('Your server was stopped.');
    expect(
      wordsOf({ ...state, connection: ALL.connection }, ENGLISH, NOW).text
    ).toBe('ML-INFN · small');
  });

  it('says nothing before anything is known', () => {
    expect(wordsOf(NOTHING, ENGLISH, NOW)).toEqual({ text: '', tooltip: '' });
  });
});

describe('awaySentence', () => {
  it('leaves to the service why it refuses', () => {
    const reason = 'You are in no group of this facility.';
    const away = { kind: 'away', cause: 'refused', reason } as const;
    expect(awaySentence(away, trans)).toBe(reason);
    expect(awaySentence({ ...away, reason: '' }, trans)).toContain(
      'start it again from the hub.'
    );
  });
});

describe('memoryText', () => {
  it.each([
    [512 * 1024 ** 2, 'en', '512 MiB'],
    [1024 ** 3, 'en', '1 GiB'],
    [2.5 * 1024 ** 3, 'it', '2,5 GiB']
  ])('%d bytes in %s are %s', (bytes, code, text) => {
    expect(memoryText(bytes, { trans, code })).toBe(text);
  });
});

describe('durationText', () => {
  it.each([
    [-5, '0 s'],
    [45, '45 s'],
    [120, '120 s'],
    [121, '3 min'],
    [3599, '1 h'],
    [5000, '1 h 24 min'],
    [86400 * 2 + 3600, '2 d 1 h']
  ])('%d seconds are %s', (seconds, text) => {
    expect(durationText(seconds, trans)).toBe(text);
  });
});

describe('timeText', () => {
  it('names the day only where it is another', () => {
    expect(timeText(NOW, NOW, ENGLISH)).not.toMatch(/Nov/);
    expect(timeText(NOW + 86400, NOW, ENGLISH)).toMatch(/Nov 21/);
  });
});

describe('languageOf', () => {
  it.each([
    ['en', ['it-IT', 'en-GB'], 'en-GB'],
    ['it_IT', ['en-GB'], 'it-IT'],
    ['it_IT', ['it-CH'], 'it-CH']
  ])('%s in a browser of %j is %s', (languageCode, languages, code) => {
    Object.defineProperty(navigator, 'languages', {
      configurable: true,
      value: languages
    });
    const load = (): TranslationBundle => trans;
    const translator = { languageCode, load };
    expect(languageOf(translator).code).toBe(code);
  });

  it('is English without a translator', () => {
    expect(languageOf(null).trans.__('a %1', 'b')).toBe('a b');
  });
});
