/**
 * The sentences of the status bar, made of the state.
 */
import { TranslationBundle } from '@jupyterlab/translation';

import { ProfileState } from './model';
import { Cause, IMe, IServer } from './tokens';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** What the status bar says, and what it says on a closer look. */
export interface IWords {
  readonly text: string;
  readonly tooltip: string;
}

/** Return the words for a state; a language code is like `it-IT`. */
export function wordsOf(
  state: ProfileState,
  trans: TranslationBundle,
  language: string
): IWords {
  switch (state.kind) {
    case 'hidden':
      return { text: '', tooltip: '' };
    case 'known':
      return knownWords(state.me, trans, language);
    case 'unreachable':
      return {
        text: trans.__('Facility: not reachable'),
        tooltip: `${causeSentence(state.cause, trans)}\n${trans.__('Click to ask again.')}`
      };
  }
}

/** Return memory in the largest unit of 1024 that gives at least one. */
export function memoryText(bytes: number, language: string): string {
  const [unit, name] = bytes >= GIB ? [GIB, 'GiB'] : [MIB, 'MiB'];
  return `${numberText(bytes / unit, language)} ${name}`;
}

function knownWords(
  me: IMe,
  trans: TranslationBundle,
  language: string
): IWords {
  const { server, facility } = me;
  const contact = trans.__('Contact: %1', facility.contact);
  if (server === null) {
    return { text: facility.name, tooltip: contact };
  }
  return {
    text: `${server.profile_display_name} · ${server.size}`,
    tooltip: [
      facility.name,
      ...limitLines(server, trans, language),
      contact
    ].join('\n')
  };
}

function limitLines(
  server: IServer,
  trans: TranslationBundle,
  language: string
): string[] {
  const lines = [
    trans.__('Cores: %1', numberText(server.cores, language)),
    trans.__('Memory: %1', memoryText(server.memory_bytes, language))
  ];
  if (server.gpu !== null) {
    lines.push(trans.__('GPU: %1', server.gpu));
  }
  return lines;
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

function numberText(value: number, language: string): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(
    value
  );
}
