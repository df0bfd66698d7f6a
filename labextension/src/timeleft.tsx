/**
 * How long the server still runs. It counts by itself, from times that the service told.
 */
import * as React from 'react';

import { Lifetime } from './generated/panel';
import { deadlineOf, IDeadline } from './lifetime';
import { ActButton, Section, useTick } from './parts';
import { IFacilityModel } from './tokens';
import { ILanguage, durationText, timeText } from './words';

/** What the part is made of. */
interface IProps {
  readonly model: IFacilityModel;
  readonly language: ILanguage;
}

/** Draw when the server stops, why, and what a person can do about it. */
export function TimeLeft({ model, language }: IProps): JSX.Element {
  const { trans } = language;
  const { lifetime } = model.state;
  const deadline = deadlineOf(lifetime, model.now());
  useTick(deadline === null ? null : deadline.at - model.now());
  const keep = async (): Promise<string> => {
    const kept = await model.keep();
    return kept.stop_at === null
      ? ''
      : trans.__(
          'Your server now runs until %1.',
          timeText(kept.stop_at, model.now(), language)
        );
  };
  return (
    <Section title={trans.__('Time left')}>
      {deadline === null ? (
        <p>{trans.__('Your server runs until you stop it.')}</p>
      ) : (
        <Countdown deadline={deadline} model={model} language={language} />
      )}
      {lifetime && (
        <Rules lifetime={lifetime} model={model} language={language} />
      )}
      {deadline?.keptUntil && (
        <ActButton label={trans.__('Keep my server')} act={keep} />
      )}
    </Section>
  );
}

function Countdown(
  props: IProps & { readonly deadline: IDeadline }
): JSX.Element {
  const { deadline, model, language } = props;
  const { trans } = language;
  const left = durationText(deadline.at - model.now(), trans);
  const time = timeText(deadline.at, model.now(), language);
  return (
    <p>
      <strong role="timer">{left}</strong>{' '}
      {deadline.rule === 'idle'
        ? trans.__('left. It stops at %1 if nothing happens in it.', time)
        : trans.__(
            'left. It stops at %1: then its longest time is over.',
            time
          )}
    </p>
  );
}

/** Say what holds for this server: its longest time, and what counts as activity. */
function Rules(props: IProps & { readonly lifetime: Lifetime }): JSX.Element {
  const { lifetime, model, language } = props;
  const { trans } = language;
  const lines = [];
  if (lifetime.idle_seconds !== null) {
    lines.push(
      trans.__(
        'It stops after %1 without activity.',
        durationText(lifetime.idle_seconds, trans)
      ),
      activitySentence(lifetime, language)
    );
  }
  if (lifetime.longest_stop_at !== null) {
    const time = timeText(lifetime.longest_stop_at, model.now(), language);
    lines.push(trans.__('It stops at %1 at the latest.', time));
  }
  return (
    <ul className="jp-af-List">
      {lines.filter(Boolean).map(line => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

/** Return what counts as activity beside the person's own. */
function activitySentence(lifetime: Lifetime, language: ILanguage): string {
  const { trans } = language;
  switch (lifetime.active_while.slice().sort().join(' ')) {
    case 'kernels':
      return trans.__('A running cell or program counts as activity.');
    case 'clusters':
      return trans.__('A Dask cluster counts as activity.');
    case 'clusters kernels':
      return trans.__(
        'A running cell, a program and a Dask cluster count as activity.'
      );
    default:
      return trans.__(
        'What runs while you are away does not count as activity.'
      );
  }
}
