import {
  endSentence,
  ISavable,
  reasonText,
  saveAll,
  savedSentences,
  standingOf
} from '../access';
import { AccessEnd } from '../generated/panel';
import { NOTHING } from '../model';
import { END, ENGLISH, FakeDocument, ME, NOW } from './worlds';

const AWAY = { kind: 'away', cause: 'unreachable', reason: '' } as const;

describe('standingOf', () => {
  it.each([
    ['none', null, 0, { kind: 'back' }],
    ['courtesy', END, -1, { kind: 'back' }],
    ['courtesy', END, -1, AWAY],
    ['stopping', END, 0, { kind: 'back' }],
    ['stopping', END, 1, { kind: 'waiting' }],
    ['stopped', END, 0, AWAY]
  ] as const)('is %s', (standing, access, seconds, connection) => {
    const state = { ...NOTHING, access, connection };
    expect(standingOf(state, END.ends_at + seconds)).toBe(standing);
  });
});

describe('endSentence', () => {
  it.each([
    ['courtesy', /^Your server stops at .+\. Save your work now\.$/],
    ['stopping', /^Your server stops now\. Saved files stay\.$/],
    ['stopped', /^Your server was stopped\. Saved files stay\.$/]
  ] as const)('of %s', (standing, words) => {
    expect(endSentence(END, standing, NOW, ENGLISH)).toMatch(words);
  });
});

describe('reasonText', () => {
  const italian = { ...ENGLISH, code: 'it-IT' };

  it('is in the words of the service in English, and where nobody is known', () => {
    expect(reasonText(END, ME, ENGLISH)).toBe(END.reason);
    expect(reasonText(END, null, italian)).toBe(END.reason);
  });

  it.each<[AccessEnd['rule'], RegExp]>([
    ['denied', /groups no longer open INFN .* support@example\.org/],
    ['suspended', /suspended .* support@example\.org/],
    ['aup-unsigned', /acceptable use policy.*INFN/],
    ['login-needed', /INFN analysis facility again/],
    ['expired', /not answered for a long time.*support@example\.org/],
    ['withheld', /started with\. Ask support@example\.org/]
  ])('of %s says why and whom to ask, in any language', (rule, words) => {
    expect(reasonText({ ...END, rule }, ME, italian)).toMatch(words);
  });
});

describe('saveAll', () => {
  const saved = async (...documents: FakeDocument[]): Promise<string[]> =>
    savedSentences(
      await saveAll(documents as unknown as ISavable[], ENGLISH.trans),
      ENGLISH.trans
    );

  it('saves what has changes, and nothing else', async () => {
    const clean = new FakeDocument('clean.txt', { dirty: false });
    const shared = new FakeDocument('shared.ipynb', { collaborative: true });
    const [a, b] = [new FakeDocument('a.ipynb'), new FakeDocument('b.txt')];
    expect(await saved(a, clean, b, shared)).toEqual([
      'Saved: a.ipynb, b.txt.'
    ]);
    const counts = [a, clean, b, shared].map(({ saves }) => saves);
    expect(counts).toEqual([1, 0, 1, 0]);
  });

  it('says what could not be saved and why, and saves the others', async () => {
    const full = new FakeDocument('full.txt');
    full.trouble = new Error('The disk is full.');
    const odd = new FakeDocument('odd.txt');
    odd.trouble = new Error('');
    const fixed = new FakeDocument('fixed.txt', { canSave: false });
    expect(await saved(full, fixed, new FakeDocument('a.txt'), odd)).toEqual([
      'Saved: a.txt.',
      'Not saved: full.txt (The disk is full.).',
      'Not saved: fixed.txt (it cannot be changed here).',
      'Not saved: odd.txt (it was not saved).'
    ]);
    expect(fixed.saves).toBe(0);
  });

  it('says that there was nothing to save', async () => {
    expect(await saved()).toEqual(['Everything is saved.']);
  });
});
