/**
 * The audit's lines about a person, in words.
 */
import { TranslationBundle } from '@jupyterlab/translation';

import { HistoryLine } from './generated/panel';

/** How the facility's service calls itself. */
const FACILITY = 'af';

/** Return the sentence of a line about `user`. */
export function lineText(
  line: HistoryLine,
  user: string,
  trans: TranslationBundle
): string {
  const folder = folderOf(line);
  const words = sentenceOf(line, trans);
  // what is a group's is not "yours" alone: its name says whose
  const sentence = folder ? trans.__('%1: %2', folder, words) : words;
  // Why the facility itself acted is in the sentence.
  const isOther =
    ![user, FACILITY].includes(line.actor) &&
    /^(server|account|backup)\./.test(line.action);
  return isOther ? trans.__('%1 (by %2)', sentence, line.actor) : sentence;
}

function sentenceOf(line: HistoryLine, trans: TranslationBundle): string {
  if (line.action === 'access.end') {
    return accessEndSentence(line.rule, trans);
  }
  const known: Record<string, string> = {
    'access.back done': trans.__('Your access is back.'),
    'login allowed': trans.__('You signed in.'),
    'login refused': refusedSentence(line.rule, trans),
    'account.register done': trans.__('Your account was made.'),
    'account.rename done': trans.__('Your account has a new name.'),
    'account.retire done': trans.__('Your account was closed.'),
    'account.reopen done': trans.__('Your account was opened again.'),
    'account.export allowed': trans.__('All your files were copied out.'),
    'backup.run allowed': trans.__('A backup of your files was asked for.'),
    'backup.run failed': trans.__(
      'A backup of your files failed; the earlier ones are whole.'
    ),
    'backup.run done': trans.__('Your files are backed up again.'),
    'backup.copy allowed': trans.__('Files of your backups were copied out.'),
    'backup.purge allowed': trans.__(
      'Something of yours was taken out of all backups.'
    ),
    'backup.list allowed': trans.__('Somebody looked at your backups.'),
    'backup.verify allowed': trans.__(
      'Your files were compared with a backup.'
    ),
    'backup.restore allowed': trans.__(
      'Files of yours are being restored from a backup.'
    ),
    'backup.restore done': trans.__(
      'Files of yours were restored from a backup.'
    ),
    'server.start done': trans.__('Your server started.'),
    'server.start allowed': trans.__('Your server started.'),
    'server.start refused': trans.__('A start of your server was refused.'),
    'server.start failed': trans.__('Your server could not start.'),
    'server.stop done': stopSentence(line.rule, trans),
    'server.keep done': trans.__('Your server was kept running.'),
    'cluster.start done': trans.__('A Dask cluster started.'),
    'cluster.start refused': trans.__('A Dask cluster was refused.'),
    'cluster.start failed': trans.__('A Dask cluster could not start.'),
    'storage.restore done': trans.__(
      'You brought an earlier version back: %1.',
      pathOf(line)
    ),
    'storage.purge done': trans.__(
      'You removed all earlier versions: %1.',
      pathOf(line)
    ),
    'storage.near done': trans.__('Nearly full: %1.', pathOf(line)),
    'storage.full done': trans.__('Full: %1.', pathOf(line)),
    'storage.ok done': trans.__('There is room again: %1.', pathOf(line)),
    'cluster.stop done': clusterStopSentence(line.rule, trans)
  };
  return (
    known[`${line.action} ${line.result}`] ??
    trans.__('%1: %2', line.action, resultWord(line.result, trans))
  );
}

/** Return what of the person's a line about their files is about. */
function pathOf({ target }: HistoryLine): string {
  return target.includes('/')
    ? target.slice(target.indexOf('/') + 1)
    : target.replace(':', '/');
}

/** Return the folder of a group whose backups a line is about, empty for a person's. */
function folderOf({ action, target }: HistoryLine): string {
  const isFolder = target.includes(':') && !target.includes('/');
  return isFolder && action.startsWith('backup.')
    ? target.replace(':', '/')
    : '';
}

/** Return why access ended, or what the server was started with. */
function accessEndSentence(rule: string, trans: TranslationBundle): string {
  switch (rule) {
    case 'denied':
      return trans.__('Your access ended: your groups no longer open it.');
    case 'suspended':
      return trans.__('Your access ended: your account is suspended.');
    case 'aup-unsigned':
      return trans.__(
        'Your access ended: the acceptable use policy is not signed.'
      );
    case 'login-needed':
      return trans.__('Your access ended: you have to log in again.');
    case 'expired':
      return trans.__(
        'Your access ended: the login service did not answer for too long.'
      );
    case 'withheld':
      return trans.__(
        'Your groups no longer open what your server was started with.'
      );
    default:
      return trans.__('Your access ended.');
  }
}

/** Return why a sign-in was refused. */
function refusedSentence(rule: string, trans: TranslationBundle): string {
  switch (rule) {
    case 'denied':
      return trans.__('A sign-in was refused: your groups do not open it.');
    case 'suspended':
      return trans.__('A sign-in was refused: your account is suspended.');
    case 'aup-unsigned':
      return trans.__(
        'A sign-in was refused: the acceptable use policy is not signed.'
      );
    default:
      return trans.__('A sign-in was refused.');
  }
}

/** Return why a server was stopped. */
function stopSentence(rule: string, trans: TranslationBundle): string {
  switch (rule) {
    case 'lifetime-idle':
      return trans.__('Your server was stopped: nothing happened in it.');
    case 'lifetime-longest':
      return trans.__('Your server was stopped: its longest time was over.');
    case 'access-lost':
      return trans.__('Your server was stopped: your access had ended.');
    case 'withheld':
      return trans.__(
        'Your server was stopped: your groups no longer open what it was started with.'
      );
    default:
      return trans.__('Your server was stopped.');
  }
}

/** Return why a cluster was stopped. */
function clusterStopSentence(rule: string, trans: TranslationBundle): string {
  switch (rule) {
    case 'asked':
      return trans.__('You stopped a Dask cluster.');
    case 'cluster-idle':
      return trans.__('A Dask cluster stopped: it had nothing to do.');
    case 'cluster-failed':
      return trans.__('A Dask cluster ended: it failed.');
    case 'access-lost':
      return trans.__('A Dask cluster was stopped: your access had ended.');
    case 'server-stopped':
    case 'server-gone':
    case 'start-replaced':
      return trans.__('A Dask cluster was stopped: its server had ended.');
    default:
      return trans.__('A Dask cluster was stopped.');
  }
}

function resultWord(result: string, trans: TranslationBundle): string {
  const known: Record<string, string> = {
    allowed: trans.__('allowed'),
    refused: trans.__('refused'),
    done: trans.__('done'),
    failed: trans.__('failed')
  };
  return known[result] ?? result;
}
