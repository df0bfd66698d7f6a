/**
 * Names, ids and the shapes of the server's replies.
 *
 * Importing this file has no side effects.
 */

/** The package, which is also the namespace of the server's routes. */
export const NAMESPACE = 'jupyterlab-af';

/** The translation domain of every string of this package. */
export const DOMAIN = 'jupyterlab_af';

/** The plugin that shows the profile in the status bar. */
export const PROFILE_PLUGIN_ID = `${NAMESPACE}:profile`;

/** Why the facility cannot be asked. */
export type Cause = 'outside' | 'unreachable' | 'refused' | 'unexpected';

/** The facility, and whom to write to. */
export interface IFacility {
  readonly name: string;
  readonly contact: string;
}

/** A storage area as this server sees it. */
export interface IArea {
  readonly name: string;
  readonly path: string;
  readonly read_only: boolean;
}

/** What this server was started with. */
export interface IServer {
  readonly name: string;
  readonly profile: string;
  readonly profile_display_name: string;
  readonly size: string;
  readonly gpu: string | null;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly start_id: string;
  readonly areas: readonly IArea[];
}

/** Reply of `GET /jupyterlab-af/me` when the facility answered. */
export interface IMe {
  readonly available: true;
  readonly user: string;
  readonly groups: readonly string[];
  readonly admin: boolean;
  readonly facility: IFacility;
  readonly server: IServer | null;
}

/** Reply of `GET /jupyterlab-af/me` when the facility cannot be asked. */
export interface IUnavailable {
  readonly available: false;
  readonly outside: boolean;
  readonly cause: Cause;
  readonly reason: string;
}

/** Reply of `GET /jupyterlab-af/me`. */
export type MeReply = IMe | IUnavailable;
