import { ServerConnection } from '@jupyterlab/services';

import { requestEvents, requestKeep, requestStop, urlOf } from '../request';
import { LIFETIME } from './worlds';

const BASE = 'http://127.0.0.1/user/student1/';

/** Settings whose fetch answers as told, and notes what is asked. */
function settingsAnswering(
  response: Response | Error,
  asked: Request[] = []
): ServerConnection.ISettings {
  return ServerConnection.makeSettings({
    baseUrl: BASE,
    fetch: async input => {
      asked.push(input as Request);
      if (response instanceof Error) {
        throw response;
      }
      return response;
    }
  });
}

/** Return the address without what keeps caches away. */
function addressOf(request: Request): string {
  return request.url.replace(/\?\d+$/, '');
}

describe('requests', () => {
  it('ask for the events after the last one', async () => {
    const asked: Request[] = [];
    const settings = settingsAnswering(new Response(''), asked);
    const { signal } = new AbortController();
    await requestEvents(settings, 'e-3', signal);
    await requestEvents(settings, '', signal);
    expect(addressOf(asked[0])).toBe(`${BASE}jupyterlab-af/events`);
    expect(asked[0].headers.get('Last-Event-ID')).toBe('e-3');
    expect(asked[1].headers.has('Last-Event-ID')).toBe(false);
  });

  it('ask to be kept', async () => {
    const asked: Request[] = [];
    const answer = new Response(JSON.stringify(LIFETIME));
    expect(await requestKeep(settingsAnswering(answer, asked))).toEqual(
      LIFETIME
    );
    expect([asked[0].method, addressOf(asked[0])]).toEqual([
      'POST',
      `${BASE}jupyterlab-af/keep`
    ]);
  });

  it('stop a cluster, whatever its name', async () => {
    const asked: Request[] = [];
    const answer = new Response(null, { status: 204 });
    await requestStop(settingsAnswering(answer, asked), 'a/../b?c');
    expect([asked[0].method, addressOf(asked[0])]).toEqual([
      'DELETE',
      `${BASE}jupyterlab-af/clusters/a%2F..%2Fb%3Fc`
    ]);
  });

  it('hand on the words of a no', async () => {
    const words = JSON.stringify({ message: 'Your server ends at 18:00.' });
    const answer = new Response(words, { status: 409 });
    await expect(requestKeep(settingsAnswering(answer))).rejects.toThrow(
      'Your server ends at 18:00.'
    );
  });

  it('throw when the server is away', async () => {
    const settings = settingsAnswering(new TypeError('Failed to fetch'));
    await expect(requestKeep(settings)).rejects.toBeInstanceOf(
      ServerConnection.NetworkError
    );
  });

  it('go to our own server', () => {
    const settings = settingsAnswering(new Response(''));
    expect(urlOf(settings, 'clusters', 'a', 'status')).toBe(
      `${BASE}jupyterlab-af/clusters/a/status`
    );
  });
});
