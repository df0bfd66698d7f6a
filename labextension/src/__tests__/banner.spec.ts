import { Notification } from '@jupyterlab/apputils';
import { BoxPanel, Widget } from '@lumino/widgets';

import { ISavable } from '../access';
import { AccessWatch } from '../banner';
import {
  ALL,
  END,
  ENGLISH,
  eventually,
  FakeDocument,
  FakeModel,
  ME,
  SERVER
} from './worlds';

const AWAY = { kind: 'away', cause: 'unreachable', reason: '' } as const;

class World {
  constructor(state: Partial<FakeModel['state']> = { access: END }) {
    this.model = new FakeModel({ ...ALL, ...state });
    Widget.attach(this.header, document.body);
    this.watch = new AccessWatch({
      model: this.model,
      language: ENGLISH,
      hubHome: '/hub/home',
      documents: () => this.documents as unknown as ISavable[],
      show: banner => this.header.addWidget(banner)
    });
  }

  readonly header = new BoxPanel();
  readonly model: FakeModel;
  readonly watch: AccessWatch;
  readonly documents = [new FakeDocument('a.ipynb')];

  get text(): string {
    return this.header.node.textContent ?? '';
  }

  find(selector: string): HTMLElement | null {
    return this.header.node.querySelector<HTMLElement>(selector);
  }

  says(words: RegExp): Promise<void> {
    return eventually(() => expect(this.text).toMatch(words));
  }
}

let world: World;

afterEach(() => {
  world.watch.dispose();
  world.header.dispose();
  Notification.dismiss();
});

describe('AccessWatch', () => {
  it('shows nothing while nothing ends', async () => {
    world = new World({ access: null });
    world.model.tell({ clusters: [] });
    expect(world.header.widgets).toHaveLength(0);
    expect(Notification.manager.count).toBe(0);
  });

  it('says why, whom to ask and how long is left', async () => {
    world = new World();
    await world.says(/Your server stops at .+\. Save your work now\./);
    await world.says(/Ask support@example\.org/);
    await world.says(/10 min left to save your work\./);
    expect(world.find('button')?.textContent).toBe('Save everything');
    expect(world.find('a')).toBeNull();
  });

  it('is told to a screen reader once, not with each second', async () => {
    world = new World();
    await world.says(/10 min left/);
    const alert = world.find('[role="alert"]');
    const told = alert?.textContent;
    world.model.time += 500;
    world.model.tell({});
    await world.says(/100 s left/);
    expect(world.find('[role="alert"]')).toBe(alert);
    expect(alert?.textContent).toBe(told);
    expect(alert?.querySelector('[role="timer"]')).toBeNull();
    const timer = world.find('[role="timer"]');
    expect(timer?.getAttribute('aria-live')).toBe('off');
  });

  it('saves everything when asked, and says what it saved', async () => {
    world = new World();
    await world.says(/Save everything/);
    world.documents.push(new FakeDocument('full.txt'));
    world.documents[1].trouble = new Error('The disk is full.');
    world.find('button')?.click();
    await world.says(/Saved: a\.ipynb\..*full\.txt \(The disk is full\.\)/);
    expect(world.documents.map(({ saves }) => saves)).toEqual([1, 1]);
  });

  it('goes when access is back, with a short notice', async () => {
    world = new World();
    await world.says(/Save everything/);
    world.model.tell({ access: null });
    expect(world.header.widgets).toHaveLength(0);
    const [notice] = Notification.manager.notifications;
    expect(notice.message).toBe('Your access is back. Your server goes on.');
    world.model.tell({ access: END });
    await world.says(/Save everything/);
    expect(Notification.manager.count).toBe(0);
  });

  it('goes without a word when another server answers', async () => {
    world = new World();
    await world.says(/Save everything/);
    const server = { ...SERVER, start_id: 'another' };
    world.model.tell({ me: { ...ME, server } });
    expect(world.header.widgets).toHaveLength(1);
    world.model.tell({ access: null });
    expect(world.header.widgets).toHaveLength(0);
    expect(Notification.manager.count).toBe(0);
  });

  it('says after the end that the server was stopped, why, and where to go', async () => {
    world = new World();
    world.model.time = END.ends_at + 1;
    world.model.tell({});
    await world.says(/Your server stops now\./);
    world.model.tell({ connection: AWAY });
    await world.says(/Your server was stopped\. Saved files stay\. .*Ask/);
    expect(world.find('a')?.getAttribute('href')).toBe('/hub/home');
    expect(world.find('button')).toBeNull();
  });

  it('takes as much room as its words need', async () => {
    world = new World();
    await world.says(/Save everything/);
    const [banner] = world.header.widgets;
    const body = banner.node.firstElementChild as HTMLElement;
    Object.defineProperty(body, 'scrollHeight', { value: 123 });
    world.model.tell({});
    await eventually(() =>
      expect(banner.node.style.minHeight).toMatch(/123px/)
    );
  });

  it('takes the banner away when it is disposed', async () => {
    world = new World();
    world.watch.dispose();
    expect(world.watch.isDisposed).toBe(true);
    expect(world.header.widgets).toHaveLength(0);
  });
});
