/**
 * Where a document lies: in an area that survives the server, read-only, an earlier
 * version, or lost.
 */
import { AreaOfMine, Me } from './generated/panel';

/** What becomes of what is saved at a path. */
export type Place = 'survives' | 'readOnly' | 'earlier' | 'lost';

/**
 * Return what becomes of a document, or null if nothing is known of the areas.
 *
 * @param path - of the document, below `root`, as Lab writes it.
 */
export function placeOf(
  path: string,
  root: string,
  me: Me | null
): Place | null {
  const areas = me?.server?.areas;
  if (!areas || !root) {
    return null;
  }
  const area = areaOf(`${root.replace(/\/+$/, '')}/${path}`, areas);
  if (area?.kind === 'backup') {
    return 'earlier';
  }
  if (area?.read_only) {
    return 'readOnly';
  }
  return area?.survives ? 'survives' : 'lost';
}

/** Return the innermost area that an absolute path is in. */
function areaOf(
  path: string,
  areas: readonly AreaOfMine[]
): AreaOfMine | undefined {
  const around = areas.filter(
    area => path === area.path || path.startsWith(`${area.path}/`)
  );
  return around.sort((a, b) => b.path.length - a.path.length)[0];
}

/** Return where to save, as Lab writes it: the private area, else the person's home. */
export function homeOf(root: string, me: Me | null): string {
  const own = me?.server?.areas.find(({ kind }) => kind === 'private');
  // a rescue server's home is not where to save
  const home = own?.path ?? me?.server?.home ?? '';
  const start = `${root.replace(/\/+$/, '')}/`;
  return home.startsWith(start) ? home.slice(start.length) : home;
}
