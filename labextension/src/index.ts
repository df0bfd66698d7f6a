/**
 * The plugins of an analysis facility's Lab.
 */
import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { ProfileModel } from './model';
import { requestMe } from './request';
import { DOMAIN, PROFILE_PLUGIN_ID } from './tokens';
// The status bar takes the item when the plugin starts, so it is needed at once.
// eslint-disable-next-line jupyter/prefer-lazy-imports
import { ProfileItem } from './widget';

/**
 * Shows the profile that the server was started with in the status bar.
 */
const profile: JupyterFrontEndPlugin<void> = {
  id: PROFILE_PLUGIN_ID,
  description: 'Shows the profile of this server in the status bar.',
  autoStart: true,
  optional: [IStatusBar, ITranslator, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    statusBar: IStatusBar | null,
    translator: ITranslator | null,
    settingRegistry: ISettingRegistry | null
  ) => {
    if (!statusBar) {
      return;
    }
    const { serverSettings } = app.serviceManager;
    const { languageCode } = translator ?? nullTranslator;
    const model = new ProfileModel(() => requestMe(serverSettings));
    const item = new ProfileItem({
      model,
      trans: (translator ?? nullTranslator).load(DOMAIN),
      language: languageCode.replace('_', '-')
    });
    statusBar.registerStatusItem(PROFILE_PLUGIN_ID, {
      item,
      align: 'left',
      rank: 10,
      isActive: () => model.isShown,
      activeStateChanged: model.changed
    });
    if (settingRegistry) {
      void followSetting(settingRegistry, model);
    }
    void model.refresh();
  }
};

/**
 * Show or hide the profile as the person's settings say; shown without settings.
 */
async function followSetting(
  registry: ISettingRegistry,
  model: ProfileModel
): Promise<void> {
  const settings = await registry.load(PROFILE_PLUGIN_ID).catch(() => null);
  if (settings === null || model.isDisposed) {
    return;
  }
  const apply = (): void =>
    model.setWanted(settings.get('showProfile').composite !== false);
  settings.changed.connect(apply, model);
  apply();
}

const plugins: JupyterFrontEndPlugin<void>[] = [profile];

export default plugins;
