/**
 * What the pages of earlier versions do: ask, bring back, and show it in what is open.
 */
import { IDocumentManager } from '@jupyterlab/docmanager';
import { DocumentRegistry } from '@jupyterlab/docregistry';
import { Contents, ServerConnection } from '@jupyterlab/services';
import { Widget } from '@lumino/widgets';

import {
  IDeleted,
  IDifference,
  IPurged,
  IRestored,
  IVersion,
  IVersions,
  requestDeleted,
  requestDifference,
  requestPurge,
  requestRestore,
  requestVersions,
  RestoreWay
} from './kept';

/** What a page of earlier versions asks. */
export interface IKeptDesk {
  /** Whom to ask where a version must go. */
  readonly contact: string;
  versions(path: string): Promise<IVersions>;
  deleted(path: string): Promise<IDeleted>;
  difference(path: string, generation: string): Promise<IDifference>;
  restore(
    path: string,
    generation: string,
    how: RestoreWay
  ): Promise<IRestored>;
  /** Have all versions of what one made removed, for good. */
  purge(path: string): Promise<IPurged>;
  /** Open what is at a path. */
  open(path: string): void;
  /** Show the versions of a path. */
  showVersions(path: string): void;
  /** Show what changed since a version. */
  compare(path: string, version: IVersion, hasNbdime: boolean): void;
}

/**
 * Asks the server. A document that is open is saved before its file is replaced, so that
 * what was not saved yet is kept too, and shows the file's new content after.
 */
export class KeptDesk implements IKeptDesk {
  constructor(options: KeptDesk.IOptions) {
    this._options = options;
  }

  get contact(): string {
    return this._options.contact();
  }

  versions(path: string): Promise<IVersions> {
    return requestVersions(this._options.settings, path);
  }

  deleted(path: string): Promise<IDeleted> {
    return requestDeleted(this._options.settings, path);
  }

  difference(path: string, generation: string): Promise<IDifference> {
    return requestDifference(this._options.settings, path, generation);
  }

  async restore(
    path: string,
    generation: string,
    how: RestoreWay
  ): Promise<IRestored> {
    const open = how === 'in-place' ? this._contextsAt(path) : [];
    for (const context of open.filter(({ model }) => model.dirty)) {
      await context.save();
    }
    const wish = { path, generation, how };
    const done = await requestRestore(this._options.settings, wish);
    // a document whose file the version has not shows that by itself
    const shown = open.map(context => context.revert().catch(() => undefined));
    await Promise.all(shown);
    return done;
  }

  purge(path: string): Promise<IPurged> {
    return requestPurge(this._options.settings, path);
  }

  open(path: string): void {
    this._options.documents?.openOrReveal(path);
  }

  showVersions(path: string): void {
    this._options.showVersions(path);
  }

  compare(path: string, version: IVersion, hasNbdime: boolean): void {
    this._options.compare(path, version, hasNbdime);
  }

  /** Return the contexts of the open documents at a path or below it. */
  private _contextsAt(path: string): DocumentRegistry.Context[] {
    const { contents, documents, widgets } = this._options;
    const found = new Set<DocumentRegistry.Context>();
    for (const widget of documents ? widgets() : []) {
      const context = documents?.contextForWidget(widget);
      const at = context ? contents.localPath(context.path) : '';
      if (context && (at === path || at.startsWith(`${path}/`))) {
        found.add(context);
      }
    }
    return [...found];
  }

  private readonly _options: KeptDesk.IOptions;
}

/** A namespace for the desk's options. */
export namespace KeptDesk {
  /** What the desk is made of. */
  export interface IOptions {
    readonly settings: ServerConnection.ISettings;
    readonly contents: Contents.IManager;
    readonly documents: IDocumentManager | null;
    contact(): string;
    widgets(): Iterable<Widget>;
    showVersions(path: string): void;
    compare(path: string, version: IVersion, hasNbdime: boolean): void;
  }
}
