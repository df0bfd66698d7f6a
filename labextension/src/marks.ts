/**
 * What tells a person that a document would be lost, or cannot be saved, where it is.
 */
import { MainAreaWidget } from '@jupyterlab/apputils';
import { DocumentRegistry, IDocumentWidget } from '@jupyterlab/docregistry';
import { TranslationBundle } from '@jupyterlab/translation';
import { IDisposable } from '@lumino/disposable';
import { Widget } from '@lumino/widgets';

import { homeOf, Place, placeOf } from './places';
import { IFacilityModel } from './tokens';

const CLASSES: Record<Exclude<Place, 'survives'>, string> = {
  readOnly: 'jp-af-mod-readOnly',
  earlier: 'jp-af-mod-earlier',
  lost: 'jp-af-mod-lost'
};

/** What a mark is made of. */
export interface IMarkOptions {
  readonly model: IFacilityModel;
  readonly trans: TranslationBundle;
  /** Return the path on the server, or null if the document is not on the server. */
  localPath(path: string): string | null;
}

/**
 * Marks one open document: its tab by a class, its head by a line of words. The mark
 * goes when the document is saved in an area that survives.
 */
export class DocumentMark implements IDisposable {
  constructor(
    widget: IDocumentWidget,
    context: DocumentRegistry.Context,
    options: IMarkOptions
  ) {
    this._widget = widget;
    this._context = context;
    this._options = options;
    context.pathChanged.connect(this._update, this);
    options.model.changed.connect(this._update, this);
    widget.disposed.connect(this.dispose, this);
    this._update();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._context.pathChanged.disconnect(this._update, this);
    this._options.model.changed.disconnect(this._update, this);
    this._widget.disposed.disconnect(this.dispose, this);
    this._line?.dispose();
  }

  private _update(): void {
    const place = this._place();
    if (place !== this._shown) {
      this._shown = place;
      markTitle(this._widget, place);
      this._showLine(place);
    }
  }

  private _place(): Place | null {
    const { model, localPath } = this._options;
    const path = localPath(this._context.path);
    return path === null ? null : placeOf(path, model.root, model.state.me);
  }

  private _showLine(place: Place | null): void {
    this._line?.dispose();
    this._line = null;
    const { _widget: widget } = this;
    const { model, trans } = this._options;
    if (place && place !== 'survives' && widget instanceof MainAreaWidget) {
      const home = homeOf(model.root, model.state.me);
      this._line = makeLine(place, home, trans);
      widget.contentHeader.addWidget(this._line);
    }
  }

  private readonly _widget: IDocumentWidget;
  private readonly _context: DocumentRegistry.Context;
  private readonly _options: IMarkOptions;
  private _line: Widget | null = null;
  private _shown: Place | null = null;
  private _isDisposed = false;
}

/** Give the tab the class of a place, and leave its other classes. */
function markTitle(widget: Widget, place: Place | null): void {
  const ours = Object.values(CLASSES);
  const others = widget.title.className
    .split(' ')
    .filter(name => name && !ours.includes(name));
  const mark = place && place !== 'survives' ? [CLASSES[place]] : [];
  widget.title.className = [...others, ...mark].join(' ');
}

/** Return the line of words at a document's head. */
function makeLine(
  place: Exclude<Place, 'survives'>,
  home: string,
  trans: TranslationBundle
): Widget {
  const line = new Widget();
  line.addClass('jp-af-Mark');
  line.addClass(CLASSES[place]);
  line.node.setAttribute('role', 'note');
  line.node.textContent = sentenceOf(place, home, trans);
  return line;
}

function sentenceOf(
  place: Exclude<Place, 'survives'>,
  home: string,
  trans: TranslationBundle
): string {
  switch (place) {
    case 'lost':
      return trans.__(
        'This file is lost when your server stops. Keep it: save it in %1 (File menu, Save As).',
        home
      );
    case 'earlier':
      return trans.__(
        'This is an earlier version, which nobody can change. To bring it back: right-click the file where it was, then Previous versions.'
      );
    case 'readOnly':
      return trans.__(
        'You can read this file but not change it here. To change it, save a copy in %1.',
        home
      );
  }
}
