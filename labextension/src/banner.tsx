/**
 * The banner above everything else while the server ends because access ended.
 */
import { Notification } from '@jupyterlab/apputils';
import { ReactWidget } from '@jupyterlab/ui-components';
import { IDisposable } from '@lumino/disposable';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import {
  endSentence,
  ISavable,
  reasonText,
  saveAll,
  savedSentences,
  Standing,
  standingOf
} from './access';
import { AccessEnd } from './generated/panel';
import { useTick } from './parts';
import { IFacilityModel } from './tokens';
import { durationText, ILanguage } from './words';

/** What the banner is made of. */
export interface IBannerOptions {
  readonly model: IFacilityModel;
  readonly language: ILanguage;
  /** The address of the hub's home page. */
  readonly hubHome: string;
  /** Return every open document. */
  documents(): Iterable<ISavable>;
  /** Put the banner above everything else. */
  show(banner: Widget): void;
}

/**
 * Shows the banner when an end is announced and takes it away when access is back.
 */
export class AccessWatch implements IDisposable {
  constructor(options: IBannerOptions) {
    this._options = options;
    options.model.changed.connect(this._update, this);
    this._update();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._options.model.changed.disconnect(this._update, this);
    this._banner?.dispose();
  }

  private _update(): void {
    const { model, language, show } = this._options;
    const { access, me } = model.state;
    if (access !== null && this._banner === null) {
      Notification.dismiss(this._notice);
      this._banner = new Banner(this._options);
      this._startId = me?.server?.start_id;
      show(this._banner);
    } else if (access === null && this._banner !== null) {
      this._banner.dispose();
      this._banner = null;
      if (me?.server?.start_id !== this._startId) {
        // the server that ended did: another one answers this tab
        return;
      }
      const words = language.trans.__(
        'Your access is back. Your server goes on.'
      );
      this._notice = Notification.success(words, { autoClose: 10_000 });
    } else {
      this._banner?.update();
    }
  }

  private readonly _options: IBannerOptions;
  private _banner: Banner | null = null;
  private _startId: string | undefined;
  private _notice = '';
  private _isDisposed = false;
}

/** As high as its words need, however narrow the window is. */
class Banner extends ReactWidget {
  constructor(private readonly _options: IBannerOptions) {
    super();
    this.id = 'jp-af-access';
    this.addClass('jp-af-Banner');
    const { trans } = _options.language;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Your access'));
  }

  protected render(): JSX.Element {
    return <BannerBody {...this._options} grown={() => this._fit()} />;
  }

  protected onResize(): void {
    this._fit();
  }

  /** Tell the layout how much room the words take. */
  private _fit(): void {
    const height = this.node.firstElementChild?.scrollHeight ?? 0;
    if (height !== this._height) {
      this._height = height;
      this.node.style.minHeight = `min(${height}px, 50vh)`;
      this.parent?.fit();
    }
  }

  private _height = 0;
}

/** Draw why the server ends, how long is left, and what to do. */
export function BannerBody(
  props: IBannerOptions & { grown(): void }
): JSX.Element | null {
  const { model, language, hubHome, grown } = props;
  const { access, me } = model.state;
  const left = (access?.ends_at ?? 0) - model.now();
  useTick(access === null ? null : left);
  React.useEffect(grown);
  if (access === null) {
    return null;
  }
  const standing = standingOf(model.state, model.now());
  const home = language.trans.__('Open the home page of the hub');
  return (
    <div className="jp-af-Banner-body">
      <p role="alert">
        <strong>{endSentence(access, standing, model.now(), language)}</strong>{' '}
        {reasonText(access, me, language)}
      </p>
      {standing === 'courtesy' && <TimeToSave end={access} {...props} />}
      {standing === 'stopped' && <a href={hubHome}>{home}</a>}
      {standing !== 'stopped' && <SaveEverything {...props} />}
    </div>
  );
}

/** Count down; a screen reader is told once when it stops, not each second. */
export function TimeToSave(props: {
  readonly end: AccessEnd;
  readonly model: IFacilityModel;
  readonly language: ILanguage;
}): JSX.Element {
  const { trans } = props.language;
  const left = durationText(props.end.ends_at - props.model.now(), trans);
  return (
    <span role="timer" aria-live="off">
      {trans.__('%1 left to save your work.', left)}
    </span>
  );
}

/** Save every document, and say what came of it. */
function SaveEverything(props: IBannerOptions): JSX.Element {
  const { trans } = props.language;
  const [isSaving, setSaving] = React.useState(false);
  const [said, setSaid] = React.useState<readonly string[]>([]);
  const save = async (): Promise<void> => {
    setSaving(true);
    setSaid([]);
    setSaid(savedSentences(await saveAll(props.documents(), trans), trans));
    setSaving(false);
  };
  return (
    <>
      <button
        className="jp-af-Button"
        disabled={isSaving}
        onClick={() => void save()}
      >
        {trans.__('Save everything')}
      </button>
      <ul role="status" className="jp-af-List">
        {said.map(line => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </>
  );
}

/** Draw the same in the panel; nothing where access did not end. */
export function AccessPart(props: {
  readonly model: IFacilityModel;
  readonly language: ILanguage;
}): JSX.Element | null {
  const { model, language } = props;
  const { access, me } = model.state;
  useTick(access === null ? null : access.ends_at - model.now());
  if (access === null) {
    return null;
  }
  const standing: Standing = standingOf(model.state, model.now());
  return (
    <div className="jp-af-Alarm">
      <strong>{endSentence(access, standing, model.now(), language)}</strong>{' '}
      {reasonText(access, me, language)}{' '}
      {standing === 'courtesy' && <TimeToSave end={access} {...props} />}
    </div>
  );
}
