import { ReactWidget } from '@jupyterlab/ui-components';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { makeDeletedBody } from '../deleted';
import { makeDifferenceBody, makeNotebookDifference } from '../difference';
import {
  IDeleted,
  IDifference,
  IPurged,
  IRestored,
  IVersion,
  IVersions,
  KeptError
} from '../kept';
import { IKeptDesk } from '../keptdesk';
import { makeVersionsBody } from '../versions';
import { ENGLISH, eventually } from './worlds';

const AT = Date.parse('2026-11-20T09:00:00Z') / 1000;

function version(more: Partial<IVersion> = {}): IVersion {
  return {
    generation: '2026-11-20T09-00-00Z',
    since: '2026-11-20T09-00-00Z',
    kind: 'file',
    at: AT,
    modified_at: AT - 3600,
    size_bytes: 2048,
    saved_by: 'student2',
    is_now: false,
    path: 'collabspace/backups/GW/2026-11-20T09-00-00Z/a.txt',
    ...more
  };
}

/** Tells what it is told to tell, and notes what is asked of it. */
class FakeDesk implements IKeptDesk {
  readonly contact = 'support@example.org';
  readonly asked: string[] = [];
  found: Partial<IVersions> = {};
  gone: IDeleted = { path: 'GW', entries: [], is_complete: true };
  groups: IDifference['groups'] = [];
  trouble: Error | null = null;
  done: IRestored = { path: 'GW/a.txt', kept: null, left_out: 0 };

  async versions(path: string): Promise<IVersions> {
    this.asked.push(`versions ${path}`);
    return this._answer({
      path,
      kind: 'file',
      is_tree: false,
      generations: 3,
      versions: [version()],
      has_nbdime: true,
      ...this.found
    });
  }

  async deleted(): Promise<IDeleted> {
    this.asked.push('deleted');
    return this._answer(this.gone);
  }

  async difference(path: string, generation: string): Promise<IDifference> {
    return this._answer({ path, generation, groups: this.groups });
  }

  async restore(
    path: string,
    generation: string,
    how: string
  ): Promise<IRestored> {
    this.asked.push(`${how} ${path} ${generation}`);
    return this._answer(this.done);
  }

  async purge(path: string): Promise<IPurged> {
    this.asked.push(`purge ${path}`);
    return this._answer({ generations: 2 });
  }

  open(path: string): void {
    this.asked.push(`open ${path}`);
  }

  showVersions(path: string): void {
    this.asked.push(`show ${path}`);
  }

  compare(path: string, of: IVersion, hasNbdime: boolean): void {
    this.asked.push(`compare ${path} ${of.generation} ${hasNbdime}`);
  }

  private async _answer<T>(answer: T): Promise<T> {
    if (this.trouble) {
      throw this.trouble;
    }
    return answer;
  }
}

let body: Widget;
let desk: FakeDesk;

beforeEach(() => {
  desk = new FakeDesk();
});

afterEach(() => {
  body.dispose();
});

/** Let what was asked be answered, and React draw it. */
async function drawn(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 30));
  await eventually(() =>
    expect(body.node.textContent).not.toMatch(/^$|Looking…|Bringing it back…/)
  );
}

async function show(made: ReactWidget): Promise<void> {
  body = made;
  Widget.attach(body, document.body);
  MessageLoop.flush();
  await made.renderPromise;
  await drawn();
}

function showVersions(path = 'GW/a.txt'): Promise<void> {
  return show(makeVersionsBody({ path, desk, language: ENGLISH }));
}

function showDeleted(): Promise<void> {
  return show(makeDeletedBody({ path: 'GW', desk, language: ENGLISH }));
}

function rows(): string[][] {
  return [...body.node.querySelectorAll('tbody tr')].map(row =>
    [...row.children].map(cell => cell.textContent ?? '')
  );
}

async function press(label: string): Promise<void> {
  const find = () =>
    [...body.node.querySelectorAll('button')].find(
      ({ textContent }) => textContent === label
    );
  await eventually(() => expect(find()).toBeDefined());
  find()?.click();
  await drawn();
}

function said(): string {
  return body.node.querySelector('.jp-af-Kept-said')?.textContent ?? '';
}

