import { acceptDialog, dismissDialog } from '@jupyterlab/testing';
import { ReactWidget } from '@jupyterlab/ui-components';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { makePanelBody } from '../panel';
import { FacilitySidebar } from '../sidebar';
import { IFacilityState } from '../tokens';
import {
  ALL,
  CLUSTER,
  ENGLISH,
  FakeModel,
  LIFETIME,
  ME,
  NOW,
  SERVER
} from './worlds';

const AWAY = { kind: 'away', cause: 'unreachable', reason: '' } as const;

let body: ReactWidget;

/** Let React draw: its work comes in several turns, and a turn may be a slow one. */
async function drawn(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    await new Promise(resolve => setTimeout(resolve, 2));
  }
}

/** Wait until something is so; the expectation after it says what is missing. */
async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 300 && !isSo(); turn++) {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

async function shown(state: Partial<IFacilityState> = ALL): Promise<FakeModel> {
  const model = new FakeModel(state);
  body = makePanelBody({
    model,
    language: ENGLISH,
    showLargest: () => undefined
  });
  Widget.attach(body, document.body);
  MessageLoop.flush();
  await body.renderPromise;
  await drawn();
  return model;
}

/** Return the part of the panel under a heading. */
function part(title: string): HTMLElement {
  const found = [...body.node.querySelectorAll('section')].find(
    section => section.querySelector('h3')?.textContent === title
  );
  if (!found) {
    throw new Error(`no part ${title}: ${body.node.textContent}`);
  }
  return found;
}

function button(name: string): HTMLButtonElement {
  const found = [...body.node.querySelectorAll('button')].find(
    ({ ariaLabel, textContent, attributes }) =>
      (attributes.getNamedItem('aria-label')?.value ??
        ariaLabel ??
        textContent) === name
  );
  if (!found) {
    throw new Error(`no button ${name}`);
  }
  return found;
}

afterEach(() => {
  body.dispose();
});

describe('FacilityPanel', () => {
  it('says who I am and what my server may use', async () => {
    await shown();
    const terms = [
      ...part('INFN analysis facility').querySelectorAll('dt')
    ].map(
      term => `${term.textContent}: ${term.nextElementSibling?.textContent}`
    );
    expect(terms).toEqual([
      'Person: student1',
      'Groups: hackathon, hackathon/gw',
      'Profile: ML-INFN · small',
      'Cores: 1.5',
      'Memory: 2 GiB',
      'GPU: slice',
      'Contact: support@example.org'
    ]);
  });

  it('says where to save, what is lost, and what is left out and why', async () => {
    await shown();
    const lines = [...part('Where to save').querySelectorAll('li')].map(
      item => item.textContent
    );
    expect(lines).toEqual([
      '/af/private keptYours alone. Work here; it is your home.',
      '/af/shared read-onlyTo look at what others share.',
      '/af/shared/student1 keptTo share: you write, others read.',
      '/af/collabspace/GW keptOf the group hackathon/gw: you all write here, in turn.',
      '/cvmfs read-onlySoftware of the experiments.',
      'Anywhere else, such as /tmp lostIt is gone when the server stops.',
      'archive not hereThe area archive is for cygno.'
    ]);
  });

  it('says where earlier versions are, apart from where to save', async () => {
    await shown();
    expect(part('Earlier versions').textContent).toContain(
      '/af/collabspace/backups/GWEarlier versions of the files of the group hackathon/gw.'
    );
    body.dispose();
    await shown({ ...ALL, me: { ...ME, server: { ...SERVER, areas: [] } } });
    expect(body.node.textContent).not.toContain('Earlier versions');
  });

  it('says how long the server runs, by which rule, and counts by itself', async () => {
    const model = await shown();
    const time = part('Time left');
    expect(time.querySelector('[role=timer]')?.textContent).toBe('50 min');
    expect(time.textContent).toContain('left. It stops at');
    expect(time.textContent).toContain('It stops after 1 h without activity.');
    expect(time.textContent).toContain('at the latest.');
    expect(time.textContent).toContain(
      'A running cell or program counts as activity.'
    );
    model.time += 2890;
    model.tell({});
    await drawn();
    expect(time.querySelector('[role=timer]')?.textContent).toBe('110 s');
    model.time += 1;
    const timer = time.querySelector('[role=timer]');
    await until(() => timer?.textContent !== '110 s');
    expect(timer?.textContent).toBe('109 s');
    expect(model.asked).toEqual([]);
  });

  it('keeps the server where that moves something', async () => {
    const model = await shown();
    model.answer = {
      ...LIFETIME,
      idle_stop_at: NOW + 3600,
      stop_at: NOW + 3600
    };
    button('Keep my server').click();
    await drawn();
    expect(model.asked).toEqual(['keep']);
    expect(() => button('Keep my server')).toThrow();
  });

  it('says why the server cannot be kept', async () => {
    const model = await shown();
    model.answer = new Error('Your server ends at 18:00.');
    button('Keep my server').click();
    await drawn();
    const said = part('Time left').querySelector('[role=status]');
    expect(said?.textContent).toBe('Your server ends at 18:00.');
  });

  it('says that a server without rules runs on', async () => {
    const lifetime = { ...LIFETIME, idle_stop_at: null, longest_stop_at: null };
    await shown({
      ...ALL,
      lifetime: {
        ...lifetime,
        idle_seconds: null,
        longest_seconds: null,
        stop_at: null
      }
    });
    expect(part('Time left').textContent).toContain(
      'Your server runs until you stop it.'
    );
  });

  it('shows my clusters and what is left', async () => {
    await shown();
    const clusters = part('Dask clusters');
    expect(clusters.textContent).toContain('Clusters left1 of 2');
    expect(clusters.textContent).toContain('Cores left13 of 16');
    expect(clusters.textContent).toContain('Memory left26 GiB of 32 GiB');
    expect(clusters.textContent).toContain('01234567 running');
    expect(clusters.textContent).toContain('Workers: 2 of 3 ready');
    expect(clusters.textContent).toContain('Each: cores 1, memory 2 GiB');
    const link = clusters.querySelector('a');
    expect(link?.getAttribute('href')).toBe(
      '/user/student1/jupyterlab-af/clusters/0123456789abcdef/status'
    );
    expect(link?.getAttribute('rel')).toBe('noreferrer');
  });

  it('stops a cluster when the person means it', async () => {
    const model = await shown();
    button('Stop the cluster 01234567').click();
    await dismissDialog();
    await drawn();
    expect(model.asked).toEqual([]);
    button('Stop the cluster 01234567').click();
    await acceptDialog();
    await drawn();
    expect(model.asked).toEqual(['stop 0123456789abcdef']);
    expect(part('Dask clusters').textContent).toContain('It is being stopped.');
  });

  it('shows a cluster of another server without its dashboard', async () => {
    const other = {
      ...CLUSTER,
      is_of_this_server: false,
      server_name: 'gpu',
      status: 'stopping' as const
    };
    await shown({ ...ALL, clusters: [other] });
    expect(part('Dask clusters').textContent).toContain('Of your server gpu');
    expect(part('Dask clusters').querySelector('a')).toBeNull();
    expect(button('Stop the cluster 01234567').disabled).toBe(true);
  });

  it('has no part for clusters where there are none', async () => {
    await shown({ ...ALL, clusters: [], dask: null });
    expect(body.node.textContent).not.toContain('Dask');
  });

  it('says what happened, newest first', async () => {
    await shown();
    const lines = part('What happened').querySelectorAll('li');
    expect([...lines].map(({ textContent }) => textContent)).toEqual([
      expect.stringMatching(/ Your server started\.$/),
      expect.stringMatching(/ Your server started\.$/)
    ]);
  });

  it('says that the facility is away, and keeps what was known', async () => {
    const model = await shown();
    const status = body.node.querySelector('[role=status]');
    expect(status?.textContent).toBe('');
    model.tell({ connection: AWAY });
    await drawn();
    expect(status?.textContent).toContain('The facility does not answer.');
    expect(status?.textContent).toContain('what was last known');
    expect(body.node.textContent).toContain('student1');
    button('Ask again').click();
    expect(model.asked).toEqual(['retry']);
    model.tell({ connection: { kind: 'back' } });
    await drawn();
    expect(status?.textContent).toBe('');
  });

  it('shows what there is of a person without a server', async () => {
    await shown({ ...ALL, me: { ...ME, server: null }, lifetime: null });
    expect(body.node.textContent).toContain('student1');
    expect(body.node.textContent).not.toContain('Time left');
  });

  it('draws what a person calls themselves as text', async () => {
    await shown({ ...ALL, me: { ...ME, user: '<img src=x>' } });
    expect(body.node.querySelector('img')).toBeNull();
  });
});

describe('FacilitySidebar', () => {
  it('draws nothing until it is seen', async () => {
    const sidebar = new FacilitySidebar({
      model: new FakeModel(),
      language: ENGLISH,
      showLargest: () => undefined
    });
    sidebar.hide();
    Widget.attach(sidebar, document.body);
    await drawn();
    expect(sidebar.node.textContent).toBe('');
    sidebar.show();
    await drawn();
    await drawn();
    expect(sidebar.node.textContent).toContain('student1');
    expect(sidebar.widgets).toHaveLength(1);
    sidebar.hide();
    sidebar.show();
    await drawn();
    expect(sidebar.widgets).toHaveLength(1);
    expect(sidebar.node.getAttribute('aria-label')).toBe('Facility');
    sidebar.activate();
    MessageLoop.flush();
    expect(document.activeElement).toBe(sidebar.node);
    sidebar.dispose();
  });
});
