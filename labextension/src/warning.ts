/**
 * The warning before the server is stopped.
 */
import { Notification } from '@jupyterlab/apputils';
import { IDisposable } from '@lumino/disposable';

import { deadlineOf, IDeadline } from './lifetime';
import { IFacilityModel } from './tokens';
import { ILanguage, timeText } from './words';

/** A moment for what was missed to arrive, before what is held is believed. */
const SETTLE = 1000;
/** The browser's timers count no further. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Warns once for each end that comes near, takes the warning back when the end moves
 * away, and says nothing while the facility is away: nothing stops the server then.
 */
export class StopWarning implements IDisposable {
  constructor(options: StopWarning.IOptions) {
    this._options = options;
    options.model.changed.connect(this._plan, this);
    this._plan();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    window.clearTimeout(this._timer);
    this._options.model.changed.disconnect(this._plan, this);
    this._dismiss();
  }

  /** Look again when the end comes near. */
  private _plan(): void {
    window.clearTimeout(this._timer);
    const { model } = this._options;
    const { connection, lifetime } = model.state;
    const deadline = deadlineOf(lifetime, model.now());
    if (deadline === null || lifetime === null) {
      this._dismiss();
      return;
    }
    if (connection.kind !== 'back') {
      return;
    }
    const wait = deadline.at - lifetime.warn_seconds - model.now();
    if (wait > 0) {
      this._dismiss();
    }
    const timer = Math.min(Math.max(wait * 1000, SETTLE), LONGEST_TIMER);
    this._timer = window.setTimeout(() => this._look(), timer);
  }

  private _look(): void {
    const { model } = this._options;
    const { lifetime } = model.state;
    const deadline = deadlineOf(lifetime, model.now());
    const warnAt = (deadline?.at ?? 0) - (lifetime?.warn_seconds ?? 0);
    if (document.hidden || deadline === null || model.now() >= deadline.at) {
      // A hidden page is told nothing; seen again, it hears first and then looks.
      return;
    }
    if (model.now() < warnAt) {
      this._plan();
    } else if (deadline.at !== this._warnedOf) {
      this._warn(deadline);
    }
  }

  private _warn(deadline: IDeadline): void {
    this._dismiss();
    this._warnedOf = deadline.at;
    const { language } = this._options;
    this._id = Notification.warning(this._sentence(deadline), {
      autoClose: false,
      actions:
        deadline.keptUntil === null
          ? []
          : [
              {
                label: language.trans.__('Keep my server'),
                displayType: 'accent',
                callback: event => {
                  event.preventDefault();
                  void this._keep();
                }
              }
            ]
    });
  }

  private _sentence(deadline: IDeadline): string {
    const { language, model } = this._options;
    const { trans } = language;
    const time = timeText(deadline.at, model.now(), language);
    return deadline.rule === 'idle'
      ? trans.__(
          'Your server stops at %1 because nothing happens in it. Saved files stay.',
          time
        )
      : trans.__(
          'Your server stops at %1: its longest time is over. Save your work now.',
          time
        );
  }

  private async _keep(): Promise<void> {
    const { language, model } = this._options;
    try {
      const lifetime = await model.keep();
      const at = lifetime.stop_at ?? model.now();
      const time = timeText(at, model.now(), language);
      this._dismiss();
      const words = language.trans.__('Your server now runs until %1.', time);
      Notification.success(words, { autoClose: 5000 });
    } catch (error) {
      Notification.error((error as Error).message, { autoClose: 10_000 });
    }
  }

  private _dismiss(): void {
    if (this._id) {
      Notification.dismiss(this._id);
      this._id = '';
    }
    this._warnedOf = 0;
  }

  private readonly _options: StopWarning.IOptions;
  private _timer = 0;
  private _id = '';
  private _warnedOf = 0;
  private _isDisposed = false;
}

/** A namespace for the warning's options. */
export namespace StopWarning {
  /** What the warning is made of. */
  export interface IOptions {
    readonly model: IFacilityModel;
    readonly language: ILanguage;
  }
}
