/**
 * What changed since a version, side by side. Loaded when it is asked for.
 */
import { IFrame, ReactWidget } from '@jupyterlab/ui-components';
import { URLExt } from '@jupyterlab/coreutils';
import { BoxPanel, Widget } from '@lumino/widgets';
import * as React from 'react';

import { IPart, IVersion } from './kept';
import { IKeptDesk } from './keptdesk';
import { troubleText } from './keptwords';
import { Answer, useAnswer } from './parts';
import { NAMESPACE } from './tokens';
import { dayText, ILanguage } from './words';

/** What the page is made of. */
export interface IDifferenceProps {
  readonly path: string;
  readonly version: IVersion;
  readonly desk: IKeptDesk;
  readonly language: ILanguage;
}

/** Return a widget that shows what changed in a text. */
export function makeDifferenceBody(props: IDifferenceProps): ReactWidget {
  const body = ReactWidget.create(<DifferencePage {...props} />);
  body.addClass('jp-af-Kept');
  return body;
}

/** Return a widget in which nbdime shows what changed in a notebook. */
export function makeNotebookDifference(
  props: IDifferenceProps & { readonly baseUrl: string }
): Widget {
  const { path, version, language, baseUrl } = props;
  const title = titleOf(path, version, language);
  const heading = new Widget();
  heading.addClass('jp-af-Difference-title');
  heading.node.textContent = language.trans.__('Left and right: %1', title);
  const frame = new IFrame({
    // its page is of our own server, and asks it with this browser's cookie
    sandbox: ['allow-scripts', 'allow-same-origin']
  });
  const query = { path, generation: version.generation };
  frame.url =
    URLExt.join(baseUrl, NAMESPACE, 'notebooks') +
    URLExt.objectToQueryString(query);
  frame.node.querySelector('iframe')?.setAttribute('title', title);
  const panel = new BoxPanel({ direction: 'top-to-bottom', spacing: 0 });
  panel.addWidget(heading);
  panel.addWidget(frame);
  BoxPanel.setStretch(heading, 0);
  BoxPanel.setStretch(frame, 1);
  return panel;
}

function titleOf(path: string, version: IVersion, language: ILanguage): string {
  const time = dayText(version.at, language);
  return language.trans.__('%1: the version of %2, and now', path, time);
}

function DifferencePage(props: IDifferenceProps): JSX.Element {
  const { path, version, desk, language } = props;
  const { trans } = language;
  const [answer] = useAnswer(() => desk.difference(path, version.generation));
  return (
    <>
      <h2>{titleOf(path, version, language)}</h2>
      <Answer answer={answer} language={language} explain={troubleText}>
        {({ groups }) =>
          groups.length === 0 ? (
            <p>{trans.__('Nothing changed.')}</p>
          ) : (
            <table className="jp-af-Difference">
              <colgroup>
                <col className="jp-af-Difference-at" />
                <col />
                <col className="jp-af-Difference-at" />
                <col />
              </colgroup>
              <thead>
                <tr>
                  <th scope="col" colSpan={2}>
                    {trans.__('The version')}
                  </th>
                  <th scope="col" colSpan={2}>
                    {trans.__('Now')}
                  </th>
                </tr>
              </thead>
              {groups.map((parts, number) => (
                <tbody key={number}>
                  {parts.map(part => rowsOf(part, language))}
                </tbody>
              ))}
            </table>
          )
        }
      </Answer>
    </>
  );
}

function rowsOf(part: IPart, language: ILanguage): JSX.Element[] {
  const length = Math.max(part.before.length, part.after.length);
  const isChanged = part.kind !== 'equal';
  return Array.from({ length }, (_, i) => (
    <tr key={`${part.before_at}-${part.after_at}-${i}`}>
      <Line
        at={part.before_at + i}
        text={part.before[i]}
        word={isChanged ? language.trans.__('removed') : ''}
        className="jp-mod-removed"
      />
      <Line
        at={part.after_at + i}
        text={part.after[i]}
        word={isChanged ? language.trans.__('added') : ''}
        className="jp-mod-added"
      />
    </tr>
  ));
}

function Line(props: {
  readonly at: number;
  readonly text: string | undefined;
  readonly word: string;
  readonly className: string;
}): JSX.Element {
  const { at, text, word, className } = props;
  if (text === undefined) {
    return <td colSpan={2} className="jp-mod-absent" />;
  }
  const Tag = className === 'jp-mod-removed' ? 'del' : 'ins';
  return (
    <>
      <td className="jp-af-Difference-at">{at}</td>
      <td className={word && className}>
        {word ? <Tag aria-label={`${word}: ${text}`}>{text}</Tag> : text}
      </td>
    </>
  );
}
