import { lineText } from '../history';
import { ENGLISH, line } from './worlds';

describe('lineText', () => {
  it.each([
    [{}, 'Your server started.'],
    [{ actor: 'admin1' }, 'Your server started. (by admin1)'],
    [{ result: 'refused' }, 'A start of your server was refused.'],
    [{ action: 'login', result: 'allowed' }, 'You signed in.'],
    [
      { action: 'server.stop', rule: 'lifetime-idle', actor: 'af' },
      'Your server was stopped: nothing happened in it.'
    ],
    [
      { action: 'server.stop', rule: 'lifetime-longest', actor: 'af' },
      'Your server was stopped: its longest time was over.'
    ],
    [
      { action: 'cluster.stop', rule: 'server-gone', actor: 'af' },
      'A Dask cluster was stopped: its server had ended.'
    ],
    [{ action: 'cluster.stop' }, 'A Dask cluster was stopped.'],
    [{ action: 'cluster.stop', rule: 'asked' }, 'You stopped a Dask cluster.'],
    [
      { action: 'cluster.stop', rule: 'cluster-idle', actor: 'dask-gateway' },
      'A Dask cluster stopped: it had nothing to do.'
    ],
    [
      { action: 'cluster.stop', rule: 'cluster-failed', actor: 'dask-gateway' },
      'A Dask cluster ended: it failed.'
    ],
    [{ action: 'account.register', result: 'done' }, 'Your account was made.'],
    [
      { action: 'account.export', result: 'allowed', actor: 'unix:root' },
      'All your files were copied out. (by unix:root)'
    ],
    [
      { action: 'backup.restore', result: 'done', actor: 'unix:root' },
      'Files of yours were restored from a backup. (by unix:root)'
    ],
    [
      {
        action: 'backup.list',
        result: 'allowed',
        actor: 'unix:root',
        target: 'collabspace:GW'
      },
      'collabspace/GW: Somebody looked at your backups. (by unix:root)'
    ],
    [
      { action: 'backup.run', result: 'failed', actor: 'storage' },
      'A backup of your files failed; the earlier ones are whole. (by storage)'
    ],
    [
      { action: 'storage.full', target: 'collabspace:GW', actor: 'af' },
      'Full: collabspace/GW.'
    ],
    [
      { action: 'storage.restore', target: 'student1/private/a.txt' },
      'You brought an earlier version back: private/a.txt.'
    ],
    [
      { action: 'storage.near', target: 'student1/private', actor: 'af' },
      'Nearly full: private.'
    ],
    [
      { action: 'storage.full', target: 'student1/private', actor: 'af' },
      'Full: private.'
    ],
    [
      { action: 'storage.ok', target: 'student1/private', actor: 'af' },
      'There is room again: private.'
    ],
    [
      { action: 'access.end', rule: 'denied', actor: 'af' },
      'Your access ended: your groups no longer open it.'
    ],
    [
      { action: 'access.end', rule: 'suspended', actor: 'af' },
      'Your access ended: your account is suspended.'
    ],
    [
      { action: 'access.end', rule: 'aup-unsigned', actor: 'af' },
      'Your access ended: the acceptable use policy is not signed.'
    ],
    [
      { action: 'access.end', rule: 'login-needed', actor: 'af' },
      'Your access ended: you have to log in again.'
    ],
    [
      { action: 'access.end', rule: 'expired', actor: 'af' },
      'Your access ended: the login service did not answer for too long.'
    ],
    [
      { action: 'access.end', rule: 'withheld', actor: 'af' },
      'Your groups no longer open what your server was started with.'
    ],
    [{ action: 'access.end', rule: 'odd', actor: 'af' }, 'Your access ended.'],
    [{ action: 'access.back', actor: 'af' }, 'Your access is back.'],
    [
      { action: 'server.stop', rule: 'access-lost', actor: 'af' },
      'Your server was stopped: your access had ended.'
    ],
    [
      { action: 'server.stop', rule: 'withheld', actor: 'af' },
      'Your server was stopped: your groups no longer open what it was started with.'
    ],
    [
      { action: 'cluster.stop', rule: 'access-lost', actor: 'af' },
      'A Dask cluster was stopped: your access had ended.'
    ],
    [{ action: 'login', result: 'refused' }, 'A sign-in was refused.'],
    [
      { action: 'login', result: 'refused', rule: 'denied' },
      'A sign-in was refused: your groups do not open it.'
    ],
    [
      { action: 'login', result: 'refused', rule: 'suspended' },
      'A sign-in was refused: your account is suspended.'
    ],
    [
      { action: 'login', result: 'refused', rule: 'aup-unsigned' },
      'A sign-in was refused: the acceptable use policy is not signed.'
    ],
    [{ action: 'disk.full', result: 'failed' }, 'disk.full: failed'],
    [{ action: 'disk.full', result: 'odd' }, 'disk.full: odd']
  ])('%j is "%s"', (more, text) => {
    expect(lineText(line(1, more), 'student1', ENGLISH.trans)).toBe(text);
  });
});
