import { IDocumentManager } from '@jupyterlab/docmanager';
import { Contents, ServerConnection } from '@jupyterlab/services';
import { Widget } from '@lumino/widgets';

import { KeptDesk } from '../keptdesk';

const GENERATION = '2026-11-20T09-00-00Z';
const DONE = { path: 'private/a.txt', kept: null, left_out: 0 };

/** A Lab with open documents, and a server that answers. */
class World {
  readonly happened: string[] = [];
  answer: { status: number; said: unknown } = { status: 200, said: DONE };
  saves = true;

  readonly documents: Record<string, { dirty: boolean }> = {
    'private/a.txt': { dirty: true },
    'private/week/b.txt': { dirty: false },
    'private/a.txt.bak': { dirty: true }
  };

  readonly desk = new KeptDesk({
    settings: ServerConnection.makeSettings({
      baseUrl: 'http://127.0.0.1/user/student1/',
      fetch: async input => {
        const request = input as Request;
        const path = request.url.replace(/.*jupyterlab-af/, '');
        this.happened.push(`${request.method} ${path.replace(/[?&]\d+$/, '')}`);
        const { status, said } = this.answer;
        return new Response(JSON.stringify(said), { status });
      }
    }),
    contents: {
      localPath: (path: string) => path
    } as unknown as Contents.IManager,
    documents: {
      contextForWidget: ({ id }: Widget) => this._context(id),
      openOrReveal: (path: string) => this.happened.push(`open ${path}`)
    } as unknown as IDocumentManager,
    contact: () => 'support@example.org',
    widgets: () =>
      [...Object.keys(this.documents), 'no-document'].map(
        id => ({ id }) as Widget
      ),
    showVersions: path => this.happened.push(`show ${path}`),
    compare: path => this.happened.push(`compare ${path}`)
  });

  private _context(path: string): unknown {
    const model = this.documents[path];
    return (
      model && {
        path,
        model,
        save: async () => {
          if (!this.saves) {
            throw new Error('It could not be saved.');
          }
          this.happened.push(`save ${path}`);
        },
        revert: async () => {
          this.happened.push(`revert ${path}`);
          throw new Error('its file is gone');
        }
      }
    );
  }
}

describe('KeptDesk', () => {
  it('saves an open document before its file is replaced, and shows it after', async () => {
    const world = new World();
    const done = await world.desk.restore(
      'private/a.txt',
      GENERATION,
      'in-place'
    );
    expect(done).toEqual(DONE);
    expect(world.happened).toEqual([
      'save private/a.txt',
      'POST /versions/restore',
      'revert private/a.txt'
    ]);
  });

  it('does so for what is open below a folder', async () => {
    const world = new World();
    await world.desk.restore('private/week', GENERATION, 'in-place');
    expect(world.happened).toEqual([
      'POST /versions/restore',
      'revert private/week/b.txt'
    ]);
  });

  it('touches no document for a copy', async () => {
    const world = new World();
    await world.desk.restore('private/a.txt', GENERATION, 'copy');
    expect(world.happened).toEqual(['POST /versions/restore']);
  });

  it('replaces nothing where what is open cannot be saved', async () => {
    const world = new World();
    world.saves = false;
    await expect(
      world.desk.restore('private/a.txt', GENERATION, 'in-place')
    ).rejects.toThrow('It could not be saved.');
    expect(world.happened).toEqual([]);
  });

  it('hands on what the server says no to, with its code', async () => {
    const world = new World();
    world.answer = { status: 507, said: { message: 'Full.', code: 'no-room' } };
    await expect(world.desk.versions('private/a&b.txt')).rejects.toMatchObject({
      message: 'Full.',
      code: 'no-room'
    });
    expect(world.happened).toEqual(['GET /versions?path=private%2Fa%26b.txt']);
  });

  it('asks for what was deleted and what changed', async () => {
    const world = new World();
    await world.desk.deleted('private');
    await world.desk.difference('private/a.txt', GENERATION);
    world.desk.open('private/a.txt');
    expect(world.happened).toEqual([
      'GET /versions/deleted?path=private',
      `GET /versions/difference?path=private%2Fa.txt&generation=${GENERATION}`,
      'open private/a.txt'
    ]);
  });
});
