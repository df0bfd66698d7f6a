/**
 * Numbers, times and sentences in the person's language.
 */
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';

import { ServerOfMine } from './generated/panel';
import { Cause, DOMAIN, IAway, IFacilityState } from './tokens';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** A person's language: their sentences, and how they write numbers (`it-IT`). */
export interface ILanguage {
  readonly trans: TranslationBundle;
  readonly code: string;
}

/** Return the language of a translator, as this browser writes numbers and times. */
export function languageOf(translator: ITranslator | null): ILanguage {
  const { languageCode } = translator ?? nullTranslator;
  const code = languageCode.replace('_', '-');
  const [language] = code.split('-');
  return {
    trans: (translator ?? nullTranslator).load(DOMAIN),
    // "en" alone would be American to everybody.
    code:
      navigator.languages.find(own => own.split('-')[0] === language) ?? code
  };
}

/** What the status bar says, and what it says on a closer look. */
export interface IWords {
  readonly text: string;
  readonly tooltip: string;
}

/** Return the words of the status bar. */
export function wordsOf(
  state: IFacilityState,
  language: ILanguage,
  now: number
): IWords {
  const { trans } = language;
  const { access, connection, me } = state;
  if (connection.kind === 'away') {
    if (access !== null && now >= access.ends_at) {
      // nobody is away: the banner says why it does not answer
      return {
        text: trans.__('Your server was stopped.'),
        tooltip: trans.__('Click to ask again.')
      };
    }
    return {
      text: trans.__('Facility: not reachable'),
      tooltip: `${awaySentence(connection, trans)}\n${trans.__('Click to ask again.')}`
    };
  }
  if (me === null) {
    return { text: '', tooltip: '' };
  }
  const contact = trans.__('Contact: %1', me.facility.contact);
  if (me.server === null) {
    return { text: me.facility.name, tooltip: contact };
  }
  return {
    text: `${me.server.profile_display_name} · ${me.server.size}`,
    tooltip: [
      me.facility.name,
      ...limitLines(me.server, language),
      contact
    ].join('\n')
  };
}

/** Return the limits of a server, one a line. */
export function limitLines(
  server: ServerOfMine,
  language: ILanguage
): string[] {
  const { trans } = language;
  const lines = [
    trans.__('Cores: %1', numberText(server.cores, language)),
    trans.__('Memory: %1', memoryText(server.memory_bytes, language))
  ];
  if (server.gpu !== null) {
    lines.push(trans.__('GPU: %1', server.gpu));
  }
  return lines;
}

/** Return why the facility cannot be asked. */
export function awaySentence(away: IAway, trans: TranslationBundle): string {
  const sentence = causeSentence(away.cause, trans);
  // Why a token is refused is the service's to say; the rest is ours to translate.
  return away.cause === 'refused' && away.reason ? away.reason : sentence;
}

function causeSentence(cause: Cause, trans: TranslationBundle): string {
  switch (cause) {
    case 'refused':
      return trans.__(
        "The facility no longer accepts this server's token. Save your work, then stop the server and start it again from the hub."
      );
    case 'unexpected':
      return trans.__(
        "The facility gave an answer that this Lab does not understand. Tell the facility's administrators."
      );
    default:
      return trans.__(
        'The facility does not answer. What runs goes on, and your files can be saved.'
      );
  }
}

/** Return a number. */
export function numberText(value: number, language: ILanguage): string {
  return new Intl.NumberFormat(language.code, {
    maximumFractionDigits: 1
  }).format(value);
}

/** Return memory in the largest unit of 1024 that gives at least one. */
export function memoryText(bytes: number, language: ILanguage): string {
  const [unit, name] = bytes >= GIB ? [GIB, 'GiB'] : [MIB, 'MiB'];
  return `${numberText(bytes / unit, language)} ${name}`;
}

/** Return a duration in its two largest units; seconds only where there are few. */
export function durationText(
  seconds: number,
  trans: TranslationBundle
): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole <= 120) {
    return trans.__('%1 s', whole);
  }
  const minutes = Math.ceil(whole / 60);
  const hours = Math.floor(minutes / 60);
  if (hours === 0) {
    return trans.__('%1 min', minutes);
  }
  if (hours < 24) {
    return minutes % 60 === 0
      ? trans.__('%1 h', hours)
      : trans.__('%1 h %2 min', hours, minutes % 60);
  }
  return trans.__('%1 d %2 h', Math.floor(hours / 24), hours % 24);
}

/** Return the time of day, with the day where that is another than today. */
export function timeText(
  seconds: number,
  now: number,
  language: ILanguage
): string {
  const date = new Date(seconds * 1000);
  const isToday = date.toDateString() === new Date(now * 1000).toDateString();
  return new Intl.DateTimeFormat(language.code, {
    ...(isToday ? {} : { weekday: 'short', day: 'numeric', month: 'short' }),
    hour: '2-digit',
    minute: '2-digit'
  }).format(date);
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Return the size of a file or a disk in the unit of 1024 that gives at least one. */
export function sizeText(bytes: number, language: ILanguage): string {
  const power = bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10);
  const unit = Math.min(power, SIZES.length - 1);
  return `${numberText(bytes / 1024 ** unit, language)} ${SIZES[unit]}`;
}

/** Return a day and its time, in the person's language and zone. */
export function dayText(seconds: number, language: ILanguage): string {
  return new Intl.DateTimeFormat(language.code, {
    dateStyle: 'medium',
    timeStyle: 'short'
  }).format(new Date(seconds * 1000));
}
