import { ServerConnection } from '@jupyterlab/services';

import { requestMe } from '../request';

/** Settings whose fetch answers as told, and refuses any other address. */
function settingsAnswering(
  answer: () => Promise<Response>
): ServerConnection.ISettings {
  return ServerConnection.makeSettings({
    baseUrl: 'http://127.0.0.1/user/student1/',
    fetch: async input => {
      const url = new URL((input as Request).url);
      if (url.pathname !== '/user/student1/jupyterlab-af/me') {
        throw new Error(`unknown address ${url.pathname}`);
      }
      return answer();
    }
  });
}

describe('requestMe', () => {
  it('hands on what the route answers', async () => {
    const reply = { available: true, user: 'student1' };
    const settings = settingsAnswering(
      async () => new Response(JSON.stringify(reply))
    );
    expect(await requestMe(settings)).toEqual(reply);
  });

  it('is outside a facility where the route is absent', async () => {
    const settings = settingsAnswering(
      async () => new Response('{}', { status: 404 })
    );
    expect(await requestMe(settings)).toMatchObject({ outside: true });
  });

  it('throws when the server refuses', async () => {
    const settings = settingsAnswering(
      async () => new Response('{}', { status: 403 })
    );
    await expect(requestMe(settings)).rejects.toBeInstanceOf(
      ServerConnection.ResponseError
    );
  });

  it('throws when the server is away', async () => {
    const settings = settingsAnswering(async () => {
      throw new TypeError('Failed to fetch');
    });
    await expect(requestMe(settings)).rejects.toBeInstanceOf(
      ServerConnection.NetworkError
    );
  });
});
