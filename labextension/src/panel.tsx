/**
 * What the side bar shows of the facility. Loaded when the panel is first seen.
 */
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { Areas, Backups } from './areas';
import { AccessPart } from './banner';
import { Clusters } from './clusters';
import { Disks } from './disks';
import { Section, Term, useTick } from './parts';
import { TimeLeft } from './timeleft';
import { tokenWords } from './token';
import { IFacilityModel, IFacilityState, ITreeName } from './tokens';
import { lineText } from './history';
import { Me } from './generated/panel';
import {
  ILanguage,
  awaySentence,
  memoryText,
  numberText,
  timeText
} from './words';

/** How many lines about me are shown. */
const SHOWN_LINES = 12;

/** What each part of the panel is made of. */
interface IPartProps {
  readonly model: IFacilityModel;
  readonly language: ILanguage;
  /** Show what fills a disk. */
  showLargest(tree: ITreeName): void;
}

/** Return a widget that draws the model. */
export function makePanelBody(props: IPartProps): ReactWidget {
  const body = ReactWidget.create(
    <UseSignal signal={props.model.changed}>
      {() => <FacilityPanel {...props} />}
    </UseSignal>
  );
  body.addClass('jp-af-Panel-body');
  return body;
}

/** Draw all that is known. */
export function FacilityPanel(props: IPartProps): JSX.Element {
  const { model, language } = props;
  const { state } = model;
  const { me } = state;
  return (
    <>
      <Status {...props} />
      <AccessPart {...props} />
      {me && <Person me={me} language={language} />}
      {me?.server && <TimeLeft {...props} />}
      {state.token && <TokenPart {...props} />}
      {state.storage && <Disks {...props} storage={state.storage} />}
      {me?.server && <Areas server={me.server} trans={language.trans} />}
      {me?.server && <Backups server={me.server} trans={language.trans} />}
      {(state.dask || state.clusters.length > 0) && <Clusters {...props} />}
      {state.lines.length > 0 && <History {...props} />}
    </>
  );
}

/** Say that the facility is away, or not heard yet; nothing where all is well. */
function Status({ model, language }: IPartProps): JSX.Element {
  return (
    <div role="status" className="jp-af-Panel-status">
      <StatusText
        state={model.state}
        language={language}
        retry={() => model.retry()}
      />
    </div>
  );
}

function StatusText(props: {
  readonly state: IFacilityState;
  readonly language: ILanguage;
  retry(): void;
}): JSX.Element | null {
  const { state, retry } = props;
  const { trans } = props.language;
  switch (state.connection.kind) {
    case 'waiting':
      return state.me ? null : <p>{trans.__('Asking the facility…')}</p>;
    case 'back':
      return null;
    case 'away':
      return (
        <>
          <p>{awaySentence(state.connection, trans)}</p>
          {state.me && (
            <p>{trans.__('What you see here is what was last known.')}</p>
          )}
          <button className="jp-af-Button" onClick={retry}>
            {trans.__('Ask again')}
          </button>
        </>
      );
  }
}

/** Draw who I am, and what my server may use. */
function Person(props: {
  readonly me: Me;
  readonly language: ILanguage;
}): JSX.Element {
  const { me, language } = props;
  const { trans } = language;
  const { server } = me;
  return (
    <Section title={me.facility.name}>
      <dl className="jp-af-Terms">
        <Term name={trans.__('Person')}>{me.user}</Term>
        <Term name={trans.__('Groups')}>
          {me.groups.join(', ') || trans.__('none')}
        </Term>
        {server && (
          <>
            <Term name={trans.__('Profile')}>
              {`${server.profile_display_name} · ${server.size}`}
            </Term>
            <Term name={trans.__('Cores')}>
              {numberText(server.cores, language)}
            </Term>
            <Term name={trans.__('Memory')}>
              {memoryText(server.memory_bytes, language)}
            </Term>
            {server.gpu !== null && (
              <Term name={trans.__('GPU')}>{server.gpu}</Term>
            )}
          </>
        )}
        <Term name={trans.__('Contact')}>{me.facility.contact}</Term>
      </dl>
    </Section>
  );
}

/** Draw how the token is, and what to do where it is not renewed. */
function TokenPart({ model, language }: IPartProps): JSX.Element {
  const { token } = model.state;
  const now = model.now();
  const words = tokenWords(token, now, language);
  useTick(token?.expires_at ? token.expires_at - now : null);
  return (
    <Section title={language.trans.__('IAM token')}>
      <p>{words.text}</p>
      <p className={words.isAmber ? 'jp-af-Alarm' : 'jp-af-mod-quiet'}>
        {words.tooltip}
      </p>
    </Section>
  );
}

/** Draw the newest lines about me. */
function History({ model, language }: IPartProps): JSX.Element {
  const { lines, me } = model.state;
  const { trans } = language;
  return (
    <Section title={trans.__('What happened')}>
      <ol className="jp-af-List">
        {lines.slice(0, SHOWN_LINES).map(line => (
          <li key={line.id}>
            <time dateTime={new Date(line.at * 1000).toISOString()}>
              {timeText(line.at, model.now(), language)}
            </time>{' '}
            {lineText(line, me?.user ?? line.actor, trans)}
          </li>
        ))}
      </ol>
    </Section>
  );
}
