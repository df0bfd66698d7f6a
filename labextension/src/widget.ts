/**
 * The item in the status bar.
 */
import { Message } from '@lumino/messaging';
import { ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { IFacilityModel } from './tokens';
import { ILanguage, wordsOf } from './words';

/**
 * Draws what is known in two words; a click opens the panel, or asks again.
 */
export class ProfileItem extends Widget {
  constructor(options: ProfileItem.IOptions) {
    super({ node: document.createElement('button') });
    this._options = options;
    this.addClass('jp-af-StatusItem');
    this.addClass('jp-af-Profile');
    options.model.changed.connect(this._onChanged, this);
  }

  /** Whether there is something to show, and the person wants to see it. */
  get isShown(): boolean {
    const { model, language } = this._options;
    return (
      this._isWanted && wordsOf(model.state, language, model.now()).text !== ''
    );
  }

  /** Emitted when that may have changed. */
  get shownChanged(): ISignal<this, void> {
    return this._shownChanged;
  }

  /** Say whether the person wants to see the profile. */
  setWanted(isWanted: boolean): void {
    this._isWanted = isWanted;
    this._shownChanged.emit();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._options.model.changed.disconnect(this._onChanged, this);
      Signal.clearData(this);
    }
    super.dispose();
  }

  /** Listen to the person; called by the browser. */
  handleEvent(): void {
    const { model, open } = this._options;
    if (model.state.connection.kind === 'away') {
      model.retry();
    } else {
      open();
    }
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener('click', this);
    this.update();
  }

  protected onBeforeDetach(message: Message): void {
    this.node.removeEventListener('click', this);
    super.onBeforeDetach(message);
  }

  protected onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    const { model, language } = this._options;
    const { text, tooltip } = wordsOf(model.state, language, model.now());
    this.node.textContent = text;
    this.node.title = tooltip;
    this.toggleClass(
      'jp-mod-unreachable',
      model.state.connection.kind === 'away'
    );
  }

  private _onChanged(): void {
    this.update();
    this._shownChanged.emit();
  }

  private readonly _options: ProfileItem.IOptions;
  private readonly _shownChanged = new Signal<this, void>(this);
  private _isWanted = true;
}

/** A namespace for the item's options. */
export namespace ProfileItem {
  /** What the item is made of. */
  export interface IOptions {
    readonly model: IFacilityModel;
    readonly language: ILanguage;
    /** Show the panel. */
    open(): void;
  }
}
