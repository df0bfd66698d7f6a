/**
 * The token's item in the status bar.
 */
import { Message } from '@lumino/messaging';
import { ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { standingOf } from './access';
import { tickOf } from './lifetime';
import { ITokenWords, tokenWords } from './token';
import { IFacilityModel } from './tokens';
import { ILanguage } from './words';

/**
 * Counts down by itself, from the time that was told; a click opens the panel.
 */
export class TokenItem extends Widget {
  constructor(options: TokenItem.IOptions) {
    super({ node: document.createElement('button') });
    this._options = options;
    this.addClass('jp-af-StatusItem');
    this.addClass('jp-af-Token');
    options.model.changed.connect(this._onChanged, this);
  }

  /** Whether this server has a token to tell of. */
  get isShown(): boolean {
    return this._words.text !== '';
  }

  /** Emitted when that may have changed. */
  get shownChanged(): ISignal<this, void> {
    return this._shownChanged;
  }

  dispose(): void {
    if (!this.isDisposed) {
      window.clearTimeout(this._timer);
      this._options.model.changed.disconnect(this._onChanged, this);
      Signal.clearData(this);
    }
    super.dispose();
  }

  /** Listen to the person; called by the browser. */
  handleEvent(): void {
    this._options.open();
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener('click', this);
    this.update();
  }

  protected onBeforeDetach(message: Message): void {
    this.node.removeEventListener('click', this);
    window.clearTimeout(this._timer);
    super.onBeforeDetach(message);
  }

  protected onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    const { text, tooltip, isAmber } = this._words;
    this.node.textContent = text;
    this.node.title = tooltip;
    this.toggleClass('jp-mod-warn', isAmber);
    this._plan();
  }

  /** Draw again when the words change. */
  private _plan(): void {
    window.clearTimeout(this._timer);
    const { model } = this._options;
    const left = (model.state.token?.expires_at ?? 0) - model.now();
    if (left > 0 && this.isAttached) {
      this._timer = window.setTimeout(() => this.update(), tickOf(left) * 1000);
    }
  }

  private get _words(): ITokenWords {
    const { model, language } = this._options;
    // a token goes with its server
    const isGone = standingOf(model.state, model.now()) === 'stopped';
    const token = isGone ? null : model.state.token;
    return tokenWords(token, model.now(), language);
  }

  private _onChanged(): void {
    this.update();
    this._shownChanged.emit();
  }

  private readonly _options: TokenItem.IOptions;
  private readonly _shownChanged = new Signal<this, void>(this);
  private _timer = 0;
}

/** A namespace for the item's options. */
export namespace TokenItem {
  /** What the item is made of. */
  export interface IOptions {
    readonly model: IFacilityModel;
    readonly language: ILanguage;
    /** Show the panel. */
    open(): void;
  }
}
