/**
 * Sentences about earlier versions.
 */
import { TranslationBundle } from '@jupyterlab/translation';

import { IRestored, KeptError } from './kept';

/** Return why something could not be done, in the person's language. */
export function troubleText(error: unknown, trans: TranslationBundle): string {
  const { code, message } = error as Partial<KeptError>;
  const known: Record<string, string> = {
    'unsafe-path': trans.__('This is no path of a file here.'),
    'not-kept': trans.__(
      'No earlier versions are kept here. Which areas have a backup is for the administrators to say.'
    ),
    gone: trans.__('This version is no longer kept.'),
    'not-there': trans.__('It is not there any more. Look again.'),
    'not-yours': trans.__('You may not read or change this.'),
    'in-the-way': trans.__(
      'The way there leads through a link, or through something that is no folder.'
    ),
    'no-room': trans.__(
      'There is no room for it. Nothing was changed; delete what you no longer need, then try again.'
    ),
    'whole-tree': trans.__(
      'A whole area cannot be replaced. Restore it as a copy, or restore what lies in it.'
    ),
    mounted: trans.__(
      'This is a whole area, or holds one, and cannot be deleted.'
    ),
    outside: trans.__('This is in no area of yours.'),
    'in-part': trans.__(
      'Some of it could not be deleted; what you may not delete is still there.'
    ),
    'too-large': trans.__('It is too large to compare here.'),
    'not-text': trans.__('It is no text, and cannot be compared.')
  };
  return (
    known[code ?? ''] ??
    (message || trans.__('Your server does not answer. Try again in a moment.'))
  );
}

/** Return what came of a restore. */
export function restoredText(
  done: IRestored,
  trans: TranslationBundle
): string {
  const sentences = [trans.__('It is back: %1.', done.path)];
  if (done.kept) {
    sentences.push(trans.__('What was there is kept as %1.', done.kept));
  }
  if (done.left_out > 0) {
    sentences.push(
      trans.__('Left out, as you may not read them: %1.', done.left_out)
    );
  }
  return sentences.join(' ');
}
