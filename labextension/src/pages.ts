/**
 * The pages of earlier versions and of what fills a disk, in Lab's main area: where
 * they are asked for, and one of each. What they draw is loaded when it is first asked.
 */
import {
  ILabShell,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { FileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ITranslator } from '@jupyterlab/translation';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';

import { IVersion } from './kept';
import { IKeptDesk } from './keptdesk';
import {
  DELETED_COMMAND,
  DISK_COMMAND,
  DISK_PLUGIN_ID,
  IFacilityModel,
  NAMESPACE,
  VERSIONS_COMMAND,
  VERSIONS_PLUGIN_ID
} from './tokens';
// The commands' names are needed at once.
// eslint-disable-next-line jupyter/prefer-lazy-imports
import { ILanguage, languageOf } from './words';

/** After the commands about the item itself. */
const MENU_RANK = 12;
const PATH_ARGUMENT = {
  type: 'object',
  properties: {
    path: {
      type: 'string',
      description: 'Of a file or folder, as Lab writes it.'
    }
  }
} as const;
const TREE_ARGUMENTS = {
  type: 'object',
  properties: { area: { type: 'string' }, owner: { type: 'string' } },
  required: ['area', 'owner']
} as const;

/** Shows pages in the main area, each once. */
class Pages {
  constructor(private readonly _shell: ILabShell) {}

  /** Show a page that is there, or what `make` makes. */
  async show(
    id: string,
    label: string,
    make: () => Promise<Widget>
  ): Promise<void> {
    if (!this._find(id)) {
      const content = await make();
      if (!this._find(id)) {
        const page = new MainAreaWidget({ content });
        page.id = id;
        page.title.label = label;
        page.title.closable = true;
        this._shell.add(page, 'main', { type: 'Facility' });
      }
    }
    this._shell.activateById(id);
  }

  /** Close a page: what it shows is old. */
  close(id: string): void {
    this._find(id)?.dispose();
  }

  private _find(id: string): Widget | undefined {
    return [...this._shell.widgets('main')].find(widget => widget.id === id);
  }
}

/** Return the path of a widget's only selected item, or of its folder. */
function selectedPath(app: JupyterFrontEnd, browser: FileBrowser): string {
  const items = [...browser.selectedItems()];
  const { contents } = app.serviceManager;
  return items.length === 1 ? contents.localPath(items[0].path) : '';
}

/** Return the path of the folder that a file browser shows. */
function folderPath(app: JupyterFrontEnd, browser: FileBrowser): string {
  return app.serviceManager.contents.localPath(browser.model.path);
}

/**
 * Shows earlier versions and what was deleted, and brings both back.
 */
export const versions: JupyterFrontEndPlugin<void> = {
  id: VERSIONS_PLUGIN_ID,
  description: 'Shows earlier versions of files and brings them back.',
  autoStart: true,
  requires: [IFacilityModel],
  optional: [
    ILabShell,
    IFileBrowserFactory,
    IDocumentManager,
    ITranslator,
    ICommandPalette
  ],
  activate: (
    app: JupyterFrontEnd,
    model: IFacilityModel,
    shell: ILabShell | null,
    browsers: IFileBrowserFactory | null,
    documents: IDocumentManager | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    if (!model.root || !shell || !browsers) {
      return;
    }
    const language = languageOf(translator);
    const { trans } = language;
    const pages = new Pages(shell);
    const options = { app, model, shell, documents, language, pages };
    const current = (): FileBrowser | null => browsers.tracker.currentWidget;
    const wanted = (
      args: ReadonlyPartialJSONObject,
      of: (app: JupyterFrontEnd, browser: FileBrowser) => string
    ): string => {
      const browser = current();
      return `${args.path ?? (browser ? of(app, browser) : '')}`;
    };
    app.commands.addCommand(VERSIONS_COMMAND, {
      label: trans.__('Previous versions…'),
      caption: trans.__('See how this was before, and bring it back'),
      describedBy: { args: PATH_ARGUMENT },
      isEnabled: args => wanted(args, selectedPath) !== '',
      execute: args => {
        const path = wanted(args, selectedPath);
        const id = `${NAMESPACE}-versions:${path}`;
        pages.close(id);
        return pages.show(
          id,
          trans.__('Versions: %1', nameOf(path)),
          async () => {
            const desk = await makeDesk(options);
            const { makeVersionsBody } = await import('./versions');
            return makeVersionsBody({ path, desk, language });
          }
        );
      }
    });
    app.commands.addCommand(DELETED_COMMAND, {
      label: trans.__('Deleted files…'),
      caption: trans.__('Find what was deleted here, and bring it back'),
      describedBy: { args: PATH_ARGUMENT },
      isEnabled: args => wanted(args, folderPath) !== '',
      execute: args => {
        const path = wanted(args, folderPath);
        const id = `${NAMESPACE}-deleted:${path}`;
        pages.close(id);
        return pages.show(
          id,
          trans.__('Deleted: %1', nameOf(path)),
          async () => {
            const desk = await makeDesk(options);
            const { makeDeletedBody } = await import('./deleted');
            return makeDeletedBody({ path, desk, language });
          }
        );
      }
    });
    for (const command of [VERSIONS_COMMAND, DELETED_COMMAND]) {
      palette?.addItem({ command, category: trans.__('Facility') });
    }
    const rank = MENU_RANK;
    app.contextMenu.addItem({
      command: VERSIONS_COMMAND,
      selector: '.jp-DirListing-item[data-isdir]',
      rank
    });
    app.contextMenu.addItem({
      command: DELETED_COMMAND,
      selector: '.jp-DirListing-content',
      rank
    });
  }
};

/** Return the last name of a path. */
function nameOf(path: string): string {
  return path.split('/').pop() ?? path;
}

/** Return what the pages of earlier versions ask. */
async function makeDesk(options: {
  readonly app: JupyterFrontEnd;
  readonly model: IFacilityModel;
  readonly shell: ILabShell;
  readonly documents: IDocumentManager | null;
  readonly language: ILanguage;
  readonly pages: Pages;
}): Promise<IKeptDesk> {
  const { KeptDesk } = await import('./keptdesk');
  const { app, model, shell, documents, language, pages } = options;
  const { serverSettings: settings, contents } = app.serviceManager;
  const compare = (
    path: string,
    version: IVersion,
    hasNbdime: boolean
  ): void => {
    const isNotebook = hasNbdime && path.endsWith('.ipynb');
    const id = `${NAMESPACE}-difference:${path}:${version.generation}`;
    pages.close(id);
    const label = language.trans.__('Changes: %1', nameOf(path));
    void pages.show(id, label, async () => {
      const page = await import('./difference');
      const props = { path, version, desk, language };
      const { baseUrl } = settings;
      return isNotebook
        ? page.makeNotebookDifference({ ...props, baseUrl })
        : page.makeDifferenceBody(props);
    });
  };
  const desk = new KeptDesk({
    settings,
    contents,
    documents,
    contact: () => model.state.me?.facility.contact ?? '',
    widgets: () => shell.widgets('main'),
    showVersions: path => void app.commands.execute(VERSIONS_COMMAND, { path }),
    compare
  });
  return desk;
}

/**
 * Shows what fills a disk.
 */
export const disk: JupyterFrontEndPlugin<void> = {
  id: DISK_PLUGIN_ID,
  description: 'Shows what fills a disk.',
  autoStart: true,
  requires: [IFacilityModel],
  optional: [ILabShell, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IFacilityModel,
    shell: ILabShell | null,
    translator: ITranslator | null
  ) => {
    if (!model.root || !shell) {
      return;
    }
    const language = languageOf(translator);
    const { trans } = language;
    const pages = new Pages(shell);
    app.commands.addCommand(DISK_COMMAND, {
      label: trans.__('What fills the disk'),
      describedBy: { args: TREE_ARGUMENTS },
      execute: args => {
        const tree = { area: `${args.area}`, owner: `${args.owner}` };
        const id = `${NAMESPACE}-largest:${tree.area}:${tree.owner}`;
        const label = trans.__('Disk: %1', `${tree.area}/${tree.owner}`);
        return pages.show(id, label, async () => {
          const { makeLargestBody } = await import('./largest');
          return makeLargestBody({ model, language, tree });
        });
      }
    });
  }
};
