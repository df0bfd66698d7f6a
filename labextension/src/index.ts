/**
 * The plugins of an analysis facility's Lab. Outside a facility none does anything.
 */
import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { DocumentRegistry, IDocumentWidget } from '@jupyterlab/docregistry';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator } from '@jupyterlab/translation';

// What the shell takes when it starts is needed at once.
/* eslint-disable jupyter/prefer-lazy-imports */
import { ISavable } from './access';
import { DocumentMark, IMarkOptions } from './marks';
import { FacilityModel } from './model';
import { PresenceWatch } from './presence';
import { disk, versions } from './pages';
import {
  diskRequests,
  requestActive,
  requestEvents,
  requestKeep,
  requestStop,
  urlOf
} from './request';
import { FacilitySidebar } from './sidebar';
import { EventStream } from './stream';
import { TokenItem } from './tokenitem';
import {
  ACCESS_PLUGIN_ID,
  DISK_COMMAND,
  FACILITY_PLUGIN_ID,
  IFacilityModel,
  MARKS_PLUGIN_ID,
  OPEN_COMMAND,
  PANEL_PLUGIN_ID,
  PROFILE_PLUGIN_ID,
  ROOT_OPTION,
  TOKEN_PLUGIN_ID,
  WARNING_PLUGIN_ID
} from './tokens';
import { ProfileItem } from './widget';
import { languageOf } from './words';
/* eslint-enable jupyter/prefer-lazy-imports */

/** After the file browser and what runs, before what is set up. */
const PANEL_RANK = 250;

/**
 * Keeps what is known of the facility.
 */
const facility: JupyterFrontEndPlugin<IFacilityModel> = {
  id: FACILITY_PLUGIN_ID,
  description: 'Keeps what is known of the analysis facility.',
  autoStart: true,
  provides: IFacilityModel,
  activate: (app: JupyterFrontEnd): IFacilityModel => {
    const settings = app.serviceManager.serverSettings;
    const model = new FacilityModel({
      root: PageConfig.getOption(ROOT_OPTION),
      acts: {
        keep: () => requestKeep(settings),
        stopCluster: name => requestStop(settings, name),
        dashboardUrl: name => urlOf(settings, 'clusters', name, 'status'),
        disks: diskRequests(settings),
        retry: () => stream.retry()
      }
    });
    const stream = new EventStream({
      connect: (lastId, signal) => requestEvents(settings, lastId, signal),
      take: event => model.take(event),
      setClock: shown => model.setClock(shown)
    });
    if (model.root) {
      // Lab comes first; what the facility says can wait until it is there.
      const presence = new PresenceWatch(() => requestActive(settings));
      void app.restored.then(() => {
        stream.open();
        presence.open();
      });
    }
    return model;
  }
};

/**
 * Shows the profile that the server was started with in the status bar.
 */
const profile: JupyterFrontEndPlugin<void> = {
  id: PROFILE_PLUGIN_ID,
  description: 'Shows the profile of this server in the status bar.',
  autoStart: true,
  requires: [IFacilityModel],
  optional: [IStatusBar, ITranslator, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    model: IFacilityModel,
    statusBar: IStatusBar | null,
    translator: ITranslator | null,
    settingRegistry: ISettingRegistry | null
  ) => {
    if (!model.root || !statusBar) {
      return;
    }
    const item = new ProfileItem({
      model,
      language: languageOf(translator),
      open: () => void app.commands.execute(OPEN_COMMAND)
    });
    statusBar.registerStatusItem(PROFILE_PLUGIN_ID, {
      item,
      align: 'left',
      rank: 10,
      isActive: () => item.isShown,
      activeStateChanged: item.shownChanged
    });
    if (settingRegistry) {
      void followSetting(settingRegistry, item);
    }
  }
};

/**
 * Shows the facility in the side bar.
 */
const panel: JupyterFrontEndPlugin<void> = {
  id: PANEL_PLUGIN_ID,
  description: 'Shows who you are, what is left and where to save.',
  autoStart: true,
  requires: [IFacilityModel],
  optional: [ILabShell, ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    model: IFacilityModel,
    shell: ILabShell | null,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    if (!model.root || !shell) {
      return;
    }
    const language = languageOf(translator);
    const sidebar = new FacilitySidebar({
      model,
      language,
      showLargest: ({ area, owner }) =>
        void app.commands.execute(DISK_COMMAND, { area, owner })
    });
    shell.add(sidebar, 'left', { rank: PANEL_RANK, type: 'Facility' });
    restorer?.add(sidebar, sidebar.id);
    app.commands.addCommand(OPEN_COMMAND, {
      label: language.trans.__('Show the facility'),
      caption: language.trans.__(
        'Who you are, how long your server runs, where to save, your clusters'
      ),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => shell.activateById(sidebar.id)
    });
    palette?.addItem({
      command: OPEN_COMMAND,
      category: language.trans.__('Facility')
    });
  }
};

