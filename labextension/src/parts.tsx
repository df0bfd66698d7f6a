/**
 * The few things that every part of the panel is made of.
 */
import * as React from 'react';

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