describe('the page of versions', () => {
  it('says when a version is of, how large, and who changed it', async () => {
    await showVersions();
    const [[changed, kept, size, who, acts]] = rows();
    expect([changed, kept]).toEqual([
      expect.stringMatching(/Nov 20, 2026/),
      expect.stringMatching(/Nov 20, 2026/)
    ]);
    expect([size, who]).toEqual(['2 KiB', 'student2']);
    expect(acts).toBe('CompareOpenRestoreRestore as a copy');
  });

  it('says what stays readable, and whom to ask', async () => {
    await showVersions();
    expect(body.node.textContent).toContain('was made private later');
    expect(body.node.textContent).toContain('ask support@example.org.');
  });

  it('removes all versions only after it was confirmed', async () => {
    await showVersions();
    const answer = async (label: string): Promise<void> => {
      await press('Remove all versions…');
      const find = () =>
        [...document.querySelectorAll('.jp-Dialog button')].find(
          ({ textContent }) => textContent === label
        ) as HTMLElement | undefined;
      await eventually(() => expect(find()).toBeDefined());
      find()?.click();
      await drawn();
    };
    await answer('Cancel');
    expect(desk.asked).toEqual(['versions GW/a.txt']);
    await answer('Remove');
    expect(desk.asked.slice(1)).toEqual([
      'purge GW/a.txt',
      'versions GW/a.txt'
    ]);
    expect(said()).toBe('Removed. Versions that had it: 2.');
    desk.trouble = new KeptError('Not all of it is yours.', '');
    await answer('Remove');
    expect(said()).toBe('Not all of it is yours.');
  });

  it('brings a version back, says so, and looks again', async () => {
    await showVersions();
    desk.done = {
      path: 'GW/a.txt',
      kept: 'GW/a.before-restore-x.txt',
      left_out: 2
    };
    await press('Restore');
    expect(desk.asked).toEqual([
      'versions GW/a.txt',
      'in-place GW/a.txt 2026-11-20T09-00-00Z',
      'versions GW/a.txt'
    ]);
    expect(said()).toBe(
      'It is back: GW/a.txt. What was there is kept as GW/a.before-restore-x.txt. Left out, as you may not read them: 2.'
    );
    await press('Restore as a copy');
    expect(desk.asked[3]).toBe('copy GW/a.txt 2026-11-20T09-00-00Z');
  });

  it('says why a version does not come back', async () => {
    await showVersions();
    desk.trouble = new KeptError('words of the server', 'no-room');
    await press('Restore');
    expect(said()).toContain('There is no room for it. Nothing was changed;');
    expect(body.node.querySelector('[role=status]')?.textContent).toBe(said());
  });

  it('opens a version, and compares it', async () => {
    await showVersions();
    await press('Open');
    await press('Compare');
    expect(desk.asked.slice(1)).toEqual([
      'open collabspace/backups/GW/2026-11-20T09-00-00Z/a.txt',
      'compare GW/a.txt 2026-11-20T09-00-00Z true'
    ]);
  });

  it('offers neither to restore nor to compare what is there now', async () => {
    desk.found = { versions: [version({ is_now: true, saved_by: null })] };
    await showVersions();
    expect(rows()[0][0]).toContain('as it is now');
    expect(rows()[0].slice(3)).toEqual(['not known', 'OpenRestore as a copy']);
  });

  it('offers of a folder and of a whole area what is possible', async () => {
    const folder = version({ kind: 'folder', size_bytes: null });
    desk.found = { kind: 'folder', versions: [folder] };
    await showVersions();
    expect(rows()[0][2]).toBe('folder');
    expect(rows()[0][4]).toBe('RestoreRestore as a copy');
    body.dispose();
    desk.found = { kind: 'folder', versions: [folder], is_tree: true };
    await showVersions();
    expect(rows()[0][4]).toBe('Restore as a copy');
  });

  it.each([
    [{ versions: [], generations: 0 }, 'Nothing was kept here yet.'],
    [{ versions: [] }, 'It is in none of the versions that are kept.'],
    [{ kind: null }, 'It was deleted; these are its versions.']
  ] as const)('says what there is: %j', async (found, words) => {
    desk.found = found;
    await showVersions();
    expect(body.node.textContent).toContain(words);
  });

  it.each([
    [new KeptError('x', 'not-kept'), 'No earlier versions are kept here.'],
    [new KeptError('Words of a newer server.', 'new'), 'Words of a newer'],
    [new Error(''), 'Your server does not answer.']
  ])('says in an alert why nothing is told: %s', async (trouble, words) => {
    desk.trouble = trouble;
    await showVersions();
    const alert = body.node.querySelector('[role=alert]');
    expect(alert?.textContent).toContain(words);
  });

  it('draws what somebody calls a file, or themselves, as text', async () => {
    desk.found = { versions: [version({ saved_by: '<img src=x>' })] };
    await showVersions('GW/<img src=x>');
    expect(body.node.querySelector('img')).toBeNull();
  });
});

