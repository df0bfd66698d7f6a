/**
 * The page of what was deleted in a folder. Loaded when it is asked for.
 */
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IDeleted, IDeletedEntry } from './kept';
import { IKeptDesk } from './keptdesk';
import { restoredText, troubleText } from './keptwords';
import { Answer, useAnswer } from './parts';
import { dayText, ILanguage, sizeText } from './words';

/** What the page is made of. */
export interface IDeletedProps {
  readonly path: string;
  readonly desk: IKeptDesk;
  readonly language: ILanguage;
}

/** Return a widget that shows what was deleted below a path. */
export function makeDeletedBody(props: IDeletedProps): ReactWidget {
  const body = ReactWidget.create(<DeletedPage {...props} />);
  body.addClass('jp-af-Kept');
  return body;
}

function DeletedPage(props: IDeletedProps): JSX.Element {
  const { path, desk, language } = props;
  const { trans } = language;
  const [answer, ask] = useAnswer(() => desk.deleted(path));
  const [said, setSaid] = React.useState('');
  const restore = async (entry: IDeletedEntry): Promise<void> => {
    setSaid(trans.__('Bringing it back…'));
    try {
      const { generation } = entry;
      const done = await desk.restore(entry.path, generation, 'in-place');
      setSaid(restoredText(done, trans));
    } catch (error) {
      setSaid(troubleText(error, trans));
    }
    ask();
  };
  return (
    <>
      <h2>{trans.__('Deleted files of %1', path)}</h2>
      <div role="status" className="jp-af-Kept-said">
        {said}
      </div>
      <Answer answer={answer} language={language} explain={troubleText}>
        {found => <DeletedTable {...props} found={found} restore={restore} />}
      </Answer>
    </>
  );
}

function DeletedTable(
  props: IDeletedProps & {
    readonly found: IDeleted;
    restore(entry: IDeletedEntry): Promise<void>;
  }
): JSX.Element {
  const { found, language, desk } = props;
  const { trans } = language;
  if (found.entries.length === 0) {
    return (
      <p>{trans.__('Nothing that was kept has been deleted from here.')}</p>
    );
  }
  return (
    <>
      {!found.is_complete && (
        <p>
          {trans.__(
            'There is more. Open a folder further down to see what was deleted in it.'
          )}
        </p>
      )}
      <table className="jp-af-Kept-table">
        <thead>
          <tr>
            <th scope="col">{trans.__('Name')}</th>
            <th scope="col">{trans.__('Kept last')}</th>
            <th scope="col">{trans.__('Size')}</th>
            <th scope="col">{trans.__('What to do')}</th>
          </tr>
        </thead>
        <tbody>
          {found.entries.map(entry => (
            <tr key={entry.path}>
              <th scope="row">
                <code>{nameBelow(entry.path, found.path)}</code>
              </th>
              <td>{dayText(entry.at, language)}</td>
              <td>
                {entry.size_bytes === null
                  ? trans.__('folder')
                  : sizeText(entry.size_bytes, language)}
              </td>
              <td>
                <div className="jp-af-Kept-acts">
                  <button
                    className="jp-af-Button"
                    aria-label={trans.__('Restore %1', entry.path)}
                    onClick={() => void props.restore(entry)}
                  >
                    {trans.__('Restore')}
                  </button>
                  <button
                    className="jp-af-Button"
                    aria-label={trans.__('All versions of %1', entry.path)}
                    onClick={() => desk.showVersions(entry.path)}
                  >
                    {trans.__('All versions')}
                  </button>
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function nameBelow(path: string, folder: string): string {
  return path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path;
}
