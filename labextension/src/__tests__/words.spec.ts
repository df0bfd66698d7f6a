import { nullTranslator } from '@jupyterlab/translation';

import { IMe } from '../tokens';
import { memoryText, wordsOf } from '../words';

const trans = nullTranslator.load('jupyterlab_af');

const ME: IMe = {
  available: true,
  user: 'student1',
  groups: [],
  admin: false,
  facility: { name: 'INFN analysis facility', contact: 'support@example.org' },
  server: {
    name: '',
    profile: 'ml-infn',
    profile_display_name: 'ML-INFN',
    size: 'small',
    gpu: 'slice',
    cores: 1.5,
    memory_bytes: 2 * 1024 ** 3,
    start_id: 'a',
    areas: []
  }
};

describe('wordsOf', () => {
  it('names the profile, and its limits on a closer look', () => {
    const state = { kind: 'known', me: ME } as const;
    expect(wordsOf(state, trans, 'en')).toEqual({
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
    const state = { kind: 'known', me: { ...ME, server: null } } as const;
    expect(wordsOf(state, trans, 'en')).toEqual({
      text: 'INFN analysis facility',
      tooltip: 'Contact: support@example.org'
    });
  });

  it('says what to do when the token is refused', () => {
    const state = { kind: 'unreachable', cause: 'refused' } as const;
    const { text, tooltip } = wordsOf(state, trans, 'en');
    expect(text).toBe('Facility: not reachable');
    expect(tooltip).toContain('start it again from the hub.');
  });

  it('says nothing outside a facility', () => {
    const words = { text: '', tooltip: '' };
    expect(wordsOf({ kind: 'hidden' }, trans, 'en')).toEqual(words);
  });
});

describe('memoryText', () => {
  it.each([
    [512 * 1024 ** 2, 'en', '512 MiB'],
    [1024 ** 3, 'en', '1 GiB'],
    [2.5 * 1024 ** 3, 'it', '2,5 GiB']
  ])('%d bytes in %s are %s', (bytes, language, text) => {
    expect(memoryText(bytes, language)).toBe(text);
  });
});
