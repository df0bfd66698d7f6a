/**
 * That access ended: what a person reads, and how everything is saved in time.
 */
import { DocumentRegistry } from '@jupyterlab/docregistry';
import { TranslationBundle } from '@jupyterlab/translation';

import { AccessEnd, Me } from './generated/panel';
import { IFacilityState } from './tokens';
import { ILanguage, timeText } from './words';

/**
 * How it stands: nothing ends, the time to save runs, it is over and the server is about
 * to stop, or the server was stopped.
 */
export type Standing = 'none' | 'courtesy' | 'stopping' | 'stopped';

/** Return how it stands with access; a server that answers was not stopped. */
export function standingOf(state: IFacilityState, now: number): Standing {
  const { access, connection } = state;
  if (access === null) {
    return 'none';
  }
  if (now < access.ends_at) {
    return 'courtesy';
  }
  return connection.kind === 'away' ? 'stopped' : 'stopping';
}

/** Return what happens to the server, in a sentence without a countdown. */
export function endSentence(
  end: AccessEnd,
  standing: Standing,
  now: number,
  language: ILanguage
): string {
  const { trans } = language;
  switch (standing) {
    case 'stopped':
      return trans.__('Your server was stopped. Saved files stay.');
    case 'stopping':
      return trans.__('Your server stops now. Saved files stay.');
    default:
      return trans.__(
        'Your server stops at %1. Save your work now.',
        timeText(end.ends_at, now, language)
      );
  }
}

/** Return why, and whom to ask: in the service's words, or in the person's language. */
export function reasonText(
  end: AccessEnd,
  me: Me | null,
  language: ILanguage
): string {
  if (me === null || language.code.startsWith('en')) {
    return end.reason;
  }
  const { name, contact } = me.facility;
  return ruleSentence(end.rule, name, contact, language.trans);
}

function ruleSentence(
  rule: AccessEnd['rule'],
  name: string,
  contact: string,
  trans: TranslationBundle
): string {
  switch (rule) {
    case 'denied':
      return trans.__('Your groups no longer open %1. Ask %2.', name, contact);
    case 'suspended':
      return trans.__(
        'Your account is suspended at the login service. Ask %1.',
        contact
      );
    case 'aup-unsigned':
      return trans.__(
        'The login service asks you to sign its acceptable use policy: log in to %1 again and sign it.',
        name
      );
    case 'login-needed':
      return trans.__(
        'Your login has ended at the login service: log in to %1 again.',
        name
      );
    case 'expired':
      return trans.__(
        'The login service has not answered for a long time, so %1 cannot know whether you may still use it. Log in again when it answers; %2 knows more.',
        name,
        contact
      );
    case 'withheld':
      return trans.__(
        'Your groups no longer open what this server was started with. Ask %1.',
        contact
      );
  }
}

/** As much of an open document as saving it needs. */
export type ISavable = Pick<
  DocumentRegistry.Context,
  'canSave' | 'localPath' | 'save'
> & {
  readonly model: Pick<DocumentRegistry.IModel, 'collaborative' | 'dirty'>;
};

/** What came of saving everything. */
export interface ISaved {
  readonly saved: readonly string[];
  readonly failed: readonly { readonly path: string; readonly why: string }[];
}

/** Save every document that has changes; one that cannot be saved holds up no other. */
export async function saveAll(
  documents: Iterable<ISavable>,
  trans: TranslationBundle
): Promise<ISaved> {
  // a shared document saves itself
  const dirty = [...documents].filter(
    ({ model }) => model.dirty && !model.collaborative
  );
  const outcomes = await Promise.all(
    dirty.map(async document => ({
      path: document.localPath,
      why: await saveOne(document, trans)
    }))
  );
  return {
    saved: outcomes.filter(({ why }) => !why).map(({ path }) => path),
    failed: outcomes.filter(({ why }) => why)
  };
}

/** Save a document; return why it could not be, or nothing. */
async function saveOne(
  document: ISavable,
  trans: TranslationBundle
): Promise<string> {
  if (!document.canSave) {
    return trans.__('it cannot be changed here');
  }
  try {
    await document.save();
  } catch (error) {
    return (error as Error).message || trans.__('it was not saved');
  }
  return '';
}

/** Return what a person reads after everything was saved. */
export function savedSentences(
  { saved, failed }: ISaved,
  trans: TranslationBundle
): string[] {
  const lines = failed.map(({ path, why }) =>
    trans.__('Not saved: %1 (%2).', path, why)
  );
  if (saved.length > 0) {
    lines.unshift(trans.__('Saved: %1.', saved.join(', ')));
  }
  return lines.length > 0 ? lines : [trans.__('Everything is saved.')];
}