/**
 * Warns before the server is stopped.
 */
const warning: JupyterFrontEndPlugin<void> = {
  id: WARNING_PLUGIN_ID,
  description: 'Warns before the server is stopped.',
  autoStart: true,
  requires: [IFacilityModel],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IFacilityModel,
    translator: ITranslator | null
  ) => {
    if (model.root) {
      void app.restored.then(async () => {
        const { StopWarning } = await import('./warning');
        return new StopWarning({ model, language: languageOf(translator) });
      });
    }
  }
};

/**
 * Says above everything else that access ended, and saves what is open.
 */
const access: JupyterFrontEndPlugin<void> = {
  id: ACCESS_PLUGIN_ID,
  description: 'Says that access ended, and saves everything in time.',
  autoStart: true,
  requires: [IFacilityModel],
  optional: [ILabShell, ITranslator, IDocumentManager],
  activate: (
    app: JupyterFrontEnd,
    model: IFacilityModel,
    shell: ILabShell | null,
    translator: ITranslator | null,
    documents: IDocumentManager | null
  ) => {
    if (!model.root || !shell) {
      return;
    }
    void app.restored.then(async () => {
      const { AccessWatch } = await import('./banner');
      return new AccessWatch({
        model,
        language: languageOf(translator),
        hubHome: hubHome(),
        documents: () => openDocuments(shell, documents),
        show: banner => shell.add(banner, 'header')
      });
    });
  }
};

/** Return the address of the hub's home page. */
function hubHome(): string {
  const [host, prefix] = ['hubHost', 'hubPrefix'].map(PageConfig.getOption);
  return `${host}${URLExt.join(prefix || '/hub/', 'home')}`;
}

/** Return every open document once, wherever it is shown. */
function openDocuments(
  shell: ILabShell,
  documents: IDocumentManager | null
): Iterable<ISavable> {
  const found = new Set<ISavable>();
  for (const area of ['main', 'left', 'right', 'down'] as const) {
    for (const widget of shell.widgets(area)) {
      const context = documents?.contextForWidget(widget);
      if (context) {
        found.add(context);
      }
    }
  }
  return found;
}

/**
 * Shows in the status bar how long the token in the server is valid.
 */
const token: JupyterFrontEndPlugin<void> = {
  id: TOKEN_PLUGIN_ID,
  description: 'Shows how long the token in this server is valid.',
  autoStart: true,
  requires: [IFacilityModel],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IFacilityModel,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    if (!model.root || !statusBar) {
      return;
    }
    const item = new TokenItem({
      model,
      language: languageOf(translator),
      open: () => void app.commands.execute(OPEN_COMMAND)
    });
    statusBar.registerStatusItem(TOKEN_PLUGIN_ID, {
      item,
      align: 'left',
      rank: 11,
      isActive: () => item.isShown,
      activeStateChanged: item.shownChanged
    });
  }
};

/**
 * Marks documents that the server's end would take away, and those that are read-only.
 */
const marks: JupyterFrontEndPlugin<void> = {
  id: MARKS_PLUGIN_ID,
  description: 'Marks documents that are lost when the server stops.',
  autoStart: true,
  requires: [IFacilityModel],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IFacilityModel,
    translator: ITranslator | null
  ) => {
    if (!model.root) {
      return;
    }
    const { contents } = app.serviceManager;
    const options: IMarkOptions = {
      model,
      trans: languageOf(translator).trans,
      localPath: path =>
        ['', 'RTC'].includes(contents.driveName(path))
          ? contents.localPath(path)
          : null
    };
    markAll(app.docRegistry, options);
  }
};

/** Mark every document that is opened from now on, whatever shows it. */
function markAll(registry: DocumentRegistry, options: IMarkOptions): void {
  const extension = {
    createNew: (widget: IDocumentWidget, context: DocumentRegistry.Context) =>
      new DocumentMark(widget, context, options)
  };
  for (const factory of registry.widgetFactories()) {
    registry.addWidgetExtension(factory.name, extension);
  }
  registry.changed.connect((_, { type, change, name }) => {
    if (type === 'widgetFactory' && change === 'added' && name) {
      registry.addWidgetExtension(name, extension);
    }
  });
}

/**
 * Show or hide the profile as the person's settings say; shown without settings.
 */
async function followSetting(
  registry: ISettingRegistry,
  item: ProfileItem
): Promise<void> {
  const settings = await registry.load(PROFILE_PLUGIN_ID).catch(() => null);
  if (settings === null || item.isDisposed) {
    return;
  }
  const apply = (): void =>
    item.setWanted(settings.get('showProfile').composite !== false);
  settings.changed.connect(apply, item);
  apply();
}

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  facility,
  profile,
  panel,
  warning,
  access,
  token,
  marks,
  versions,
  disk
];

export default plugins;
