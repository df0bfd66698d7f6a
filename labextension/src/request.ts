/**
 * Requests to this package's routes on the person's own server.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { Lifetime } from './generated/panel';
import { checked } from './kept';
import { IDiskActs, ITreeName, NAMESPACE } from './tokens';

/** Return the address of one of our routes. */
export function urlOf(
  settings: ServerConnection.ISettings,
  ...parts: string[]
): string {
  const path = parts.map(part => encodeURIComponent(part));
  return URLExt.join(settings.baseUrl, NAMESPACE, ...path);
}

/**
 * Ask one of our routes.
 *
 * @throws ServerConnection.NetworkError if the server does not answer.
 * @throws ServerConnection.ResponseError if it says no; its message is the words.
 */
async function ask(
  url: string,
  settings: ServerConnection.ISettings,
  init: RequestInit
): Promise<Response> {
  const response = await ServerConnection.makeRequest(url, init, settings);
  if (!response.ok) {
    throw await ServerConnection.ResponseError.create(response);
  }
  return response;
}

/** Open the stream of events after an event. */
export function requestEvents(
  settings: ServerConnection.ISettings,
  lastId: string,
  signal: AbortSignal
): Promise<Response> {
  const headers = {
    Accept: 'text/event-stream',
    ...(lastId && { 'Last-Event-ID': lastId })
  };
  const init = { headers, signal };
  return ServerConnection.makeRequest(
    urlOf(settings, 'events'),
    init,
    settings
  );
}

/** Say that this server shall not be stopped as idle. */
export async function requestKeep(
  settings: ServerConnection.ISettings
): Promise<Lifetime> {
  const init = { method: 'POST', body: '{}' };
  const response = await ask(urlOf(settings, 'keep'), settings, init);
  return (await response.json()) as Lifetime;
}

/** Say that somebody is at the keyboard. */
export async function requestActive(
  settings: ServerConnection.ISettings
): Promise<void> {
  const init = { method: 'POST', body: '{}' };
  await ask(urlOf(settings, 'active'), settings, init);
}

/** Stop a Dask cluster. */
export async function requestStop(
  settings: ServerConnection.ISettings,
  name: string
): Promise<void> {
  const url = urlOf(settings, 'clusters', name);
  await ask(url, settings, { method: 'DELETE' });
}

/** Return what asks our server about the disks. */
export function diskRequests(settings: ServerConnection.ISettings): IDiskActs {
  const at = (route: string, query: Record<string, string>): string =>
    `${urlOf(settings, route)}?${new URLSearchParams(query)}`;
  const named = ({ area, owner }: ITreeName): Record<string, string> => ({
    area,
    owner
  });
  return {
    largest: async (tree, path) => {
      const url = at('largest', { ...named(tree), path });
      return (await ask(url, settings, {})).json();
    },
    recount: async tree => {
      const init = { method: 'POST', body: '{}' };
      return (await ask(at('recount', named(tree)), settings, init)).json();
    },
    remove: async path => {
      const url = at('entries', { path });
      const init = { method: 'DELETE' };
      await checked(await ServerConnection.makeRequest(url, init, settings));
    }
  };
}
