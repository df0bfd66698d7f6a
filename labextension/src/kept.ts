/**
 * What our own server tells of earlier versions, and what it is asked to do with them.
 */
import { ServerConnection } from '@jupyterlab/services';

import { urlOf } from './request';

/** What lies at a path. */
export type EntryKind = 'file' | 'folder' | 'link';

/** A file or folder as it was; times are seconds since 1970. */
export interface IVersion {
  readonly generation: string;
  readonly since: string;
  readonly kind: EntryKind;
  readonly at: number;
  readonly modified_at: number;
  readonly size_bytes: number | null;
  readonly saved_by: string | null;
  readonly is_now: boolean;
  /** Where it can be looked at, below the server's root. */
  readonly path: string;
}

/** All that is kept of a path; `kind` is what is there now. */
export interface IVersions {
  readonly path: string;
  readonly kind: EntryKind | null;
  readonly is_tree: boolean;
  readonly generations: number;
  readonly versions: readonly IVersion[];
  readonly has_nbdime: boolean;
}

/** What is gone, as its newest version has it. */
export interface IDeletedEntry {
  readonly path: string;
  readonly kind: 'file' | 'folder';
  readonly generation: string;
  readonly at: number;
  readonly modified_at: number;
  readonly size_bytes: number | null;
}

/** What is gone below a folder. */
export interface IDeleted {
  readonly path: string;
  readonly entries: readonly IDeletedEntry[];
  readonly is_complete: boolean;
}

/** Some lines before and after; numbers count from 1. */
export interface IPart {
  readonly kind: 'equal' | 'replace' | 'delete' | 'insert';
  readonly before_at: number;
  readonly before: readonly string[];
  readonly after_at: number;
  readonly after: readonly string[];
}

/** What changed since a version. */
export interface IDifference {
  readonly path: string;
  readonly generation: string;
  readonly groups: readonly (readonly IPart[])[];
}

/** How to bring a version back. */
export type RestoreWay = 'in-place' | 'copy';

/** Where a version is now, and where what was there is kept. */
export interface IRestored {
  readonly path: string;
  readonly kept: string | null;
  readonly left_out: number;
}

/** How many versions something was removed from. */
export interface IPurged {
  readonly generations: number;
}

/** The server said no; `code` says why. */
export class KeptError extends Error {
  constructor(
    message: string,
    readonly code: string
  ) {
    super(message);
  }
}

async function ask<Answer>(
  settings: ServerConnection.ISettings,
  parts: string[],
  query: Record<string, string>,
  init: RequestInit = {}
): Promise<Answer> {
  const search = new URLSearchParams(query).toString();
  const url = urlOf(settings, 'versions', ...parts) + (search && `?${search}`);
  const response = await ServerConnection.makeRequest(url, init, settings);
  return (await (await checked(response)).json()) as Answer;
}

/**
 * Return an answer that is a yes.
 *
 * @throws KeptError if it is a no, with the server's words and its code.
 */
export async function checked(response: Response): Promise<Response> {
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    throw new KeptError(said.message ?? response.statusText, said.code ?? '');
  }
  return response;
}

/** Ask for the versions of a path. */
export function requestVersions(
  settings: ServerConnection.ISettings,
  path: string
): Promise<IVersions> {
  return ask(settings, [], { path });
}

/** Ask what is gone below a folder. */
export function requestDeleted(
  settings: ServerConnection.ISettings,
  path: string
): Promise<IDeleted> {
  return ask(settings, ['deleted'], { path });
}

/** Ask what changed in a text since a version. */
export function requestDifference(
  settings: ServerConnection.ISettings,
  path: string,
  generation: string
): Promise<IDifference> {
  return ask(settings, ['difference'], { path, generation });
}

/** Have a version brought back. */
export function requestRestore(
  settings: ServerConnection.ISettings,
  wish: { path: string; generation: string; how: RestoreWay }
): Promise<IRestored> {
  const init = { method: 'POST', body: JSON.stringify(wish) };
  return ask(settings, ['restore'], {}, init);
}

/** Have all versions of something removed. */
export function requestPurge(
  settings: ServerConnection.ISettings,
  path: string
): Promise<IPurged> {
  const init = { method: 'POST', body: JSON.stringify({ path }) };
  return ask(settings, ['purge'], {}, init);
}
