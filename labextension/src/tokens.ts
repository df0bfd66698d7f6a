/**
 * Names, ids and the few shapes that are ours and not the service's.
 *
 * What the service says is in generated/panel.ts. Importing this file has no side
 * effects.
 */
import { Token } from '@lumino/coreutils';
import { ISignal } from '@lumino/signaling';

import {
  AccessEnd,
  ClusterOfMine,
  DaskOfMine,
  HistoryLine,
  Lifetime,
  Me,
  PanelEvent,
  StorageEvent,
  TokenOfMine,
  TreeOfMine
} from './generated/panel';

/** The package, which is also the namespace of the server's routes. */
export const NAMESPACE = 'jupyterlab-af';

/** The translation domain of every string of this package. */
export const DOMAIN = 'jupyterlab_af';

/** The plugin that keeps what is known of the facility. */
export const FACILITY_PLUGIN_ID = `${NAMESPACE}:facility`;

/** The plugin that shows the profile in the status bar. */
export const PROFILE_PLUGIN_ID = `${NAMESPACE}:profile`;

/** The plugin that shows the facility in the side bar. */
export const PANEL_PLUGIN_ID = `${NAMESPACE}:panel`;

/** The plugin that warns before the server is stopped. */
export const WARNING_PLUGIN_ID = `${NAMESPACE}:warning`;

/** The plugin that says that access ended, and saves everything. */
export const ACCESS_PLUGIN_ID = `${NAMESPACE}:access`;

/** The plugin that shows the token in the status bar. */
export const TOKEN_PLUGIN_ID = `${NAMESPACE}:token`;

/** The plugin that marks documents that the server's end would take away. */
export const MARKS_PLUGIN_ID = `${NAMESPACE}:marks`;

/** The plugin that shows earlier versions and brings them back. */
export const VERSIONS_PLUGIN_ID = `${NAMESPACE}:versions`;

/** The command that shows the earlier versions of a file or folder. */
export const VERSIONS_COMMAND = `${NAMESPACE}:show-versions`;

/** The command that shows what was deleted in a folder. */
export const DELETED_COMMAND = `${NAMESPACE}:show-deleted`;

/** The plugin that shows what fills a disk. */
export const DISK_PLUGIN_ID = `${NAMESPACE}:disk`;

/** The command that shows what fills a disk. */
export const DISK_COMMAND = `${NAMESPACE}:show-largest`;

/** The command that shows the side bar's panel. */
export const OPEN_COMMAND = `${NAMESPACE}:open`;

/** The page's option that holds the server's root folder, in a facility only. */
export const ROOT_OPTION = 'afRoot';

/** Why the facility cannot be asked. */
export type Cause = 'outside' | 'unreachable' | 'refused' | 'unexpected';

/** The facility cannot be asked. `reason` is a sentence in English. */
export interface IAway {
  readonly kind: 'away';
  readonly cause: Cause;
  readonly reason: string;
}

/** The facility is there, or there again. */
export interface IBack {
  readonly kind: 'back';
}

/** What the stream of our own server says. */
export type StreamEvent = PanelEvent | IAway | IBack;

/** How it stands with the facility: not heard yet, there, or away. */
export type Connection = { readonly kind: 'waiting' } | IBack | IAway;

/** All that is known of the facility. */
export interface IFacilityState {
  readonly connection: Connection;
  readonly me: Me | null;
  readonly lifetime: Lifetime | null;
  readonly clusters: readonly ClusterOfMine[];
  readonly dask: DaskOfMine | null;
  readonly storage: StorageEvent | null;
  /** That the server ends because access ended. */
  readonly access: AccessEnd | null;
  /** The access token in the server; null where there is none to have. */
  readonly token: TokenOfMine | null;
  /** The newest lines about me, newest first. */
  readonly lines: readonly HistoryLine[];
}

/** Which tree: what a person, or a folder's group, has of an area. */
export type ITreeName = Pick<TreeOfMine, 'area' | 'owner'>;

/** A file, or a folder with all below it; `path` is relative to the tree. */
export interface ILargeEntry {
  readonly path: string;
  readonly is_folder: boolean;
  readonly used_bytes: number;
  readonly files: number;
  readonly modified_at: number;
}

/** What fills a tree below one of its folders, largest first, when it was counted. */
export interface ILargest {
  readonly entries: readonly ILargeEntry[];
  readonly largest_files: readonly ILargeEntry[];
  readonly used_bytes: number;
  readonly files: number;
  readonly counted_at: number | null;
}

/** Whether a count began, and when the next one may. */
export interface IRecount {
  readonly has_begun: boolean;
  readonly again_at: number;
  readonly counted_at: number | null;
}

/** What a person can do about their disks; each rejection has words. */
export interface IDiskActs {
  /** Say what fills a tree, below a folder of it. */
  largest(tree: ITreeName, path: string): Promise<ILargest>;

  /** Have a tree counted again. */
  recount(tree: ITreeName): Promise<IRecount>;

  /** Delete a file or a folder for good; the path is below the server's root. */
  remove(path: string): Promise<void>;
}

/** What is known of the facility, and what a person can do about it. */
export interface IFacilityModel {
  readonly state: IFacilityState;

  /** Emitted when the state changed. */
  readonly changed: ISignal<IFacilityModel, void>;

  /** The folder that the paths of documents begin at; empty outside a facility. */
  readonly root: string;

  /** Return the time, in seconds since 1970, as the server's clock has it. */
  now(): number;

  /** Say that the server shall not be stopped as idle; a rejection has words. */
  keep(): Promise<Lifetime>;

  /** Stop a cluster of mine; a rejection has words. */
  stopCluster(name: string): Promise<void>;

  /** What can be done about the disks. */
  readonly disks: IDiskActs;

  /** Return the address of a cluster's dashboard. */
  dashboardUrl(name: string): string;

  /** Ask again if the facility is away. */
  retry(): void;
}

/** What is known of the facility. */
export const IFacilityModel = new Token<IFacilityModel>(
  `${NAMESPACE}:IFacilityModel`,
  'What is known of the analysis facility, its clusters and this server.'
);
