import { dismissDialog, waitForDialog } from '@jupyterlab/testing';
import { ReactWidget } from '@jupyterlab/ui-components';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import { Disks } from '../disks';
import { StorageEvent, TreeOfMine } from '../generated/panel';
import { makeLargestBody } from '../largest';
import { reduce } from '../model';
import { ITreeName } from '../tokens';
import { ALL, ENGLISH, eventually, FakeModel, GIB, NOW } from './worlds';

function tree(more: Partial<TreeOfMine> = {}): TreeOfMine {
  return {
    area: 'private',
    kind: 'private',
    owner: 'student1',
    path: '/af/private',
    used_bytes: 19 * GIB,
    files: 12,
    counted_at: NOW - 60,
    quota_bytes: 20 * GIB,
    enforced_by: 'accounting',
    fullness: 'near',
    ...more
  };
}

function storage(...trees: TreeOfMine[]): StorageEvent {
  return { kind: 'storage', trees, is_rescue: false, volume_is_full: false };
}

const ENTRY = {
  path: 'week',
  is_folder: true,
  used_bytes: 3 * GIB,
  files: 4,
  modified_at: NOW
};
const FILE = { ...ENTRY, path: 'week/big.bin', is_folder: false, files: 1 };

let body: ReactWidget;
let model: FakeModel;
let shown: ITreeName[];

beforeEach(() => {
  model = new FakeModel({ ...ALL, storage: storage(tree()) });
  model.filling = {
    entries: [ENTRY],
    largest_files: [FILE],
    used_bytes: 0,
    files: 0,
    counted_at: NOW
  };
  shown = [];
});

afterEach(() => {
  body.dispose();
});

async function drawn(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 30));
}

async function show(made: ReactWidget): Promise<string> {
  body = made;
  Widget.attach(body, document.body);
  MessageLoop.flush();
  await made.renderPromise;
  await drawn();
  return body.node.textContent ?? '';
}

function showDisks(event: StorageEvent): Promise<string> {
  return show(
    ReactWidget.create(
      <Disks
        model={model}
        language={ENGLISH}
        storage={event}
        showLargest={name => shown.push(name)}
      />
    )
  );
}

function showLargest(): Promise<string> {
  const name = { area: 'private', owner: 'student1' };
  return show(makeLargestBody({ model, language: ENGLISH, tree: name }));
}

/** Wait until the page says something. */
async function says(words: string): Promise<void> {
  await eventually(() => expect(body.node.textContent).toContain(words));
}

/** Say in the dialog that it is meant; Enter alone does not. */
async function mean(): Promise<void> {
  await waitForDialog();
  document
    .querySelector<HTMLButtonElement>('.jp-Dialog-button.jp-mod-accept')
    ?.click();
}

async function press(name: string): Promise<void> {
  const find = () =>
    [...body.node.querySelectorAll('button')].find(
      ({ textContent, attributes }) =>
        (attributes.getNamedItem('aria-label')?.value ?? textContent) === name
    );
  await eventually(() => expect(find()).toBeDefined());
  find()?.click();
  await drawn();
}

describe('the disks in the panel', () => {
  it('say how full they are, by what, and when that was counted', async () => {
    const text = await showDisks(storage(tree()));
    expect(text).toContain('/af/private nearly full');
    expect(text).toContain('19 GiB of 20 GiB used (95 %).');
    expect(text).toContain('once it is full, only a rescue server starts.');
    expect(text).toMatch(/Counted: \d/);
    const meter = body.node.querySelector('[role=meter]');
    expect(meter?.getAttribute('aria-valuenow')).toBe('95');
    expect(meter?.getAttribute('aria-valuetext')).toContain('19 GiB of 20');
    await press('What fills /af/private');
    expect(shown).toEqual([tree()]);
  });

  it.each([
    [{ used_bytes: null, counted_at: null }, 'Not counted yet.'],
    [{ quota_bytes: null, enforced_by: null }, '19 GiB used, no limit.'],
    [{ enforced_by: 'btrfs' }, 'The disk itself lets nobody save more'],
    [{ kind: 'collab' }, 'once it is full, you are warned.'],
    [{ fullness: 'full', used_bytes: 30 * GIB }, '(150 %)']
  ] as const)('say what is known: %j', async (more, words) => {
    expect(await showDisks(storage(tree(more)))).toContain(words);
  });

  it('say what a rescue server is and what to do', async () => {
    const text = await showDisks({ ...storage(tree()), is_rescue: true });
    expect(text).toContain('This is a rescue server');
    expect(text).toContain('then stop the server and start it again.');
    expect(body.node.querySelector('[role=status]')?.textContent).toContain(
      'rescue'
    );
  });

  it('say that the disk of everybody is full', async () => {
    const text = await showDisks({ ...storage(), volume_is_full: true });
    expect(text).toContain('tell support@example.org.');
  });

  it('are what the newest event says', () => {
    const state = reduce(ALL, storage(tree()));
    expect(reduce(state, storage()).storage).toEqual(storage());
  });
});

describe('the page of what fills a disk', () => {
  it('shows folders and files, and goes into a folder and back', async () => {
    expect(await showLargest()).toContain('What fills /af/private');
    await says('week/3 GiB4');
    await press('Look into week');
    await press('/af/private');
    expect(model.asked).toEqual([
      'largest private/student1 ',
      'largest private/student1 week',
      'largest private/student1 '
    ]);
  });

  it('deletes what the person means, named with its size', async () => {
    await showLargest();
    await press('Delete week/big.bin');
    await waitForDialog();
    const words = document.querySelector('.jp-Dialog-body')?.textContent;
    expect(words).toBe(
      'The file /af/private/week/big.bin: 3 GiB. It does not go to a trash.'
    );
    await dismissDialog();
    await drawn();
    expect(model.asked).toHaveLength(1);
    await press('Delete week');
    await waitForDialog();
    expect(document.querySelector('.jp-Dialog-body')?.textContent).toContain(
      'The folder /af/private/week with all that is in it: 4 files, 3 GiB.'
    );
    await mean();
    await eventually(() =>
      expect(model.asked.slice(1)).toEqual([
        'remove private/week',
        'recount private/student1'
      ])
    );
    await eventually(() => expect(body.node.querySelector('tbody')).toBeNull());
    await says('Deleted: week. It is being counted;');
  });

  it('says why something is not deleted, and leaves it there', async () => {
    await showLargest();
    model.diskTrouble = new Error('You may not.');
    await press('Delete week');
    await mean();
    await eventually(() => expect(body.node.textContent).toContain('may not.'));
    expect(body.node.querySelectorAll('tbody tr')).toHaveLength(2);
  });

  it('counts again, and asks anew once it was counted', async () => {
    await showLargest();
    await press('Count again');
    await says('It is being counted;');
    model.recounted = { ...model.recounted, has_begun: false };
    await press('Count again');
    await says('It is counted again at');
    model.tell({ storage: storage(tree({ counted_at: NOW })) });
    const looks = () => model.asked.filter(what => what.startsWith('largest'));
    await eventually(() => expect(looks()).toHaveLength(2));
  });

  it('says that it does not know a tree, and why it is told nothing', async () => {
    model.tell({ storage: storage() });
    expect(await showLargest()).toContain('It is not known how full this is.');
    body.dispose();
    model.tell({ storage: storage(tree()) });
    model.diskTrouble = new Error('The agent is away.');
    await showLargest();
    await says('The agent is away.');
  });
});