describe('the page of deleted files', () => {
  const ENTRY = {
    path: 'GW/week/a.txt',
    kind: 'file',
    generation: '2026-11-20T09-00-00Z',
    at: AT,
    modified_at: AT,
    size_bytes: 10
  } as const;

  it('brings back what it finds', async () => {
    desk.gone = { path: 'GW', entries: [ENTRY], is_complete: true };
    await showDeleted();
    expect(rows()[0][0]).toBe('week/a.txt');
    expect(rows()[0][2]).toBe('10 B');
    await press('Restore');
    expect(desk.asked).toEqual([
      'deleted',
      'in-place GW/week/a.txt 2026-11-20T09-00-00Z',
      'deleted'
    ]);
    await press('All versions');
    expect(desk.asked[3]).toBe('show GW/week/a.txt');
    expect(said()).toBe('It is back: GW/a.txt.');
  });

  it('says that there is nothing, and that there is more', async () => {
    await showDeleted();
    expect(body.node.textContent).toContain('Nothing that was kept');
    body.dispose();
    desk.gone = { path: 'GW', entries: [ENTRY], is_complete: false };
    await showDeleted();
    expect(body.node.textContent).toContain('There is more.');
  });
});

describe('the page of changes', () => {
  const props = () => ({
    path: 'GW/a.txt',
    version: version(),
    desk,
    language: ENGLISH
  });

  it('shows both sides, and says in words what was added and removed', async () => {
    desk.groups = [
      [
        {
          kind: 'equal',
          before_at: 1,
          before: ['one'],
          after_at: 1,
          after: ['one']
        },
        {
          kind: 'replace',
          before_at: 2,
          before: ['two', 'three'],
          after_at: 2,
          after: ['<b>zwei</b>']
        }
      ]
    ];
    await show(makeDifferenceBody(props()));
    expect(rows()).toEqual([
      ['1', 'one', '1', 'one'],
      ['2', 'two', '2', '<b>zwei</b>'],
      ['3', 'three', '']
    ]);
    expect(
      [...body.node.querySelectorAll('ins, del')].map(
        ({ ariaLabel, attributes }) =>
          attributes.getNamedItem('aria-label')?.value ?? ariaLabel
      )
    ).toEqual(['removed: two', 'added: <b>zwei</b>', 'removed: three']);
    expect(body.node.querySelector('b')).toBeNull();
  });

  it('says that nothing changed, and why nothing can be shown', async () => {
    await show(makeDifferenceBody(props()));
    expect(body.node.textContent).toContain('Nothing changed.');
    body.dispose();
    desk.trouble = new KeptError('', 'not-text');
    await show(makeDifferenceBody(props()));
    expect(body.node.textContent).toContain('It is no text');
  });

  it('has nbdime show a notebook, on our own server', () => {
    body = makeNotebookDifference({
      ...props(),
      path: 'GW/a b&c.ipynb',
      baseUrl: '/user/student1/'
    });
    expect(body.node.textContent).toContain('Left and right: GW/a b&c.ipynb');
    const frame = body.node.querySelector('iframe');
    expect(frame?.getAttribute('src')).toBe(
      '/user/student1/jupyterlab-af/notebooks?path=GW%2Fa%20b%26c.ipynb&generation=2026-11-20T09-00-00Z'
    );
    expect(frame?.getAttribute('sandbox')).toBe(
      'allow-scripts allow-same-origin'
    );
    expect(frame?.title).toContain('GW/a b&c.ipynb: the version of');
  });
});
