/**
 * The few things that every part of the panel is made of.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { tickOf } from './lifetime';
import { ILanguage } from './words';

/** A part of the panel with a heading, which a screen reader can jump to. */
export function Section(props: {
  readonly title: string;
  readonly children: React.ReactNode;
}): JSX.Element {
  const id = React.useId();
  return (
    <section className="jp-af-Section" aria-labelledby={id}>
      <h3 id={id}>{props.title}</h3>
      {props.children}
    </section>
  );
}

/** A name and what it stands for, in a list of terms. */
export function Term(props: {
  readonly name: string;
  readonly children: React.ReactNode;
}): JSX.Element {
  return (
    <>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </>
  );
}

/** A button that does something elsewhere, and says what came of it. */
export function ActButton(props: {
  readonly label: string;
  readonly name?: string;
  readonly isDisabled?: boolean;
  /** Return what to say when it is done; a rejection says why it is not. */
  act(): Promise<string>;
}): JSX.Element {
  const [isActing, setActing] = React.useState(false);
  const [said, setSaid] = React.useState('');
  const isMounted = useMounted();
  const click = async (): Promise<void> => {
    setActing(true);
    setSaid('');
    const words = await props.act().catch((error: Error) => error.message);
    if (isMounted.current) {
      setActing(false);
      setSaid(words);
    }
  };
  return (
    <>
      <button
        className="jp-af-Button"
        aria-label={props.name}
        disabled={isActing || props.isDisabled}
        onClick={() => void click()}
      >
        {props.label}
      </button>
      <span role="status">{said}</span>
    </>
  );
}

/** Return whether the component is still there. */
function useMounted(): React.MutableRefObject<boolean> {
  const isMounted = React.useRef(true);
  React.useEffect(() => {
    isMounted.current = true;
    return () => {
      isMounted.current = false;
    };
  }, []);
  return isMounted;
}

/** What was asked for: on its way, there, or why it is not. */
export type AnswerState<T> =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'there'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Return the answer to what is asked at once, and a way to ask again. */
export function useAnswer<T>(
  asking: () => Promise<T>
): [AnswerState<T>, () => void] {
  const [state, setState] = React.useState<AnswerState<T>>({ kind: 'waiting' });
  const isMounted = useMounted();
  const newest = React.useRef(0);
  const ask = (): void => {
    const turn = ++newest.current;
    const take = (answer: AnswerState<T>): void => {
      // an answer that comes after a later one is old
      if (isMounted.current && turn === newest.current) {
        setState(answer);
      }
    };
    asking().then(
      value => take({ kind: 'there', value }),
      error => take({ kind: 'failed', error })
    );
  };
  React.useEffect(ask, []);
  return [state, ask];
}

/** Draw an answer once it is there, or say why it is not. */
export function Answer<T>(props: {
  readonly answer: AnswerState<T>;
  readonly language: ILanguage;
  explain(error: unknown, trans: TranslationBundle): string;
  children(value: T): React.ReactNode;
}): JSX.Element {
  const { answer, language, explain, children } = props;
  const { trans } = language;
  switch (answer.kind) {
    case 'waiting':
      return <p role="status">{trans.__('Looking…')}</p>;
    case 'failed':
      return <p role="alert">{explain(answer.error, trans)}</p>;
    case 'there':
      return <>{children(answer.value)}</>;
  }
}

/** Draw again when the text of a countdown changes. */
export function useTick(left: number | null): void {
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    if (left === null || left <= 0) {
      return;
    }
    const timer = window.setTimeout(draw, tickOf(left) * 1000);
    return () => window.clearTimeout(timer);
  });
}
