import { MainAreaWidget } from '@jupyterlab/apputils';
import { DocumentRegistry, IDocumentWidget } from '@jupyterlab/docregistry';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { DocumentMark } from '../marks';
import { ALL, ENGLISH, FakeModel } from './worlds';

/** A document's context, as far as a mark looks at it. */
class FakeContext {
  constructor(public path: string) {}

  readonly pathChanged = new Signal<this, string>(this);

  /** Save the document elsewhere. */
  moveTo(path: string): void {
    this.path = path;
    this.pathChanged.emit(path);
  }
}

class World {
  constructor(path: string, model = new FakeModel(ALL)) {
    this.model = model;
    this.context = new FakeContext(path);
    this.widget.title.className = 'jp-other';
    this.mark = new DocumentMark(
      this.widget as unknown as IDocumentWidget,
      this.context as unknown as DocumentRegistry.Context,
      {
        model,
        trans: ENGLISH.trans,
        localPath: at => (at.startsWith('S3:') ? null : at)
      }
    );
  }

  readonly widget = new MainAreaWidget({ content: new Widget() });
  readonly context: FakeContext;
  readonly model: FakeModel;
  readonly mark: DocumentMark;

  get classes(): string {
    return this.widget.title.className;
  }

  get words(): string[] {
    return this.widget.contentHeader.widgets.map(
      ({ node }) => `${node.getAttribute('role')}: ${node.textContent}`
    );
  }
}

const LOST = 'jp-other jp-af-mod-lost';

describe('DocumentMark', () => {
  it('marks a document that would be lost, in words too', () => {
    const world = new World('a.ipynb');
    expect(world.classes).toBe(LOST);
    expect(world.words).toEqual([
      'note: This file is lost when your server stops. Keep it: save it in private (File menu, Save As).'
    ]);
  });

  it('marks a document that cannot be changed', () => {
    const world = new World('shared/student2/a.ipynb');
    expect(world.classes).toBe('jp-other jp-af-mod-readOnly');
    expect(world.words[0]).toContain('You can read this file but');
  });

  it('says of an earlier version how to bring it back', () => {
    const world = new World(
      'collabspace/backups/GW/2026-11-20T09-00-00Z/a.ipynb'
    );
    expect(world.classes).toBe('jp-other jp-af-mod-earlier');
    expect(world.words[0]).toContain('This is an earlier version');
  });

  it('goes when the document is saved where it survives, and comes back', () => {
    const world = new World('a.ipynb');
    world.context.moveTo('private/a.ipynb');
    expect([world.classes, world.words]).toEqual(['jp-other', []]);
    world.context.moveTo('b.ipynb');
    expect(world.classes).toBe(LOST);
    expect(world.words).toHaveLength(1);
  });

  it('comes once the areas are known, and not before', () => {
    const world = new World('a.ipynb', new FakeModel({}));
    expect([world.classes, world.words]).toEqual(['jp-other', []]);
    world.model.tell(ALL);
    expect(world.classes).toBe(LOST);
  });

  it('knows nothing of what is not on this server', () => {
    expect(new World('S3:a.ipynb').classes).toBe('jp-other');
  });

  it('ends with its document', () => {
    const world = new World('a.ipynb');
    world.widget.dispose();
    expect(world.mark.isDisposed).toBe(true);
    world.model.tell({ me: null });
    world.context.moveTo('private/a.ipynb');
  });
});
