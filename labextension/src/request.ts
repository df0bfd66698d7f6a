/**
 * Requests to this package's routes on the person's own server.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { IUnavailable, MeReply, NAMESPACE } from './tokens';

/** What a server without our server extension amounts to. */
const OUTSIDE: IUnavailable = {
  available: false,
  outside: true,
  cause: 'outside',
  reason: 'This server has no analysis facility extension.'
};

/**
 * Ask one of our routes.
 *
 * @throws ServerConnection.NetworkError if the server does not answer.
 * @throws ServerConnection.ResponseError if it answers with an error.
 */
export async function requestAPI<T>(
  endPoint: string,
  settings: ServerConnection.ISettings,
  init: RequestInit = {}
): Promise<T> {
  const url = URLExt.join(settings.baseUrl, NAMESPACE, endPoint);
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(url, init, settings);
  } catch (error) {
    throw new ServerConnection.NetworkError(error as TypeError);
  }
  if (!response.ok) {
    throw await ServerConnection.ResponseError.create(response);
  }
  return (await response.json()) as T;
}

/**
 * Ask who the person is and what their server was started with.
 */
export async function requestMe(
  settings: ServerConnection.ISettings
): Promise<MeReply> {
  try {
    return await requestAPI<MeReply>('me', settings);
  } catch (error) {
    if (
      error instanceof ServerConnection.ResponseError &&
      error.response.status === 404
    ) {
      return OUTSIDE;
    }
    throw error;
  }
}
