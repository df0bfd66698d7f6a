/**
 * The item in the status bar.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { ProfileModel } from './model';
import { wordsOf } from './words';

/**
 * Draws a ProfileModel, which it owns: they are disposed together.
 */
export class ProfileItem extends Widget {
  constructor(options: ProfileItem.IOptions) {
    super({ node: document.createElement('button') });
    this._model = options.model;
    this._trans = options.trans;
    this._language = options.language;
    this.addClass('jp-af-Profile');
    this._model.changed.connect(this.update, this);
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._model.changed.disconnect(this.update, this);
      this._model.dispose();
    }
    super.dispose();
  }

  /** Listen to the page; called by the browser. */
  handleEvent(event: Event): void {
    if (event.type === 'click' || document.visibilityState === 'visible') {
      void this._model.retry();
    }
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener('click', this);
    document.addEventListener('visibilitychange', this);
    this.update();
  }

  protected onBeforeDetach(message: Message): void {
    document.removeEventListener('visibilitychange', this);
    this.node.removeEventListener('click', this);
    super.onBeforeDetach(message);
  }

  protected onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    const { state } = this._model;
    const { text, tooltip } = wordsOf(state, this._trans, this._language);
    this.node.textContent = text;
    this.node.title = tooltip;
    this.toggleClass('jp-mod-unreachable', state.kind === 'unreachable');
  }

  private readonly _model: ProfileModel;
  private readonly _trans: TranslationBundle;
  private readonly _language: string;
}

/** A namespace for the item's options. */
export namespace ProfileItem {
  /** What the item is made of. */
  export interface IOptions {
    readonly model: ProfileModel;
    readonly trans: TranslationBundle;
    /** The language of numbers, like `it-IT`. */
    readonly language: string;
  }
}
