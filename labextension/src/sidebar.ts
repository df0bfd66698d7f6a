/**
 * The place of the panel in the side bar; what it shows is loaded when it is first seen.
 */
import { LabIcon } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';

import { IFacilityModel, ITreeName, PANEL_PLUGIN_ID } from './tokens';
import { ILanguage } from './words';

/** A column under a pediment: an institution. */
const ICON = new LabIcon({
  name: PANEL_PLUGIN_ID,
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">' +
    '<path class="jp-icon3" fill="#616161" d="M12 2 2 7v2h20V7zM4 10.5h3V18H4z' +
    'M10.5 10.5h3V18h-3zM17 10.5h3V18h-3zM2 19.5h20V22H2z"/></svg>'
});

/**
 * Draws nothing until it is seen.
 */
export class FacilitySidebar extends Panel {
  constructor(options: FacilitySidebar.IOptions) {
    super();
    this._options = options;
    const { trans } = options.language;
    this.id = 'jp-af-facility';
    this.addClass('jp-af-Panel');
    this.title.icon = ICON;
    this.title.caption = trans.__('Facility');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Facility'));
    // What is below the last button is reached by scrolling with the keyboard.
    this.node.tabIndex = 0;
  }

  protected onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.node.focus();
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      void this._load();
    }
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this._load();
  }

  private async _load(): Promise<void> {
    if (this._isLoaded) {
      return;
    }
    this._isLoaded = true;
    try {
      const { makePanelBody } = await import('./panel');
      if (!this.isDisposed) {
        this.addWidget(makePanelBody(this._options));
      }
    } catch {
      // The server is away just now; the panel is loaded when it is seen again.
      this._isLoaded = false;
    }
  }

  private readonly _options: FacilitySidebar.IOptions;
  private _isLoaded = false;
}

/** A namespace for the side bar's options. */
export namespace FacilitySidebar {
  /** What the panel is made of. */
  export interface IOptions {
    readonly model: IFacilityModel;
    readonly language: ILanguage;
    /** Show what fills a disk. */
    showLargest(tree: ITreeName): void;
  }
}
