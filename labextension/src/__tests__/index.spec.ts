import { JupyterFrontEnd } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import { DocumentRegistry } from '@jupyterlab/docregistry';
import { ServerConnection } from '@jupyterlab/services';
import { CommandRegistry } from '@lumino/commands';
import { PromiseDelegate } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';

import plugins from '../index';
import {
  DELETED_COMMAND,
  DISK_COMMAND,
  IFacilityModel,
  ROOT_OPTION,
  VERSIONS_COMMAND
} from '../tokens';
import { FakeStream, setHidden, settle } from './worlds';

const ACTIVATION_LIMIT_MS = 20;

/** As much of a Lab as our plugins look at. */
class FakeLab {
  readonly asked: string[] = [];
  readonly added: string[] = [];
  readonly activated: string[] = [];
  readonly widgets: Widget[] = [];
  readonly offered: string[] = [];
  selected: string[] = [];
  readonly restored = new PromiseDelegate<void>();

  readonly app = {
    commands: new CommandRegistry(),
    contextMenu: {
      addItem: ({ command, selector }: { command: string; selector: string }) =>
        this.offered.push(`${command} ${selector}`)
    },
    docRegistry: new DocumentRegistry(),
    restored: this.restored.promise,
    serviceManager: {
      contents: { driveName: () => '', localPath: (path: string) => path },
      serverSettings: ServerConnection.makeSettings({
        baseUrl: 'http://127.0.0.1/user/student1/',
        fetch: async input => {
          this.asked.push((input as Request).url.replace(/\?\d+$/, ''));
          return new FakeStream().response;
        }
      })
    }
  } as unknown as JupyterFrontEnd;

  private readonly _services: Record<string, unknown> = {
    '@jupyterlab/statusbar:IStatusBar': {
      registerStatusItem: (id: string) => this.added.push(id)
    },
    '@jupyterlab/application:ILabShell': {
      add: (widget: Widget) => {
        this.added.push(widget.id);
        this.widgets.push(widget);
      },
      activateById: (id: string) => this.activated.push(id),
      widgets: () => this.widgets.filter(({ isDisposed }) => !isDisposed)
    },
    '@jupyterlab/filebrowser:IFileBrowserFactory': {
      tracker: {
        currentWidget: {
          model: { path: 'private/week' },
          selectedItems: () => this.selected.map(path => ({ path }))
        }
      }
    }
  };

  /** Activate our plugins, and return how long the slowest of them took. */
  activate(): number {
    let slowest = 0;
    let model: unknown = null;
    for (const plugin of plugins) {
      const services = [
        ...(plugin.requires ?? []).map(() => model),
        ...(plugin.optional ?? []).map(
          ({ name }) => this._services[name] ?? null
        )
      ];
      const start = performance.now();
      const provided = plugin.activate(this.app, ...services);
      slowest = Math.max(slowest, performance.now() - start);
      model = plugin.provides === IFacilityModel ? provided : model;
    }
    return slowest;
  }
}

afterEach(() => {
  setHidden(true);
  PageConfig.setOption(ROOT_OPTION, '');
});

describe('plugins', () => {
  it('do nothing and ask nothing outside a facility', async () => {
    setHidden(false);
    const lab = new FakeLab();
    lab.activate();
    lab.restored.resolve();
    await settle();
    expect([lab.asked, lab.added]).toEqual([[], []]);
    expect(lab.app.commands.listCommands()).toEqual([]);
    expect(lab.offered).toEqual([]);
  });

  it('open a page of what is chosen in the file browser, and one of each', async () => {
    PageConfig.setOption(ROOT_OPTION, '/af');
    const lab = new FakeLab();
    lab.activate();
    const { commands } = lab.app;
    expect(lab.offered).toEqual([
      `${VERSIONS_COMMAND} .jp-DirListing-item[data-isdir]`,
      `${DELETED_COMMAND} .jp-DirListing-content`
    ]);
    expect(commands.isEnabled(VERSIONS_COMMAND)).toBe(false);
    lab.selected = ['private/a.txt'];
    expect(commands.isEnabled(VERSIONS_COMMAND)).toBe(true);
    await commands.execute(VERSIONS_COMMAND);
    await commands.execute(VERSIONS_COMMAND);
    await commands.execute(DELETED_COMMAND);
    await commands.execute(DISK_COMMAND, { area: 'private', owner: 's1' });
    await commands.execute(DISK_COMMAND, { area: 'private', owner: 's1' });
    const open = lab.widgets.filter(({ isDisposed }) => !isDisposed);
    expect(open.slice(1).map(({ id, title }) => [id, title.label])).toEqual([
      ['jupyterlab-af-versions:private/a.txt', 'Versions: a.txt'],
      ['jupyterlab-af-deleted:private/week', 'Deleted: week'],
      ['jupyterlab-af-largest:private:s1', 'Disk: private/s1']
    ]);
    expect(lab.activated).toHaveLength(5);
    expect(lab.asked).toEqual([]);
    open.forEach(widget => widget.dispose());
  });

  it('ask nothing until the Lab is there, then one stream, and say who is', async () => {
    setHidden(false);
    PageConfig.setOption(ROOT_OPTION, '/af');
    const lab = new FakeLab();
    lab.activate();
    await settle();
    expect(lab.asked).toEqual([]);
    expect(lab.added).toEqual([
      'jupyterlab-af:profile',
      'jp-af-facility',
      'jupyterlab-af:token'
    ]);
    lab.restored.resolve();
    await settle();
    expect(lab.asked).toEqual([
      'http://127.0.0.1/user/student1/jupyterlab-af/events',
      'http://127.0.0.1/user/student1/jupyterlab-af/active'
    ]);
  });

  it(`are activated within ${ACTIVATION_LIMIT_MS} ms`, () => {
    PageConfig.setOption(ROOT_OPTION, '/af');
    const times = Array.from({ length: 5 }, () => new FakeLab().activate());
    // eslint-disable-next-line no-console
    console.info(
      `activations: ${times.map(ms => ms.toFixed(1)).join(', ')} ms`
    );
    // the quickest: others use the machine too, and may take it from us at any time
    expect(Math.min(...times)).toBeLessThan(ACTIVATION_LIMIT_MS);
  });
});
