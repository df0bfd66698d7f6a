/**
 * The page of the earlier versions of a file or folder. Loaded when it is asked for.
 */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IVersion, IVersions, RestoreWay } from './kept';
import { IKeptDesk } from './keptdesk';
import { restoredText, troubleText } from './keptwords';
import { Answer, useAnswer } from './parts';
import { dayText, ILanguage, numberText, sizeText } from './words';

/** What the page is made of. */
export interface IVersionsProps {
  readonly path: string;
  readonly desk: IKeptDesk;
  readonly language: ILanguage;
}

/** Return a widget that shows the versions of a path. */
export function makeVersionsBody(props: IVersionsProps): ReactWidget {
  const body = ReactWidget.create(<VersionsPage {...props} />);
  body.addClass('jp-af-Kept');
  return body;
}

function VersionsPage(props: IVersionsProps): JSX.Element {
  const { path, desk, language } = props;
  const { trans } = language;
  const [answer, ask] = useAnswer(() => desk.versions(path));
  const [said, setSaid] = React.useState('');
  const restore = async (version: IVersion, how: RestoreWay): Promise<void> => {
    setSaid(trans.__('Bringing it back…'));
    try {
      const done = await desk.restore(path, version.generation, how);
      setSaid(restoredText(done, trans));
    } catch (error) {
      setSaid(troubleText(error, trans));
    }
    ask();
  };
  const purge = async (): Promise<void> => {
    if (!(await isPurgeMeant(path, language))) {
      return;
    }
    setSaid(trans.__('Removing them…'));
    try {
      const { generations } = await desk.purge(path);
      const count = numberText(generations, language);
      setSaid(trans.__('Removed. Versions that had it: %1.', count));
    } catch (error) {
      setSaid(troubleText(error, trans));
    }
    ask();
  };
  return (
    <>
      <h2>{trans.__('Previous versions of %1', path)}</h2>
      <div role="status" className="jp-af-Kept-said">
        {said}
      </div>
      <Answer answer={answer} language={language} explain={troubleText}>
        {found => <VersionsTable {...props} found={found} restore={restore} />}
      </Answer>
      <p className="jp-af-Kept-note">
        {trans.__(
          'Whoever could read a file when a version was kept can read that version still, also if the file was made private later. If that must not be, remove the versions; of what others made, ask %1.',
          desk.contact
        )}
      </p>
      <button className="jp-af-Button" onClick={() => void purge()}>
        {trans.__('Remove all versions…')}
      </button>
    </>
  );
}

/** Ask whether the versions are to go, and for ever. */
async function isPurgeMeant(
  path: string,
  language: ILanguage
): Promise<boolean> {
  const { trans } = language;
  const { button } = await showDialog({
    title: trans.__('Remove all versions?'),
    body: trans.__(
      'Every kept version of %1 is removed for everybody, and nobody can bring it back. What is there now stays, and is kept again from the next time on.',
      path
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Remove') })
    ],
    defaultButton: 0
  });
  return button.accept;
}

interface ITableProps extends IVersionsProps {
  readonly found: IVersions;
  restore(version: IVersion, how: RestoreWay): Promise<void>;
}

function VersionsTable(props: ITableProps): JSX.Element {
  const { found, language } = props;
  const { trans } = language;
  if (found.versions.length === 0) {
    return (
      <p>
        {found.generations === 0
          ? trans.__('Nothing was kept here yet.')
          : trans.__('It is in none of the versions that are kept.')}
      </p>
    );
  }
  return (
    <>
      {found.kind === null && (
        <p>{trans.__('It was deleted; these are its versions.')}</p>
      )}
      <table className="jp-af-Kept-table">
        <thead>
          <tr>
            <th scope="col">{trans.__('Changed')}</th>
            <th scope="col">{trans.__('Kept')}</th>
            <th scope="col">{trans.__('Size')}</th>
            <th scope="col">{trans.__('Changed last by')}</th>
            <th scope="col">{trans.__('What to do')}</th>
          </tr>
        </thead>
        <tbody>
          {found.versions.map(version => (
            <VersionRow key={version.generation} {...props} version={version} />
          ))}
        </tbody>
      </table>
    </>
  );
}

function VersionRow(
  props: ITableProps & { readonly version: IVersion }
): JSX.Element {
  const { version, language } = props;
  const { trans } = language;
  const size = version.size_bytes;
  return (
    <tr>
      <th scope="row">
        {dayText(version.modified_at, language)}
        {version.is_now && (
          <>
            {' '}
            <span className="jp-af-Badge">{trans.__('as it is now')}</span>
          </>
        )}
      </th>
      <td>{dayText(version.at, language)}</td>
      <td>{size === null ? trans.__('folder') : sizeText(size, language)}</td>
      <td>{version.saved_by ?? trans.__('not known')}</td>
      <td>
        <div className="jp-af-Kept-acts">
          <VersionActs {...props} />
        </div>
      </td>
    </tr>
  );
}

function VersionActs(
  props: ITableProps & { readonly version: IVersion }
): JSX.Element {
  const { version, found, desk, language } = props;
  const { trans } = language;
  const [isActing, setActing] = React.useState(false);
  const act = (how: RestoreWay) => async (): Promise<void> => {
    setActing(true);
    await props.restore(version, how);
    setActing(false);
  };
  const compare = (): void =>
    desk.compare(found.path, version, found.has_nbdime);
  const isFile = version.kind === 'file';
  const time = dayText(version.at, language);
  const button = (
    label: string,
    click: () => unknown,
    isShown: boolean
  ): JSX.Element | null =>
    isShown ? (
      <button
        className="jp-af-Button"
        aria-label={trans.__('%1: version of %2', label, time)}
        disabled={isActing}
        onClick={() => void click()}
      >
        {label}
      </button>
    ) : null;
  return (
    <>
      {button(
        trans.__('Compare'),
        compare,
        isFile && found.kind === 'file' && !version.is_now
      )}
      {button(trans.__('Open'), () => desk.open(version.path), isFile)}
      {button(
        trans.__('Restore'),
        act('in-place'),
        !version.is_now && !found.is_tree
      )}
      {button(trans.__('Restore as a copy'), act('copy'), true)}
    </>
  );
}
