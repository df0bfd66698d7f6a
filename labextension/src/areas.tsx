/**
 * Where to save: the areas that this server has, and those that it has not.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { AreaOfMine, ServerOfMine } from './generated/panel';
import { Section } from './parts';

/** Draw the areas with their meaning. */
export function Areas(props: {
  readonly server: ServerOfMine;
  readonly trans: TranslationBundle;
}): JSX.Element {
  const { server, trans } = props;
  return (
    <Section title={trans.__('Where to save')}>
      <ul className="jp-af-List">
        {server.areas.filter(isPlace).map(area => (
          <li key={area.path}>
            <code>{area.path}</code> <Badge area={area} trans={trans} />
            <div>{meaningOf(area, trans)}</div>
          </li>
        ))}
        <li>
          {trans.__('Anywhere else, such as %1', '/tmp')}{' '}
          <span className="jp-af-Badge jp-mod-warn">{trans.__('lost')}</span>
          <div>{trans.__('It is gone when the server stops.')}</div>
        </li>
        {server.left_out.map(area => (
          <li key={area.name} className="jp-af-mod-out">
            {area.name}{' '}
            <span className="jp-af-Badge">{trans.__('not here')}</span>
            <div>{area.reason}</div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** Draw where the earlier versions of the areas are, if any area has them. */
export function Backups(props: {
  readonly server: ServerOfMine;
  readonly trans: TranslationBundle;
}): JSX.Element | null {
  const { server, trans } = props;
  const backups = server.areas.filter(area => !isPlace(area));
  if (backups.length === 0) {
    return null;
  }
  return (
    <Section title={trans.__('Earlier versions')}>
      <p>
        {trans.__(
          'To bring something back: right-click it in the file browser, then Previous versions.'
        )}
      </p>
      <ul className="jp-af-List">
        {backups.map(area => (
          <li key={area.path}>
            <code>{area.path}</code>
            <div>{meaningOf(area, trans)}</div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** Return whether an area is a place to work in, and not what was kept of one. */
function isPlace(area: AreaOfMine): boolean {
  return area.kind !== 'backup';
}

function Badge(props: {
  readonly area: AreaOfMine;
  readonly trans: TranslationBundle;
}): JSX.Element {
  const { area, trans } = props;
  if (area.read_only) {
    return <span className="jp-af-Badge">{trans.__('read-only')}</span>;
  }
  return area.survives ? (
    <span className="jp-af-Badge jp-mod-good">{trans.__('kept')}</span>
  ) : (
    <span className="jp-af-Badge jp-mod-warn">{trans.__('lost')}</span>
  );
}

/** Return whose an area is, and what it is for. */
export function meaningOf(area: AreaOfMine, trans: TranslationBundle): string {
  const whose = area.group ?? trans.__('everybody');
  switch (area.kind) {
    case 'private':
      return trans.__('Yours alone. Work here; it is your home.');
    case 'shared':
      return area.read_only
        ? trans.__('To look at what others share.')
        : trans.__('To share: you write, others read.');
    case 'collab':
      return area.read_only
        ? trans.__('Of the group %1, to look at.', whose)
        : trans.__('Of the group %1: you all write here, in turn.', whose);
    case 'cvmfs':
      return trans.__('Software of the experiments.');
    case 'backup':
      return area.group
        ? trans.__('Earlier versions of the files of the group %1.', area.group)
        : trans.__('Earlier versions of your files, for you alone.');
  }
}
